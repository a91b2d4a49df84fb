"""The cases that both peers run: what is drawn, and how a recurrent fixture is made from a peer's answer."""

import numpy as np

import convention
import reference

# variant: what differs from one layer, one direction, all sequences full
RECURRENT = {
    "h17_t1": dict(inputs=3, units=17, batch=2, steps=1),
    "h17_t7": dict(inputs=3, units=17, batch=5, steps=7),
    "h34_t4": dict(inputs=5, units=34, batch=3, steps=4),
    "h65_t7": dict(inputs=8, units=65, batch=2, steps=7),
    "two_layers": dict(inputs=5, units=17, batch=3, steps=4, layers=2),
    "bidirectional": dict(inputs=3, units=17, batch=4, steps=4, merge="concat"),
    "ragged": dict(inputs=5, units=17, batch=5, steps=7, lengths=[7, 3, 1, 5, 2]),
    "bidirectional_ragged": dict(inputs=3, units=17, batch=4, steps=7, merge="concat", lengths=[3, 7, 1, 4]),
    "two_layers_bidirectional_ragged": dict(
        inputs=3, units=9, batch=3, steps=4, layers=2, merge="concat", lengths=[2, 4, 1]
    ),
}
DEFAULTS = dict(layers=1, merge=None, go_backwards=False, lengths=None)


def rng_for(name):
    """A generator keyed by the fixture's name, so that a new case changes no other."""
    return np.random.default_rng(list(name.encode()))


def uniform(rng, *shape):
    return rng.uniform(-0.5, 0.5, shape)


def draw_weights(rng, cell, inputs, units):
    width = convention.GATES[cell] * units
    shapes = {"w_x": (inputs, width), "w_h": (units, width), "b": (width,), "b_h": (width,)}
    return {name: uniform(rng, *shapes[name]) for name in convention.weight_names(cell)}


def draw_recurrent(case, rng):
    """x, lengths, weights, initial states and the upstream gradients. Padding of x is noise, of d_y zero."""
    batch, steps, units, inputs = (case[k] for k in ("batch", "steps", "units", "inputs"))
    width = 2 * units if case["merge"] == "concat" else units
    t = {"x": uniform(rng, batch, steps, inputs) * 2, "d_y": uniform(rng, batch, steps, width) * 2}
    if case["lengths"]:
        t["lengths"] = np.array(case["lengths"])
        t["d_y"][np.arange(steps) >= t["lengths"][:, None]] = 0
    for directions in convention.prefixes(case):
        for p in directions:
            t |= {f"{p}.{name}": a for name, a in draw_weights(rng, case["cell"], inputs, units).items()}
            for s in convention.state_names(case["cell"]):
                t |= {f"{p}.{s}_0": uniform(rng, batch, units), f"{p}.d_{s}_n": uniform(rng, batch, units)}
        inputs = width
    return t


def make_recurrent(script, packages, peer, cell, variant, options, answer):
    """`answer(case, tensors)` is the peer's: a dict of outputs and gradients, in Gimbap's convention."""
    name = f"recurrent_{peer}_{cell}_{variant}"
    case = DEFAULTS | dict(kind="recurrent", peer=peer, cell=cell) | options
    t = draw_recurrent(case, rng_for(name))
    t |= answer(case, t)
    reference.check_recurrent(case, t)
    convention.save(name, script, packages, case, t)


def make_optimizer(script, packages, name, options, answer):
    """Five updates of a matrix `a` and a vector `b`, one gradient of them large enough to be clipped."""
    rng = rng_for(name)
    shapes = {"a": (3, 2), "b": (5,)}
    start = {n: uniform(rng, *s) for n, s in shapes.items()}
    grads = [{n: uniform(rng, *s) * scale for n, s in shapes.items()} for scale in (1, 0.1, 20, 1, 0.01)]
    history = answer(start, grads)
    for ours, theirs in zip(reference.optimizer(options, start, grads), history, strict=True):
        for n in shapes:
            reference.check_close(theirs[n], ours[n], f"{name} {n}")
    t = {}
    for n in shapes:
        t |= {f"{n}.w_0": start[n], f"{n}.grads": np.stack([g[n] for g in grads])}
        t[f"{n}.w"] = np.stack([w[n] for w in history])
    convention.save(name, script, packages, dict(kind="optimizer", **options), t)
