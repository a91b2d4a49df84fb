#!/usr/bin/env python3
"""How much memory training takes: `python3 bench/memory.py`. Linux only; peers and protocol are those of run.py.

Every figure is of a process of its own, which first trains something tiny, so that its libraries are loaded, then loads
the data. The growth is what the peak of its resident memory during three training steps is above its resident memory
before the first.
"""

import argparse
import os
import pathlib
import re
import statistics
import sys
import tempfile
from typing import Any

import install
import process
from process import Peer
from report import Target

MIB = 2**20
TINY = {"b": 2, "t": 3, "i": 4, "h": 8}
LONG = {"b": 1, "i": 8, "h": 128}


def resident(peer: Peer, field: str) -> int:
    """`VmRSS` or `VmHWM`, in bytes."""
    status = pathlib.Path(f"/proc/{peer.process.pid}/status").read_text()
    found = re.search(rf"^{field}:\s+(\d+) kB", status, re.MULTILINE)
    if not found:
        raise OSError(f"{field} is not in the status of {peer.label}")
    return int(found[1]) * 1024


def growth(peer: Peer, work: dict[str, Any], data: str, least: int) -> tuple[int, list[float]]:
    """Of one workload in a fresh peer; also the seconds of its repetitions."""
    for prepared, path in [(work | TINY, f"{data}-tiny"), (work, data)]:
        peer.ask("prepare", work=prepared, data=path, write=False)
        if prepared is not work:
            peer.ask("time", seconds=0.0, least=1)
    # 5: the peak becomes what is resident now.
    pathlib.Path(f"/proc/{peer.process.pid}/clear_refs").write_text("5")
    before = resident(peer, "VmRSS")
    seconds = peer.ask("time", seconds=0.0, least=least)["seconds"]
    return resident(peer, "VmHWM") - before, seconds


def fresh(command: list[str], threads: int, label: str, work: dict[str, Any], data: str, least: int = 3) -> Any:
    peer = Peer(command, threads, label)
    try:
        return growth(peer, work, data, least)
    finally:
        peer.close()


def layers(command: dict[str, list[str]], threads: int) -> list[Target]:
    """Each training workload, ours and PyTorch's."""
    writer = Peer(command["gimbap"], threads, "gimbap")
    works = [w for w in writer.ask("list")["workloads"] if w["work"].get("kind") == "train"]
    print("growth in training, MiB\n\n| workload | cell | gimbap | PyTorch | ratio |\n|---|---|---|---|---|")
    targets = []
    with tempfile.TemporaryDirectory() as folder:
        for workload in works:
            work, data = workload["work"], f"{folder}/data"
            for prepared, path in [(work | TINY, f"{data}-tiny"), (work, data)]:
                writer.ask("prepare", work=prepared, data=path, write=True)
            ours, theirs = (fresh(command[label], threads, label, work, data)[0] for label in ("gimbap", "PyTorch"))
            print(f"| {workload['name']} | {work['cell']} | {ours / MIB:.1f} | {theirs / MIB:.1f} | {ours / theirs:.2f} |")
            sys.stdout.flush()
            targets.append(Target(f"{workload['name']} {work['cell']}", f"{ours / theirs:.2f}", ours < theirs))
    writer.close()
    return targets


def long(command: list[str], threads: int, steps: int) -> list[Target]:
    """Checkpointed BPTT over `steps` steps: memory beyond the one copy of the data that is idle, and time."""
    work = {"schedule": "checkpointed", "t": steps, **LONG}
    grown, [seconds] = fresh(command, threads, "gimbap", work, "", least=1)
    target = f"checkpoints, T = {steps}: under 300 MiB beyond x"
    found = Target(target, f"{grown / MIB:.0f} MiB, {1e6 * seconds / steps:.1f} us a step", grown < 300 * MIB)
    return [found, price(command, threads)]


def price(command: list[str], threads: int) -> Target:
    """A step with checkpoints against one without, in turns: whatever else the machine does hits both alike."""
    peers = {schedule: Peer(command, threads, schedule) for schedule in ("full", "checkpointed")}
    lengths = {"full": 1000, "checkpointed": 100_000}
    wall: dict[str, list[float]] = {schedule: [] for schedule in peers}
    processor: dict[str, list[float]] = {schedule: [] for schedule in peers}
    for schedule, peer in peers.items():
        peer.ask("prepare", work={"schedule": schedule, "t": lengths[schedule], **LONG}, data="", write=False)
        peer.ask("time", seconds=0.0, least=1)
    for _ in range(5):
        for schedule, peer in peers.items():
            before = processor_time(peer)
            seconds = peer.ask("time", seconds=1.0, least=1)["seconds"]
            steps = len(seconds) * lengths[schedule]
            wall[schedule].append(1e6 * sum(seconds) / steps)
            processor[schedule].append(1e6 * (processor_time(peer) - before) / steps)
    for peer in peers.values():
        peer.close()
    (full, checkpointed), (full_cpu, checkpointed_cpu) = (
        [statistics.median(times[schedule]) for schedule in peers] for times in (wall, processor)
    )
    ratio = checkpointed / full
    about = (
        f"{checkpointed:.2f} us, T = 100000, against {full:.2f} us, T = 1000; "
        f"processor time {checkpointed_cpu / full_cpu:.2f}, {checkpointed_cpu:.2f} us against {full_cpu:.2f} us"
    )
    return Target("checkpoints: a step at most 1.6 of a plain one", f"{ratio:.2f} ({about})", ratio <= 1.6)


def processor_time(peer: Peer) -> float:
    """Seconds, of all its threads."""
    fields = pathlib.Path(f"/proc/{peer.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--venv", type=pathlib.Path, help="a virtual environment that has PyTorch")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="for everyone (default: all cores)")
    parser.add_argument("--long", action="store_true", help="only the long sequence, which needs no PyTorch")
    options = parser.parse_args()
    ours = [str(install.ours() / "gimbap-worker")]
    targets = long(ours, options.threads, 1_000_000)
    if not options.long:
        peers = process.commands(install.python(options.venv), None, False)
        targets += layers({"gimbap": ours, "PyTorch": peers["PyTorch"]}, options.threads)
    print()
    for target in targets:
        print(target.line())
    return 0


if __name__ == "__main__":
    sys.exit(main())
