#!/usr/bin/env python3
"""Korean word spacing as tags: syllables with B where a word begins and I elsewhere, from NSMC's reviews.

    python3 bench/spacing.py ratings_train.txt spacing.train.tsv --limit 20000
    python3 bench/spacing.py ratings_test.txt spacing.test.tsv --limit 5000
    gimbap train examples/configs/spacing.toml --data spacing.train.tsv
    gimbap eval runs/spacing.train spacing.test.tsv

A tagger that gets all right puts every blank where the reviewer had it; the entities are the words.
"""
import argparse
import pathlib

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("reviews", type=pathlib.Path, help="a file of NSMC: id, document, label between tabs")
parser.add_argument("out", type=pathlib.Path)
parser.add_argument("--limit", type=int, help="reviews to take, those of two words or more")
arguments = parser.parse_args()

taken = 0
with arguments.out.open("w", encoding="utf-8") as out:
    for line in arguments.reviews.read_text(encoding="utf-8").split("\n")[1:]:
        words = line.split("\t")[1].split() if "\t" in line else []
        if len(words) < 2:
            continue
        if taken == arguments.limit:
            break
        taken += 1
        for word in words:
            out.writelines(f"{syllable}\t{'BI'[place > 0]}\n" for place, syllable in enumerate(word))
        out.write("\n")
print(f"{taken} reviews in {arguments.out}")
