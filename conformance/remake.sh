#!/bin/sh
# Remakes every fixture, in a virtual environment of its own with the pinned versions.
set -eu
cd "$(dirname "$0")"
[ -x .venv/bin/python ] || python3 -m venv .venv
.venv/bin/python -m pip install --quiet -r requirements.txt
rm -f fixtures/*.safetensors
for script in golden_keras.py golden_torch.py keras_tutorial.py labels.py; do
    .venv/bin/python "$script"
done
