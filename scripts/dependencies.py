"""Checks every dependency, of every feature and platform, against deny.toml without a network: its licence is allowed, it comes from crates.io, it
is not banned, and it needs no newer Rust than Cargo.toml states. `cargo deny check` does the same and reads the advisories beside.
"""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

root = Path(__file__).parent.parent
rules = tomllib.loads((root / "deny.toml").read_text())
allowed = set(rules["licenses"]["allow"])
banned = {entry["crate"] for entry in rules["bans"]["deny"]}
stated = tomllib.loads((root / "Cargo.toml").read_text())["workspace"]["package"]["rust-version"]


def number(version):
    return tuple(int(part) for part in version.split(".")[:2])


def may(expression):
    """Whether an SPDX expression can be met with allowed licences: an alternative all of whose parts are."""
    # An exception that goes with a licence only permits more.
    text = re.sub(r" WITH [\w.-]+", "", expression.replace("/", " OR "))
    words = {"AND": "and", "OR": "or"}
    text = re.sub(r"[\w.+-]+", lambda word: words.get(word[0], str(word[0] in allowed)), text)
    return eval(text, {"__builtins__": {}})  # True, False, and, or, brackets


assert may("MIT OR GPL-3.0") and not may("MIT AND GPL-3.0-only") and not may("GPL-3.0-only") and may("(MIT OR Apache-2.0) AND Unicode-3.0")

command = ["cargo", "metadata", "--format-version", "1", "--locked", "--all-features"]
found = json.loads(subprocess.run(command, cwd=root, stdout=subprocess.PIPE, check=True).stdout)["packages"]
wrong = []
for package in found:
    name = f"{package['name']} {package['version']}"
    own = package["source"] is None
    if not own and package["source"] != "registry+https://github.com/rust-lang/crates.io-index":
        wrong.append(f"{name} comes from {package['source']}")
    if not package["license"] or not may(package["license"]):
        wrong.append(f"{name} has the licence {package['license']}")
    if package["name"] in banned:
        wrong.append(f"{name} is banned")
    if package["rust_version"] and number(package["rust_version"]) > number(stated):
        wrong.append(f"{name} needs Rust {package['rust_version']}, Cargo.toml states {stated}")

def compiled(*features):
    """Names of the packages that the library alone is compiled with."""
    command = ["cargo", "tree", "--locked", "--package", "lowrank", "--edges", "normal,build", "--prefix", "none", "--format", "{p}", *features]
    text = subprocess.run(command, cwd=root, stdout=subprocess.PIPE, check=True, text=True).stdout
    return {line.split()[0] for line in text.splitlines() if line}


def asked_for(*selection):
    """Features of each package of a selection, by name and version, in whatever it is compiled for."""
    command = ["cargo", "tree", "--locked", "--edges", "normal,build", "--prefix", "none", "--format", "{p} [{f}]", *selection]
    text = subprocess.run(command, cwd=root, stdout=subprocess.PIPE, check=True, text=True).stdout
    lines = (line.removesuffix(" (*)").rsplit(" [", 1) for line in text.splitlines() if line)
    found = {}
    for package, features in lines:
        found.setdefault(package.split(" (")[0], set()).update(set(features.rstrip("]").split(",")) - {""})
    return found


# The wheel and the program with MPI find the packages that the tests built, which takes minutes else.
tests = asked_for("--workspace", "--edges", "normal,build,dev")
wheel = asked_for("--package", "lowrank-python")
for what, selection in [("the wheel", wheel), ("the program with MPI", asked_for("--workspace", "--features", "lowrank-cli/mpi"))]:
    for package in wheel.keys() & selection.keys():
        features = selection[package]
        apart = features ^ tests.get(package, features)
        if apart and not package.startswith("lowrank"):
            wrong.append(f"{package}: {what} and the tests differ in {', '.join(sorted(apart))}; name what is missing in python/Cargo.toml")

# A service or a study of somebody else's compiles no command line, and no graphics or file formats that it did not ask for.
program = {"clap", "ctrlc", "indicatif", "plotters"}
for features, without in [
    ([], program),
    (["--no-default-features", "--features", "gpu"], program | {"zip", "npyz", "ciborium"}),
    (["--no-default-features"], program | {"zip", "npyz", "ciborium", "wgpu", "naga", "pollster"}),
]:
    names = compiled(*features)
    assert {"faer", "rayon"} <= names, "the library's dependencies were not found"
    wrong += [f"lowrank {' '.join(features)} compiles {name}" for name in sorted(names & without)]
    print(f"{len(names)} packages: lowrank {' '.join(features)}")
assert len(found) > 100, "the dependencies were not found"
print(f"{len(found)} packages, {len(wrong)} of them refused")
sys.exit("\n".join(wrong) or None)
