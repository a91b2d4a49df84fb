"""A peer that runs as a process of its own and answers requests, a line of JSON each."""

import json
import os
import pathlib
import subprocess
import tempfile
from typing import Any


class Missing(Exception):
    """The peer does not start, or has ended; the message is for the table's foot."""


class Unsupported(Exception):
    """The peer has nothing for this workload."""


class Failed(Exception):
    """The peer answered with an error."""


class Peer:
    """A started peer."""

    def __init__(self, command: list[str], threads: int, label: str) -> None:
        self.label = label
        self.errors = tempfile.TemporaryFile(mode="w+")
        command = [*command, "--threads", str(threads)]
        try:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True, env=quiet(threads)
            )
        except OSError as error:
            raise Missing(f"{label} does not start: {error}") from error
        hello = self.ask("hello")
        self.name, self.version = str(hello["name"]), str(hello["version"])
        self.about = hello

    def ask(self, op: str, **arguments: Any) -> dict[str, Any]:
        """Sends a request and waits for its answer."""
        assert self.process.stdin and self.process.stdout
        try:
            self.process.stdin.write(json.dumps({"op": op, **arguments}) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise Missing(f"{self.label} has ended: {self.last_words()}")
        answer = json.loads(line)
        if "unsupported" in answer:
            raise Unsupported(answer["unsupported"])
        if "error" in answer:
            raise Failed(answer["error"])
        return answer

    def last_words(self) -> str:
        self.errors.seek(0)
        lines = self.errors.read().strip().splitlines()
        return lines[-1] if lines else "without a word"

    def close(self) -> None:
        """Ends it."""
        assert self.process.stdin
        try:
            self.process.stdin.close()
            self.process.wait(timeout=10)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            self.process.kill()


def quiet(threads: int) -> dict[str, str]:
    """The same number of threads for all, and no graphics cards."""
    names = ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"]
    return {**os.environ, "CUDA_VISIBLE_DEVICES": "", **{name: str(threads) for name in names}}


def commands(python: pathlib.Path, rust: pathlib.Path | None, full: bool) -> dict[str, list[str]]:
    """How each peer is started, by what it is called."""
    here = pathlib.Path(__file__).resolve().parent / "peers"
    found = {
        "PyTorch": [str(python), str(here / "torch_peer.py")],
        "ONNX Runtime": [str(python), str(here / "onnxruntime_peer.py")],
    }
    if full:
        tensorflow = [str(python), str(here / "tensorflow_peer.py")]
        found |= {"TensorFlow": tensorflow, "TensorFlow XLA": [*tensorflow, "--xla"]}
        for name in ["candle", "burn", "tract", "rust-lstm"]:
            found[name] = [str((rust or here / "rust") / f"peer-{name}")]
    return found
