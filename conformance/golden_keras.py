"""Golden values made by Keras 3 in float64: recurrent layers, other layers, losses, optimizers, and loss
curves of ten steps.

It runs on Keras's PyTorch backend. There Keras's type promotion turns float64 into float32 inside `matmul`
and others (values then differ from the reference by 1e-8), which it does not do on TensorFlow;
`keep_float64` gives it TensorFlow's rule."""

import os

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np
import torch
from keras import layers
from keras.src.backend.common import dtypes

import cases
import convention
import reference

PACKAGES = ["keras", "torch"]
VARIANTS = cases.RECURRENT | {
    # Keras allows a sequence without a valid step, and reverses time by an option
    "ragged": cases.RECURRENT["ragged"] | dict(lengths=[7, 3, 0, 5, 1]),
    "go_backwards": dict(inputs=3, units=17, batch=4, steps=4, go_backwards=True),
}
MERGES = {
    f"bidirectional_{m}": cases.RECURRENT["bidirectional"] | dict(merge=m) for m in ("sum", "mul", "ave")
}


def keep_float64():
    keras.config.set_floatx("float64")
    dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64"


def tensor(a, grad=False):
    return torch.tensor(a, requires_grad=grad)


def numpy(t):
    return t.detach().numpy()


# Recurrent layers


def recurrent_layer(cell, units, **kwargs):
    if cell == "lstm":
        return layers.LSTM(units, **kwargs)
    if cell.startswith("gru"):
        return layers.GRU(units, reset_after=cell == "gru_reset_after", **kwargs)
    return layers.SimpleRNN(units, activation=cell.removeprefix("simple_rnn_"), **kwargs)


def recurrent(case, t):
    cell = case["cell"]
    leaves = {"x": tensor(t["x"], grad=True)}
    mask = None
    if case["lengths"]:
        mask = tensor(np.arange(case["steps"]) < t["lengths"][:, None])
    y, finals, stack = leaves["x"], {}, []
    for directions in convention.prefixes(case):
        layer = recurrent_layer(
            cell, case["units"], return_sequences=True, return_state=True, go_backwards=case["go_backwards"]
        )
        if case["merge"]:
            layer = layers.Bidirectional(layer, merge_mode=case["merge"])
        layer.build(y.shape)
        weights = [{n: t[f"{p}.{n}"] for n in convention.weight_names(cell)} for p in directions]
        layer.set_weights([a for w in weights for a in convention.to_keras(cell, w)])
        names = [f"{p}.{s}" for p in directions for s in convention.state_names(cell)]
        leaves |= {f"{n}_0": tensor(t[f"{n}_0"], grad=True) for n in names}
        y, *states = layer(y, initial_state=[leaves[f"{n}_0"] for n in names], mask=mask)
        finals |= {f"{n}_n": s for n, s in zip(names, states, strict=True)}
        stack.append(layer)

    outputs = {"y": y} | finals
    sum((a * tensor(t[reference.gradient_name(n)])).sum() for n, a in outputs.items()).backward()
    answer = {n: numpy(a) for n, a in outputs.items()}
    if mask is not None:
        answer["y"] = np.where(mask[..., None], answer["y"], 0)  # Keras repeats the last valid output there
    answer |= {reference.gradient_name(n): numpy(leaf.grad) for n, leaf in leaves.items()}
    for layer, directions in zip(stack, convention.prefixes(case)):
        grads = [numpy(v.value.grad) for v in layer.trainable_variables]
        for k, p in enumerate(directions):
            gimbap = convention.from_keras(cell, *grads[3 * k : 3 * k + 3])
            answer |= {f"{p}.d_{n}": a for n, a in gimbap.items()}
    return answer


def recurrent_cases():
    for cell in convention.GATES:
        merges = {} if cell.startswith("simple_rnn") else MERGES
        for variant, options in (VARIANTS | merges).items():
            cases.make_recurrent(__file__, PACKAGES, "keras", cell, variant, options, recurrent)


# Other layers: y, and the gradients of sum(y * d_y)


def layer_case(name, options, layer, weight_names, x, draw=cases.uniform):
    rng = cases.rng_for(name)
    layer.build(x.shape)
    weights = {n: draw(rng, *v.shape) for n, v in zip(weight_names, layer.trainable_variables, strict=True)}
    layer.set_weights(list(weights.values()))
    leaf = tensor(x, grad=x.dtype == np.float64)
    y = layer(leaf)
    t = {"x": x, "y": numpy(y), "d_y": cases.uniform(rng, *y.shape)} | weights
    (y * tensor(t["d_y"])).sum().backward()
    t |= {f"d_{n}": numpy(v.value.grad) for n, v in zip(weights, layer.trainable_variables)}
    if leaf.grad is not None:
        t["d_x"] = numpy(leaf.grad)
    case = dict(kind="layer", peer="keras") | options
    reference.check_layer(case, t)
    convention.save(name, __file__, PACKAGES, case, t)


def layer_cases():
    x = cases.uniform(cases.rng_for("x"), 3, 4, 5) * 2
    for activation in ("linear", "tanh", "relu", "sigmoid", "softmax"):
        layer_case(
            f"layer_keras_dense_{activation}",
            dict(layer="dense", activation=activation, units=7),
            layers.Dense(7, activation=activation),
            ["w", "b"],
            x,
        )
    layer_case(
        "layer_keras_layer_norm",
        dict(layer="layer_norm", epsilon=1e-3),
        layers.LayerNormalization(epsilon=1e-3),
        ["gamma", "beta"],
        x,
    )
    ids = np.array([[1, 4, 4, 0], [2, 1, 4, 5]])
    layer_case(
        "layer_keras_embedding", dict(layer="embedding", vocab=6, units=3), layers.Embedding(6, 3), ["w"], ids
    )


# Losses: of logits [B, T, C] for the cross-entropies, of predictions for the others


def losses():
    kl = keras.losses
    return {
        "binary_crossentropy": kl.BinaryCrossentropy(from_logits=True),
        "categorical_crossentropy": kl.CategoricalCrossentropy(from_logits=True),
        "sparse_categorical_crossentropy": kl.SparseCategoricalCrossentropy(from_logits=True),
        "mse": kl.MeanSquaredError(),
        "mae": kl.MeanAbsoluteError(),
        "huber": kl.Huber(delta=1.0),
        "huber_half": kl.Huber(delta=0.5),
    }


def loss_case(name, loss, scale):
    """Value and gradient plain, weighted, masked and both; `values` are those of each step, unreduced."""
    fixture = f"loss_keras_{name}" + ("_extreme" if scale > 100 else "")
    rng = cases.rng_for(fixture)
    batch, steps, width = 3, 4, 5
    predicted = cases.uniform(rng, batch, steps, width) * scale
    if name == "binary_crossentropy":
        targets = rng.integers(0, 2, (batch, steps, width)).astype(float)
    elif name == "categorical_crossentropy":
        targets = rng.dirichlet(np.ones(width), (batch, steps))
    elif name == "sparse_categorical_crossentropy":
        targets = rng.integers(0, width, (batch, steps))
    else:
        targets = cases.uniform(rng, batch, steps, width) * scale
    weights = rng.uniform(0.1, 2, (batch, steps))
    mask = np.arange(steps) < np.array([[4], [1], [3]])
    t = {"predicted": predicted, "targets": targets, "sample_weight": weights, "mask": mask.astype(np.uint8)}
    t["values"] = numpy(loss.call(tensor(targets), tensor(predicted)))
    for variant, m, w in (
        ("mean", None, None),
        ("weighted", None, weights),
        ("masked", mask, None),
        ("weighted_masked", mask, weights),
    ):
        leaf = tensor(predicted, grad=True)
        if m is not None:
            leaf._keras_mask = tensor(m)
        value = loss(tensor(targets), leaf, sample_weight=None if w is None else tensor(w))
        value.backward()
        t |= {f"{variant}.value": numpy(value).reshape(1), f"{variant}.d_predicted": numpy(leaf.grad)}
    case = dict(kind="loss", peer="keras", loss=name.removesuffix("_half"), from_logits="entropy" in name)
    if "huber" in name:
        case["delta"] = 0.5 if name == "huber_half" else 1.0
    reference.check_loss(case, t)
    convention.save(fixture, __file__, PACKAGES, case, t)


def loss_cases():
    """The `_extreme` ones have logits up to +-1000."""
    for name, loss in losses().items():
        loss_case(name, loss, scale=6)
        if "entropy" in name:
            loss_case(name, loss, scale=2000)


# Optimizers


def optimizers():
    """(name, Keras's optimizer, its options in Gimbap's words)"""
    ko = keras.optimizers
    sgd = dict(type="sgd", rate=0.01)
    rmsprop = dict(type="rmsprop", rate=0.01, rho=0.9, epsilon=1e-7, epsilon_outside_root=False)
    adam = dict(
        type="adam", rate=0.01, beta_1=0.9, beta_2=0.999, epsilon=1e-7, epsilon_after_correction=False
    )
    return [
        ("sgd", ko.SGD(0.01), sgd),
        ("sgd_momentum", ko.SGD(0.01, momentum=0.9), sgd | dict(momentum=0.9)),
        ("sgd_nesterov", ko.SGD(0.01, momentum=0.9, nesterov=True), sgd | dict(momentum=0.9, nesterov=True)),
        ("sgd_weight_decay", ko.SGD(0.01, weight_decay=0.1), sgd | dict(weight_decay=0.1)),
        ("sgd_clip_value", ko.SGD(0.01, clipvalue=0.3), sgd | dict(clip_value=0.3)),
        ("sgd_clip_norm", ko.SGD(0.01, global_clipnorm=0.5), sgd | dict(clip_norm=0.5)),
        ("rmsprop", ko.RMSprop(0.01), rmsprop),
        ("rmsprop_momentum", ko.RMSprop(0.01, momentum=0.8), rmsprop | dict(momentum=0.8)),
        ("adam", ko.Adam(0.01), adam),
        ("adam_clip_norm", ko.Adam(0.01, global_clipnorm=0.5), adam | dict(clip_norm=0.5)),
        ("adamw", ko.AdamW(0.01, weight_decay=0.1), adam | dict(type="adamw", weight_decay=0.1)),
    ]


def optimizer_cases():
    for name, optimizer, options in optimizers():

        def answer(start, grads):
            variables = {n: keras.Variable(a) for n, a in start.items()}
            optimizer.build(list(variables.values()))
            history = []
            for g in grads:
                optimizer.apply([tensor(g[n]) for n in variables])
                history.append({n: numpy(v.value).copy() for n, v in variables.items()})
            return history

        cases.make_optimizer(
            __file__, PACKAGES, f"optimizer_keras_{name}", dict(peer="keras") | options, answer
        )


# Loss curves: recurrent layer (last state) then Dense, ten full-batch steps


def curve(cell, loss, optimizer, options):
    name = f"curve_keras_{cell}_{options['loss']}_{options['optimizer']['type']}"
    rng = cases.rng_for(name)
    batch, steps, inputs, units = 6, 5, 3, 17
    x = cases.uniform(rng, batch, steps, inputs) * 2
    if options["loss"] == "mse":
        outputs, activation, targets = 3, None, cases.uniform(rng, batch, 3)
    else:
        outputs, activation, targets = 1, "sigmoid", np.array([[0.0], [1], [1], [0], [1], [0]])
    model = keras.Sequential([recurrent_layer(cell, units), layers.Dense(outputs, activation=activation)])
    model.build(x.shape)
    w = cases.draw_weights(rng, cell, inputs, units)
    dense = [cases.uniform(rng, units, outputs), cases.uniform(rng, outputs)]
    model.set_weights(convention.to_keras(cell, w) + dense)
    t = {"x": x, "targets": targets} | model_tensors(cell, model)
    model.compile(optimizer, loss)
    t["losses"] = np.zeros(11)
    for k in range(10):
        model.reset_metrics()
        t["losses"][k] = model.train_on_batch(x, targets)
    t["losses"][10] = model.evaluate(x, targets, verbose=0)
    t |= {f"final.{n}": a for n, a in model_tensors(cell, model).items()}
    reference.check_curve_ends(cell, t, options["loss"])
    case = dict(kind="curve", peer="keras", cell=cell, inputs=inputs, units=units, outputs=outputs)
    case |= dict(activation=activation or "linear", return_sequences=False) | options
    convention.save(name, __file__, PACKAGES, case, t)


def model_tensors(cell, model):
    *recurrent_weights, w, b = (a.copy() for a in model.get_weights())
    gimbap = convention.from_keras(cell, *recurrent_weights)
    return {f"layer.0.{n}": a for n, a in gimbap.items()} | {"layer.1.w": w, "layer.1.b": b}


def curve_cases():
    for cell in convention.GATES:
        for loss, name in (("mse", "adam"), ("binary_crossentropy", "rmsprop")):
            optimizer, options = next((o, options) for n, o, options in optimizers() if n == name)
            curve(cell, loss, optimizer, dict(loss=loss, optimizer=options))


if __name__ == "__main__":
    torch.set_num_threads(1)
    keep_float64()
    recurrent_cases()
    layer_cases()
    loss_cases()
    optimizer_cases()
    curve_cases()
