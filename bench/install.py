"""Builds ours and installs the others: Python's into a virtual environment, Rust's in a workspace of their own."""

import json
import pathlib
import subprocess
import sys
import venv

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
RUST = HERE / "peers" / "rust"


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def ours() -> pathlib.Path:
    """Builds Gimbap; the folder with its programs."""
    say("building gimbap")
    cargo = ["cargo", "build", "--release", "--locked"]
    subprocess.run([*cargo, "-p", "gimbap-cli", "-p", "gimbap-bench", "--bins"], cwd=ROOT, check=True)
    subprocess.run([*cargo, "-p", "gimbap", "--example", "keras_tutorial"], cwd=ROOT, check=True)
    return target(ROOT)


def target(workspace: pathlib.Path) -> pathlib.Path:
    """Where cargo puts a workspace's release programs."""
    command = ["cargo", "metadata", "--format-version", "1", "--no-deps"]
    metadata = subprocess.run(command, cwd=workspace, check=True, stdout=subprocess.PIPE, text=True).stdout
    return pathlib.Path(json.loads(metadata)["target_directory"]) / "release"


def python(given: pathlib.Path | None) -> pathlib.Path:
    """The Python with the peers: of the environment that was given, else of `bench/.venv`, made if it is missing."""
    folder = given or HERE / ".venv"
    interpreter = folder / "bin" / "python"
    requirements = (HERE / "requirements.txt").read_text()
    done = folder / "installed"
    if given is None and not (done.exists() and done.read_text() == requirements):
        say(f"installing {HERE / 'requirements.txt'} into {folder}")
        venv.create(folder, with_pip=True, clear=True)
        pip = [str(interpreter), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        # One by one: a package that cannot be had is one peer less, which the run then says; the next run tries again.
        failed = [r for r in requirements.split() if subprocess.run([*pip, r]).returncode != 0]
        for requirement in failed:
            say(f"{requirement} could not be installed")
        if not failed:
            done.write_text(requirements)
    return interpreter


def rust_peers() -> pathlib.Path | None:
    """The folder with the Rust peers' programs; None if they cannot be built."""
    say("building the Rust peers")
    command = ["cargo", "build", "--release", "--locked", "--keep-going"]
    if subprocess.run(command, cwd=RUST).returncode != 0:
        say("some Rust peers could not be built")
    return target(RUST) if RUST.exists() else None
