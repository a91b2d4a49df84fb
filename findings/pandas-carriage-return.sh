#!/bin/sh
# pandas 3.0.6 on Python 3.11: `to_csv` leaves a text with a carriage return in it without quotes, and `read_csv` then reads
# that row as two. Expected: what is written is read back, as it is for a text with a line feed, which is quoted.
#
# Reviews that were typed into web pages have such marks in them. A reader that ends a line at a lone carriage return finds a
# row more, and a label that is missing; one that ends it at a line feed alone reads the table as it was.
#
# Prints what was found; exits with 1 if it is no longer so.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pandas==3.0.6
"$folder/venv/bin/python" - <<'PYTHON'
import io
import sys

import pandas

found = []
for mark in ("\n", "\r"):
    before = pandas.DataFrame({"text": [f"a fine{mark}film", "dull"], "label": ["pos", "neg"]})
    written = before.to_csv(index=False)
    after = pandas.read_csv(io.StringIO(written))
    print(f"pandas {pandas.__version__}, Python {sys.version.split()[0]}: {written!r} is read as {len(after)} rows of {len(before)}")
    found.append(len(after))
sys.exit(found != [2, 3])
PYTHON
