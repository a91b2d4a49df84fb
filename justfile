# `just` lists the recipes. Nothing here is needed to build or test: each is a line that can be typed.

_default:
    @just --list --unsorted

# trains the default model: LSTM on the built-in corpus
train *arguments:
    cargo run --release -- train {{arguments}}

# the tests
test *arguments:
    cargo test --workspace {{arguments}}

# the whole check, as before every merge; or some steps: `just check format lint`
check *steps:
    .ci/run {{steps}}

# writes every file in the project's format
fmt:
    cargo fmt --all

# clippy, warnings as errors
lint:
    cargo clippy --workspace --all-targets -- -D warnings

# the library's documentation, in a browser
docs:
    cargo doc -p gimbap -p gimbap-kernels --no-deps --open

# runs one of `examples/`
example name:
    cargo run --release -p gimbap --example {{name}}

# licences, sources and banned crates of the dependencies
dependencies:
    .ci/dependencies.py

# remakes the golden fixtures with Keras and PyTorch (Python, PyPI, a minute)
conformance:
    conformance/remake.sh

# this machine's figures: `just speed train lstm --quick`
speed *arguments:
    cargo run --release -- bench {{arguments}}

# beside PyTorch, TensorFlow, ONNX Runtime and the Rust libraries (Python 3.11, PyPI): `just bench --quick`
bench *arguments:
    python3 bench/run.py {{arguments}}

# memory of training beside PyTorch's, and of a million steps (Linux)
memory *arguments:
    python3 bench/memory.py {{arguments}}

# what threads gain, and what a step costs by the sequence's length
scaling *arguments:
    python3 bench/scaling.py {{arguments}}

# the recorded instruction counts become those of now
record-instructions:
    .ci/instructions.py --record

# the tests of the bench's own Python
bench-test:
    python3 -m unittest discover bench

# PyTorch's half of the comparison in README's table; TEXT is tinyshakespeare's input.txt
peer-char-rnn text *arguments:
    conformance/.venv/bin/python conformance/torch_char_rnn.py {{text}} {{arguments}}
