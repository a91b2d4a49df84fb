#!/usr/bin/env python3
"""Counts the instructions of `crates/gimbap/benches/instructions.rs` and compares them with `instructions.json`.

    .ci/instructions.py             # 1 if a count is above its bound
    .ci/instructions.py --record    # the counts of now become the recorded ones

Callgrind counts on a processor of its own, which has AVX2 and no AVX-512, on one
thread: other load on the machine changes nothing. Needs valgrind.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
RECORD = ROOT / ".ci" / "instructions.json"
KERNELS = ["lstm-forward", "lstm-backward", "gru-forward", "weight-gradient", "lstm-stream", "softmax-crossentropy"]
# Runs of one build give the same counts.
TOLERANCE = 0.02


def build():
    command = ["cargo", "build", "--release", "--locked", "-p", "gimbap", "--bench", "instructions"]
    lines = subprocess.run(
        [*command, "--message-format", "json"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    ).stdout.splitlines()
    artifacts = [message for message in map(json.loads, lines) if message.get("executable")]
    return artifacts[-1]["executable"]


def count(program, kernel):
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "out"
        run = subprocess.run(
            [
                "valgrind",
                "--tool=callgrind",
                "--toggle-collect=*instructions::measured*",
                f"--callgrind-out-file={out}",
                program,
                kernel,
            ],
            env={**os.environ, "GIMBAP_ISA": "avx2"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        totals = re.search(r"^totals: (\d+)", out.read_text() if out.exists() else "", re.MULTILINE)
        if run.returncode != 0 or not totals or totals[1] == "0":
            sys.exit(f"instructions: {kernel} was not counted: {run.stderr.strip()}")
        return int(totals[1])


def compiler():
    return subprocess.run(["rustc", "--version"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true", help="write the counts instead of comparing them")
    arguments = parser.parse_args()

    program = build()
    counts = {kernel: count(program, kernel) for kernel in KERNELS}
    if arguments.record:
        RECORD.write_text(json.dumps({"compiler": compiler(), "instructions": counts}, indent=2) + "\n")
        print(f"instructions: recorded in {RECORD.relative_to(ROOT)}")
        return 0

    record = json.loads(RECORD.read_text())
    worse = False
    print(f"{'kernel':22} {'recorded':>12} {'now':>12}  change")
    for kernel, now in counts.items():
        before = record["instructions"][kernel]
        change = now / before - 1
        verdict = ""
        if change > TOLERANCE:
            verdict, worse = f"  ABOVE its bound of {TOLERANCE:+.0%}", True
        elif change < -TOLERANCE:
            verdict = "  better: record it"
        print(f"{kernel:22} {before:12} {now:12}  {change:+.2%}{verdict}")
    if record["compiler"] != compiler():
        print(f"recorded with {record['compiler']}; this is {compiler()}, so the counts are not judged")
        return 0
    if worse:
        print("A count that has to grow is recorded with `.ci/instructions.py --record`, the reason in the commit's text.")
    return int(worse)


if __name__ == "__main__":
    sys.exit(main())
