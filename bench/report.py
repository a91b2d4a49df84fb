"""Tables, summaries and targets, as text."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from measure import Result

TITLES = {
    "train": "Training a layer: forward, and backward to dW, dh0, dx",
    "infer": "Inference of a layer",
    "stream": "Streaming, batch 1: one step",
    "stream-bf16": "Streaming with bf16 weights",
    "stream-int8": "Streaming with int8 weights",
    "steps": "Whole training steps of language models",
}


def duration(seconds: float) -> str:
    return f"{seconds * 1e6:.3f} us" if seconds < 1e-4 else f"{seconds * 1e3:.3f} ms"


def aligned(rows: list[list[str]], left: int) -> str:
    """Rows as columns; the first `left` to the left."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [c.ljust(w) if n < left else c.rjust(w) for n, (c, w) in enumerate(zip(row, widths, strict=True))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def gflops(result: Result, peer: str = "gimbap") -> float | None:
    return result.flop / result.median(peer) / 1e9 if result.flop else None


def table(kind: str, results: list[Result], machine: float, labels: list[str]) -> str:
    """One line for a workload: ours, its place beside the best of the others, and all of the others."""
    others = [label for label in labels if any(label in r.seconds for r in results)]
    rate = "weights GB/s" if kind.startswith("stream") else "tokens/s" if kind == "steps" else None
    header = ["cell", kind, "gimbap", "GFLOP/s", "of product", *([rate] if rate else []), "ratio", "best peer"]
    return f"{TITLES[kind]}\n" + aligned([header + others] + [row(r, machine, others) for r in results], left=2)


def row(result: Result, machine: float, others: list[str]) -> list[str]:
    ours, speed, best = result.median("gimbap"), gflops(result), result.best_peer()
    cells = [result.cell, result.name.removeprefix(f"{result.kind} "), duration(ours)]
    cells += [f"{speed:.1f}", f"{100 * speed / machine:.0f} %"] if speed else ["", ""]
    if result.kind.startswith("stream"):
        cells.append(f"{(result.weight_bytes or 0) / ours / 1e9:.0f}")
    if result.kind == "steps":
        cells.append(f"{(result.tokens or 0) / ours:,.0f}")
    cells += [f"{result.ratio():.2f}", best] if best else ["", "none"]
    return cells + [duration(result.median(label)) if label in result.seconds else "-" for label in others]


def summary(results: list[Result]) -> str:
    """The smallest and the median ratio of each kind."""
    lines = []
    for kind in TITLES:
        ratios = {r: ratio for r in (x for x in range(len(results))) if (ratio := of_kind(results[r], kind)) is not None}
        if ratios:
            least = results[min(ratios, key=lambda r: ratios[r])]
            middle = statistics.median(ratios.values())
            lines.append(
                f"{kind}: {len(ratios)} workloads, ratio to the best peer: median {middle:.2f}, "
                f"smallest {min(ratios.values()):.2f} ({least.cell} {least.name})"
            )
    return "\n".join(lines)


def of_kind(result: Result, kind: str) -> float | None:
    return result.ratio() if result.kind == kind else None


@dataclass(frozen=True)
class Target:
    """Something to reach, and what was found."""

    text: str
    found: str
    met: bool

    def line(self) -> str:
        return f"{'pass' if self.met else 'FAIL'}  {self.text}: {self.found}"


def at_least(text: str, wanted: float, found: Iterable[tuple[Result, float | None]], form: str = "{:.2f}") -> list[Target]:
    """A target that each of the figures has to reach; none where nothing was measured."""
    figures = [(figure, f"{r.cell} {r.name}") for r, figure in found if figure is not None]
    if not figures:
        return []
    worst, where = min(figures)
    reached = sum(figure >= wanted for figure, _ in figures)
    told = f"smallest {form.format(worst)} ({where}), {reached} of {len(figures)}"
    return [Target(f"{text} at least {form.format(wanted)}", told, worst >= wanted)]


def targets(results: list[Result], machine: float) -> list[Target]:
    """What was aimed for as ratios within one run."""

    def share(result: Result) -> float:
        return (gflops(result) or 0.0) / machine

    def size(result: Result, name: str) -> int:
        return int(result.work.get(name, 0))

    train = [r for r in results if r.kind == "train"]
    infer = [r for r in results if r.kind == "infer" and size(r, "b") > 1]
    alone = [r for r in results if r.kind == "infer" and size(r, "b") == 1]
    found = at_least("training: ratio", 1.25, [(r, r.ratio()) for r in train])
    found += at_least("training: ratio at H=32", 4.0, [(r, r.ratio()) for r in train if size(r, "h") == 32])
    ratios = [ratio for r in train if (ratio := r.ratio()) is not None]
    if ratios:
        middle = statistics.median(ratios)
        found.append(Target("training: median ratio at least 2.00", f"{middle:.2f}", middle >= 2.0))
    found += at_least("training, H >= 128: share of product", 0.85, [(r, share(r)) for r in train if size(r, "h") >= 128])
    found += at_least("inference: ratio", 1.0, [(r, r.ratio()) for r in infer])
    found += at_least("inference, H >= 200: share of product", 0.92, [(r, share(r)) for r in infer if size(r, "h") >= 200])
    found += at_least("inference of one sequence: ratio", 1.0, [(r, r.ratio()) for r in alone])
    runtime = [(r, over(r, "ONNX Runtime")) for r in results if r.kind == "stream" and size(r, "h") >= 256]
    found += at_least("streaming, H >= 256: ratio to ONNX Runtime", 1.5, runtime)
    for kind, wanted in (("stream-int8", 2.5), ("stream-bf16", 1.6)):
        found += at_least(f"{kind}, H >= 128: times the f32 of this run", wanted, smaller(results, kind))
    for name, wanted in (("ptb-small", 1.7), ("char-rnn", 1.8)):
        found += at_least(f"{name}: ratio", wanted, [(r, r.ratio()) for r in results if r.name == name])
    return found


def smaller(results: list[Result], kind: str) -> list[tuple[Result, float]]:
    """Streams of this kind from H 128 on, and how many times each goes into the f32 stream of the same sizes."""
    full = {(r.cell, r.work["h"]): r.median("gimbap") for r in results if r.kind == "stream"}
    found = [(r, full.get((r.cell, r.work["h"]))) for r in results if r.kind == kind and r.work["h"] >= 128]
    return [(r, seconds / r.median("gimbap")) for r, seconds in found if seconds is not None]


def over(result: Result, peer: str) -> float | None:
    return result.median(peer) / result.median("gimbap") if peer in result.seconds else None


def absent(results: list[Result], missing: dict[str, str]) -> str:
    """Who was not there, and for which workloads a peer failed."""
    lines = [f"missing: {label}: {reason}" for label, reason in missing.items()]
    reasons: dict[tuple[str, str], int] = {}
    for result in results:
        for label, reason in result.missing.items():
            reasons[label, reason] = reasons.get((label, reason), 0) + 1
    lines += [f"not measured: {label} on {count} workloads: {why}" for (label, why), count in reasons.items()]
    return "\n".join(lines)
