#!/usr/bin/env python3
"""How ours scales: `python3 bench/scaling.py`. With threads (2 against 1, and one more than there are cores), and with
the length of a sequence, of which it draws a picture into the record."""

import argparse
import csv
import datetime
import math
import os
import pathlib
import statistics
import sys
import time
from typing import Any

import install
import record
from measure import PAUSE
from picture import line, text
from process import Peer
from report import Target

LENGTHS = [100, 1_000, 10_000, 100_000, 1_000_000]
SCHEDULES = {"forward": "#0b7a4b", "checkpointed": "#4a6fa5", "truncated": "#e4572e"}
SEQUENCE = {"b": 1, "i": 8, "h": 64}


def in_turns(peers: dict[int, Peer], work: dict[str, Any], turn: float) -> dict[int, float]:
    """Median seconds of a workload, for each number of threads."""
    seconds: dict[int, list[float]] = {threads: [] for threads in peers}
    for peer in peers.values():
        peer.ask("prepare", work=work, data="", write=False)
        peer.ask("time", seconds=0.0, least=1)
    for _ in range(3):
        for threads, peer in peers.items():
            time.sleep(PAUSE)
            seconds[threads] += peer.ask("time", seconds=turn, least=1)["seconds"]
    return {threads: statistics.median(found) for threads, found in seconds.items()}


def threads(command: list[str], turn: float) -> list[Target]:
    """Batches of 16 and more through 128 units and more."""
    cores = os.cpu_count() or 1
    peers = {n: Peer(command, n, f"{n} threads") for n in (1, 2, cores + 1)}
    reference = max(peers) - 1
    works = [w for w in peers[1].ask("list")["workloads"] if w["work"].get("kind") in ("train", "infer")]
    works = [w for w in works if w["work"]["b"] >= 16 and w["work"]["h"] >= 128]
    print(f"| workload | cell | 1 thread, ms | 2 threads | {cores + 1} against {cores} |\n|---|---|---|---|---|")
    gains, more = [], []
    if reference not in peers:
        peers[reference] = Peer(command, reference, f"{reference} threads")
    for workload in works:
        name = f"{workload['work']['cell']} {workload['name']}"
        found = in_turns(peers, workload["work"], turn)
        gains.append((found[1] / found[2], name))
        more.append((found[reference] / found[cores + 1], name))
        row = f"{1e3 * found[1]:.2f} | {gains[-1][0]:.2f}x | {more[-1][0]:.2f}x"
        print(f"| {workload['name']} | {workload['work']['cell']} | {row} |", flush=True)
    for peer in peers.values():
        peer.close()
    print()
    (least, least_name), (worst, worst_name) = min(gains), min(more)
    middle = statistics.median(gain for gain, _ in gains)
    return [
        Target("2 threads at least 1.8 of one", f"{least:.2f} ({least_name}), median {middle:.2f}", least >= 1.8),
        Target(f"{cores + 1} threads no slower than {cores}", f"{worst:.2f} ({worst_name})", worst >= 0.95),
    ]


def lengths(command: list[str], most: int) -> dict[str, list[tuple[int, float]]]:
    """Microseconds a step for each schedule and length, the least of the repetitions. On one thread: the steps of one
    sequence have next to nothing to share out."""
    found: dict[str, list[tuple[int, float]]] = {schedule: [] for schedule in SCHEDULES}
    peer = Peer(command, 1, "gimbap")
    for t in [t for t in LENGTHS if t <= most]:
        for schedule, points in found.items():
            peer.ask("prepare", work={"schedule": schedule, "t": t, **SEQUENCE}, data="", write=False)
            seconds = peer.ask("time", seconds=0.5, least=2)["seconds"]
            points.append((t, 1e6 * min(seconds) / t))
    peer.close()
    return found


def constant(found: dict[str, list[tuple[int, float]]]) -> list[Target]:
    targets = []
    for schedule, points in found.items():
        low, high = min(y for _, y in points), max(y for _, y in points)
        figures = ", ".join(f"{y:.2f}" for _, y in points)
        text = f"{schedule}: a step costs the same at every length (within a quarter)"
        targets.append(Target(text, f"{figures} us at T = 1e2, 1e3 ..", high <= 1.25 * low))
    return targets


def draw(found: dict[str, list[tuple[int, float]]], caption: str) -> str:
    """Microseconds a step over `T`, both logarithmic."""
    left, top, width, height = 60.0, 60.0, 520.0, 240.0
    values = [y for points in found.values() for _, y in points]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    first, last = math.log10(LENGTHS[0]), math.log10(LENGTHS[-1])
    body = text(left, 24, "LSTM, I = 8, H = 64, one sequence: microseconds a step over its length", size=14)
    body += text(left, 42, caption, size=11)

    def place(t: float, y: float) -> tuple[float, float]:
        across = left + width * (math.log10(t) - first) / (last - first)
        return across, top + height * (high - math.log10(y)) / (high - low)

    for power in range(low, high + 1):
        for step in (1, 2, 5) if power < high else (1,):
            _, at = place(LENGTHS[0], step * 10.0**power)
            body += line(left, at, left + width, at, "#ddd")
            body += text(left - 6, at + 4, f"{step * 10.0**power:g}", size=10, anchor="end")
    for t in LENGTHS:
        body += text(place(t, 1)[0], top + height + 16, f"{t:,}", size=10, anchor="middle")
    for number, (schedule, points) in enumerate(found.items()):
        places = [place(*point) for point in points]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        body += f'<path d="M{path}" fill="none" stroke="{SCHEDULES[schedule]}" stroke-width="2"/>\n'
        body += "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{SCHEDULES[schedule]}"/>\n' for x, y in places)
        at = top + 20.0 * number + 8
        body += line(left + width + 14, at, left + width + 38, at, SCHEDULES[schedule])
        body += text(left + width + 44, at + 4, schedule)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 740 340" font-family="sans-serif">\n'
        f'<rect width="740" height="340" fill="white"/>\n{body}</svg>\n'
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turn", type=float, default=0.2, help="seconds of a turn of a workload")
    parser.add_argument("--most", type=int, default=LENGTHS[-1], help="the longest sequence")
    parser.add_argument("--only", choices=["threads", "lengths"], help="one half")
    parser.add_argument("--record", type=pathlib.Path, default=install.HERE / "record", help="folder of the records")
    options = parser.parse_args()
    command = [str(install.ours() / "gimbap-worker")]
    targets = [] if options.only == "lengths" else threads(command, options.turn)
    if options.only != "threads":
        found = lengths(command, options.most)
        targets += constant(found)
        cpu, _ = record.processor()
        date = datetime.date.today().isoformat()
        path = options.record / record.folder(cpu) / f"{date}-lengths.svg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(draw(found, f"{cpu}, one thread, f32, {date}"))
        with path.with_suffix(".csv").open("w", newline="") as file:
            out = csv.writer(file, lineterminator="\n")
            out.writerow(["schedule", "steps", "microseconds_a_step"])
            out.writerows((schedule, t, f"{y:.3f}") for schedule, points in found.items() for t, y in points)
        print(f"written: {path} and .csv\n")
    for target in targets:
        print(target.line())
    return 0


if __name__ == "__main__":
    sys.exit(main())
