#!/usr/bin/env python3
"""Runs every study at its quick size on Cpu and writes its verdicts and seconds to studies/src/reproduce/recorded.csv, from which
`lowrank list studies` makes docs/family.md.

    python3 scripts/record-studies.py PROGRAM

Nothing else should run beside it. The program has to be built again afterwards for the page to show the new record.
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import time

program = sys.argv[1]
table = pathlib.Path(__file__).resolve().parent.parent / "studies/src/reproduce/recorded.csv"
page = subprocess.run([program, "list", "studies"], check=True, capture_output=True, text=True).stdout
words = [line.split("`")[1] for line in page.splitlines() if line.startswith("| `")]
lines = ["study,holds,fails,not_applicable,failing,seconds"]
for word in words:
    with tempfile.TemporaryDirectory() as folder:
        begin = time.monotonic()
        command = [program, "reproduce", word, "--quick", "--backend", "cpu", "--out", folder]
        # Exit code 1 says that a claim fails.
        code = subprocess.run(command, stdout=subprocess.DEVNULL).returncode
        if code > 1:
            sys.exit(f"{word} ended with code {code}")
        seconds = time.monotonic() - begin
        claims = json.loads((pathlib.Path(folder) / "claims.json").read_text())
    of = lambda verdict: [claim["id"] for claim in claims if claim["verdict"] == verdict]
    fails = of("fails")
    numbers = [len(of("holds")), len(fails), len(of("not_applicable"))]
    lines.append(",".join([word, *map(str, numbers), " ".join(fails), f"{seconds:.0f}"]))
    print(lines[-1], flush=True)
table.write_text("\n".join(lines) + "\n")
