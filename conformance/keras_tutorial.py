"""The tutorial program in Keras, in float32: SimpleRNN(8) and Dense(1, sigmoid) on X (10, 5, 1), Adam, binary
cross-entropy, 20 epochs. Records what Gimbap needs to repeat it and what `fit` reports after each epoch.

`tutorial_batch32`: batch size 32, so that one batch holds all ten sequences. `tutorial_batch4`: batches of 4, 4
and 2. The shuffling is ours, so that it can be recorded: each epoch is a `fit` of the rows in a stored order. An
epoch's loss is the mean over its sequences, each taken before its batch's update.
"""

import os

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np
import torch

import cases
import convention

EPOCHS = 20


def tensors(model):
    kernel, recurrent, bias, w, b = (a.copy() for a in model.get_weights())
    rnn = convention.from_keras("simple_rnn_tanh", kernel, recurrent, bias)
    return {f"layer.0.{n}": a for n, a in rnn.items()} | {"layer.1.w": w, "layer.1.b": b}


def tutorial(batch_size):
    name = f"tutorial_batch{batch_size}"
    rng = cases.rng_for(name)
    keras.utils.set_random_seed(1)
    x = rng.random((10, 5, 1), dtype="float32")
    y = rng.permutation([0, 1] * 5).reshape(10, 1).astype("float32")
    model = keras.Sequential(
        [keras.Input((5, 1)), keras.layers.SimpleRNN(8), keras.layers.Dense(1, activation="sigmoid")]
    )
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    t = {"x": x, "y": y} | tensors(model)
    t["order"] = np.stack([rng.permutation(len(x)) for _ in range(EPOCHS)])
    reports = []
    for order in t["order"]:
        fit = model.fit(x[order], y[order], epochs=1, batch_size=batch_size, shuffle=False, verbose=0)
        reports.append([fit.history[name][0] for name in ("loss", "accuracy")])
    t["loss"], t["accuracy"] = np.float32(reports).T
    t["predictions"] = model.predict(x, verbose=0)
    t |= {f"final.{n}": a for n, a in tensors(model).items()}
    case = dict(kind="tutorial", peer="keras", batch_size=batch_size, epochs=EPOCHS, units=8)
    case["optimizer"] = dict(type="adam", rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7)
    convention.save(name, __file__, ["keras", "torch"], case, t)


if __name__ == "__main__":
    torch.set_num_threads(1)
    tutorial(32)
    tutorial(4)
