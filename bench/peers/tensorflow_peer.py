"""TensorFlow: Keras's layers in a `tf.function`; with `--xla`, compiled."""

import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import keras
import numpy as np
import tensorflow as tf
from peer import Array, Arrays, Layer, Prepared, Unsupported, Work, arguments, reorder, serve

LAYERS = {"rnn": keras.layers.SimpleRNN, "lstm": keras.layers.LSTM, "gru": keras.layers.GRU}
# Our gate order and Keras's.
ORDER = {"rnn": ("h", "h"), "lstm": ("ifgo", "ifgo"), "gru": ("rzn", "zrn")}


class Run:
    """A layer, batch first as Keras has it, in a traced function."""

    steps = 1

    def __init__(self, work: Layer, data: Arrays, xla: bool) -> None:
        self.work = work
        self.x, self.d_h = (tf.constant(np.ascontiguousarray(a.swapaxes(0, 1))) for a in (data.x, data.d_h))
        self.initial = [tf.zeros((work.b, work.h)) for _ in range(2 if work.cell == "lstm" else 1)]
        self.layer = LAYERS[work.cell](work.h, return_sequences=True)
        self.layer.build(self.x.shape)
        self.layer.set_weights(self.weights(data))
        made = self.train if work.kind == "train" else self.infer
        self.function = tf.function(made, jit_compile=xla)

    def weights(self, data: Arrays) -> list[Array]:
        order, to = ORDER[self.work.cell]
        bias = reorder(data.b, order, to)
        if self.work.cell == "gru":
            bias = np.stack([bias, reorder(data.b_h, order, to)])
        return [reorder(data.w_x, order, to), reorder(data.w_h, order, to), bias]

    def infer(self, x: tf.Tensor, *initial: tf.Tensor) -> list[tf.Tensor]:
        return [self.layer(x, initial_state=list(initial))]

    def train(self, x: tf.Tensor, *initial: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            wanted = [x, *initial]
            tape.watch(wanted)
            outputs = self.layer(x, initial_state=list(initial), training=True)
        weights = [variable.value for variable in self.layer.trainable_variables]
        return [outputs, *tape.gradient(outputs, wanted + weights, output_gradients=self.d_h)]

    def outputs(self) -> list[tf.Tensor]:
        return self.function(self.x, *self.initial)

    def call(self) -> None:
        self.outputs()[-1].numpy()

    def results(self) -> dict[str, Array]:
        h, *gradients = (output.numpy() for output in self.outputs())
        found = {"h": h.swapaxes(0, 1)}
        if self.work.kind == "train":
            order, to = ORDER[self.work.cell]
            d_x, *d_states, d_w_x, d_w_h, d_b = gradients
            found |= {"d_x": d_x.swapaxes(0, 1), "d_h0": d_states[0]}
            found |= {"d_c0": d_states[1]} if self.work.cell == "lstm" else {}
            found |= {"d_w_x": reorder(d_w_x, to, order), "d_w_h": reorder(d_w_h, to, order)}
            if self.work.cell == "gru":
                found |= {"d_b": reorder(d_b[0], to, order), "d_b_h": reorder(d_b[1], to, order)}
            else:
                found |= {"d_b": reorder(d_b, to, order)}
        return found


def main() -> None:
    options = arguments("TensorFlow", "--xla")
    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    tf.config.threading.set_inter_op_parallelism_threads(options.threads)

    def prepare(work: Work, values: Array) -> Prepared:
        if not isinstance(work, Layer) or work.kind == "stream":
            raise Unsupported("only layers over batches are measured")
        return Run(work, Arrays.of(work, values), options.xla)

    serve("TensorFlow XLA" if options.xla else "TensorFlow", tf.__version__, prepare)


if __name__ == "__main__":
    main()
