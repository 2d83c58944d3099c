"""Reads what drivers report about compiled kernels (scripts/gpu-compile.sh), writes it as amd.csv, nvidia.csv and tables, and
holds it to the rules: no kernel spills registers or keeps variables in memory (scratch, local memory), and two workgroups or more
of each run at a time on a compute unit, so that one computes while the other waits for memory or at a barrier. What breaks a rule
is listed in benches/offline/exceptions.csv with the reason.
"""

import argparse
import csv
import fnmatch
import sys
from collections import defaultdict
from pathlib import Path

root = Path(__file__).parent.parent
AMD = ["polaris10", "navi21", "navi31", "vangogh"]
# What stands in the tables, in this order.
PARTS = [*AMD, "ampere"]
NAMES = {
    "polaris10": "polaris10 (GCN 4, RX 580)",
    "navi21": "navi21 (RDNA 2, RX 6800)",
    "navi31": "navi31 (RDNA 3, RX 7900)",
    "vangogh": "vangogh (RDNA 2, Steam Deck)",
    "ampere": "GA104 (Ampere, RTX 3070), by NVK",
}
# Four SIMDs share a compute unit of GCN and a pair of compute units of RDNA, on which a workgroup runs.
SIMDS = 4
# A multiprocessor of Ampere (compute capability 8.6): registers and warps of each of its four parts, blocks, bytes of shared memory.
REGISTERS, WARPS, BLOCKS, SHARED = 16384, 12, 16, 100 << 10
LEAST = 2


def whole(text):
    return int(float(text)) if text else 0


def resident(row):
    """Workgroups that run at a time on a compute unit, by their registers and workgroup memory."""
    waves = -(-whole(row["threads"]) // whole(row["subgroup"]))
    if row["part"] in AMD:
        return whole(row["subgroups_per_simd"]) * SIMDS // waves
    # Registers are given to a warp in pieces of 256.
    each = -(-whole(row["vgprs"]) * 32 // 256) * 256
    warps = min(REGISTERS // max(each, 256), WARPS) * 4
    shared = SHARED // (whole(row["lds_bytes"]) + 1024)
    return min(warps // waves, BLOCKS, shared)


def in_memory(row):
    return sum(whole(row[name]) for name in ("spilled_vgprs", "spilled_sgprs", "scratch_bytes"))


def faults(row):
    if in_memory(row):
        yield "memory"
    if row["resident"] < LEAST:
        yield "occupancy"


def excepted(rule, row, fault):
    return (
        rule["rule"] == fault
        and fnmatch.fnmatchcase(row["part"], rule["part"])
        and fnmatch.fnmatchcase(row["operator"], rule["operator"])
        and fnmatch.fnmatchcase(row["kernel"], rule["kernel"])
        and fnmatch.fnmatchcase(row["n"], rule["n"])
    )


def described(row):
    return (
        f"{row['part']}: {row['kernel']} ({row['operator']}, n = {row['n']}, batch {row['batch']}, {row['storage'] or 'any storage'}): "
        f"{row['vgprs']} registers, {whole(row['spilled_vgprs'])} + {whole(row['spilled_sgprs'])} spilled, "
        f"{whole(row['scratch_bytes'])} bytes in memory, {row['resident']} workgroups a compute unit"
    )


def table(rows, out):
    """Kernels over rows and the largest of the others, a line each and a column a part."""
    cells = defaultdict(dict)
    for row in rows:
        if row["operator"] != "dense" or not row["n"].isdigit():
            continue
        key = (int(row["n"]), int(row["batch"]), row["storage"], row["kernel"])
        if not row["storage"]:
            # The largest of several texts of one name (several methods, two factors).
            old = cells[key].get(row["part"])
            if old and whole(old["vgprs"]) >= whole(row["vgprs"]):
                continue
        cells[key][row["part"]] = row
    for n in sorted({key[0] for key in cells}):
        print(f"\n## n = {n}\n", file=out)
        print("Registers a thread · workgroups a compute unit · most bytes of loads under way a thread.\n", file=out)
        print("| kernel | storage | batch | " + " | ".join(PARTS) + " |", file=out)
        print("|---|---|---|" + "---|" * len(PARTS), file=out)
        for key in sorted((key for key in cells if key[0] == n), key=lambda key: (key[2] == "", key[3], key[2], key[1])):
            _, batch, storage, kernel = key
            line = []
            for part in PARTS:
                row = cells[key].get(part)
                spilled = f" · **{in_memory(row)} B in memory**" if row and in_memory(row) else ""
                line.append(f"{row['vgprs']} · {row['resident']} · {row['in_flight_bytes']}{spilled}" if row else "")
            print(f"| {kernel} | {storage} | {batch} | " + " | ".join(line) + " |", file=out)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--full", action="store_true", help="an exception that nothing needs is a fault too")
    parser.add_argument("files", nargs="+", type=Path)
    args = parser.parse_args()
    rows = []
    for path in sorted(args.files):
        with path.open() as file:
            rows.extend(csv.DictReader(file))
    for row in rows:
        row["resident"] = resident(row)
    with (root / "benches/offline/exceptions.csv").open() as file:
        rules = list(csv.DictReader(file))

    for name, parts in (("amd", AMD), ("nvidia", ["ampere"])):
        own = [row for row in rows if row["part"] in parts]
        # The time depends on the machine and on what else it does.
        columns = [column for column in own[0] if column != "milliseconds"]
        with (args.out / f"{name}.csv").open("w") as file:
            writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
            writer.writeheader()
            writer.writerows(own)
    with (args.out / "kernels.md").open("w") as out:
        print("# Kernels as compilers of graphics cards see them\n", file=out)
        print("Written by `scripts/gpu-compile.sh`. Nothing was executed. Parts: " + "; ".join(NAMES[part] for part in PARTS) + ".", file=out)
        table(rows, out)

    used, wrong, known = set(), [], 0
    for row in rows:
        for fault in faults(row):
            found = [at for at, rule in enumerate(rules) if excepted(rule, row, fault)]
            used.update(found)
            known += bool(found)
            if not found:
                wrong.append(f"{fault}: {described(row)}")
    slowest = max(rows, key=lambda row: float(row["milliseconds"]))
    for part in PARTS:
        own = [row for row in rows if row["part"] == part]
        if not own:
            continue
        memory = sum(1 for row in own if in_memory(row))
        few = sum(1 for row in own if row["resident"] < LEAST)
        print(f"{NAMES[part]}: {len(own)} kernels; {memory} with spills or scratch, {few} with fewer than {LEAST} workgroups a compute unit")
    print(f"slowest to compile: {slowest['kernel']} n = {slowest['n']} on {slowest['part']}, {float(slowest['milliseconds']) / 1e3:.1f} s")
    print(f"{known} listed exceptions, {len(wrong)} faults")
    if args.full:
        wrong += [f"no kernel needs the exception {rule}" for at, rule in enumerate(rules) if at not in used]
    for line in wrong[:30]:
        print(line, file=sys.stderr)
    if len(wrong) > 30:
        print(f"and {len(wrong) - 30} more", file=sys.stderr)
    sys.exit(1 if wrong else 0)


main()
