#!/usr/bin/env python3
"""What kills and full disks leave behind: `python3 bench/kills.py --trials 600`.

A trial trains a small model of one of the tasks, is cut off at random moments (SIGKILL, SIGTERM, SIGINT, or a limit on the size
of files, which fails in the middle of a write as a full disk does), resumed and cut off again, and then resumed to its end. After
each cut every file of the run is read; at the end the weights are held against those of a run that nobody cut off, bit for bit.
Counted are files that cannot be read, runs that cannot be resumed, other weights, epochs that the log lacks or has twice, and
temporary files that are left. Python 3.11, its standard library alone, on Unix."""

import argparse
import concurrent.futures
import hashlib
import json
import pathlib
import random
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter

ROOT = pathlib.Path(__file__).resolve().parent.parent
EPOCHS = 6
CUTS = 3
SIZE = ["layer.0.units=6", "layer.1.units=12"]
TASKS = {
    "lm": ["data.unit=word", "train.batch=4", "train.bptt=10", *SIZE],
    "classify": ["data.unit=word", *SIZE],
    "regress": ["data.unit=word", *SIZE],
    "tag": ["layer.0.units=6", "layer.2.layer.units=6"],
    "forecast": ["data.value=flow", "layer.0.units=12"],
}


def write_data(folder: pathlib.Path) -> None:
    """Made-up data of every task."""
    draw = random.Random(1)
    words = ["the cat", "a dog", "my bird"], ["sees", "likes", "hears"], ["the moon", "a house", "the river"]
    lines = [" ".join(draw.choice(part) for part in words) for _ in range(400)]
    (folder / "lm.txt").write_text("\n".join(lines) + "\n")
    for name, label in (("classify", lambda line: line.split()[1]), ("regress", lambda line: len(line))):
        rows = "".join(f"{line},{label(line)}\n" for line in lines[:200])
        (folder / f"{name}.csv").write_text("text,label\n" + rows)
    tags = "".join("".join(f"{w}\t{len(w)}\n" for w in line.split()) + "\n" for line in lines[:150])
    (folder / "tag.conll").write_text(tags)
    flow = "".join(f"{i},{50 + 30 * ((i % 24) - 12) / 12 + draw.random():.3f}\n" for i in range(300))
    (folder / "forecast.csv").write_text("time,flow\n" + flow)


def data_of(task: str) -> str:
    return {"lm": "lm.txt", "tag": "tag.conll"}.get(task, f"{task}.csv")


def command(gimbap: pathlib.Path, task: str, run: str, resume: bool, more: list[str]) -> list[str]:
    if resume:
        return [str(gimbap), "--threads", "1", "train", "--resume", "-o", run, "--epochs", str(EPOCHS), "-q", *more]
    start = ["train", "--task", task, "--data", data_of(task), "-o", run, "--epochs", str(EPOCHS), "-q"]
    sets = [part for key in (*TASKS[task], 'train.schedule={type="constant"}') for part in ("--set", key)]
    return [str(gimbap), "--threads", "1", *start, *sets, *more]


def weights(path: pathlib.Path) -> str:
    """The hash of a model file; raises ValueError unless it is whole."""
    data = path.read_bytes()
    if len(data) < 8:
        raise ValueError(f"{path.name}: {len(data)} bytes")
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + length])
    ends = [tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__"]
    if len(data) != 8 + length + max(ends):
        raise ValueError(f"{path.name}: {len(data)} bytes where the header says {8 + length + max(ends)}")
    return hashlib.sha256(data).hexdigest()


def look(folder: pathlib.Path, found: Counter, whole: bool) -> None:
    """Reads every file of a run."""
    for path in folder.glob("*.safetensors"):
        try:
            weights(path)
        except (ValueError, KeyError) as error:
            found["unreadable"] += 1
            print(f"unreadable: {path}: {error}", file=sys.stderr)
    log = folder / "metrics.jsonl"
    if log.exists():
        text = log.read_text()
        lines = text.splitlines()
        torn = sum(1 for line in lines if not is_json(line))
        # The last line may be torn until the run goes on.
        allowed = 0 if whole or text.endswith("\n") else 1
        found["torn lines"] += max(0, torn - allowed)
        if whole:
            epochs = [json.loads(line)["epoch"] for line in lines if is_json(line)]
            found["epochs missing in the log"] += len(set(range(1, EPOCHS + 1)) - set(epochs))
            found["epochs twice in the log"] += len(epochs) - len(set(epochs))
    if whole:
        found["temporary files left"] += sum(1 for p in folder.iterdir() if p.name.startswith(".gimbap-"))


def is_json(line: str) -> bool:
    try:
        json.loads(line)
        return True
    except json.JSONDecodeError:
        return False


def limited(size: int):
    """Files may not grow beyond so many bytes."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def trial(gimbap: pathlib.Path, folder: pathlib.Path, task: str, seconds: float, expected: dict[str, str], seed: int) -> Counter:
    draw, found, run = random.Random(seed), Counter(), f"runs/{seed}"
    resume, place = False, folder / run
    for _ in range(CUTS):
        how = draw.choice(["kill", "kill", "kill", "term", "int", "size"])
        more = [] if resume or not place.exists() else ["--force"]
        limit = draw.randrange(1, 60_000)
        process = subprocess.Popen(
            command(gimbap, task, run, resume, more), cwd=folder, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
            preexec_fn=limited(limit) if how == "size" else None,
        )  # fmt: skip
        if how != "size":
            time.sleep(draw.random() * seconds)
            process.send_signal({"kill": signal.SIGKILL, "term": signal.SIGTERM, "int": signal.SIGINT}[how])
        error = process.communicate()[1].decode(errors="replace")
        found["cuts"] += 1
        found[f"cut by {how}"] += 1
        expected_codes = {"kill": [-9, 0], "term": [130, 143, -15, 0], "int": [130, -2, 0], "size": [1, 0]}[how]
        if process.returncode not in expected_codes or "mistake in gimbap" in error or "panicked" in error:
            found["other ends"] += 1
            print(f"{task} {how}: exit status {process.returncode}: {error[-300:]}", file=sys.stderr)
        if place.exists():
            look(place, found, whole=False)
        resume = (place / "trainer.safetensors").exists()
    more = [] if resume or not place.exists() else ["--force"]
    last = subprocess.run(command(gimbap, task, run, resume, more), cwd=folder, capture_output=True, text=True)
    if last.returncode != 0:
        found["not resumed"] += 1
        print(f"{task}: {last.stderr[-300:]}", file=sys.stderr)
    else:
        look(place, found, whole=True)
        for name, value in expected.items():
            found["other weights"] += weights(place / name) != value
    found["runs"] += 1
    shutil.rmtree(place, ignore_errors=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gimbap", default=ROOT / "target" / "release" / "gimbap", type=pathlib.Path)
    parser.add_argument("--trials", type=int, default=600, help=f"trials, {CUTS} cuts each")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    gimbap = arguments.gimbap.resolve()
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        write_data(folder)
        expected, seconds = {}, {}
        for task in TASKS:
            started = time.perf_counter()
            subprocess.run(command(gimbap, task, f"runs/{task}", False, []), cwd=folder, check=True, capture_output=True)
            seconds[task] = 1.1 * (time.perf_counter() - started)
            names = ["best.safetensors", "last.safetensors"]
            expected[task] = {name: weights(folder / "runs" / task / name) for name in names}
        found, tasks = Counter(), list(TASKS)
        with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
            seeds = range(arguments.seed * 100_000, arguments.seed * 100_000 + arguments.trials)
            jobs = [
                pool.submit(trial, gimbap, folder, task, seconds[task], expected[task], seed)
                for seed, task in ((seed, tasks[seed % len(tasks)]) for seed in seeds)
            ]
            for job in concurrent.futures.as_completed(jobs):
                found += job.result()
    for name in ["runs", "cuts", "cut by kill", "cut by term", "cut by int", "cut by size", "unreadable", "not resumed",
                 "other weights", "torn lines", "epochs missing in the log", "epochs twice in the log",
                 "temporary files left", "other ends"]:  # fmt: skip
        print(f"{name:28} {found[name]:6}")
    faults = ["unreadable", "not resumed", "other weights", "torn lines", "epochs missing in the log",
              "epochs twice in the log", "other ends"]  # fmt: skip
    sys.exit(any(found[name] for name in faults))


if __name__ == "__main__":
    main()
