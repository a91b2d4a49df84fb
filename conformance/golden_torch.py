"""Golden values made by PyTorch in float64: recurrent layers, an embedding with padding, optimizers, and loss
curves of ten steps."""

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import cases
import convention
import reference

PACKAGES = ["torch"]
CELLS = [cell for cell in convention.GATES if cell != "gru_reset_before"]  # PyTorch's GRU resets after


def tensor(a, grad=False):
    return torch.tensor(a, requires_grad=grad)


def numpy(t):
    return t.detach().numpy()


def recurrent_module(cell, inputs, units, **kwargs):
    kwargs |= dict(batch_first=True, dtype=torch.float64)
    if cell == "lstm":
        return nn.LSTM(inputs, units, **kwargs)
    if cell.startswith("gru"):
        return nn.GRU(inputs, units, **kwargs)
    return nn.RNN(inputs, units, nonlinearity=cell.removeprefix("simple_rnn_"), **kwargs)


def directions(module):
    """The four parameters of every direction of every layer, in the order of `convention.prefixes`."""
    return [[getattr(module, name) for name in names] for names in module._all_weights]


def set_weights(parameters, cell, w):
    with torch.no_grad():
        for p, a in zip(parameters, convention.to_torch(cell, w), strict=True):
            p.copy_(tensor(a))


def recurrent(case, t):
    cell = case["cell"]
    module = recurrent_module(
        cell,
        case["inputs"],
        case["units"],
        num_layers=case["layers"],
        bidirectional=case["merge"] is not None,
    )
    prefixes = [p for layer in convention.prefixes(case) for p in layer]
    for p, parameters in zip(prefixes, directions(module), strict=True):
        set_weights(parameters, cell, {n: t[f"{p}.{n}"] for n in convention.weight_names(cell)})
    x = tensor(t["x"], grad=True)
    states = {
        s: tensor(np.stack([t[f"{p}.{s}_0"] for p in prefixes]), grad=True)
        for s in convention.state_names(cell)
    }
    packed = x
    if case["lengths"]:
        packed = pack_padded_sequence(x, tensor(t["lengths"]), batch_first=True, enforce_sorted=False)
    y, finals = module(packed, tuple(states.values()) if convention.has_c(cell) else states["h"])
    finals = finals if convention.has_c(cell) else (finals,)
    if case["lengths"]:
        y, _ = pad_packed_sequence(y, batch_first=True, total_length=case["steps"])

    scalar = (y * tensor(t["d_y"])).sum()
    answer = {"y": numpy(y)}
    for s, final in zip(states, finals):
        for p, a in zip(prefixes, final):
            scalar = scalar + (a * tensor(t[f"{p}.d_{s}_n"])).sum()
            answer[f"{p}.{s}_n"] = numpy(a)
    scalar.backward()
    answer["d_x"] = numpy(x.grad)
    for k, (p, parameters) in enumerate(zip(prefixes, directions(module))):
        grads = convention.from_torch(cell, *(numpy(q.grad) for q in parameters), gradient=True)
        answer |= {f"{p}.d_{n}": a for n, a in grads.items()}
        answer |= {f"{p}.d_{s}_0": numpy(states[s].grad[k]) for s in states}
    return answer


def recurrent_cases():
    for cell in CELLS:
        for variant, options in cases.RECURRENT.items():
            cases.make_recurrent(__file__, PACKAGES, "torch", cell, variant, options, recurrent)


def embedding_case():
    """Row `padding_id` gets no gradient."""
    name, padding = "layer_torch_embedding_padding", 0
    rng = cases.rng_for(name)
    ids, w, d_y = (
        np.array([[1, 4, 4, 0], [0, 1, 4, 5]]),
        cases.uniform(rng, 6, 3),
        cases.uniform(rng, 2, 4, 3),
    )
    leaf = tensor(w, grad=True)
    y = nn.functional.embedding(tensor(ids), leaf, padding_idx=padding)
    (y * tensor(d_y)).sum().backward()
    case = dict(kind="layer", peer="torch", layer="embedding", vocab=6, units=3, padding_id=padding)
    t = {"x": ids, "w": w, "y": numpy(y), "d_y": d_y, "d_w": numpy(leaf.grad)}
    reference.check_layer(case, t)
    convention.save(name, __file__, PACKAGES, case, t)


def optimizers():
    """(name, how PyTorch makes it, its options in Gimbap's words)"""
    to = torch.optim
    sgd = dict(type="sgd", rate=0.01)
    rmsprop = dict(type="rmsprop", rate=2e-3, rho=0.95, epsilon=1e-8, epsilon_outside_root=True)
    adam = dict(type="adam", rate=0.01, beta_1=0.9, beta_2=0.999, epsilon=1e-8, epsilon_after_correction=True)
    return [
        ("sgd_momentum", lambda p: to.SGD(p, 0.01, momentum=0.9), sgd | dict(momentum=0.9)),
        ("rmsprop", lambda p: to.RMSprop(p, 2e-3, alpha=0.95), rmsprop),
        ("adam", lambda p: to.Adam(p, 0.01), adam),
        ("adamw", lambda p: to.AdamW(p, 0.01, weight_decay=0.1), adam | dict(type="adamw", weight_decay=0.1)),
    ]


def optimizer_cases():
    for name, make, options in optimizers():

        def answer(start, grads):
            params = {n: tensor(a, grad=True) for n, a in start.items()}
            optimizer, history = make(list(params.values())), []
            for g in grads:
                for n, p in params.items():
                    p.grad = tensor(g[n])
                optimizer.step()
                history.append({n: numpy(p).copy() for n, p in params.items()})
            return history

        cases.make_optimizer(
            __file__, PACKAGES, f"optimizer_torch_{name}", dict(peer="torch") | options, answer
        )


def curve(cell):
    """Cross-entropy of a Linear on every step, SGD with momentum. b_hh is frozen at zero where Gimbap has one
    bias: otherwise PyTorch's sum of two biases would move twice as far."""
    name = f"curve_torch_{cell}_sparse_categorical_crossentropy_sgd"
    rng = cases.rng_for(name)
    batch, steps, inputs, units, outputs = 6, 5, 3, 17, 4
    x = cases.uniform(rng, batch, steps, inputs) * 2
    targets = rng.integers(0, outputs, (batch, steps))
    module = recurrent_module(cell, inputs, units)
    dense = nn.Linear(units, outputs, dtype=torch.float64)
    set_weights(*directions(module), cell, cases.draw_weights(rng, cell, inputs, units))
    with torch.no_grad():
        dense.weight.copy_(tensor(cases.uniform(rng, outputs, units)))
        dense.bias.copy_(tensor(cases.uniform(rng, outputs)))
    if not convention.has_b_h(cell):
        module.bias_hh_l0.requires_grad_(False)

    def tensors():
        w = convention.from_torch(cell, *(numpy(p).copy() for p in directions(module)[0]))
        w = {f"layer.0.{n}": a for n, a in w.items()}
        return w | {"layer.1.w": numpy(dense.weight).T.copy(), "layer.1.b": numpy(dense.bias).copy()}

    def loss():
        logits = dense(module(tensor(x))[0])
        return nn.functional.cross_entropy(logits.flatten(0, 1), tensor(targets).flatten())

    t = {"x": x, "targets": targets, "losses": np.zeros(11)} | tensors()
    params = [p for p in [*module.parameters(), *dense.parameters()] if p.requires_grad]
    optimizer = torch.optim.SGD(params, 0.1, momentum=0.9)
    for k in range(10):
        optimizer.zero_grad()
        value = loss()
        value.backward()
        optimizer.step()
        t["losses"][k] = value.item()
    t["losses"][10] = loss().item()
    t |= {f"final.{n}": a for n, a in tensors().items()}
    reference.check_curve_ends(cell, t, "sparse_categorical_crossentropy")
    case = dict(kind="curve", peer="torch", cell=cell, inputs=inputs, units=units, outputs=outputs)
    case |= dict(activation="linear", loss="sparse_categorical_crossentropy", return_sequences=True)
    case["optimizer"] = dict(type="sgd", rate=0.1, momentum=0.9)
    convention.save(name, __file__, PACKAGES, case, t)


if __name__ == "__main__":
    torch.set_num_threads(1)
    recurrent_cases()
    embedding_case()
    optimizer_cases()
    for cell in CELLS:
        curve(cell)
