"""PyTorch's side of `bench/defaults.py`: its modules as they come, with their own initial values.

A recipe is `{"optimizer": "adam", "rate": 0.001}`, or with `rmsprop`. Further keys are for trying what ours might do:
`embedding` (the deviation of its initial values), `init` ("keras"), `cosine`, `warmup`, `clip`, `dropout`, `change` (a
forecast adds to the last value)."""

import math
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from defaults_peer import MEASURED, Job, scores, serve
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


class Net(nn.Module):
    """Embedding, recurrent layers, an output layer."""

    def __init__(self, job: Job, recipe: dict[str, Any]) -> None:
        super().__init__()
        self.job = job
        self.embedding = nn.Embedding(job.vocabulary + (job.kind != "lm"), job.embedding) if job.vocabulary else None
        width = job.embedding if job.vocabulary else job.features
        self.recurrent = nn.ModuleList()
        for units in job.layers:
            self.recurrent.append(nn.LSTM(width, units, batch_first=True, bidirectional=job.bidirectional))
            width = units * (2 if job.bidirectional else 1)
        self.output = nn.Linear(width, job.outputs)
        self.dropout = nn.Dropout(job.dropout)
        self.between = nn.Dropout(recipe.get("dropout", 0.0))
        self.change = recipe.get("change", False)
        if self.embedding and "embedding" in recipe:
            nn.init.normal_(self.embedding.weight, std=recipe["embedding"])
        if recipe.get("init") == "keras":
            for lstm in self.recurrent:
                for name, weight in lstm.named_parameters():
                    if "weight_ih" in name:
                        nn.init.xavier_uniform_(weight)
                    elif "weight_hh" in name:
                        nn.init.orthogonal_(weight)
                    else:
                        nn.init.zeros_(weight)
                    if "bias_ih" in name:
                        weight.data[lstm.hidden_size : 2 * lstm.hidden_size] = 1.0
            nn.init.xavier_uniform_(self.output.weight)
            nn.init.zeros_(self.output.bias)

    def forward(self, x: torch.Tensor, lengths: Any = None, states: Any = None) -> tuple[torch.Tensor, list[Any]]:
        last = x[:, -1] if self.change else 0.0
        x = self.dropout(self.embedding(x)) if self.embedding is not None else x
        if lengths is not None:
            x = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        new = []
        for i, lstm in enumerate(self.recurrent):
            x, state = lstm(x, states[i] if states else None)
            new.append(state)
        if self.job.kind == "lm":
            return self.output(self.between(x)), new
        if self.job.kind == "tag":
            return self.output(pad_packed_sequence(x, batch_first=True)[0]), new
        return self.output(self.between(new[-1][0][-1])) + last, new


def measure(net: Net, job: Job) -> tuple[float, float]:
    """Loss and accuracy on the validation part; a text in one stream."""
    net.eval()
    loss, right, count = 0.0, 0, 0
    with torch.no_grad():
        if job.kind == "lm":
            ids, states = torch.from_numpy(job.arrays["valid"].astype(np.int64)).to(DEVICE), None
            for start in range(0, len(ids) - 1, MEASURED):
                y = ids[start + 1 : start + 1 + MEASURED]
                logits, states = net(ids[None, start : start + len(y)], None, states)
                loss += float(nn.functional.cross_entropy(logits[0], y, reduction="sum"))
                right += int((logits[0].argmax(1) == y).sum())
                count += len(y)
        else:
            n = len(job.arrays["valid_lengths"])
            for start in range(0, n, 512):
                x, lengths, y = job.sequences("valid", slice(start, start + 512))
                logits = net(torch.from_numpy(x).to(DEVICE), torch.from_numpy(lengths.astype(np.int64)))[0].cpu().numpy()
                if job.kind == "forecast":
                    loss += float(((logits - y) ** 2).mean(axis=1).sum())
                    count += len(y)
                else:
                    more = scores(logits, y)
                    loss, right, count = loss + more[0], right + more[1], count + more[2]
    net.train()
    return loss / count, right / count


def train(job: Job, recipe: dict[str, Any], seed: int) -> Iterator[tuple[int, float, float]]:
    torch.manual_seed(seed)
    net = Net(job, recipe).to(DEVICE)
    kinds = {"adam": torch.optim.Adam, "rmsprop": torch.optim.RMSprop}
    rate = {"lr": recipe["rate"]} if "rate" in recipe else {}
    optimizer = kinds[recipe["optimizer"]](net.parameters(), **rate)
    base, warmup = optimizer.param_groups[0]["lr"], recipe.get("warmup", 0)
    segments, order, states, marks = job.segments() if job.kind == "lm" else None, job.order(seed), None, job.marks()
    for step in range(job.steps):
        if "cosine" in recipe:
            p = (step - warmup) / max(1, job.steps - warmup)
            fall = recipe["cosine"] + (1 - recipe["cosine"]) * 0.5 * (1 + math.cos(math.pi * p))
            optimizer.param_groups[0]["lr"] = base * ((step + 1) / warmup if step < warmup else fall)
        optimizer.zero_grad()
        if segments is not None:
            x, y, goes_on = next(segments)
            states = [tuple(s.detach() for s in state) for state in states] if goes_on and states else None
            logits, states = net(torch.from_numpy(x).to(DEVICE), None, states)
            y = torch.from_numpy(y).to(DEVICE)
            loss = nn.functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), y.reshape(-1))
        else:
            x, lengths, y = job.sequences("train", next(order))
            logits = net(torch.from_numpy(x).to(DEVICE), torch.from_numpy(lengths.astype(np.int64)))[0]
            y = torch.from_numpy(y).to(DEVICE)
            if job.kind == "forecast":
                loss = nn.functional.mse_loss(logits, y)
            else:
                logits = logits.reshape(-1, logits.shape[-1])
                loss = nn.functional.cross_entropy(logits, y.reshape(-1), ignore_index=-1)
        loss.backward()
        if "clip" in recipe:
            nn.utils.clip_grad_norm_(net.parameters(), recipe["clip"])
        optimizer.step()
        if step + 1 in marks:
            yield (step + 1, *measure(net, job))


if __name__ == "__main__":
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    serve("torch", train)
