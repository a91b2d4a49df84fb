"""The record of a run: `record/<cpu>/<date>.csv`."""

import csv
import os
import pathlib
import re
from dataclasses import dataclass

from measure import Result
from report import gflops

FEATURES = ["avx2", "fma", "avx512f", "avx512vl", "avx512_vnni", "avx512_bf16", "asimd", "asimddp", "bf16", "i8mm"]


@dataclass(frozen=True)
class Machine:
    """The processor, and what it reached in this run."""

    cpu: str
    features: list[str]
    threads: int
    isa: str
    gflops: float
    gemm: float
    packed: float
    spread: tuple[float, float]
    read: list[float | None]

    @property
    def folder(self) -> str:
        return folder(self.cpu)

    def is_uneven(self) -> bool:
        """Whether the product's rate was not the same all the time."""
        return self.spread[0] < 0.9 * self.spread[1]

    def line(self) -> str:
        levels = [f"L{n} {rate:.0f}" for n, rate in enumerate(self.read, 1) if rate]
        return (
            f"{self.cpu} ({' '.join(self.features)}), {self.threads} threads, kernels {self.isa}; matrix product "
            f"{self.gflops:.0f} GFLOP/s (gemm {self.gemm:.0f}, packed {self.packed:.0f}; {self.spread[0]:.0f} to "
            f"{self.spread[1]:.0f} during the run); "
            f"reading with one thread, GB/s: {', '.join(levels)}"
        )


def folder(cpu: str) -> str:
    """`AMD EPYC` with two cores: `amd-epyc-2-cores`."""
    name = re.sub(r"[^a-z0-9]+", "-", re.sub(r"\((r|tm)\)", "", cpu.lower())).strip("-")
    return f"{name}-{os.cpu_count()}-cores"


def processor() -> tuple[str, list[str]]:
    """Its name and those of its features that matter here (Linux; elsewhere unknown)."""
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text()
    except OSError:
        return "unknown", []
    name = re.search(r"^model name\s*: (.*)$", text, re.MULTILINE)
    flags = re.search(r"^(?:flags|Features)\s*: (.*)$", text, re.MULTILINE)
    present = set(flags[1].split()) if flags else set()
    return name[1] if name else "unknown", [feature for feature in FEATURES if feature in present]


HEADER = [
    "date", "cpu", "features", "isa", "threads", "kind", "cell", "workload", "peer", "version", "repetitions",
    "seconds_median", "seconds_min", "gflops", "share_of_product", "product_gflops", "ratio_to_best_peer",
]  # fmt: skip


def write(path: pathlib.Path, date: str, machine: Machine, versions: dict[str, str], results: list[Result]) -> None:
    """A line for each workload and peer."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(HEADER)
        for result in results:
            for peer, seconds in result.seconds.items():
                rate, ratio = gflops(result, peer), result.ratio() if peer == "gimbap" else None
                what = [result.kind, result.cell, result.name, peer, versions[peer], len(seconds)]
                times = [f"{result.median(peer):.4e}", f"{min(seconds):.4e}"]
                shares = [f"{rate:.2f}", f"{rate / machine.gflops:.4f}"] if rate else ["", ""]
                about = [date, machine.cpu, " ".join(machine.features), machine.isa, machine.threads]
                last = [f"{machine.gflops:.1f}", f"{ratio:.3f}" if ratio else ""]
                out.writerow(about + what + times + shares + last)
