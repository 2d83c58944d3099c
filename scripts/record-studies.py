#!/usr/bin/env python3
"""Runs studies at their quick sizes and writes verdicts and seconds to studies/src/reproduce/recorded.csv, or recorded_gpu.csv, from
which `lowrank list studies` makes docs/family.md.

    python3 scripts/record-studies.py PROGRAM [--backend cpu] [STUDY…]

Without names it runs every study; the lines of others stay. Nothing else should run beside it on Cpu, where seconds count. With
`--backend gpu` on a software adapter all of them take more than an hour. The program has to be built again afterwards for the page to
show the new record.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time

HEAD = "study,holds,fails,not_applicable,failing,seconds"
FOLDER = pathlib.Path(__file__).resolve().parent.parent / "studies/src/reproduce"


def record(program, word, backend):
    """The line of a study."""
    with tempfile.TemporaryDirectory() as folder:
        begin = time.monotonic()
        command = [program, "reproduce", word, "--quick", "--backend", backend, "--out", folder]
        # Exit code 1 says that a claim fails.
        code = subprocess.run(command, stdout=subprocess.DEVNULL).returncode
        if code > 1:
            sys.exit(f"{word} ended with code {code}")
        seconds = time.monotonic() - begin
        claims = json.loads((pathlib.Path(folder) / "claims.json").read_text())
    of = lambda verdict: [claim["id"] for claim in claims if claim["verdict"] == verdict]
    fails = of("fails")
    numbers = [len(of("holds")), len(fails), len(of("not_applicable"))]
    return ",".join([word, *map(str, numbers), " ".join(fails), f"{seconds:.0f}"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--backend", choices=["cpu", "gpu"], default="cpu")
    parser.add_argument("studies", nargs="*")
    args = parser.parse_args()
    page = subprocess.run([args.program, "list", "studies"], check=True, capture_output=True, text=True).stdout
    words = [line.split("`")[1] for line in page.splitlines() if line.startswith("| `")]
    unknown = set(args.studies) - set(words)
    if unknown:
        parser.error(f"no study {', '.join(sorted(unknown))}; there are {', '.join(words)}")
    table = FOLDER / ("recorded.csv" if args.backend == "cpu" else "recorded_gpu.csv")
    known = {line.split(",")[0]: line for line in table.read_text().splitlines()[1:]} if table.exists() else {}
    for word in args.studies or words:
        known[word] = record(args.program, word, args.backend)
        print(known[word], flush=True)
        table.write_text("\n".join([HEAD, *(known[word] for word in words if word in known)]) + "\n")


if __name__ == "__main__":
    main()
