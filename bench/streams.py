"""What streaming aims at on the machine of `record/amd-epyc-2-cores`: the figures of RTNeural (with Eigen, sizes fixed at
compile time), recorded there once. They are constants, measured in no run of this bench."""

from measure import Result
from report import Target

# Microseconds a step by H, I = min(H, 64).
RTNEURAL = {
    "lstm": {8: 0.077, 16: 0.120, 32: 0.261, 64: 1.29, 128: 3.86},
    "gru": {8: 0.069, 16: 0.106, 32: 0.226, 64: 1.00, 128: 2.82},
}
LIMITS = {"lstm": {8: 0.08, 16: 0.13, 32: 0.27, 64: 1.3, 128: 3.9}, "gru": RTNEURAL["gru"]}


def targets(results: list[Result]) -> list[Target]:
    """Each stream beside its limit; SimpleRNN beside the GRU of this run."""
    median = {(r.cell, r.work["h"]): 1e6 * r.median("gimbap") for r in results if r.kind == "stream"}
    found = []
    for cell, limits in LIMITS.items():
        for h, limit in limits.items():
            if (cell, h) in median:
                found.append(target(f"streaming {cell} H{h}", limit, median[cell, h]))
    for (cell, h), microseconds in median.items():
        if cell == "rnn" and ("gru", h) in median:
            found.append(target(f"streaming rnn H{h}, as the gru of this run", median["gru", h], microseconds))
    return found


def target(what: str, limit: float, found: float) -> Target:
    return Target(f"{what} at most {limit:.3g} us", f"{found:.3g} us", found <= limit)
