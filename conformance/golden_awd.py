"""Golden values made by PyTorch in float64: three steps of the training of an AWD-LSTM (Merity et al.,
arXiv:1708.02182) over two streams of tokens: tied embeddings, dropped words, values and recurrent weights,
activation penalties, a clipped gradient, weight decay, and the mean of the weights by torch.optim.ASGD.

The masks are those that Gimbap draws, drawn here by the ChaCha8 of `chacha8_stream.py`.
"""

import numpy as np
import torch
from torch import nn

import cases
import chacha8_stream
import convention
import reference
from golden_torch import numpy, tensor

PACKAGES = ["torch"]
VOCABULARY, STREAMS, BPTT, STEPS, SEED = 7, 2, 4, 3, 11
WIDTHS = [3, 5, 3]  # of the embedding, and of both LSTMs
ALPHA, BETA = 2.0, 1.0
LAYERS = [
    dict(type="embedding", units=WIDTHS[0], tied=True, dropout=0.2),
    dict(type="dropout", rate=0.3, variational=True),
    dict(type="lstm", units=WIDTHS[1], return_sequences=True, weight_drop=0.5),
    dict(type="dropout", rate=0.25, variational=True),
    dict(type="lstm", units=WIDTHS[2], return_sequences=True, weight_drop=0.4),
    dict(type="penalty", beta=BETA),
    dict(type="dropout", rate=0.4, variational=True),
    dict(type="penalty", alpha=ALPHA),
    dict(type="dense", units=VOCABULARY),
]
LSTMS = [2, 4]
OPTIMIZER = dict(type="sgd", rate=3.0, weight_decay=0.01)
CLIP_NORM = 0.25


def mask(step, layer, purpose, rate, *shape):
    """0 or 1 / (1 - rate), from the stream of (seed, epoch, step, layer and purpose)."""
    words = chacha8_stream.stream(SEED, 0, step, 16 * layer + purpose)
    kept = [chacha8_stream.unit(words) >= rate for _ in range(np.prod(shape))]
    return np.array(kept).reshape(shape) / (1 - rate)


def masks(step):
    """Of words [V, 1]; of values [B, I], the same at every step; of recurrent weights [H, 4 H]."""
    drawn = {}
    for number, layer in enumerate(LAYERS):
        match layer["type"]:
            case "embedding":
                drawn[number] = mask(step, number, 0, layer["dropout"], VOCABULARY, 1)
            case "dropout":
                width = [before["units"] for before in LAYERS[:number] if "units" in before][-1]
                drawn[number] = mask(step, number, 0, layer["rate"], STREAMS, width)
            case "lstm":
                units = layer["units"]
                drawn[number] = mask(step, number, 4, layer["weight_drop"], units, 4 * units)
    return drawn


def start(rng):
    t = {"layer.0.w": cases.uniform(rng, VOCABULARY, WIDTHS[0]), "layer.8.b": cases.uniform(rng, VOCABULARY)}
    for number, inputs, units in zip(LSTMS, WIDTHS, WIDTHS[1:]):
        w = cases.draw_weights(rng, "lstm", inputs, units)
        t |= {f"layer.{number}.{name}": a for name, a in w.items()}
    return t


def lstm(w, prefix, m, x, state):
    """PyTorch's own LSTM, on weights of ours that are leaves or made of leaves."""
    w_x, w_h, b = (w[f"{prefix}.{name}"] for name in ("w_x", "w_h", "b"))
    module = nn.LSTM(w_x.shape[0], w_h.shape[0], batch_first=True, dtype=torch.float64)
    names = ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"]
    values = [w_x.T, (w_h * tensor(m)).T, b, torch.zeros_like(b)]
    return torch.func.functional_call(module, dict(zip(names, values)), (x, state))


def losses(w, ids, targets, m, states):
    """The cross-entropy alone and with the penalties, and the states after the segment."""
    x = nn.functional.embedding(tensor(ids), w["layer.0.w"] * tensor(m[0]))
    after = []
    for number, state in zip(LSTMS, states):
        x, last = lstm(w, f"layer.{number}", m[number], x * tensor(m[number - 1])[:, None], state)
        after.append(tuple(s.detach() for s in last))
    dropped = x * tensor(m[6])[:, None]
    logits = dropped @ w["layer.0.w"].T + w["layer.8.b"]
    own = nn.functional.cross_entropy(logits.flatten(0, 1), tensor(targets).flatten())
    penalties = ALPHA * dropped.pow(2).mean() + BETA * (x[:, 1:] - x[:, :-1]).pow(2).mean()
    return own, own + penalties, after


def plain_loss(w, ids, targets, m):
    """The penalised loss of the first segment once more in plain numpy."""
    x = (w["layer.0.w"] * m[0])[ids]
    for number in LSTMS:
        of_layer = {name: w[f"layer.{number}.{name}"] for name in ("w_x", "w_h", "b")}
        of_layer["w_h"] = of_layer["w_h"] * m[number]
        state = [np.zeros((STREAMS, len(of_layer["w_h"])))] * 2
        lengths = np.full(STREAMS, BPTT)
        x, _ = reference.run("lstm", of_layer, x * m[number - 1][:, None], lengths, state, False)
    dropped = x * m[6][:, None]
    p = reference.softmax(dropped @ w["layer.0.w"].T + w["layer.8.b"])
    own = -np.log(np.take_along_axis(p, targets[..., None], axis=-1)).mean()
    return own + ALPHA * (dropped**2).mean() + BETA * ((x[:, 1:] - x[:, :-1]) ** 2).mean()


def main():
    name = "awd_torch_three_steps"
    rng = cases.rng_for(name)
    tokens = rng.integers(0, VOCABULARY, STREAMS * BPTT * STEPS + 1)
    t = {"tokens": tokens, "losses": np.zeros(STEPS)} | start(rng)
    w = {n: tensor(a, grad=True) for n, a in t.items() if n.startswith("layer.")}
    # From t0 + 2 on the mean is that of all steps: with t0 = -1 from the first one.
    rate, decay = OPTIMIZER["rate"], OPTIMIZER["weight_decay"]
    optimizer = torch.optim.ASGD(w.values(), lr=rate, lambd=0, t0=-1, weight_decay=decay)
    states = [tuple(torch.zeros(1, STREAMS, h, dtype=torch.float64) for _ in range(2)) for h in WIDTHS[1:]]
    streams = tokens[:-1].reshape(STREAMS, -1), tokens[1:].reshape(STREAMS, -1)
    for step in range(STEPS):
        ids, targets = (s[:, step * BPTT : (step + 1) * BPTT] for s in streams)
        m = masks(step)
        optimizer.zero_grad()
        own, penalised, states = losses(w, ids, targets, m, states)
        penalised.backward()
        if step == 0:
            values = {n: numpy(a).copy() for n, a in w.items()}
            gradients = {n: numpy(a.grad) for n, a in w.items()}
            reference.check_close(penalised.item(), plain_loss(values, ids, targets, m), name)
            reference.check_gradients(lambda v: plain_loss(v, ids, targets, m), values, gradients)
        # torch's own clipping adds 1e-6 to the norm.
        norm = sum(a.grad.pow(2).sum() for a in w.values()).sqrt()
        assert norm > CLIP_NORM, norm
        for a in w.values():
            a.grad *= CLIP_NORM / norm
        optimizer.step()
        t["losses"][step] = own.item()
    t |= {f"final.{n}": numpy(a).copy() for n, a in w.items()}
    t |= {f"average.{n}": numpy(optimizer.state[a]["ax"]).copy() for n, a in w.items()}
    case = dict(kind="awd", peer="torch", vocabulary=VOCABULARY, streams=STREAMS, bptt=BPTT, seed=SEED)
    case |= dict(layers=LAYERS, optimizer=OPTIMIZER, clip_norm=CLIP_NORM)
    convention.save(name, __file__, PACKAGES, case, t)


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)  # ASGD keeps its own scalars, 1 / k, in the default type
    main()
