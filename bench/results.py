#!/usr/bin/env python3
"""Results on real data: `python3 bench/results.py ptb-small --data DATA`, DATA being a folder with one folder for each
data set (ptb, tinyshakespeare, nsmc, rt_polarity, ..). Each row trains by its config in `examples/configs`, tests, and
leaves NAME.json and its curve NAME.svg in `docs/results`; `table` writes `docs/results.md` from what lies there.
Python 3.11, its standard library alone."""

import argparse
import dataclasses
import json
import math
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

import picture
import record

ROOT = pathlib.Path(__file__).resolve().parent.parent
RESULTS = ROOT / "docs" / "results"


@dataclasses.dataclass(frozen=True)
class Row:
    """One experiment. `config` is a file of `examples/configs`, or a preset; `data.*` are paths below DATA."""

    name: str
    task: str
    config: str
    measure: str
    published: str
    goal: float
    data: dict[str, str]
    folds: int = 1

    def named(self) -> list[str]:
        """What stands behind `gimbap train`, from the repository's root."""
        preset = self.config.removeprefix("preset ")
        return ["--preset", preset] if preset != self.config else [f"examples/configs/{self.config}.toml"]


PTB = {"data.path": "ptb/ptb.train.txt", "data.valid": "ptb/ptb.valid.txt", "data.test": "ptb/ptb.test.txt"}
SHAKESPEARE = {"data.path": "tinyshakespeare/input.txt"}
NSMC = {"data.path": "nsmc/ratings_train.txt", "data.test": "nsmc/ratings_test.txt"}
GLOVE = "word_analogy/glove.6B.100d.wink-subset.txt.gz"

ROWS = [
    Row("ptb-small", "Penn Treebank, Zaremba small as published", "preset zaremba-small", "perplexity",
        "114.5 (Zaremba 2014); PyTorch here 112.51", 114.5, PTB),
    Row("ptb-best", "Penn Treebank, the same size and time", "ptb_best", "perplexity", "below 100 wanted", 100.0, PTB),
    Row("ptb-rnn", "Penn Treebank, SimpleRNN", "ptb_rnn", "perplexity",
        "124.7 (Mikolov 2011), 114.5 (Bai 2018)", 124.7, PTB),
    Row("ptb-large", "Penn Treebank, larger and regularised", "ptb_large", "perplexity",
        "82.7 (Zaremba medium)", 82.7, PTB),
    Row("shakespeare", "tinyshakespeare, 2 x 128", "shakespeare", "loss", "1.657 (PyTorch, same steps)", 1.657, SHAKESPEARE),
    Row("shakespeare-large", "tinyshakespeare, 2 x 256", "shakespeare_large", "loss", "1.562 (PyTorch, same steps)", 1.562, SHAKESPEARE),
    Row("nsmc", "NSMC, syllables", "nsmc", "accuracy", ".8382 (Cho 2019)", 0.8382, NSMC),
    Row("nsmc-jamo", "NSMC, jamo", "nsmc_jamo", "accuracy", ".8316 (Cho 2019)", 0.8316, NSMC),
    Row("rt", "rt-polarity, ten-fold", "rt_polarity", "accuracy", ".80 (recalled)", 0.80, {}, 10),
    Row("rt-glove", "rt-polarity with GloVe, ten-fold", "rt_polarity_glove", "accuracy", ".80 (recalled)", 0.80,
        {"data.vectors": GLOVE}, 10),
]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    names = [row.name for row in ROWS]
    parser.add_argument("names", nargs="+", metavar="ROW", help=f"table, or {', '.join(names)}")
    parser.add_argument("--data", type=pathlib.Path, help="the folder of the data sets")
    parser.add_argument("--gimbap", default=ROOT / "target" / "release" / "gimbap", type=pathlib.Path)
    parser.add_argument("--runs", default=ROOT / "runs", type=pathlib.Path, help="the folder of the runs")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--resume", action="store_true", help="go on with runs that were stopped")
    parser.add_argument("--note", help="what is to be known of the time, for the table")
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.names if name not in [*names, "table"]]:
        parser.error(f"no row {unknown[0]}: there are table, {', '.join(names)}")
    for name in arguments.names:
        if name == "table":
            write_table()
            continue
        if arguments.data is None:
            parser.error("--data: the folder of the data sets is needed")
        row = ROWS[names.index(name)]
        result = run(row, arguments)
        RESULTS.mkdir(parents=True, exist_ok=True)
        (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        (RESULTS / f"{name}.svg").write_text(curve(row, result["epochs"]), encoding="utf-8")
        print(f"{row.task}: {row.measure} {result['figure']:.4f} in {result['seconds']:.0f} s; published {row.published}")


def run(row: Row, arguments: argparse.Namespace) -> dict[str, Any]:
    """Trains, once or for each fold, and returns what is kept."""
    done: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch:
        for fold in range(row.folds):
            paths = {key: arguments.data / path for key, path in row.data.items()}
            if row.folds > 1:
                paths |= split(arguments.data / "rt_polarity", pathlib.Path(scratch) / str(fold), fold, row.folds)
            folder = arguments.runs / (row.name if row.folds == 1 else f"{row.name}-{fold}")
            done.append(train(row, paths, folder, arguments))
    figures = [test(row, each["metrics"]) for each in done]
    seconds = sum(each["seconds"] for each in done)
    data = " ".join(f"--set {key}=DATA/{path}" for key, path in row.data.items())
    return {
        "command": f"gimbap train {' '.join(row.named())} {data}".strip(),
        "figure": statistics.mean(figures),
        **({"folds": figures} if row.folds > 1 else {}),
        "metrics": done[0]["metrics"],
        "parameters": done[0]["parameters"],
        "seconds": seconds,
        **({"note": arguments.note} if arguments.note else {}),
        "machine": f"{record.processor()[0]}, {arguments.threads} threads",
        "epochs": done[0]["epochs"],
    }


def train(row: Row, paths: dict[str, pathlib.Path], folder: pathlib.Path, arguments: argparse.Namespace) -> dict[str, Any]:
    command: list[str] = [str(arguments.gimbap.resolve()), "train", *row.named(), "-o", str(folder.resolve()), "--json", "--threads", str(arguments.threads)]
    command += ["--resume"] if arguments.resume and folder.exists() else ["--force"]
    for key, path in paths.items():
        command += ["--set", f"{key}={json.dumps(str(path.resolve()))}"]
    started = time.monotonic()
    finished = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    wall = time.monotonic() - started
    lines = [json.loads(line) for line in finished.stdout.splitlines()]
    if finished.returncode != 0:
        sys.exit(f"{row.name}: {lines[-1] if lines else 'failed'}")
    epochs = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    model = lines[-1]["model"]
    about = subprocess.run([arguments.gimbap, "inspect", model, "--json"], stdout=subprocess.PIPE, text=True, check=True)
    seconds = wall if not arguments.resume else max(wall, sum(epoch["seconds"] for epoch in epochs))
    return {
        "metrics": lines[-1]["metrics"],
        "parameters": json.loads(about.stdout)["parameters"],
        "seconds": seconds,
        "epochs": [{part: epoch[part] for part in ("epoch", "train", "valid", "rate", "seconds")} for epoch in epochs],
    }


def test(row: Row, metrics: dict[str, Any]) -> float:
    """The figure on the test data, or on the validation data where there is no other."""
    return float(metrics.get("test", metrics)[row.measure])


def split(source: pathlib.Path, target: pathlib.Path, fold: int, folds: int) -> dict[str, pathlib.Path]:
    """A fold's training and test folders: sentences drawn once by a fixed seed, every tenth of them tested."""
    for path in sorted(source.glob("rt-polarity.*")):
        lines = path.read_text(encoding="utf-8").splitlines()
        random.Random(1).shuffle(lines)
        for part, keep in (("train", lambda i: i % folds != fold), ("test", lambda i: i % folds == fold)):
            (target / part).mkdir(parents=True, exist_ok=True)
            chosen = [line for i, line in enumerate(lines) if keep(i)]
            (target / part / path.name).write_text("\n".join(chosen) + "\n", encoding="utf-8")
    return {"data.path": target / "train", "data.test": target / "test"}


def curve(row: Row, epochs: list[dict[str, Any]]) -> str:
    """Training and validation by epoch; the dashed line is what was to be reached."""
    width, height, left, top = 560, 300, 60, 50
    series = {"training": "#4a6fa5", "validation": "#0b7a4b"}
    values = {
        name: [(e["epoch"], e[part].get(row.measure)) for e in epochs if e[part] and e[part].get(row.measure)]
        for name, part in (("training", "train"), ("validation", "valid"))
    }
    every = [v for points in values.values() for _, v in points] + [row.goal]
    low, high = min(every), min(max(every), 3 * sorted(every)[len(every) // 2])
    low, high = low - 0.05 * (high - low), high + 0.05 * (high - low)
    last = max(e["epoch"] for e in epochs)

    def x(epoch: float) -> float:
        return left + (width - left - 20) * (epoch - 1) / max(last - 1, 1)

    def y(value: float) -> float:
        return top + (height - top - 40) * (high - min(value, high)) / (high - low)

    body = picture.text(left, 24, f"{row.task}: {row.measure} by epoch", size=14)
    step = 10 ** math.floor(math.log10(high - low))
    step = next(s for s in (step / 5, step / 2, step, 2 * step) if (high - low) / s <= 6)
    mark = math.ceil(low / step) * step
    while mark <= high:
        body += picture.line(left, y(mark), width - 20, y(mark), "#ddd") + picture.text(
            left - 6, y(mark) + 4, f"{mark:.4g}", size=10, anchor="end"
        )
        mark += step
    body += picture.line(left, y(row.goal), width - 20, y(row.goal), "#222", "5 4")
    for epoch in range(1, last + 1, max(1, -(-last // 12))):
        body += picture.text(x(epoch), height - 22, str(epoch), size=10, anchor="middle")
    for place, (name, colour) in enumerate(series.items()):
        points = " ".join(f"{x(e):.1f},{y(v):.1f}" for e, v in values[name])
        body += f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>\n'
        body += f'<rect x="{left + 110 * place}" y="33" width="10" height="10" fill="{colour}"/>\n'
        body += picture.text(left + 15 + 110 * place, 42, name, size=11)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">\n'
        f'<rect width="{width}" height="{height}" fill="white"/>\n{body}</svg>\n'
    )


def write_table() -> None:
    """Fills the table between the marks in `docs/results.md`."""
    lines = ["| task | measured | published | parameters | time | curve |", "|---|---|---|---|---|---|"]
    for row in ROWS:
        path = RESULTS / f"{row.name}.json"
        if not path.exists():
            continue
        result = json.loads(path.read_text(encoding="utf-8"))
        name = row.named()[-1]
        config = f"[{pathlib.Path(name).name}](../{name})" if "/" in name else f"`--preset {name}`"
        figure = f"{row.measure} **{result['figure']:.4g}**"
        if "folds" in result:
            figure += f" ({min(result['folds']):.3f} to {max(result['folds']):.3f})"
        note = f" ({result['note']})" if "note" in result else ""
        lines.append(
            f"| {row.task}, {config} | {figure} | {row.published} | {result['parameters']:,} "
            f"| {result['seconds']:,.0f} s{note} | [curve](results/{row.name}.svg) |"
        )
    page = ROOT / "docs" / "results.md"
    head, rest = page.read_text(encoding="utf-8").split("<!-- table -->\n", 1)
    _, tail = rest.split("<!-- end -->", 1)
    page.write_text(f"{head}<!-- table -->\n" + "\n".join(lines) + f"\n<!-- end -->{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()
