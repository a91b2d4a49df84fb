"""PyTorch's side of `bench/tables.py`: `nn.LSTM` and `nn.Linear` as they come, with their own initial values, and Adam.

It is called with a folder that holds `job.json` and `job.npz`, and a rate, and prints one line of JSON:

    {"rate": 0.001, "seconds": 12.3, "parameters": 50049, "curve": [[step, loss, figure], ..]}

The figure is the accuracy, or the mean absolute error in the data's units, on the validation part. The seconds are those of
the training and the measurements, without the time in which Python and PyTorch are loaded."""

import argparse
import json
import os
import pathlib
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

# Measurements of a run, of many examples fewer, and examples that are measured at once.
MEASURED, OF_MANY, AT_ONCE = 5, 2, 512


class Net(nn.Module):
    """Embedding, where the inputs are ids; recurrent layers; an output layer on the last state, or on each of the last steps."""

    def __init__(self, job: dict[str, Any]) -> None:
        super().__init__()
        self.last = job["horizon"] if job["known"] else 0
        self.embedding = nn.Embedding(job["vocabulary"] + 1, job["embedding"], padding_idx=0) if job["vocabulary"] else None
        width, units = job["embedding"] or job["features"], job["layers"]
        self.recurrent = nn.ModuleList(nn.LSTM(a, b, batch_first=True) for a, b in zip([width, *units], units))
        self.output = nn.Linear(units[-1], job["outputs"])

    def forward(self, x: torch.Tensor, lengths: torch.Tensor | None) -> torch.Tensor:
        if self.embedding is not None:
            x = self.embedding(x)
        if lengths is not None:
            x = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        for lstm in self.recurrent:
            x, (state, _) = lstm(x)
        return self.output(x[:, -self.last :] if self.last else state[-1])


class Examples:
    """One part: batches of windows of series, or of sequences."""

    def __init__(self, job: dict[str, Any], arrays: dict[str, np.ndarray], part: str) -> None:
        self.job = job
        self.of = {name.removeprefix(f"{part}_"): array for name, array in arrays.items() if name.startswith(f"{part}_")}

    def __len__(self) -> int:
        return len(self.of["starts"])

    def batch(self, chosen: np.ndarray) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor]:
        x, lengths, y = (self.windows if self.job["kind"] == "forecast" else self.sequences)(chosen)
        return torch.from_numpy(x), None if lengths is None else torch.from_numpy(lengths), torch.from_numpy(y)

    def windows(self, chosen: np.ndarray) -> tuple[np.ndarray, None, np.ndarray]:
        """The rows seen; behind them, where something is known ahead, a step for each row that is asked for."""
        window, horizon, known = (self.job[key] for key in ("window", "horizon", "known"))
        rows = self.of["rows"][self.of["starts"][chosen][:, None] + np.arange(window + horizon)]
        x, y = rows[:, :window], rows[:, window:, : self.job["values"]]
        if not known:
            return x, None, y.reshape(len(y), -1)
        ahead = np.zeros((len(x), horizon, x.shape[2]), np.float32)
        ahead[:, :, -known:] = rows[:, window:, -known:]
        mark = np.repeat(np.float32([0, 1]), [window, horizon])
        return np.concatenate([np.concatenate([x, ahead], 1), np.tile(mark[:, None], (len(x), 1, 1))], 2), None, y

    def sequences(self, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        starts, lengths, flat = self.of["starts"][chosen], self.of["lengths"][chosen], self.of["inputs"]
        x = np.zeros((len(chosen), lengths.max(), *flat.shape[1:]), flat.dtype)
        for row, (start, length) in enumerate(zip(starts, lengths)):
            x[row, :length] = flat[start : start + length]
        return x, lengths, self.of["targets"][chosen]


def measure(net: Net, job: dict[str, Any], examples: Examples) -> tuple[float, float]:
    """Loss and figure."""
    net.eval()
    loss = figure = 0.0
    scale = torch.tensor(job["scale"])
    with torch.no_grad():
        for chosen in np.array_split(np.arange(len(examples)), -(-len(examples) // AT_ONCE)):
            x, lengths, y = examples.batch(chosen)
            found = net(x, lengths)
            if job["kind"] == "forecast":
                loss += float(nn.functional.mse_loss(found, y)) * len(y)
                errors = (found - y).abs().reshape(-1, job["values"]) * scale
                figure += float(errors.mean()) * len(y)
            else:
                loss += float(nn.functional.cross_entropy(found, y, reduction="sum"))
                figure += float((found.argmax(1) == y).sum())
    net.train()
    return loss / len(examples), figure / len(examples)


def order(n: int, batch: int) -> Iterator[np.ndarray]:
    """The examples of each batch, shuffled anew in each epoch."""
    rng = np.random.default_rng(1)
    while True:
        every = rng.permutation(n)
        yield from (every[start : start + batch] for start in range(0, n, batch))


def train(net: Net, job: dict[str, Any], arrays: dict[str, np.ndarray], rate: float) -> Iterator[tuple[int, float, float]]:
    examples, valid = (Examples(job, arrays, part) for part in ("train", "valid"))
    optimizer = torch.optim.Adam(net.parameters(), lr=rate)
    loss_of = nn.functional.mse_loss if job["kind"] == "forecast" else nn.functional.cross_entropy
    measured = MEASURED if len(valid) < 20_000 else OF_MANY
    marks = {round(job["steps"] * n / measured) for n in range(1, measured + 1)}
    batches = order(len(examples), job["batch"])
    for step in range(1, job["steps"] + 1):
        x, lengths, y = examples.batch(next(batches))
        optimizer.zero_grad()
        loss_of(net(x, lengths), y).backward()
        optimizer.step()
        if step in marks:
            yield (step, *measure(net, job, valid))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--rate", type=float, required=True)
    args = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    torch.manual_seed(1)
    job = json.loads((args.folder / "job.json").read_text())
    with np.load(args.folder / "job.npz") as file:
        arrays = dict(file)
    net = Net(job)
    started = time.perf_counter()
    curve = [list(point) for point in train(net, job, arrays, args.rate)]
    seconds = round(time.perf_counter() - started, 1)
    print(json.dumps({"rate": args.rate, "seconds": seconds, "parameters": sum(p.numel() for p in net.parameters()), "curve": curve}))


if __name__ == "__main__":
    main()
