#!/usr/bin/env python3
"""Gimbap beside other libraries, on this machine: `python3 bench/run.py`. README.md beside this file says what is
measured and how. Python 3.11, its standard library alone; the peers have processes and libraries of their own."""

import argparse
import datetime
import os
import pathlib
import statistics
import sys
import tempfile
from typing import Any

import install
import picture
import record
import report
import streams
import whole
from measure import FULL, QUICK, Result, measure, start
from process import Peer, commands


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="PyTorch and ONNX Runtime alone, a few repetitions")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="for everyone (default: all cores)")
    parser.add_argument("--venv", type=pathlib.Path, help="a virtual environment that has the Python peers")
    parser.add_argument("--record", type=pathlib.Path, default=install.HERE / "record", help="folder of the records")
    parser.add_argument("--no-record", action="store_true", help="print only")
    parser.add_argument("filters", nargs="*", help="only workloads that have each in their name: train,infer lstm H128")
    return parser.parse_args()


def chosen(workloads: list[dict[str, Any]], filters: list[str]) -> list[dict[str, Any]]:
    """Those that meet every filter; a filter's commas mean either."""

    def meets(workload: dict[str, Any]) -> bool:
        words = f"{workload['name']} {workload['work'].get('cell', 'steps')}".lower().split()
        return all(any(word.lower() in words for word in either.split(",")) for either in filters)

    return [workload for workload in workloads if meets(workload)]


class Rates:
    """The machine's own rates, measured again and again between the workloads."""

    def __init__(self, ours: Peer, seconds: float) -> None:
        self.ours, self.seconds, self.found = ours, seconds, [ours.ask("machine", seconds=seconds)]

    def again(self) -> None:
        self.found.append(self.ours.ask("machine", seconds=self.seconds))

    def machine(self, threads: int) -> record.Machine:
        """Medians; the product's rate is the higher of the two products'."""
        gemm, packed = (statistics.median(f[name] for f in self.found) for name in ("gemm_gflops", "packed_gflops"))
        levels = zip(*(f["read"] for f in self.found), strict=True)
        read = [statistics.median(level) if None not in level else None for level in levels]
        cpu, features = record.processor()
        best = [max(f["gemm_gflops"], f["packed_gflops"]) for f in self.found]
        spread = (min(best), max(best))
        return record.Machine(
            cpu, features, threads, self.ours.about["isa"], max(gemm, packed), gemm, packed, spread, read
        )


def run(peers: list[Peer], filters: list[str], quick: bool, rates: Rates) -> list[Result]:
    """Every workload, kind by kind."""
    ours, *others = peers
    results: list[Result] = []
    workloads = chosen(ours.ask("list")["workloads"], filters)
    with tempfile.TemporaryDirectory() as scratch:
        for number, workload in enumerate(workloads, 1):
            cell = workload["work"].get("cell", "")
            install.say(f"{number}/{len(workloads)}: {workload['name']} {cell}")
            results.append(measure(workload, ours, others, QUICK if quick else FULL, pathlib.Path(scratch)))
            if number % 8 == 0:
                rates.again()
    return results


def main() -> int:
    options = parse()
    programs, python = install.ours(), install.python(options.venv)
    rust = None if options.quick else install.rust_peers()
    command = {"gimbap": [str(programs / "gimbap-worker")]}
    peers, missing = start(command | commands(python, rust, not options.quick), options.threads)
    if "gimbap" in missing:
        return 1
    rates = Rates(peers[0], 0.1 if options.quick else 0.5)
    try:
        results = run(peers, options.filters, options.quick, rates)
    finally:
        for peer in peers:
            peer.close()
    tell(results, missing, rates.machine(options.threads), peers, programs, options)
    return 1 if any(result.disagrees for result in results) else 0


def tell(
    results: list[Result],
    missing: dict[str, str],
    machine: record.Machine,
    peers: list[Peer],
    programs: pathlib.Path,
    options: argparse.Namespace,
) -> None:
    """Prints the tables and writes the record."""
    versions = {peer.label: peer.version for peer in peers}
    print(machine.line())
    if machine.is_uneven():
        print("warning: the machine's own rate moved by more than 10 % within this run: other work disturbed it")
    print(", ".join(f"{label} {version}" for label, version in versions.items()) + "\n")
    labels = [peer.label for peer in peers[1:]]
    for kind in report.TITLES:
        of_kind = [result for result in results if result.kind == kind]
        if of_kind:
            print(report.table(kind, of_kind, machine.gflops, labels) + "\n")
    print(report.summary(results) + "\n")
    _, processes = whole.measure(programs)
    for target in report.targets(results, machine.gflops) + streams.targets(results) + processes:
        print(target.line())
    print(report.absent(results, missing))
    if options.quick:
        print("left out by --quick: TensorFlow, candle, burn, tract, rust-lstm")
    if not options.no_record:
        date = datetime.date.today().isoformat()
        path = options.record / machine.folder / f"{date}{'-quick' if options.quick else ''}.csv"
        record.write(path, date, machine, versions, results)
        path.with_suffix(".svg").write_text(picture.draw(results, machine, labels))
        print(f"written: {path} and .svg")


if __name__ == "__main__":
    sys.exit(main())
