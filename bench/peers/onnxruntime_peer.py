"""ONNX Runtime: a graph of one recurrent node. It does not train."""

from typing import Any

import numpy as np
import onnxruntime
from onnx import ModelProto, TensorProto, helper
from peer import Array, Arrays, Layer, Prepared, Unsupported, Work, arguments, reorder, serve

# Our gate order and ONNX's (in our letters).
ORDER = {"rnn": ("h", "h"), "lstm": ("ifgo", "iofg"), "gru": ("rzn", "zrn")}


def graph(work: Layer, data: Arrays) -> ModelProto:
    """`X [T, B, I]` and the initial states to `Y [T, 1, B, H]` and the last states."""
    order, to = ORDER[work.cell]
    b_h = data.b_h if data.b_h.size else np.zeros_like(data.b)
    weights = {
        "W": reorder(data.w_x, order, to).T[None],
        "R": reorder(data.w_h, order, to).T[None],
        "B": np.concatenate([reorder(data.b, order, to), reorder(b_h, order, to)])[None],
    }
    steps = 1 if work.kind == "stream" else work.t
    names = ["h0", "c0"] if work.cell == "lstm" else ["h0"]
    inputs = [helper.make_tensor_value_info("X", TensorProto.FLOAT, [steps, work.b, work.i])]
    inputs += [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, work.b, work.h]) for name in names]
    outputs = ["Y", "Yh", "Yc"][: 1 + len(names)]
    options: dict[str, Any] = {"linear_before_reset": 1} if work.cell == "gru" else {}
    node = helper.make_node(
        work.cell.upper(), ["X", "W", "R", "B", "", *names], outputs, hidden_size=work.h, **options
    )
    tensors = [helper.make_tensor(name, TensorProto.FLOAT, w.shape, w.ravel()) for name, w in weights.items()]
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    made = helper.make_model(
        helper.make_graph([node], "layer", inputs, infos, tensors), opset_imports=[helper.make_opsetid("", 17)]
    )
    made.ir_version = 9
    return made


class Session:
    """A session and zero states."""

    def __init__(self, work: Layer, data: Arrays, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        model = graph(work, data).SerializeToString()
        self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self.names = ["h0", "c0"] if work.cell == "lstm" else ["h0"]
        self.zeros = {name: np.zeros((1, work.b, work.h), "f4") for name in self.names}


class Infer(Session):
    """The whole sequence in one run."""

    steps = 1

    def __init__(self, work: Layer, data: Arrays, threads: int) -> None:
        super().__init__(work, data, threads)
        self.feed = {"X": data.x, **self.zeros}

    def call(self) -> None:
        self.session.run(["Y"], self.feed)

    def results(self) -> dict[str, Array]:
        return {"h": self.session.run(["Y"], self.feed)[0]}


class Stream(Session):
    """A run for each frame, with the states of the run before."""

    def __init__(self, work: Layer, data: Arrays, threads: int) -> None:
        super().__init__(work, data, threads)
        self.frames, self.steps = [np.ascontiguousarray(x[None]) for x in data.x], work.t
        self.wanted = ["Yh", "Yc"][: len(self.names)]
        self.state = self.zeros

    def step(self, x: Array) -> Array:
        outputs = self.session.run(self.wanted, {"X": x, **self.state})
        self.state = dict(zip(self.names, outputs, strict=True))
        return outputs[0]

    def call(self) -> None:
        for x in self.frames:
            self.step(x)

    def results(self) -> dict[str, Array]:
        self.state = self.zeros
        return {"h": np.concatenate([self.step(x) for x in self.frames])}


def main() -> None:
    threads = arguments("ONNX Runtime").threads

    def prepare(work: Work, values: Array) -> Prepared:
        if not isinstance(work, Layer) or work.kind == "train":
            raise Unsupported("it does not train")
        kind = Stream if work.kind == "stream" else Infer
        return kind(work, Arrays.of(work, values), threads)

    serve("ONNX Runtime", onnxruntime.__version__, prepare)


if __name__ == "__main__":
    main()
