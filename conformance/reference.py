"""Gimbap's equations in plain numpy loops: the third opinion that every fixture is checked against.

simple_rnn        h' = tanh or relu (x W_x + h W_h + b)
lstm              i, f, o = sigmoid(..), g = tanh(..) of x W_x + h W_h + b;  c' = f c + i g;  h' = o tanh(c')
gru_reset_after   r, z = sigmoid(x W_x + b + h W_h + b_h);  n = tanh(x W_xn + b_n + r (h W_hn + b_hn))
gru_reset_before  r, z = sigmoid(x W_x + b + h W_h);        n = tanh(x W_xn + b_n + (r h) W_hn)
                  and for both h' = (1 - z) n + z h
"""

import numpy as np

import convention


def sigmoid(x):
    return 0.5 * (1 + np.tanh(0.5 * x))


def step(cell, w, x, state):
    """One time step of one batch: x [B, I] and the state, a list of h and perhaps c, to the next state."""
    h = state[0]
    wx = x @ w["w_x"] + w["b"]
    if cell == "simple_rnn_tanh":
        return [np.tanh(wx + h @ w["w_h"])]
    if cell == "simple_rnn_relu":
        return [np.maximum(wx + h @ w["w_h"], 0)]
    if cell == "lstm":
        i, f, g, o = np.split(wx + h @ w["w_h"], 4, axis=-1)
        c = sigmoid(f) * state[1] + sigmoid(i) * np.tanh(g)
        return [sigmoid(o) * np.tanh(c), c]
    wx_r, wx_z, wx_n = np.split(wx, 3, axis=-1)
    w_hr, w_hz, w_hn = np.split(w["w_h"], 3, axis=-1)
    b_r, b_z, b_n = np.split(w["b_h"], 3) if convention.has_b_h(cell) else (0, 0, 0)
    r = sigmoid(wx_r + h @ w_hr + b_r)
    z = sigmoid(wx_z + h @ w_hz + b_z)
    rh = r * (h @ w_hn + b_n) if convention.has_b_h(cell) else (r * h) @ w_hn
    return [(1 - z) * np.tanh(wx_n + rh) + z * h]


def run(cell, w, x, lengths, state, backward):
    """A whole ragged batch: x [B, T, I] to y [B, T, H] and the final state. `backward` visits the valid
    steps of each sequence from its last to its first; y stays at its own step. Padded steps of y are 0."""
    y = np.zeros((*x.shape[:2], state[0].shape[-1]))
    for t in range(x.shape[1])[:: -1 if backward else 1]:
        valid = (t < lengths)[:, None]
        state = [np.where(valid, new, old) for new, old in zip(step(cell, w, x[:, t], state), state)]
        y[:, t] = np.where(valid, state[0], 0)
    return y, state


MERGE = {
    "concat": lambda f, b: np.concatenate([f, b], axis=-1),
    "sum": np.add,
    "mul": np.multiply,
    "ave": lambda f, b: (f + b) / 2,
}


def forward(case, t):
    """The outputs of a recurrent case, y and layer.*.h_n (c_n), from its tensors."""
    cell, x, outputs = case["cell"], t["x"], {}
    lengths = t.get("lengths", np.full(len(x), x.shape[1]))
    for directions in convention.prefixes(case):
        ys = []
        for backward, p in enumerate(directions):
            w = {name: t[f"{p}.{name}"] for name in convention.weight_names(cell)}
            state = [t[f"{p}.{s}_0"] for s in convention.state_names(cell)]
            y, state = run(cell, w, x, lengths, state, backward or case["go_backwards"])
            outputs |= {f"{p}.{s}_n": a for s, a in zip(convention.state_names(cell), state)}
            ys.append(y)
        x = MERGE[case["merge"]](*ys) if case["merge"] else ys[0]
        if case["go_backwards"]:
            x = x[:, ::-1]
    return outputs | {"y": x}


def check_close(actual, expected, name):
    scale = max(1, np.abs(expected).max())
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-12 * scale, err_msg=name)


def check_gradients(scalar, inputs, gradients):
    """All gradients at once, through the central difference of `scalar(inputs)` along one random direction."""
    rng, eps = np.random.default_rng(0), 1e-6
    direction = {name: rng.standard_normal(a.shape) for name, a in inputs.items()}
    plus, minus = (scalar({n: a + e * direction[n] for n, a in inputs.items()}) for e in (eps, -eps))
    terms = np.array([(gradients[n] * d).sum() for n, d in direction.items()])
    tolerance = 1e-7 * (1 + np.abs(terms).sum()) + 1e-9 * abs(plus)
    np.testing.assert_allclose((plus - minus) / (2 * eps), terms.sum(), rtol=0, atol=tolerance)


def check_recurrent(case, t):
    def scalar(inputs):
        out = forward(case, t | inputs)
        return sum((out[name] * t[gradient_name(name)]).sum() for name in out)

    for name, expected in forward(case, t).items():
        check_close(t[name], expected, name)
    names = inputs_of(case)
    check_gradients(scalar, {n: t[n] for n in names}, {n: t[gradient_name(n)] for n in names})


def inputs_of(case):
    """The names of all that has a gradient: x, and the weights and initial states of every layer."""
    names = convention.weight_names(case["cell"]) + [f"{s}_0" for s in convention.state_names(case["cell"])]
    return ["x"] + [
        f"{p}.{name}" for directions in convention.prefixes(case) for p in directions for name in names
    ]


def gradient_name(name):
    """layer.0.w_x to layer.0.d_w_x."""
    prefix, dot, last = name.rpartition(".")
    return f"{prefix}{dot}d_{last}"


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


ACTIVATION = {
    "linear": lambda x: x,
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": sigmoid,
    "softmax": softmax,
}


def layer(case, t):
    x = t["x"]
    if case["layer"] == "dense":
        return ACTIVATION[case["activation"]](x @ t["w"] + t["b"])
    if case["layer"] == "embedding":
        return t["w"][x]
    deviation = np.sqrt(x.var(axis=-1, keepdims=True) + case["epsilon"])
    return (x - x.mean(axis=-1, keepdims=True)) / deviation * t["gamma"] + t["beta"]


def check_layer(case, t):
    check_close(t["y"], layer(case, t), "y")
    d_y = t["d_y"]
    if "padding_id" in case:
        d_y = np.where(t["x"][..., None] == case["padding_id"], 0, d_y)
    inputs = {n: t[n] for n in ("x", "w", "b", "gamma", "beta") if f"d_{n}" in t}
    check_gradients(lambda i: (layer(case, t | i) * d_y).sum(), inputs, {n: t[f"d_{n}"] for n in inputs})


def loss_values(case, predicted, targets):
    """The loss of each step, [B, T]; predictions of the cross-entropies are logits."""
    error = predicted - targets if case["loss"] in ("mse", "mae", "huber") else None
    if case["loss"] == "binary_crossentropy":
        return np.mean(np.logaddexp(0, predicted) - targets * predicted, axis=-1)
    if case["loss"] == "categorical_crossentropy":
        return np.logaddexp.reduce(predicted, axis=-1) - (targets * predicted).sum(axis=-1)
    if case["loss"] == "sparse_categorical_crossentropy":
        return loss_values(
            {"loss": "categorical_crossentropy"}, predicted, np.eye(predicted.shape[-1])[targets]
        )
    if case["loss"] == "mse":
        return np.mean(error**2, axis=-1)
    if case["loss"] == "mae":
        return np.mean(np.abs(error), axis=-1)
    size, delta = np.abs(error), case["delta"]
    return np.mean(np.where(size <= delta, error**2 / 2, delta * size - delta**2 / 2), axis=-1)


def check_loss(case, t):
    """Value and gradient of every reduction: sum(loss * weight) / number of valid steps."""
    check_close(t["values"], loss_values(case, t["predicted"], t["targets"]), "values")
    for variant in ("mean", "weighted", "masked", "weighted_masked"):
        valid = t["mask"] if "masked" in variant else np.ones_like(t["mask"])
        scale = valid * (t["sample_weight"] if "weighted" in variant else 1) / valid.sum()

        def scalar(inputs):
            return (loss_values(case, inputs["predicted"], t["targets"]) * scale).sum()

        inputs = {"predicted": t["predicted"]}
        check_close(t[f"{variant}.value"], scalar(inputs), variant)
        check_gradients(scalar, inputs, {"predicted": t[f"{variant}.d_predicted"]})


def check_curve_ends(cell, t, loss):
    """The first and the last loss of a curve, from the weights at its start and at its end."""
    x, y = t["x"], t["targets"]
    for prefix, value in (("", t["losses"][0]), ("final.", t["losses"][-1])):
        w = {n: t[f"{prefix}layer.0.{n}"] for n in convention.weight_names(cell)}
        zeros = [np.zeros((len(x), len(w["w_h"]))) for _ in convention.state_names(cell)]
        h, state = run(cell, w, x, np.full(len(x), x.shape[1]), zeros, backward=False)
        h = h if y.shape == x.shape[:2] else state[0]
        out = h @ t[f"{prefix}layer.1.w"] + t[f"{prefix}layer.1.b"]
        check_close(value, loss_values({"loss": loss}, out, y).mean(), f"{prefix}loss")


def optimizer(options, w, grads):
    """The weights after each update: a list of dicts, from the start w and the list of gradients."""
    o = {"momentum": 0.0, "nesterov": False, "weight_decay": 0.0} | options
    m, v = ({name: np.zeros_like(a) for name, a in w.items()} for _ in range(2))
    history = []
    for t, g in enumerate(grads, 1):
        if "clip_value" in o:
            g = {n: np.clip(a, -o["clip_value"], o["clip_value"]) for n, a in g.items()}
        if "clip_norm" in o:
            norm = np.sqrt(sum((a**2).sum() for a in g.values()))
            g = {n: a * min(1, o["clip_norm"] / norm) for n, a in g.items()}
        w = {n: a * (1 - o["rate"] * o["weight_decay"]) for n, a in w.items()}
        for n in w:
            if o["type"] == "sgd":
                m[n] = o["momentum"] * m[n] - o["rate"] * g[n]
                w[n] = w[n] + (o["momentum"] * m[n] - o["rate"] * g[n] if o["nesterov"] else m[n])
            elif o["type"] == "rmsprop":
                v[n] = o["rho"] * v[n] + (1 - o["rho"]) * g[n] ** 2
                eps = o["epsilon"]
                root = np.sqrt(v[n]) + eps if o["epsilon_outside_root"] else np.sqrt(v[n] + eps)
                m[n] = o["momentum"] * m[n] + o["rate"] * g[n] / root
                w[n] = w[n] - m[n]
            else:  # adam, adamw; Keras adds epsilon before the bias correction of v, PyTorch after it
                m[n] = o["beta_1"] * m[n] + (1 - o["beta_1"]) * g[n]
                v[n] = o["beta_2"] * v[n] + (1 - o["beta_2"]) * g[n] ** 2
                c_m, c_v = 1 - o["beta_1"] ** t, np.sqrt(1 - o["beta_2"] ** t)
                eps = o["epsilon"] * (c_v if o["epsilon_after_correction"] else 1)
                w[n] = w[n] - o["rate"] * c_v / c_m * m[n] / (np.sqrt(v[n]) + eps)
        history.append(w)
    return history
