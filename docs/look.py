#!/usr/bin/env python3
"""Photographs reports of `gimbap explain` as readers see them: on a light ground, on a dark one, and on a phone.
`python3 docs/look.py report.html .. --out FOLDER` needs Chromium (`--chromium PATH`) and writes FOLDER/report-light.png, -dark.png
and -phone.png. Python 3.11, its standard library alone."""

import argparse
import pathlib
import re
import shutil
import subprocess
import sys

# Width and preferred colours (Chromium's 0 is dark, 1 is light).
VIEWS = {"light": (1000, 1), "dark": (1000, 0), "phone": (390, 1)}
# Pixels that the words around a picture take, and the longest picture that Chromium makes.
AROUND, MOST = 220, 16000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pages", nargs="+", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("."))
    parser.add_argument("--chromium", default=shutil.which("chromium") or shutil.which("google-chrome"))
    arguments = parser.parse_args()
    if not arguments.chromium:
        parser.error("Chromium is not there: say where with --chromium PATH")
    arguments.out.mkdir(parents=True, exist_ok=True)
    for page in arguments.pages:
        text = page.read_text(encoding="utf-8")
        pictures = [int(height) for height in re.findall(r'<svg[^>]* height="(\d+)"', text)]
        height = min(MOST, 700 + sum(pictures) + AROUND * len(pictures))
        for view, (width, colours) in VIEWS.items():
            target = arguments.out / f"{page.stem}-{view}.png"
            tall = min(MOST, height * 2) if view == "phone" else height
            target.unlink(missing_ok=True)
            command = [arguments.chromium, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--window-size={width},{tall}"]
            command += [f"--blink-settings=preferredColorScheme={colours}", f"--screenshot={target}", page.resolve().as_uri()]
            subprocess.run(command, check=False, capture_output=True)
            if not target.exists():
                sys.exit(f"{page}: Chromium made no picture")
            print(target)


if __name__ == "__main__":
    main()
