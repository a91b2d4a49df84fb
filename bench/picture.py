"""The picture of a run, as SVG: training and inference as bars, streaming as lines."""

import math
from collections.abc import Callable
from html import escape

from measure import Result
from record import Machine
from report import gflops

COLOURS = {
    "gimbap": "#0b7a4b",
    "PyTorch": "#e4572e",
    "TensorFlow": "#f2a541",
    "TensorFlow XLA": "#c98b1b",
    "ONNX Runtime": "#4a6fa5",
    "candle": "#9b5de5",
    "rust-lstm": "#8d6e63",
    "tract": "#5f9ea0",
    "burn": "#b56576",
}
CELLS = {"rnn": "SimpleRNN", "lstm": "LSTM", "gru": "GRU"}
WIDTH, PANEL, BETWEEN, LEFT, TOP, HEIGHT, GAP = 1200, 340, 45, 60, 86, 200, 100


def draw(results: list[Result], machine: Machine, peers: list[str]) -> str:
    """Rows of panels: what is done; columns: the cells."""
    kinds = [k for k in ("train", "infer", "stream") if any(r.kind == k for r in results)]
    body = [legend(["gimbap", *(p for p in peers if any(p in r.seconds for r in results if r.kind in kinds))])]
    for row, kind in enumerate(kinds):
        for column, cell in enumerate(CELLS):
            shown = [r for r in results if r.kind == kind and r.cell == cell and (kind == "stream" or r.work["b"] > 1)]
            if shown:
                x, y = LEFT + column * (PANEL + BETWEEN), TOP + row * (HEIGHT + GAP)
                body.append(stream_panel(shown, x, y) if kind == "stream" else bar_panel(shown, machine, x, y))
    height = TOP + len(kinds) * (HEIGHT + GAP) - 20
    caption = f"{machine.cpu}, {machine.threads} threads, f32; the dashed line is this machine's own matrix product"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">\n'
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>\n'
        + text(LEFT, 24, caption, size=15)
        + "".join(body)
        + "</svg>\n"
    )


def text(x: float, y: float, words: str, size: int = 12, anchor: str = "start", turn: int = 0) -> str:
    rotate = f' transform="rotate({turn} {x:.1f} {y:.1f})"' if turn else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="#222"{rotate}>{escape(words)}</text>\n'


def line(x1: float, y1: float, x2: float, y2: float, colour: str, dashes: str = "") -> str:
    return f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="{colour}" stroke-dasharray="{dashes}"/>\n'


def legend(labels: list[str]) -> str:
    drawn, x = "", float(LEFT)
    for label in labels:
        drawn += f'<rect x="{x:.0f}" y="38" width="12" height="12" fill="{COLOURS[label]}"/>\n' + text(x + 17, 49, label)
        x += 40 + 7.5 * len(label)
    return drawn


def bar_panel(results: list[Result], machine: Machine, x: float, y: float) -> str:
    """GFLOP/s of each workload, a bar for each library."""
    first = results[0]
    what = {"train": "training", "infer": "inference"}[first.kind]
    drawn = text(x, y - 10, f"{CELLS[first.cell]}, {what}: GFLOP/s, higher is better", size=13)
    top = 50 * math.ceil(1.1 * machine.gflops / 50)
    bottom = y + HEIGHT
    for mark in range(0, top + 1, 50):
        at = bottom - HEIGHT * mark / top
        drawn += line(x, at, x + PANEL, at, "#ddd") + text(x - 6, at + 4, str(mark), size=10, anchor="end")
    at = bottom - HEIGHT * machine.gflops / top
    drawn += line(x, at, x + PANEL, at, "#222", "5 4")
    group = PANEL / len(results)
    for place, result in enumerate(results):
        left, width = x + place * group + 4, (group - 8) / len(result.seconds)
        for index, label in enumerate(result.seconds):
            height = HEIGHT * (gflops(result, label) or 0.0) / top
            drawn += (
                f'<rect x="{left + index * width:.1f}" y="{bottom - height:.1f}" width="{width - 1:.1f}" '
                f'height="{height:.1f}" fill="{COLOURS[label]}"/>\n'
            )
        middle, size = x + (place + 0.5) * group, result.work
        drawn += text(middle, bottom + 15, f"H{size['h']}", anchor="middle")
        drawn += text(middle, bottom + 28, f"B{size['b']} T{size['t']}", size=10, anchor="middle")
        drawn += text(middle, bottom + 40, f"I{size['i']}", size=10, anchor="middle")
    return drawn


def stream_panel(results: list[Result], x: float, y: float) -> str:
    """Microseconds a step over the hidden size, both logarithmic."""
    first = results[0]
    drawn = text(x, y - 10, f"{CELLS[first.cell]}, streaming: µs a step, lower is better", size=13)
    times = [r.median(label) * 1e6 for r in results for label in r.seconds]
    low, high = math.floor(math.log10(min(times))), math.ceil(math.log10(max(times)))
    sizes = [r.work["h"] for r in results]

    def across(h: float) -> float:
        span = math.log2(max(sizes) / min(sizes)) or 1.0
        return x + 20 + (PANEL - 40) * math.log2(h / min(sizes)) / span

    def down(microseconds: float) -> float:
        return y + HEIGHT * (high - math.log10(microseconds)) / (high - low)

    for power in range(low, high + 1):
        at = down(10.0**power)
        drawn += line(x, at, x + PANEL, at, "#ddd") + text(x - 6, at + 4, f"{10.0**power:g}", size=10, anchor="end")
    drawn += "".join(text(across(h), y + HEIGHT + 15, f"H{h}", anchor="middle") for h in sizes)
    labels = dict.fromkeys(label for r in results for label in r.seconds)
    return drawn + "".join(curve(results, label, across, down) for label in labels)


def curve(results: list[Result], label: str, across: Callable[[float], float], down: Callable[[float], float]) -> str:
    points = [(across(r.work["h"]), down(r.median(label) * 1e6)) for r in results if label in r.seconds]
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{COLOURS[label]}"/>' for x, y in points)
    return f'<path d="M{path}" fill="none" stroke="{COLOURS[label]}" stroke-width="2"/>{dots}\n'
