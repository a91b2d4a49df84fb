#!/bin/sh
# Keras 3.15.1: `timeseries_dataset_from_array` documents `end_index` as exclusive ("data points later (exclusive) than
# `end_index` will not be used"), and refuses `end_index=len(data)`. Expected: the bound behind the last row is allowed, as it
# is for slices; a split into parts that is written with such bounds fails for the last part alone.
#
# Prints what was found; exits with 1 if it is no longer so.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet keras==3.15.1 jax==0.10.2 jaxlib==0.10.2 grain==0.2.18
KERAS_BACKEND=jax "$folder/venv/bin/python" - <<'PYTHON'
import sys

import keras
import numpy

rows, found = numpy.arange(10.0), []
for end in (None, 9, 10):
    try:
        windows = keras.utils.timeseries_dataset_from_array(rows, None, sequence_length=3, end_index=end, format="grain")
        found.append(len(next(iter(windows))))
        print(f"keras {keras.__version__}: end_index={end} gives {found[-1]} windows of 10 rows")
    except ValueError as error:
        found.append(None)
        print(f"keras {keras.__version__}: end_index={end} of 10 rows: {error}")
sys.exit(found != [8, 7, None])
PYTHON
