"""What the Python peers share: the protocol, the data and the clock. `bench/README.md` describes them.

A peer's file makes a `Prepared` of a workload and calls `serve`.
"""

import argparse
import json
import os
import pathlib
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TextIO

import numpy as np

Array = np.ndarray
GATES = {"rnn": 1, "lstm": 4, "gru": 3}


@dataclass(frozen=True)
class Layer:
    """A layer's workload: what is done with it (train, infer, stream), its cell, its sizes."""

    kind: str
    cell: str
    b: int
    t: int
    i: int
    h: int

    @property
    def columns(self) -> int:
        return GATES[self.cell] * self.h


@dataclass(frozen=True)
class Recipe:
    """Whole training steps of a language model, known by its name."""

    recipe: str


@dataclass(frozen=True)
class Language:
    """What a trained language model of two LSTM layers is asked for: to `score` sentences, so many together, or to
    `generate` tokens. Token 0 is the unknown one, and token 1 closes a sentence and stands before the first."""

    answer: str
    v: int
    embedding: int | None
    h: int
    sentences: int
    batch: int
    tokens: int


Work = Layer | Recipe | Language


class Prepared(Protocol):
    """A workload ready to be timed."""

    def results(self) -> dict[str, Array]:
        """What is compared: names, layouts and gate order as in `crates/gimbap-bench`."""

    def call(self) -> None:
        """One call of the workload; for a stream, all its frames."""

    @property
    def steps(self) -> int:
        """What a call's time is divided by."""


class Unsupported(Exception):
    """The peer has nothing for this workload; the message says why."""


@dataclass(frozen=True)
class Arrays:
    """A layer's data, time first, gate order i, f, g, o and r, z, n."""

    x: Array
    w_x: Array
    w_h: Array
    b: Array
    b_h: Array
    d_h: Array

    @staticmethod
    def of(work: Layer, values: Array) -> "Arrays":
        columns = work.columns
        shapes = [
            (work.t, work.b, work.i),
            (work.i, columns),
            (work.h, columns),
            (columns,),
            (columns if work.cell == "gru" else 0,),
            (work.t, work.b, work.h),
        ]
        parts, at = [], 0
        for shape in shapes:
            size = int(np.prod(shape))
            parts.append(np.ascontiguousarray(values[at : at + size].reshape(shape)))
            at += size
        return Arrays(*parts)


def reorder(array: Array, order: str, to: str) -> Array:
    """The gates of the last axis in another order: `reorder(w, "ifgo", "iofg")`."""
    blocks = dict(zip(order, np.split(array, len(order), axis=-1), strict=True))
    return np.ascontiguousarray(np.concatenate([blocks[gate] for gate in to], axis=-1))


Prepare = Callable[[Work, Array], Prepared]


def arguments(about: str, *flags: str) -> argparse.Namespace:
    """`--threads N` and the peer's own switches."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--threads", type=int, required=True)
    for flag in flags:
        parser.add_argument(flag, action="store_true")
    return parser.parse_args()


def serve(name: str, version: str, prepare: Prepare) -> None:
    """Answers requests until standard input ends."""
    answers = own_stdout()
    prepared: Prepared | None = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            match request["op"]:
                case "hello":
                    answer: dict[str, Any] = {"name": name, "version": version}
                case "prepare":
                    prepared = None
                    prepared, answer = prepare(work(request["work"]), read(request["data"])), {}
                case "check":
                    answer = check(prepared, pathlib.Path(request["out"]))
                case "time":
                    answer = {"seconds": repeat(prepared, request["seconds"], request["least"])}
                case other:
                    answer = {"error": f"no request is called {other}"}
        except Unsupported as reason:
            answer = {"unsupported": str(reason)}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


def own_stdout() -> TextIO:
    """Standard output for answers alone: what a library prints goes to standard error."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return answers


def work(request: dict[str, Any]) -> Work:
    kind = Recipe if "recipe" in request else Language if "answer" in request else Layer
    return kind(**request)


def read(path: str) -> Array:
    return np.fromfile(path, dtype="<f4")


def check(prepared: Prepared, out: pathlib.Path) -> dict[str, Any]:
    results = {name: np.ascontiguousarray(array, dtype="<f4") for name, array in prepared.results().items()}
    out.write_bytes(b"".join(array.tobytes() for array in results.values()))
    return {"arrays": [[name, array.size] for name, array in results.items()]}


def repeat(prepared: Prepared, budget: float, least: int) -> list[float]:
    """Seconds of a call, or of a step of it, for `budget` seconds and at least `least` times."""
    begin, seconds = time.perf_counter(), []
    while len(seconds) < least or time.perf_counter() - begin < budget:
        start = time.perf_counter()
        prepared.call()
        seconds.append((time.perf_counter() - start) / prepared.steps)
    return seconds
