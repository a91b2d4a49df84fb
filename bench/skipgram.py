#!/usr/bin/env python3
"""`gimbap embed` beside gensim on the same text and settings: `python3 bench/skipgram.py TEXT.. --questions
questions-words.txt`, with a Python that has gensim. Says loss by pair and epoch, seconds of learning, and the analogies
that `gimbap analogy --eval` finds with each. Gensim runs on one thread, as ours does; its loss is a 32-bit sum, so it
learns in parts of the text, between which the sum begins anew and the rate goes on falling."""

import argparse
import json
import pathlib
import subprocess
import tempfile
import time
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parent.parent
PARTS = 20


def ours(gimbap: pathlib.Path, text: pathlib.Path, vectors: pathlib.Path, options: argparse.Namespace) -> list[dict[str, Any]]:
    """The epochs, as the command tells them."""
    command = [gimbap, "embed", text, "-o", vectors, "--units", options.units, "--epochs", options.epochs, "--json"]
    command += ["--window", 5, "--negative", 5, "--min-count", 5, "--sample", 1e-3, "--rate", 0.025]
    told = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, text=True, check=True).stdout
    lines = [json.loads(line) for line in told.splitlines()]
    return [line for line in lines if line["event"] == "epoch"]


def gensim(text: pathlib.Path, vectors: pathlib.Path, options: argparse.Namespace, pairs: float) -> list[dict[str, Any]]:
    """The same of gensim, whose loss is divided by as many pairs as ours had."""
    from gensim.models import Word2Vec

    lines = [line.split() for line in text.read_text(encoding="utf-8").splitlines()]
    model = Word2Vec(
        vector_size=options.units, window=5, negative=5, min_count=5, sample=1e-3, sg=1, workers=1, seed=1
    )
    model.build_vocab(lines)
    model.compute_loss = True
    size, started, epochs = -(-len(lines) // PARTS), time.monotonic(), []
    steps = PARTS * options.epochs
    rate = [0.025 - (0.025 - 1e-4) * step / steps for step in range(steps + 1)]
    for epoch in range(options.epochs):
        loss = 0.0
        for part in range(PARTS):
            step, some = epoch * PARTS + part, lines[part * size : (part + 1) * size]
            model.train(
                some, total_examples=len(some), epochs=1, start_alpha=rate[step], end_alpha=rate[step + 1], compute_loss=True
            )
            loss += float(model.get_latest_training_loss())
        epochs.append({"epoch": epoch + 1, "loss": loss / pairs, "seconds": time.monotonic() - started})
    model.wv.save_word2vec_format(str(vectors), binary=True)
    return epochs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("text", nargs="+", type=pathlib.Path, help="files, learned from as one text in lower case")
    parser.add_argument("--questions", required=True, type=pathlib.Path)
    parser.add_argument("--gimbap", default=ROOT / "target" / "release" / "gimbap", type=pathlib.Path)
    parser.add_argument("--units", default=100, type=int)
    parser.add_argument("--epochs", default=5, type=int)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        text = folder / "text.txt"
        whole = "\n".join(path.read_text(encoding="utf-8", errors="replace").lower() for path in options.text)
        text.write_text(whole, encoding="utf-8")
        print(f"{len(whole.split()):,} words, {options.units} numbers a word, {options.epochs} epochs")
        found = {"gimbap": ours(options.gimbap, text, folder / "gimbap.bin", options)}
        found["gensim"] = gensim(text, folder / "gensim.bin", options, found["gimbap"][0]["pairs"])
        for name, epochs in found.items():
            command = [options.gimbap, "analogy", folder / f"{name}.bin", "--eval", options.questions, "--json"]
            told = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
            losses = " ".join(f"{epoch['loss']:.4f}" for epoch in epochs)
            print(f"{name}: {epochs[-1]['seconds']:.1f} s, loss by epoch {losses}; {told.strip()}")


if __name__ == "__main__":
    main()
