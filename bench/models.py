#!/usr/bin/env python3
"""What it costs to ask a whole model something: `python3 bench/models.py [--threads N] [--rounds N] [--venv PATH]`.

Ours and PyTorch's predictions take turns; forks of a stream, steps of small models and the memory of many sessions are
ours alone. Times are medians; of several rounds, the median of theirs.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess

import install


def lines(command: list[str]) -> list[dict]:
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--venv", type=pathlib.Path, help="a virtual environment with PyTorch")
    args = parser.parse_args()
    ours = str(install.ours() / "gimbap-models")
    python = str(install.python(args.venv))
    threads = ["--threads", str(args.threads)]
    found: dict[tuple[str, str], dict[str, list[float]]] = {}
    for _ in range(args.rounds):
        for who, command in [("gimbap", [ours]), ("torch", [python, str(install.HERE / "peers" / "models_torch.py")])]:
            for line in lines([*command, *threads]):
                found.setdefault((line["name"], line["what"]), {}).setdefault(who, []).append(line["seconds"])
    for (name, what), times in found.items():
        medians = {who: statistics.median(seconds) for who, seconds in times.items()}
        peer = ""
        if "torch" in medians:
            peer = f"   PyTorch {medians['torch'] * 1e6:12,.1f}, {medians['torch'] / medians['gimbap']:.2f} times ours"
        print(f"{name:13} {what:36} {medians['gimbap'] * 1e6:12,.3f} us{peer}")
    for count in (1000, 20_000):
        print(json.dumps(lines([ours, "sessions", str(count)])[0]))


if __name__ == "__main__":
    main()
