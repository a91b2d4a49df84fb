#!/usr/bin/env python3
"""Runs every command of the tours (tour.md, tour.ko.md) in an empty folder, writes the pictures that they show into docs/tour,
and puts what a block of commands printed into the block of text behind it. With `--check` it writes nothing and compares:
every picture that is shown is made, and shows what the one in docs/tour shows, numbers aside; what is printed has the same
lines and mostly the same words. `--gimbap PATH` says where the command is. Python 3.11, its standard library alone."""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

DOCS = pathlib.Path(__file__).resolve().parent
TOURS = ["tour.md", "tour.ko.md"]
# Commands, and perhaps the block of text that shows what they print.
BLOCK = re.compile(r"```sh\n(.*?)```(?:\n\n```text\n(.*?)```)?", re.DOTALL)


class Scratch:
    """A folder in which commands are run, each once, and what they printed."""

    def __init__(self, folder: pathlib.Path, gimbap: pathlib.Path) -> None:
        self.folder = folder
        (folder / "bin").mkdir()
        (folder / "bin" / "gimbap").symlink_to(gimbap.resolve())
        self.environment = {**os.environ, "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"}
        self.printed: dict[str, str] = {}

    def run(self, command: str) -> str:
        if command not in self.printed:
            start = time.monotonic()
            ran = subprocess.run(command, shell=True, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False)  # noqa: S602
            print(f"{time.monotonic() - start:6.1f} s  {command}", flush=True)
            if ran.returncode != 0:
                sys.exit(f"{command}\n{ran.stdout}{ran.stderr}")
            self.printed[command] = ran.stdout
        return self.printed[command]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--gimbap", type=pathlib.Path, default=DOCS.parent / "target" / "release" / "gimbap")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Scratch(pathlib.Path(folder), arguments.gimbap)
        wrong = [found for tour in TOURS for found in follow(tour, scratch, arguments.check)]
    if wrong:
        sys.exit("\n".join(wrong))


def follow(tour: str, scratch: Scratch, check: bool) -> list[str]:
    """Runs a tour's commands and renews what it shows, or compares; returns what is wrong."""
    text, wrong = (DOCS / tour).read_text(encoding="utf-8"), []
    for commands, shown in [match.groups() for match in BLOCK.finditer(text)]:
        out = "".join([scratch.run(command) for command in commands.splitlines()])
        if shown is None:
            continue
        if not check:
            text = text.replace(f"{commands}```\n\n```text\n{shown}```", f"{commands}```\n\n```text\n{out.rstrip()}\n```")
        elif not like(out, shown):
            wrong.append(f"{tour}: what these commands print has changed: run docs/tour.py\n{commands}{out}")
    if not check:
        (DOCS / tour).write_text(text, encoding="utf-8")
    for shown in re.findall(r"\]\(tour/([^)]+)\)", text):
        made, kept = scratch.folder / shown, DOCS / "tour" / shown
        if not made.exists():
            wrong.append(f"{tour}: no command makes {shown}")
        elif not check:
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(made, kept)
        elif not kept.exists() or not alike(made, kept):
            wrong.append(f"{tour}: docs/tour/{shown} no longer shows what its command makes: run docs/tour.py")
    return wrong


def like(out: str, shown: str) -> bool:
    """Whether two outputs have as many lines, and most of their words in common: figures, and what a model finds a little
    likelier, may differ from processor to processor."""
    words = [set(re.findall(r"[^\W\d_]+", text)) for text in (out, shown)]
    lines = [len(text.strip().splitlines()) for text in (out, shown)]
    return lines[0] == lines[1] and 2 * len(words[0] & words[1]) >= max(map(len, words))


def about(picture: pathlib.Path) -> tuple[str, list[str]]:
    """What a picture is of: its title, and the words that stand in it, numbers and what the model likes best aside."""
    text = picture.read_text(encoding="utf-8")
    title = re.search(r"<title[^>]*>(.*?)</title>", text)
    words = sorted(set(re.findall(r'class="(?:strong|dim)"[^>]*>([^<]*[a-z가-힣][^<]*)<', text)))
    plain = [re.sub(r"[-+.,0-9e]+", "#", word) for word in words]
    return (title[1] if title else "", [] if "map" in picture.name or "outputs" in picture.name else plain)


def alike(made: pathlib.Path, kept: pathlib.Path) -> bool:
    """Whether two pictures are of the same, and have about as much in them: shades may differ from processor to processor,
    but no curve, dot or bar is gone."""
    if about(made) != about(kept):
        return False
    texts = [picture.read_text(encoding="utf-8") for picture in (made, kept)]
    for mark in ("<path", "<circle", "<rect", "<text", "L"):
        counts = [text.count(mark) for text in texts]
        if abs(counts[0] - counts[1]) > max(3, 0.2 * max(counts)):
            return False
    return True


if __name__ == "__main__":
    main()
