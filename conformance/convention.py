"""Gimbap's conventions: names, shapes, gate order, conversions from the peers, and the fixture file.

Dimensions: T time steps, B batch, I input features, H hidden units, G gates.

    w_x [I, G*H]   w_h [H, G*H]   b [G*H]   b_h [3*H], of gru_reset_after alone

Gate order: LSTM i, f, g, o; GRU r, z, n. Keras has z, r, h for the GRU. PyTorch keeps its matrices
transposed and has two biases for every cell, of which only those of the GRU differ in effect.
"""

import json
import os
import pathlib
from importlib.metadata import version

import numpy as np
from safetensors.numpy import load_file, save_file

FIXTURES = pathlib.Path(__file__).parent / "fixtures"

GATES = {
    "simple_rnn_tanh": 1,
    "simple_rnn_relu": 1,
    "lstm": 4,
    "gru_reset_after": 3,
    "gru_reset_before": 3,
}


def has_c(cell):
    return cell == "lstm"


def has_b_h(cell):
    return cell == "gru_reset_after"


def weight_names(cell):
    return ["w_x", "w_h", "b"] + ["b_h"] * has_b_h(cell)


def state_names(cell):
    return ["h", "c"] if has_c(cell) else ["h"]


def prefixes(case):
    """For each layer, the name prefix of each direction: `layer.0`, or `layer.0.forward` and `.backward`."""
    ends = [".forward", ".backward"] if case["merge"] else [""]
    return [[f"layer.{k}{end}" for end in ends] for k in range(case["layers"])]


# Keras. All its recurrent weights have Gimbap's shapes; only the GRU's gates are in another order.


def _swap_r_z(cell, a):
    """Exchanges the first two of three gates: from Keras's order to Gimbap's, and back."""
    if not cell.startswith("gru"):
        return a
    first, second, n = np.split(a, 3, axis=-1)
    return np.concatenate([second, first, n], axis=-1)


def from_keras(cell, kernel, recurrent, bias):
    """Keras's three arrays (weights or gradients) as a dict of Gimbap's."""
    w = {"w_x": kernel, "w_h": recurrent, "b": bias}
    if has_b_h(cell):
        w["b"], w["b_h"] = bias
    return {name: _swap_r_z(cell, a) for name, a in w.items()}


def to_keras(cell, w):
    w = {name: _swap_r_z(cell, a) for name, a in w.items()}
    bias = np.stack([w["b"], w["b_h"]]) if has_b_h(cell) else w["b"]
    return [w["w_x"], w["w_h"], bias]


# PyTorch. A single bias b stands for the sum b_ih + b_hh, so its gradient is the gradient of either.


def from_torch(cell, w_ih, w_hh, b_ih, b_hh, gradient=False):
    w = {"w_x": w_ih.T, "w_h": w_hh.T}
    if has_b_h(cell):
        return w | {"b": b_ih, "b_h": b_hh}
    if gradient:
        np.testing.assert_allclose(b_ih, b_hh, rtol=0, atol=1e-12)
        return w | {"b": b_ih}
    return w | {"b": b_ih + b_hh}


def to_torch(cell, w):
    """With b_hh = 0 where Gimbap has one bias: the sum is exact, and b_hh can be frozen."""
    b_hh = w["b_h"] if has_b_h(cell) else np.zeros_like(w["b"])
    return [w["w_x"].T, w["w_h"].T, w["b"], b_hh]


# Fixture files


def save(name, script, packages, case, tensors):
    """Writes fixtures/NAME.safetensors, with script, versions and options as one JSON document."""
    versions = {p: version(p) for p in [*packages, "numpy", "safetensors"]}
    fixture = {"script": pathlib.Path(script).name, "packages": versions, "case": case}
    path = FIXTURES / f"{name}.safetensors"
    path.parent.mkdir(exist_ok=True)
    write(path, tensors, {"fixture": json.dumps(fixture, sort_keys=True)})
    print(f"{path.name}  {path.stat().st_size} bytes", flush=True)


def write(path, tensors, metadata):
    save_file({k: np.ascontiguousarray(a) for k, a in sorted(tensors.items())}, os.fspath(path), metadata)


def read(path):
    return load_file(os.fspath(path))
