"""Whole processes: how long they take and how much memory, from start to end."""

import pathlib
import statistics
import subprocess
import sys
from dataclasses import dataclass

from report import Target

REPETITIONS = 21

# In a Python of its own: the system counts into a child's peak the memory of the process that started it, which should
# therefore be small.
RUN = """
import os, sys, time
sink = [(os.POSIX_SPAWN_OPEN, n, os.devnull, os.O_WRONLY, 0) for n in (1, 2)]
for _ in range(int(sys.argv[1])):
    start = time.perf_counter()
    child = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ, file_actions=sink)
    _, status, usage = os.wait4(child, 0)
    print(time.perf_counter() - start, usage.ru_maxrss * 1024, os.waitstatus_to_exitcode(status))
"""


@dataclass(frozen=True)
class Process:
    """A program's median time, and the largest of its peaks of memory (at most that: see above)."""

    name: str
    seconds: float
    peak: int


def run(name: str, command: list[str]) -> Process:
    program = [sys.executable, "-I", "-S", "-c", RUN, str(REPETITIONS), *command]
    lines = subprocess.run(program, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    records = [line.split() for line in lines]
    if any(code != "0" for *_, code in records):
        raise RuntimeError(f"{' '.join(command)} fails")
    return Process(name, statistics.median(float(s) for s, *_ in records), max(int(peak) for _, peak, _ in records))


def measure(programs: pathlib.Path) -> tuple[list[Process], list[Target]]:
    """The tutorial program, `gimbap --help`, and the size of the binary."""
    tutorial = run("tutorial", [str(programs / "examples" / "keras_tutorial")])
    usage = run("gimbap --help", [str(programs / "gimbap"), "--help"])
    size = (programs / "gimbap").stat().st_size
    found = [
        Target("tutorial program under 20 ms", f"{1e3 * tutorial.seconds:.1f} ms", tutorial.seconds < 0.020),
        Target("tutorial program under 15 MiB", f"at most {tutorial.peak / 2**20:.1f} MiB", tutorial.peak < 15 * 2**20),
        Target("gimbap --help under 5 ms", f"{1e3 * usage.seconds:.1f} ms", usage.seconds < 0.005),
        Target("the binary under 12 MB", f"{size / 1e6:.1f} MB", size < 12_000_000),
    ]
    return [tutorial, usage], found
