#!/usr/bin/env python3
"""Runs every command of the tours (tour.md, tour.ko.md) in an empty folder and writes the pictures that they show into
docs/tour; with `--check` it writes nothing and compares: every picture that is shown is made, and shows what the one in
docs/tour shows, numbers aside. `--gimbap PATH` says where the command is. Python 3.11, its standard library alone."""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

DOCS = pathlib.Path(__file__).resolve().parent
TOURS = ["tour.md", "tour.ko.md"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--gimbap", type=pathlib.Path, default=DOCS.parent / "target" / "release" / "gimbap")
    arguments = parser.parse_args()
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        scratch = pathlib.Path(folder)
        (scratch / "bin").mkdir()
        (scratch / "bin" / "gimbap").symlink_to(arguments.gimbap.resolve())
        path = f"{scratch / 'bin'}{os.pathsep}{os.environ['PATH']}"
        done: set[str] = set()
        for tour in TOURS:
            text = (DOCS / tour).read_text(encoding="utf-8")
            for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL):
                for command in block.splitlines():
                    if command in done:
                        continue
                    done.add(command)
                    ran = subprocess.run(command, shell=True, cwd=scratch, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False)  # noqa: S602
                    if ran.returncode != 0:
                        sys.exit(f"{tour}: {command}\n{ran.stdout}{ran.stderr}")
            for shown in re.findall(r"\]\(tour/([^)]+)\)", text):
                made, kept = scratch / shown, DOCS / "tour" / shown
                if not made.exists():
                    wrong.append(f"{tour}: no command makes {shown}")
                elif not arguments.check:
                    kept.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(made, kept)
                elif not kept.exists() or not alike(made, kept):
                    wrong.append(f"{tour}: docs/tour/{shown} no longer shows what its command makes: run docs/tour.py")
    if wrong:
        sys.exit("\n".join(wrong))


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
