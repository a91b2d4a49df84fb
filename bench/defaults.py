#!/usr/bin/env python3
"""The defaults of every task beside PyTorch's and Keras's: `python3 bench/defaults.py ROW.. --data DATA --python VENV/bin/python`.

DATA is a folder with one folder for each data set (ptb, tinyshakespeare, nsmc, ..). A row trains what `gimbap train --task TASK`
trains when nothing but the unit and the number of steps is said, and the same sizes in PyTorch and in Keras, with their own
initial values and the recipes of their tutorials (Adam at its own rate, RMSprop at its own, Adam at three rates), on the same
ids, the same parts and in as many steps. It leaves NAME.json in `docs/results/defaults`; `table` writes the table of
`docs/results.md` from what lies there.

The Python that runs this needs NumPy; the one that `--python` names has PyTorch and Keras."""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import defaults_data as texts
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
RESULTS = ROOT / "docs" / "results" / "defaults"
PEERS = {"torch": "PyTorch", "keras": "Keras"}
USUAL = [{"optimizer": "adam", "rate": 0.001}, {"optimizer": "rmsprop"}]
RATES = [{"optimizer": "adam", "rate": 0.003}, {"optimizer": "adam", "rate": 0.01}]


@dataclass(frozen=True)
class Row:
    """One text or table. `write` puts its parts into a folder; `sets` are the keys that are said."""

    name: str
    title: str
    task: str
    write: Callable[[pathlib.Path, pathlib.Path], None]
    sets: list[str] = field(default_factory=list)
    steps: int | None = None
    seeds: int = 1

    def suffix(self) -> str:
        return {"lm": "txt", "tag": "conll"}.get(self.task, "csv")

    def unit(self) -> str:
        return next((s.split("=")[1] for s in self.sets if s.startswith("data.unit=")), "")

    def keys(self) -> list[str]:
        return self.sets + ([f"train.steps={self.steps}"] if self.steps else [])


def text(name: str, title: str, unit: str, make: Callable[..., str], size: int, steps: int | None = 600, valid: float = 0.05) -> Row:
    def write(data: pathlib.Path, folder: pathlib.Path) -> None:
        texts.write_texts(folder, make(data, size), valid)

    # These texts are tokens already, or were when the peers read them.
    words = ["data.words=space"] if unit == "word" else []
    return Row(name, title, "lm", write, [f"data.unit={unit}", *words], steps)


def labelled(name: str, title: str, make: Callable[..., Any], n: int, sets: list[str]) -> Row:
    def write(data: pathlib.Path, folder: pathlib.Path) -> None:
        texts.write_labelled(folder, texts.halves(make(data, n), 0.1))

    return Row(name, title, "classify", write, sets, None)


def sequences(name: str, title: str, make: Callable[..., Any], seeds: int = 1) -> Row:
    def write(data: pathlib.Path, folder: pathlib.Path) -> None:
        texts.write_sequences(folder, {"train": make(data, "train"), "valid": make(data, "test")})

    return Row(name, title, "classify", write, ["data.id=sequence", "data.time=t", "data.label=label"], None, seeds)


def tagged(name: str, title: str, make: Callable[..., Any], n: int) -> Row:
    def write(data: pathlib.Path, folder: pathlib.Path) -> None:
        texts.write_tagged(folder, texts.halves(make(data, n), 0.1))

    return Row(name, title, "tag", write)


def series(name: str, title: str, valid: float = 0.1, seeds: int = 3, steps: int | None = None) -> Row:
    def write(data: pathlib.Path, folder: pathlib.Path) -> None:
        texts.write_series(folder, texts.SERIES[name](data), valid)

    return Row(name, title, "forecast", write, [], steps, seeds)


def two_digits(data: pathlib.Path, part: str) -> texts.Part:
    return texts.spoken(data, part, "06", 30 if part == "train" else None)


ROWS = [
    text("grammar", "a small grammar, 20 KB", "word", texts.built_in, 20_000, None),
    text("shakespeare-100k", "tinyshakespeare, 100 KB", "char", texts.shakespeare, 100_000),
    text("shakespeare-280k", "tinyshakespeare, 280 KB", "subword", texts.shakespeare, 280_000),
    text("shakespeare", "tinyshakespeare, 1.1 MB", "byte", texts.shakespeare, 2_000_000),
    text("novel-word", "War and Peace, 1 MB", "word", texts.novel, 1_000_000),
    text("novel", "War and Peace, 3.2 MB", "char", texts.novel, 4_000_000),
    text("treebank", "Penn Treebank, 5.1 MB", "word", texts.treebank, 6_000_000),
    text("reviews-200k", "Korean film reviews, 200 KB", "jamo", texts.korean, 200_000),
    text("reviews-500k", "Korean film reviews, 500 KB", "word", texts.korean, 500_000),
    text("reviews-1m", "Korean film reviews, 1 MB", "char", texts.korean, 1_000_000),
    text("reviews-10m", "Korean film reviews, 10 MB", "subword", texts.korean, 10_000_000),
    labelled("films", "English film reviews, 10,662 sentences", texts.films, 10_662, []),
    labelled("korean-films", "Korean film reviews, 10,000", texts.korean_films, 10_000, []),
    sequences("mnist1d", "MNIST-1D, 4,000 series", texts.mnist1d),
    sequences("spoken", "spoken digits, 2,700 recordings", texts.spoken),
    sequences("spoken-60", "two spoken digits, 60 recordings", two_digits, 3),
    tagged("tags", "parts of speech of a small grammar, 3,000 sentences", texts.grammar, 3_000),
    tagged("spacing", "Korean spacing, 5,000 sentences", texts.spacing, 5_000),
    series("etth1", "ETTh1, 7 columns, 11,520 hours", seeds=1),
    series("traffic", "traffic flow, 7,776 times 5 minutes", seeds=1),
    series("exchange", "8 exchange rates, 7,588 days", seeds=1),
    series("airline", "airline passengers, 144 months", 0.33),
    series("sunspots", "sunspots, 2,820 months"),
    series("temperatures", "lowest temperatures, 3,650 days"),
    series("stocks", "S&P 500, 5,000 days", seeds=1),
]  # fmt: skip


# ---- what the peers learn from

def ids_of(tool: pathlib.Path, folder: pathlib.Path, data: dict[str, Any], lines: bool) -> tuple[int, dict[str, np.ndarray]]:
    """The tokens of a text or of texts, one a line, as ours has them: how many there are, and both parts."""
    files = [folder / "train.txt", folder / "valid.txt"]
    unit = ("lines:" if lines else "") + data["unit"]
    options = [unit, data.get("words", "punctuation"), str(data.get("vocab", 0)), str(data.get("min_count", 1)), str(data.get("lowercase", False)).lower()]
    made = subprocess.run([tool, *options, files[0], *files], check=True, stdout=subprocess.PIPE, text=True)
    return int(made.stdout), {f.stem: np.fromfile(f"{f}.ids", "<u4") for f in files}


def cut(flat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ids without the marks between examples, and the length of each."""
    ends = np.flatnonzero(flat == 0xFFFFFFFF)
    return flat[flat != 0xFFFFFFFF], np.diff(np.concatenate([[-1], ends])) - 1


def standard(arrays: dict[str, np.ndarray], key: str) -> None:
    mean, deviation = arrays[f"train_{key}"].mean(axis=0), arrays[f"train_{key}"].std(axis=0)
    for part in ("train", "valid"):
        arrays[f"{part}_{key}"] = (arrays[f"{part}_{key}"] - mean) / np.where(deviation > 0, deviation, 1)


def job(row: Row, folder: pathlib.Path, config: dict[str, Any], tool: pathlib.Path) -> None:
    """Writes job.json and job.npz for the peers, by the config that ours has written."""
    data, train, layers = config["data"], config["train"], config["layer"]
    arrays: dict[str, np.ndarray] = {}
    vocabulary, outputs = 0, 0
    if row.task == "lm":
        vocabulary, parts = ids_of(tool, folder, data, False)
        arrays = {"train": parts["train"], "valid": np.concatenate([np.array([1], np.uint32), parts["valid"]])}
        outputs = vocabulary
    elif row.task == "tag":
        parts = {part: read_tagged(folder / f"{part}.conll") for part in ("train", "valid")}
        counts: dict[str, int] = {}
        for word in (word for sentence in parts["train"][0] for word in sentence):
            counts[word] = counts.get(word, 0) + 1
        ids = {word: 1 + i for i, word in enumerate(w for w, n in counts.items() if n >= data.get("min_count", 1))}
        labels = sorted({tag for tags in parts["train"][1] for tag in tags})
        for part, (sentences, tags) in parts.items():
            arrays[f"{part}_inputs"] = np.array([ids.get(word, 0) for sentence in sentences for word in sentence])
            arrays[f"{part}_targets"] = np.array([labels.index(tag) for each in tags for tag in each])
            arrays[f"{part}_lengths"] = np.array([len(sentence) for sentence in sentences])
        vocabulary, outputs = 1 + len(ids), len(labels)
    elif row.task == "forecast":
        for part in ("train", "valid"):
            arrays[f"{part}_values"] = np.loadtxt(folder / f"{part}.csv", delimiter=",", skiprows=1, ndmin=2)[:, 1:]
        standard(arrays, "values")
        window = data.get("window", 24)
        for part in ("train", "valid"):
            values = arrays.pop(f"{part}_values").astype(np.float32)
            n = len(values) - window
            arrays[f"{part}_inputs"] = np.concatenate([values[i : i + window] for i in range(n)])
            arrays[f"{part}_targets"] = values[window:]
            arrays[f"{part}_lengths"] = np.full(n, window)
        outputs = arrays["train_targets"].shape[1]
    elif "id" in data:
        for part in ("train", "valid"):
            rows = np.loadtxt(folder / f"{part}.csv", delimiter=",", skiprows=1)
            starts = np.flatnonzero(rows[:, 1] == 0)
            arrays[f"{part}_inputs"], arrays[f"{part}_targets"] = rows[:, 3:].astype(np.float32), rows[starts, 2].astype(int)
            arrays[f"{part}_lengths"] = np.diff(np.concatenate([starts, [len(rows)]]))
        standard(arrays, "inputs")
        outputs = renumber(arrays)
    else:
        vocabulary, parts = ids_of(tool, folder, data, True)
        for part in ("train", "valid"):
            arrays[f"{part}_inputs"], arrays[f"{part}_lengths"] = cut(parts[part])
            arrays[f"{part}_targets"] = np.array(labels_of(folder / f"{part}.csv"))
        outputs = renumber(arrays)
    recurrent = [layer.get("layer", layer) for layer in layers if layer["type"] in ("lstm", "gru", "bidirectional")]
    given = {
        "name": row.name, "kind": row.task, "batch": train["batch"], "vocabulary": vocabulary, "outputs": outputs,
        "bptt": train["bptt"] if row.task == "lm" else 0,
        "features": 0 if vocabulary else arrays["train_inputs"].shape[-1],
        "embedding": next((layer["units"] for layer in layers if layer["type"] == "embedding"), 0),
        "layers": [layer["units"] for layer in recurrent],
        "bidirectional": any(layer["type"] == "bidirectional" for layer in layers),
        "dropout": next((layer["rate"] for layer in layers if layer["type"] == "dropout"), 0.0), "steps": 0,
    }  # fmt: skip
    n = (len(arrays["train"]) - 1) // given["batch"] // given["bptt"] if row.task == "lm" else 0
    per_epoch = n if row.task == "lm" else -(-len(arrays["train_lengths"]) // given["batch"])
    given["steps"] = train.get("steps") or train["epochs"] * max(1, per_epoch)
    (folder / "job.json").write_text(json.dumps(given))
    np.savez_compressed(folder / "job.npz", **arrays)


def renumber(arrays: dict[str, np.ndarray]) -> int:
    """Classes from 0; how many there are."""
    classes = sorted(set(arrays["train_targets"].tolist()))
    for part in ("train", "valid"):
        arrays[f"{part}_targets"] = np.array([classes.index(label) for label in arrays[f"{part}_targets"].tolist()])
    return len(classes)


def labels_of(path: pathlib.Path) -> list[str]:
    with open(path, newline="", encoding="utf-8") as file:
        return [row["label"] for row in texts.csv.DictReader(file)]


def read_tagged(path: pathlib.Path) -> tuple[list[list[str]], list[list[str]]]:
    sentences = [[line.split("\t") for line in block.splitlines()] for block in path.read_text(encoding="utf-8").strip().split("\n\n")]
    return [[word for word, _ in s] for s in sentences], [[tag for _, tag in s] for s in sentences]


# ---- running

def ours(row: Row, folder: pathlib.Path, gimbap: pathlib.Path, more: list[str], seed: int, name: str) -> dict[str, Any]:
    """One training by the command: its last line of JSON, seconds, and the epoch that was kept."""
    run = folder / name
    data, valid = (folder / f"{part}.{row.suffix()}" for part in ("train", "valid"))
    sets = [word for key in row.keys() + more for word in ("--set", key)]
    command = [gimbap, "--json", "--threads", "1", "train", "--task", row.task, "--data", data, "--valid", valid, *sets]
    started = time.perf_counter()
    done = subprocess.run([*command, "--seed", str(seed), "-o", run, "--force"], stdout=subprocess.PIPE, text=True, check=True)
    seconds = time.perf_counter() - started
    last = json.loads(done.stdout.splitlines()[-1])
    epochs = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    best = min(epochs, key=lambda epoch: epoch["valid"]["loss"])
    return {"seconds": round(seconds, 1), "epochs": len(epochs), "best": best["valid"], **last}


def peers(folder: pathlib.Path, python: pathlib.Path, peer: str, recipes: list[dict[str, Any]], seeds: int) -> list[dict[str, Any]]:
    script = ROOT / "bench" / "peers" / f"defaults_{peer}.py"
    environment = os.environ | {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
    command = [python, script, folder, "--recipes", json.dumps(recipes), "--seeds", *map(str, range(1, seeds + 1))]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="+", metavar="ROW", help=f"table, all, or {', '.join(row.name for row in ROWS)}")
    parser.add_argument("--data", type=pathlib.Path, help="the folder of the data sets")
    parser.add_argument("--gimbap", default=ROOT / "target" / "release" / "gimbap", type=pathlib.Path)
    parser.add_argument("--python", default=pathlib.Path(sys.executable), type=pathlib.Path, help="that of the peers")
    parser.add_argument("--work", default=ROOT / "runs" / "defaults", type=pathlib.Path, help="the folder of data and runs")
    parser.add_argument("--peers", nargs="*", default=list(PEERS), choices=list(PEERS), help="whom to run beside ours")
    parser.add_argument("--rates", action="store_true", help="the peers with three rates of Adam, and not its own alone")
    parser.add_argument("--prepare", action="store_true", help="write the data alone")
    args = parser.parse_args()
    if args.names == ["table"]:
        return table()
    for row in [row for row in ROWS if row.name in args.names or args.names == ["all"]]:
        folder = args.work / row.name
        folder.mkdir(parents=True, exist_ok=True)
        row.write(args.data, folder)
        if not args.prepare:
            run_row(row, folder, args)


def run_row(row: Row, folder: pathlib.Path, args: argparse.Namespace) -> None:
    """Runs a row, and adds what was measured to what its file holds."""
    mine = [ours(row, folder, args.gimbap, [], seed, "run") for seed in range(1, row.seeds + 1)]
    config = tomllib.loads((folder / "run" / "config.toml").read_text())
    early = None
    if row.task == "lm":
        schedule = config["train"].get("schedule")
        same = [f"train.schedule={inline(schedule)}"] if schedule else []
        sets = [key for key in row.keys() if not key.startswith("train.steps")]
        short = Row(row.name, row.title, row.task, row.write, sets, 100)
        early = ours(short, folder, args.gimbap, same, 1, "early")["best"]["loss"]
    job(row, folder, config, args.gimbap.with_name("gimbap-ids"))
    path = RESULTS / f"{row.name}.json"
    before = json.loads(path.read_text()) if path.exists() else {}
    record = {"row": row.name, "ours": [brief(run) for run in mine], "early": early, "trivial": trivial(row, mine[0], folder), "peers": before.get("peers", {}), "config": config["train"] | {"data": small(config["data"])}}
    record["config"]["unit"] = config["data"].get("unit", "")
    record["steps"] = json.loads((folder / "job.json").read_text())["steps"]
    for peer in args.peers:
        recipes = USUAL + (RATES if args.rates or peer == "torch" else [])
        record["peers"][peer] = peers(folder, args.python, peer, recipes, row.seeds)
    save(path, record)


def brief(run: dict[str, Any]) -> dict[str, Any]:
    return {key: run[key] for key in ("seconds", "epochs", "best", "metrics")}


def trivial(row: Row, run: dict[str, Any], folder: pathlib.Path) -> float:
    """What costs nothing: the loss of frequencies, the accuracy of the majority, the error of repeating the last value."""
    if row.task == "lm":
        return run["metrics"]["order_0_loss"]
    if row.task in ACCURACY:
        return run["metrics"]["majority_accuracy"]
    with np.load(folder / "job.npz") as arrays:
        windows = arrays["valid_inputs"].reshape(len(arrays["valid_targets"]), -1, arrays["valid_targets"].shape[1])
        return float(((windows[:, -1] - arrays["valid_targets"]) ** 2).mean())


def save(path: pathlib.Path, record: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=1) + "\n")


def small(data: dict[str, Any]) -> dict[str, Any]:
    """Without paths."""
    return {key: value for key, value in data.items() if key not in ("path", "valid", "test")}


def inline(table: dict[str, Any]) -> str:
    return "{" + ", ".join(f"{key} = {json.dumps(value)}" for key, value in table.items()) + "}"


# ---- the table

START, END = "<!-- defaults -->", "<!-- end of defaults -->"
ACCURACY = ("classify", "tag")


def kept(runs: list[dict[str, Any]], measure: int) -> float:
    """The mean over seeds of a peer's figure where its validation loss was least: 1 the loss, 2 the accuracy."""
    return statistics.mean(min(run["curve"], key=lambda point: point[1])[measure] for run in runs)


def best(record: dict[str, Any], peer: str, measure: int) -> tuple[float, str, float] | None:
    """The best recipe's figure, its name, and the seconds of a run."""
    recipes: dict[str, list[dict[str, Any]]] = {}
    for run in record["peers"].get(peer, []):
        recipes.setdefault(name_of(run["recipe"]), []).append(run)
    found = [(kept(runs, measure), name, statistics.mean(run["seconds"] for run in runs)) for name, runs in recipes.items()]
    return (max if measure == 2 else min)(found, default=None)


def name_of(recipe: dict[str, Any]) -> str:
    rate = f" {recipe['rate']}".replace("0.", ".") if "rate" in recipe else ""
    return {"adam": "Adam", "rmsprop": "RMSprop"}[recipe["optimizer"]] + rate


def at_hundred(record: dict[str, Any]) -> float | None:
    """The least loss of a peer after 100 updates."""
    points = [point[1] for runs in record["peers"].values() for run in runs for point in run["curve"] if point[0] == 100]
    return min(points, default=None)


def digits(x: float | None) -> str:
    if x is None:
        return "-"
    return f"{x:.3f}" if x >= 0.1 else f"{x:.2g}"


def line(row: Row, record: dict[str, Any]) -> str:
    measure = 2 if row.task in ACCURACY else 1
    mine = statistics.mean(run["best"]["accuracy" if measure == 2 else "loss"] for run in record["ours"]) if record["ours"] else None
    cells = [row.title, row.unit() or record["config"].get("unit", ""), f"{record['steps']:,}"]
    cells.append(f"**{digits(mine)}**" if mine is not None else "-")
    seconds = [f"{statistics.mean(run['seconds'] for run in record['ours']):.0f}" if record["ours"] else "-"]
    for peer in PEERS:
        found = best(record, peer, measure)
        cells.append(f"{digits(found[0])} ({found[1]})" if found else "-")
        seconds.append(f"{found[2]:.0f}" if found else "-")
    cells.append(digits(record["trivial"]))
    if row.task == "lm":
        cells.append(f"{digits(record['early'])} ({digits(at_hundred(record))})")
    return "| " + " | ".join([*cells, " / ".join(seconds)]) + " |"


def table() -> None:
    """Writes the rows that have been run into docs/results.md."""
    heads = {
        "lm": ["text", "unit", "updates", "loss", "PyTorch", "Keras", "order 0", "loss after 100 updates (the better peer's)", "seconds"],
        "classify": ["table", "unit", "updates", "accuracy", "PyTorch", "Keras", "majority", "seconds"],
        "tag": ["table", "unit", "updates", "accuracy", "PyTorch", "Keras", "majority", "seconds"],
        "forecast": ["series", "", "updates", "squared error, scaled", "PyTorch", "Keras", "last value", "seconds"],
    }  # fmt: skip
    lines = []
    for task, head in heads.items():
        rows = [(row, RESULTS / f"{row.name}.json") for row in ROWS if row.task == task]
        rows = [(row, json.loads(path.read_text())) for row, path in rows if path.exists()]
        if rows:
            lines += ["", f"`gimbap train --task {task}`:", "", "| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
            lines += [line(row, record) for row, record in rows]
    page = ROOT / "docs" / "results.md"
    before, _, rest = page.read_text(encoding="utf-8").partition(START)
    after = rest.partition(END)[2]
    page.write_text(f"{before}{START}\n" + "\n".join(lines[1:]) + f"\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
