"""What the two peers of `bench/defaults.py` share: a job's arrays, its batches in order, and how an answer looks.

A job is a folder with `job.json` and `job.npz`. A peer is called with folders of jobs and a list of recipes, and prints
one line of JSON for each job, recipe and seed:

    {"job": "ptb", "peer": "torch", "recipe": {..}, "seed": 1, "seconds": 12.3, "curve": [[step, loss, accuracy], ..]}

The curve is of the validation part: after step 100, after each epoch, and at the end."""

import argparse
import json
import pathlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

# Steps of a segment where a text is measured, and evaluations of a run.
MEASURED, EVALUATIONS = 500, 40


@dataclass
class Job:
    """A network and its data. `kind` is lm, classify, tag or forecast."""

    name: str
    kind: str
    steps: int
    batch: int
    bptt: int
    vocabulary: int
    features: int
    embedding: int
    layers: list[int]
    bidirectional: bool
    dropout: float
    outputs: int
    arrays: dict[str, np.ndarray]

    @staticmethod
    def read(folder: pathlib.Path) -> "Job":
        with np.load(folder / "job.npz") as arrays:
            return Job(**json.loads((folder / "job.json").read_text()), arrays=dict(arrays))

    def examples(self) -> int:
        return len(self.arrays["train_lengths"])

    def per_epoch(self) -> int:
        """Steps of an epoch."""
        if self.kind == "lm":
            length = (len(self.arrays["train"]) - 1) // self.batch
            return max(1, length // self.bptt)
        return -(-self.examples() // self.batch)

    def marks(self) -> list[int]:
        """The steps after which the validation part is measured."""
        epoch = self.per_epoch()
        every = epoch * max(1, -(-self.steps // epoch // EVALUATIONS))
        marks = {*range(every, self.steps, every), self.steps}
        return sorted(marks | ({100} if self.steps > 100 else set()))

    def segments(self) -> Iterator[tuple[np.ndarray, np.ndarray, bool]]:
        """Of a text: inputs, targets `[B, T]`, and whether the state of the segment before goes on."""
        ids, b, t = self.arrays["train"].astype(np.int64), self.batch, self.bptt
        length = (len(ids) - 1) // b
        x, y = ids[: b * length].reshape(b, length), ids[1 : b * length + 1].reshape(b, length)
        t = min(t, length)
        while True:
            for start in range(0, length - t + 1, t):
                yield x[:, start : start + t], y[:, start : start + t], start > 0

    def order(self, seed: int) -> Iterator[np.ndarray]:
        """Of sequences: those of each batch, shuffled anew in each epoch."""
        rng = np.random.default_rng(seed)
        while True:
            every = rng.permutation(self.examples())
            yield from (every[start : start + self.batch] for start in range(0, len(every), self.batch))

    def sequences(self, part: str, chosen: np.ndarray | slice, width: int | None = None) -> tuple[Any, Any, Any]:
        """Inputs padded with zeros (ids counted from 1), lengths, targets (-1 where there is none)."""
        lengths = self.arrays[f"{part}_lengths"]
        starts = np.concatenate([[0], np.cumsum(lengths)])
        chosen = np.arange(len(lengths))[chosen]
        width = width or int(lengths[chosen].max())
        flat = self.arrays[f"{part}_inputs"]
        x = np.zeros((len(chosen), width, *flat.shape[1:]), np.int64 if self.vocabulary else np.float32)
        y = np.full((len(chosen), width), -1, np.int64)
        for row, i in enumerate(chosen):
            inputs = flat[starts[i] : starts[i + 1]]
            x[row, : len(inputs)] = inputs + 1 if self.vocabulary else inputs
            if self.kind == "tag":
                y[row, : len(inputs)] = self.arrays[f"{part}_targets"][starts[i] : starts[i + 1]]
        targets = y if self.kind == "tag" else self.arrays[f"{part}_targets"][chosen]
        return x, lengths[chosen], targets


def scores(logits: np.ndarray, targets: np.ndarray) -> tuple[float, int, int]:
    """The sum of the losses of classes, how many are right, and how many there are; targets below 0 do not count."""
    logits, targets = logits.reshape(-1, logits.shape[-1]).astype(np.float64), targets.reshape(-1)
    logits, targets = logits[targets >= 0], targets[targets >= 0]
    top = logits.max(axis=1)
    norm = top + np.log(np.exp(logits - top[:, None]).sum(axis=1))
    loss = norm - logits[np.arange(len(targets)), targets]
    return float(loss.sum()), int((logits.argmax(axis=1) == targets).sum()), len(targets)


def serve(peer: str, train: Callable[[Job, dict[str, Any], int], Iterator[tuple[int, float, float]]]) -> None:
    """Runs what the arguments ask for. `train` yields a point of the curve at a time."""
    parser = argparse.ArgumentParser()
    parser.add_argument("jobs", nargs="+", type=pathlib.Path)
    parser.add_argument("--recipes", required=True, help="a list of recipes, as JSON")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    args = parser.parse_args()
    for folder in args.jobs:
        job = Job.read(folder)
        for recipe in json.loads(args.recipes):
            for seed in args.seeds:
                started = time.perf_counter()
                curve = [list(point) for point in train(job, recipe, seed)]
                answer = {"job": job.name, "peer": peer, "recipe": recipe, "seed": seed, "curve": curve}
                print(json.dumps({**answer, "seconds": round(time.perf_counter() - started, 2)}), flush=True)
