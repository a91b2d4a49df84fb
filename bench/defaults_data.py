"""The data of `bench/defaults.py`: each function writes the training and the validation part of a row into a folder, as
`gimbap train` reads them, and as the numbers from which the peers learn."""

import csv
import gzip
import math
import pathlib
import random
import struct
import wave
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

Part = tuple[list[list[Any]], list[Any]]


# ---- texts

def built_in(data: pathlib.Path, size: int) -> str:
    """Sentences of a small grammar, of which the last word hangs on one far before it."""
    del data
    rng = random.Random(13)
    places = {
        "korea": "korean", "france": "french", "japan": "japanese", "spain": "spanish", "italy": "italian", "poland": "polish",
    }  # fmt: skip
    names, sides = "mina jun ana luc ken sofia marco ewa".split(), "near the sea|in the hills|by a wide river".split("|")
    text = ""
    while len(text) < size:
        name, (land, tongue) = rng.choice(names), rng.choice(list(places.items()))
        text += rng.choice([
            f"{name} grew up in {land} {rng.choice(sides)} and speaks {tongue} .\n",
            f"in {land} {name} has a house {rng.choice(sides)} and writes in {tongue} .\n",
            f"what time is it in {land} ? it is {rng.choice('two three four five'.split())} o'clock .\n",
        ])  # fmt: skip
    return text


def shakespeare(data: pathlib.Path, size: int) -> str:
    return (data / "tinyshakespeare" / "input.txt").read_text(encoding="utf-8")[:size]


def novel(data: pathlib.Path, size: int) -> str:
    return (data / "warpeace" / "warpeace_input.txt").read_text(encoding="utf-8")[:size]


def treebank(data: pathlib.Path, size: int) -> str:
    return (data / "ptb" / "ptb.train.txt").read_text(encoding="utf-8")[:size]


def reviews(data: pathlib.Path, part: str = "train") -> Iterator[tuple[str, str]]:
    with open(data / "nsmc" / f"ratings_{part}.txt", encoding="utf-8") as file:
        for line in list(file)[1:]:
            _, text, label = line.rstrip("\n").split("\t")
            if text.strip():
                yield " ".join(text.split()), label


def korean(data: pathlib.Path, size: int) -> str:
    """Film reviews, one a line, of so many bytes."""
    text, length = [], 0
    for review, _ in reviews(data):
        text.append(review + "\n")
        length += len(text[-1].encode())
        if length >= size:
            break
    return "".join(text)


def split_text(text: str, fraction: float = 0.05) -> tuple[str, str]:
    """Its last lines for validation: a fraction, 100 KB at most."""
    middle = text.rfind("\n", 0, max(len(text) - 100_000, int(len(text) * (1 - fraction)))) + 1
    return text[:middle], text[middle:]


# ---- labelled texts

def films(data: pathlib.Path, n: int) -> Part:
    """English sentences of film reviews."""
    rows = []
    for label in ("pos", "neg"):
        lines = (data / "rt_polarity" / f"rt-polarity.{label}").read_text(encoding="utf-8").splitlines()
        rows += [(" ".join(line.split()), label) for line in lines]
    return chosen(rows, n)


def korean_films(data: pathlib.Path, n: int) -> Part:
    return chosen(list(reviews(data)), n)


def chosen(rows: list[tuple[Any, Any]], n: int) -> Part:
    random.Random(5).shuffle(rows)
    return [list(texts) for texts in zip(*rows[:n])]  # type: ignore[return-value]


# ---- labelled series

def mnist1d(data: pathlib.Path, part: str) -> Part:
    with gzip.open(data / "mnist1d" / f"mnist1d_{part}.csv.gz", "rt") as file:
        rows = list(csv.reader(file))[1:]
    return [[[float(x)] for x in row[1:]] for row in rows], [row[0] for row in rows]


def spoken(data: pathlib.Path, part: str, digits: str = "0123456789", each: int | None = None) -> Part:
    """Spoken digits as the logarithms of the energy in 12 bands, 25 frames of 40 ms a second."""
    inputs, labels, seen = [], [], dict.fromkeys(digits, 0)
    for path in sorted((data / "fsdd" / "recordings").glob("*.wav")):
        digit, _, index = path.stem.split("_")
        if digit not in digits or (int(index) < 5) != (part == "test") or (each and seen[digit] >= each):
            continue
        if each and int(index) % 9:
            continue
        seen[digit] += 1
        with wave.open(str(path)) as file:
            raw = file.readframes(file.getnframes())
        samples = np.array(struct.unpack(f"<{len(raw) // 2}h", raw)) / 32768
        frames = [samples[i : i + 320] for i in range(0, max(1, len(samples) - 319), 320)]
        power = [np.abs(np.fft.rfft(np.pad(f, (0, 320 - len(f))))) ** 2 for f in frames]
        inputs.append([[math.log(band.sum() + 1e-6) for band in np.array_split(p[1:97], 12)] for p in power])
        labels.append(digit)
    return inputs, labels


# ---- tagged sentences

def spacing(data: pathlib.Path, n: int) -> Part:
    """The syllables of Korean reviews without their blanks, and which of them begins a word."""
    sentences, tags = [], []
    for text, _ in reviews(data):
        words = text.split()
        if 3 <= len(words) <= 15:
            sentences.append([c for word in words for c in word])
            tags.append([tag for word in words for tag in "B" + "I" * (len(word) - 1)])
        if len(sentences) == n:
            break
    return sentences, tags


def grammar(data: pathlib.Path, n: int) -> Part:
    """Sentences in which what a word is hangs on its neighbours: `the saw saw a mark`."""
    del data
    rng = random.Random(7)
    both = "saw mark watch plant fish light play walk cook hand".split()
    nouns = both + [f"noun{i}" for i in range(150)]
    verbs, adjectives = both + [f"verb{i}" for i in range(80)], [f"adj{i}" for i in range(60)]
    sentences, tags = [], []
    for _ in range(n):
        words = []
        for phrase in range(2):
            words.append((rng.choice(["the", "a", "her", "that"]), "DET"))
            words += [(rng.choice(adjectives), "ADJ")] * (rng.random() < 0.4)
            words.append((rng.choice(nouns), "NOUN"))
            if phrase == 0:
                words += [("often", "ADV")] * (rng.random() < 0.3)
                words.append((rng.choice(verbs), "VERB"))
                words += [("to", "TO"), (rng.choice(verbs), "VERB")] * (rng.random() < 0.3)
        words.append((".", "."))
        sentences.append([word for word, _ in words])
        tags.append([tag for _, tag in words])
    return sentences, tags


# ---- series to forecast

def columns(path: pathlib.Path, names: list[int], opened: Callable[..., Any] = open, header: bool = True) -> np.ndarray:
    with opened(path, "rt", encoding="utf-8-sig") as file:
        rows = list(csv.reader(file))[1 if header else 0 :]
    return np.array([[float(row[i]) for i in names] for row in rows])


SERIES: dict[str, Callable[[pathlib.Path], np.ndarray]] = {
    "etth1": lambda d: columns(d / "etth1" / "ETTh1.csv", list(range(1, 8)))[:11520],
    "traffic": lambda d: columns(d / "traffic_pems" / "train.csv", [1]),
    "exchange": lambda d: columns(d / "exchange_rate" / "exchange_rate.txt.gz", list(range(8)), gzip.open, False),
    "airline": lambda d: columns(d / "ts_classics" / "airline-passengers.csv", [1]),
    "sunspots": lambda d: columns(d / "ts_classics" / "monthly-sunspots.csv", [1]),
    "temperatures": lambda d: columns(d / "ts_classics" / "daily-min-temperatures.csv", [1]),
    "stocks": lambda d: columns(d / "stocks" / "sp500.csv.gz", [4], gzip.open),
}


# ---- writing

def write_texts(folder: pathlib.Path, text: str, fraction: float) -> None:
    for name, part in zip(("train", "valid"), split_text(text, fraction)):
        (folder / f"{name}.txt").write_text(part, encoding="utf-8")


def halves(part: Part, fraction: float) -> dict[str, Part]:
    """The last for validation."""
    inputs, labels = part
    keep = round(len(inputs) * (1 - fraction))
    return {"train": (inputs[:keep], labels[:keep]), "valid": (inputs[keep:], labels[keep:])}


def write_labelled(folder: pathlib.Path, parts: dict[str, Part]) -> None:
    for name, (texts, labels) in parts.items():
        with open(folder / f"{name}.csv", "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("text", "label"), *zip(texts, labels)])
        (folder / f"{name}.txt").write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")


def write_sequences(folder: pathlib.Path, parts: dict[str, Part]) -> None:
    for name, (inputs, labels) in parts.items():
        with open(folder / f"{name}.csv", "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["sequence", "t", "label", *(f"x{i}" for i in range(len(inputs[0][0])))])
            for i, (rows, label) in enumerate(zip(inputs, labels)):
                writer.writerows([i, t, label, *row] for t, row in enumerate(rows))


def write_tagged(folder: pathlib.Path, parts: dict[str, Part]) -> None:
    for name, (sentences, tags) in parts.items():
        lines = ("".join(f"{word}\t{tag}\n" for word, tag in zip(*both)) for both in zip(sentences, tags))
        (folder / f"{name}.conll").write_text("\n".join(lines), encoding="utf-8")


def write_series(folder: pathlib.Path, values: np.ndarray, fraction: float) -> None:
    keep = round(len(values) * (1 - fraction))
    for name, part in (("train", values[:keep]), ("valid", values[keep:])):
        with open(folder / f"{name}.csv", "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["t", *(f"x{i}" for i in range(values.shape[1]))])
            writer.writerows([t, *row] for t, row in enumerate(part.tolist()))
