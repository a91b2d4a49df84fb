#!/usr/bin/env python3
"""Checks the dependency tree against deny.toml: licences, sources, banned crates. Python 3.11, nothing else."""

import json
import pathlib
import re
import subprocess
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent


def cargo(*arguments):
    return subprocess.run(["cargo", *arguments], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def allowed(expression, licences):
    """Whether an SPDX expression can be met with `licences`. `A/B` is the old form of `A OR B`."""
    tokens = re.findall(r"[()]|[^\s()/]+", expression.replace("/", " OR "))
    place = 0

    def either():
        nonlocal place
        result = both()
        while place < len(tokens) and tokens[place] == "OR":
            place += 1
            result = both() or result
        return result

    def both():
        nonlocal place
        result = one()
        while place < len(tokens) and tokens[place] == "AND":
            place += 1
            result = one() and result
        return result

    def one():
        nonlocal place
        token = tokens[place]
        place += 1
        if token == "(":
            result = either()
            place += 1
            return result
        if tokens[place : place + 1] == ["WITH"]:
            token = f"{token} WITH {tokens[place + 1]}"
            place += 2
        return token in licences

    return either()


def main():
    rules = tomllib.loads((ROOT / "deny.toml").read_text())
    packages = json.loads(cargo("metadata", "--format-version", "1", "--locked"))["packages"]
    licences = set(rules["licenses"]["allow"])
    banned = {rule["crate"] for rule in rules["bans"]["deny"]}
    tree = cargo("tree", "--workspace", "--locked", "--target", "all", "-e", "normal,build,dev", "--prefix", "none")
    built = {line.split()[0] for line in tree.splitlines() if line.strip()}

    faults = []
    for package in packages:
        name = f"{package['name']} {package['version']}"
        if package["source"] is not None and not package["source"].startswith("registry+"):
            faults.append(f"{name} comes from {package['source']}")
        if not allowed(package["license"] or "none", licences):
            faults.append(f"{name} has the licence {package['license']}; allowed are {', '.join(sorted(licences))}")
    faults += [f"{name} is banned" for name in sorted(built & banned)]

    for fault in faults:
        print(f"dependencies: {fault}", file=sys.stderr)
    if not faults:
        print(f"dependencies: {len(built)} crates, licences and sources as deny.toml allows, none compiles C or C++")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
