#!/usr/bin/env python3
"""Language models beside PyTorch's: `python3 bench/language.py`. Sentences scored together and one at a time, and text
written, at the size of char-rnn and of PTB-small, with the same weights.

Ours is the command as one types it, its start, its reading and its writing included; PyTorch's is the arithmetic alone,
in a process that is warm, at the batch size that suits it best."""

import argparse
import array
import csv
import datetime
import itertools
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import install
import record
from measure import PAUSE, TOLERANCE
from process import Peer
from report import Target, aligned

# Sentences that PyTorch is given together; it is judged by its fastest.
BATCHES = [32, 64, 128, 256]
# Tokens that both write and that must be the same.
SAME = 40


@dataclass(frozen=True)
class Size:
    """A model, and how much it is asked for. `tokens` are what ours writes and PyTorch writes."""

    name: str
    unit: str
    vocabulary: int
    embedding: int | None
    hidden: int
    sentences: int
    alone: int
    tokens: tuple[int, int]


SIZES = [
    Size("char-rnn", "char", 66, None, 128, 10_000, 1_000, (20_000, 2_000)),
    Size("ptb-small", "word", 10_000, 200, 200, 3_761, 500, (4_000, 1_000)),
]
# The least ratio wanted, by what is asked for and size.
WANTED = {
    ("together", "char-rnn"): 1.25,
    ("together", "ptb-small"): 1.25,
    ("one at a time", "char-rnn"): 5.0,
    ("generation", "char-rnn"): 10.0,
    ("generation", "ptb-small"): 3.0,
}


@dataclass
class Measured:
    """Seconds a sentence or a token."""

    size: str
    what: str
    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)

    def ratio(self) -> float:
        return statistics.median(self.theirs) / statistics.median(self.ours)


def made_up(size: Size, sentences: int) -> list[str]:
    """Sentences with as many different tokens as the size has, and lengths as in its real text."""
    rng = random.Random(1)
    if size.unit == "word":
        ranks = range(1, size.vocabulary - 1)
        weights = list(itertools.accumulate(1 / rank for rank in ranks))
        lengths = [max(1, round(rng.gauss(21, 9))) for _ in range(sentences)]
        return [" ".join(f"w{n}" for n in rng.choices(ranks, cum_weights=weights, k=length)) for length in lengths]
    letters = [chr(code) for code in range(ord("!"), ord("!") + size.vocabulary - 2)]
    return ["".join(rng.choices(letters, k=max(1, round(rng.gauss(36, 12))))) for _ in range(sentences)]


def real(path: pathlib.Path, sentences: int) -> list[str]:
    """The first lines of a file that are not blank, without blanks at their ends."""
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return list(itertools.islice((line for line in lines if line), sentences))


def every_token(size: Size, sentences: list[str]) -> str:
    """A text with each token of the sentences, and as many more as the vocabulary has room for: what is trained on.
    `<unk>` has its place in it anyway."""
    room = size.vocabulary - 2
    units = (line.split() if size.unit == "word" else line for line in sentences)
    counts: dict[str, int] = {}
    for unit in itertools.chain.from_iterable(units):
        counts[unit] = counts.get(unit, 0) + 1
    counts.pop("<unk>", None)
    tokens = sorted(counts, key=lambda token: -counts[token])[:room]
    if size.unit == "word":
        tokens += [f"filler{n}" for n in range(room - len(tokens))]
        return "\n".join(" ".join(tokens[start : start + 20]) for start in range(0, len(tokens), 20)) + "\n"
    tokens += [chr(0x4E00 + n) for n in range(room - len(tokens))]
    return ("".join(tokens) + "\n") * 20


def config(size: Size, text: pathlib.Path) -> str:
    """One epoch on that text: the model's answers do not matter, its size does."""
    first = f'type = "embedding"\nunits = {size.embedding}' if size.embedding else 'type = "one_hot"'
    layer = f'[[layer]]\ntype = "lstm"\nunits = {size.hidden}\n'
    data = f'[data]\npath = {json.dumps(str(text))}\nunit = "{size.unit}"\nvocab = {size.vocabulary}\nmin_count = 1\n'
    train = "[train]\nepochs = 1\nbatch = 4\nbptt = 20\n"
    return f'[task]\nkind = "lm"\n{data}[[layer]]\n{first}\n{layer}{layer}{train}'


def read_model(path: pathlib.Path) -> tuple[list[str], bytes]:
    """A model file's vocabulary, and its parameters in the order in which PyTorch's peer takes them."""
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    document = json.loads(header["__metadata__"]["gimbap"])
    names = [f"{layer}.{name}" for layer in ("lstm", "lstm_1") for name in ("w_x", "w_h", "b")]
    names = [name for name in ("embedding.w", *names, "dense.w", "dense.b") if name in header]
    places = [header[name]["data_offsets"] for name in names]
    return document["task"]["vocabulary"]["tokens"], b"".join(content[8 + size + a : 8 + size + b] for a, b in places)


def encode(size: Size, tokens: list[str], sentences: list[str]) -> list[list[int]]:
    """As ours does it: unknown is 0, and 1 closes each."""
    known = {token: number for number, token in enumerate(tokens)}
    units: Callable[[str], Any] = str.split if size.unit == "word" else list
    return [[known.get(unit, 0) for unit in units(sentence)] + [1] for sentence in sentences]


def for_peer(ids: list[list[int]], weights: bytes) -> bytes:
    """Lengths, ids, weights: all `f32`, little-endian."""
    numbers = array.array("f", [float(len(s)) for s in ids] + [float(token) for s in ids for token in s])
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes() + weights


class Ours:
    """The command, with a model."""

    def __init__(self, program: pathlib.Path, threads: int, model: pathlib.Path) -> None:
        self.program, self.threads, self.model = str(program), str(threads), str(model)

    def command(self, verb: str, *more: str) -> list[str]:
        return [self.program, verb, self.model, "--threads", self.threads, "-q", *more]

    def ask(self, verb: str, *more: str) -> str:
        return subprocess.run(self.command(verb, *more), check=True, stdout=subprocess.PIPE, text=True).stdout

    def together(self, path: pathlib.Path) -> float:
        """Seconds for all lines of a file."""
        begin = time.perf_counter()
        self.ask("score", str(path), "--json")
        return time.perf_counter() - begin

    def alone(self, sentences: list[str]) -> float:
        """Seconds for sentences, each given once the one before is answered."""
        with subprocess.Popen(
            self.command("score", "--json"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdin and process.stdout

            def answer(sentence: str) -> None:
                assert process.stdin and process.stdout
                process.stdin.write(sentence + "\n")
                process.stdin.flush()
                if not process.stdout.readline():
                    raise RuntimeError("gimbap score gave no answer")

            answer(sentences[0])
            begin = time.perf_counter()
            for sentence in sentences:
                answer(sentence)
            seconds = time.perf_counter() - begin
            process.stdin.close()
        return seconds

    def generation(self, tokens: int) -> float:
        begin = time.perf_counter()
        self.ask("generate", "-n", str(tokens))
        return time.perf_counter() - begin


class Theirs:
    """PyTorch, with the same model and sentences."""

    def __init__(self, peer: Peer, size: Size, scratch: pathlib.Path) -> None:
        self.peer, self.size, self.scratch = peer, size, scratch

    def prepare(self, answer: str, data: bytes, sentences: int, batch: int, tokens: int) -> None:
        path = self.scratch / "data"
        path.write_bytes(data)
        size = {"v": self.size.vocabulary, "embedding": self.size.embedding, "h": self.size.hidden}
        work = {"answer": answer, **size, "sentences": sentences, "batch": batch, "tokens": tokens}
        self.peer.ask("prepare", work=work, data=str(path))

    def results(self) -> list[float]:
        path = self.scratch / "theirs"
        self.peer.ask("check", out=str(path))
        found = array.array("f", path.read_bytes())
        if sys.byteorder == "big":
            found.byteswap()
        return list(found)

    def time(self) -> list[float]:
        return [float(seconds) for seconds in self.peer.ask("time", seconds=0.0, least=1)["seconds"]]


def apart(ours: list[float], theirs: list[float]) -> float:
    """The largest difference, as a share of the largest value; infinite where there are not as many."""
    if len(ours) != len(theirs):
        return float("inf")
    return max(abs(a - b) for a, b in zip(ours, theirs, strict=True)) / max(map(abs, ours))


def disagreement(ours: Ours, theirs: Theirs, tokens: list[str], path: pathlib.Path, data: bytes, ids: int) -> str | None:
    """What the two answer differently, before anything is timed."""
    theirs.prepare("score", data, ids, BATCHES[0], 0)
    scored = [json.loads(line)["logprob"] for line in ours.ask("score", str(path), "--json").splitlines()]
    off = apart(scored, theirs.results())
    if not off <= TOLERANCE:
        return f"log-probabilities are {off:.1e} of the largest apart; {TOLERANCE:.0e} is allowed"
    theirs.prepare("generate", data, ids, 0, SAME)
    written = json.loads(ours.ask("generate", "-n", str(SAME), "--temperature", "0", "--json"))["text"]
    named = [tokens[int(token)] for token in theirs.results()]
    expected = "".join(named) if theirs.size.unit == "char" else " ".join(named).replace("<eos>", "\n")
    if written.split() != expected.split():
        return f"the likeliest tokens differ: {written!r} and {expected!r}"
    return None


def fastest(theirs: Theirs, data: bytes, sentences: int) -> int:
    """The batch size that suits PyTorch best."""

    def seconds(batch: int) -> float:
        theirs.prepare("score", data, sentences, batch, 0)
        return min(theirs.time() + theirs.time())

    return min(BATCHES, key=seconds)


def measure(size: Size, ours: Ours, peer: Peer, sentences: list[str], rounds: int, scratch: pathlib.Path) -> list[Measured]:
    """Everything that is asked of a size, in turns."""
    tokens, weights = read_model(pathlib.Path(ours.model))
    alone = sentences[: size.alone]
    path = scratch / "sentences.txt"
    path.write_text("\n".join(sentences) + "\n", encoding="utf-8")
    all_data = for_peer(encode(size, tokens, sentences), weights)
    alone_data = for_peer(encode(size, tokens, alone), weights)
    theirs = Theirs(peer, size, scratch)
    if found := disagreement(ours, theirs, tokens, path, all_data, len(sentences)):
        raise RuntimeError(f"{size.name}: {found}")
    batch = fastest(theirs, all_data, len(sentences))
    install.say(f"{size.name}: PyTorch is fastest with {batch} sentences together")
    ours_writes, theirs_write = size.tokens
    turns: list[tuple[str, Callable[[], float], int, tuple[Any, ...]]] = [
        ("together", lambda: ours.together(path), len(sentences), ("score", all_data, len(sentences), batch, 0)),
        ("one at a time", lambda: ours.alone(alone), len(alone), ("score", alone_data, len(alone), 1, 0)),
        ("generation", lambda: ours.generation(ours_writes), ours_writes, ("generate", weights, 0, 0, theirs_write)),
    ]
    measured = [Measured(size.name, what) for what, *_ in turns]
    for _ in range(rounds):
        for result, (_, call, count, work) in zip(measured, turns, strict=True):
            time.sleep(PAUSE)
            result.ours.append(call() / count)
            theirs.prepare(*work)
            time.sleep(PAUSE)
            result.theirs += theirs.time()
    return measured


def targets(measured: list[Measured]) -> list[Target]:
    found = []
    for result in measured:
        wanted = WANTED.get((result.what, result.size))
        if wanted is not None:
            text = f"{result.size}, {result.what}: ratio at least {wanted:.2f}"
            found.append(Target(text, f"{result.ratio():.2f}", result.ratio() >= wanted))
    return found


def table(measured: list[Measured]) -> str:
    rows = [["model", "asked for", "a", "gimbap", "PyTorch", "ratio"]]
    for result in measured:
        unit = "token" if result.what == "generation" else "sentence"
        times = [f"{1e6 * statistics.median(seconds):.1f} us" for seconds in (result.ours, result.theirs)]
        rows.append([result.size, result.what, unit, *times, f"{result.ratio():.2f}"])
    return aligned(rows, left=3)


def write(path: pathlib.Path, threads: int, version: str, measured: list[Measured]) -> None:
    """A line for each size, question and program."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["threads", "model", "asked_for", "program", "repetitions", "seconds_median", "seconds_min", "ratio"])
        for result in measured:
            for program, seconds in (("gimbap", result.ours), (f"PyTorch {version}", result.theirs)):
                ratio = f"{result.ratio():.3f}" if program == "gimbap" else ""
                times = [f"{statistics.median(seconds):.4e}", f"{min(seconds):.4e}"]
                out.writerow([threads, result.size, result.what, program, len(seconds), *times, ratio])


def smaller(size: Size) -> Size:
    tokens = (max(SAME, size.tokens[0] // 10), max(SAME, size.tokens[1] // 10))
    return Size(size.name, size.unit, size.vocabulary, size.embedding, size.hidden, 300, 100, tokens)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few sentences and tokens, two rounds")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="for both (default: all cores)")
    parser.add_argument("--venv", type=pathlib.Path, help="a virtual environment that has PyTorch")
    parser.add_argument("--program", type=pathlib.Path, help="a gimbap that is built (default: builds it)")
    parser.add_argument("--words", type=pathlib.Path, help="sentences for ptb-small (default: made up)")
    parser.add_argument("--characters", type=pathlib.Path, help="sentences for char-rnn (default: made up)")
    parser.add_argument("--record", type=pathlib.Path, default=install.HERE / "record", help="folder of the records")
    parser.add_argument("--no-record", action="store_true", help="print only")
    options = parser.parse_args()
    program = (options.program or install.ours() / "gimbap").resolve()
    torch = [str(install.python(options.venv)), str(install.HERE / "peers" / "torch_peer.py")]
    peer = Peer(torch, options.threads, "PyTorch")
    measured: list[Measured] = []
    try:
        for size in map(smaller, SIZES) if options.quick else SIZES:
            given = options.words if size.unit == "word" else options.characters
            sentences = real(given, size.sentences) if given else made_up(size, size.sentences)
            install.say(f"{size.name}: {len(sentences)} sentences")
            with tempfile.TemporaryDirectory() as name:
                scratch = pathlib.Path(name)
                text, toml = scratch / "text.txt", scratch / "model.toml"
                text.write_text(every_token(size, sentences), encoding="utf-8")
                toml.write_text(config(size, text), encoding="utf-8")
                run = scratch / "run"
                subprocess.run([program, "train", toml, "-o", run, "-q"], check=True, stdout=subprocess.DEVNULL)
                ours = Ours(program, options.threads, run / "last.safetensors")
                measured += measure(size, ours, peer, sentences, 2 if options.quick else 5, scratch)
    finally:
        peer.close()
    cpu, _ = record.processor()
    print(f"{cpu}, {options.threads} threads, PyTorch {peer.version}\n\n{table(measured)}\n")
    for target in targets(measured):
        print(target.line())
    if not options.no_record:
        date = datetime.date.today().isoformat()
        path = options.record / record.folder(cpu) / f"{date}-language{'-quick' if options.quick else ''}.csv"
        write(path, options.threads, peer.version, measured)
        print(f"written: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
