"""Predicts from the tables of scripts/gpu-compile.sh how near the kernels over rows come to the memory of a card, by Little's law, and
writes docs/gpu-offline.md.

    python3 scripts/gpu-predict.py BEFORE AFTER >docs/gpu-offline.md      two folders with amd.csv and nvidia.csv

The bytes under way on a compute unit are (workgroups that run there) · (threads) · (bytes of rows that a thread has under way). Memory is
kept busy where they are at least (bandwidth) · (latency) / (compute units).
"""

import csv
import sys
from pathlib import Path

# Bandwidth (GB/s), latency of memory under load (ns, rounded from published microbenchmarks), compute units (pairs of them on RDNA,
# multiprocessors on NVIDIA), clock (GHz), and the compiled part that stands for the card.
CARDS = {
    "RX 580": (256, 600, 36, 1.3, "polaris10"),
    "RX 6800": (512, 450, 30, 2.1, "navi21"),
    "RX 7900 XTX": (960, 450, 48, 2.3, "navi31"),
    "Steam Deck": (88, 500, 4, 1.6, "vangogh"),
    "RTX 3070": (448, 450, 46, 1.7, "ampere"),
    "H100 SXM": (3350, 600, 132, 1.7, "ampere"),
}
# Nanoseconds from the last thread at a barrier to the first one behind it.
BARRIER = 30
SAYS = """
What this says, and what it does not:

- Before, a thread of the tiled kernels had one load of four bytes under way, because compilers waited for each load of a loop that
  stores what it loads. Now it has the whole next slab under way; ACO's own estimate of an adjoint kernel falls from 19 300 to 5 100
  cycles (tiled/4, navi31) and of a forward kernel from 3 600 to 1 800. The order of additions is as before, and so are all bits.
- 100 % means that neither too few bytes nor barriers keep memory from being busy. It is no time: arithmetic, the caches that
  serve z, and the second reading of two-kernel are not in it.
- row-resident and one-pass have enough under way everywhere: one workgroup on a compute unit (RX 580, NVIDIA) drains at each row, but a row
  of 80 KB takes longer than the drain. With shorter rows that does not hold: below n = 100 several workgroups run there.
- NVK keeps the sums of row-resident in memory (`benches/offline/exceptions.csv`). Whether NVIDIA's compiler does is unknown; these variants
  are timed at load and used where they are fastest.
- Two cases are short of bytes under way, both on an H100 and both with NVK's registers: two-kernel forward at batch 8, and the tiled
  kernels at batch 64.
- Two-kernel forward takes 145 registers there, so one workgroup of 256 threads runs with 8 KB under way. With ACO's 64 registers
  four would run with 33 KB, which is enough. Fewer rows a workgroup do not help by the prediction: two rows let two workgroups run with
  half the bytes each.
- Batches of 64 are bound by arithmetic on an H100: a 4-byte entry takes 2 · 64 flops, 32 flops a byte, where 67 TFLOPS over
  3.35 TB/s is 20. More bytes under way would not help there.
- No case is limited by the size of a workgroup against that of a subgroup.

## Runtime checks and drivers

- Modules are created without naga's bounds checks and loop bounding. ACO models 1.7 times the cost for checks that clamp and 22 times
  for checks by condition, on the unrolled kernel. Integer divisions keep their check, since compilers remove it where the divisor is
  a constant. Workgroup memory is not zeroed.
- `LOWRANK_GPU_CHECKS` = `all`, `loops` or `off` sets the checks of every adapter. Without it the record of `lowrank check` decides,
  then the known faults of the driver (`src/gpu/known_faults.rs`), and else there are none. Kernels with deliberate faults (mutations)
  have every check.
- `tests/library/trusted.rs` shows from the translated modules that every loop counts towards an end, and `tests/library/intervals` that
  every index lies within its array: 3961 modules and 5783 kernels of the sizes in its grid, 527 909 accesses in all, for every workgroup and
  thread and every number of active trials. None is left open, and every access in the text of a kernel is reached. Altered kernels are
  condemned.
- What this takes for granted: the sizes of the grid stand for others; naga's modules mean what WGSL says; lists hold what the table
  `CONTRACTS` says, for which the host has tests; the header of a panel is that of all measurements, of their second half or of a group;
  workgroup memory is written before it is read; subgroups have four threads or more. Lengths are those of the real buffers, and
  buffers that ops share can be longer than one of them needs: an access beyond the part of an op is not seen where the buffer goes on.
  The canary, which runs before any tape, is not in it.
- Besides, laws run with each of the three settings, bits of methods are compared with and without checks on software adapters, and
  guard words lie behind buffers.
- Comparison sees less where a driver has robust access to buffers: then naga adds no checks of buffers in either setting, and
  only arrays in registers and workgroup memory differ.
- `lowrank check` prints compile times by module. Drivers that compile at the first dispatch do so outside of these times.
- `scripts/nightly-laws.sh` runs the laws on llvmpipe (the distribution's and Mesa 25's), SwiftShader and OpenGL ES, and reports a driver
  that is missing as NOT RUN. In [the record](../benches/results/2026-11-29-drivers) all laws of `entries` hold on all four drivers, and those
  of `dense` as far as four minutes reached.
- `scripts/gpu-compile.sh` also compiles every kernel as HLSL for shader model 6.0 by DXC 1.6, Microsoft's compiler for DirectX 12: it
  takes all 1018. DXC's code is not validated (`-Vd`), since the signing library is one of Windows.
- Cooperative matrices (tensor cores) are not used. The experimental feature of wgpu 30 offers tiles of 8×8 numbers in f32 alone, by its own
  documentation; those of f16, which batches would gain from, are missing.
"""

KERNELS = [
    ("two-kernel forward", 1),
    ("two-kernel adjoint_apply", 1),
    ("one-pass/256x2 gradient", 1),
    ("row-resident/256x1 gradient", 1),
    ("row-resident/512x1 gradient", 1),
    ("two-kernel forward", 8),
    ("two-kernel adjoint_apply", 8),
    ("tiled/4 forward", 64),
    ("tiled/4 adjoint_apply", 64),
    ("tiled/8 forward", 64),
    ("tiled/8 adjoint_apply", 64),
]
P = 200 * 201 // 2


def rows_share(kernel, batch):
    """Share of rows in the bytes that a thread has under way; the others are of z and come from caches."""
    tile = min(batch, 8)
    return {
        "two-kernel forward": 8 / (8 + 2 * tile),
        "two-kernel adjoint_apply": 1.0,
        "one-pass/256x2 gradient": 2 / 3,
        "row-resident/256x1 gradient": 1 / 2,
        "row-resident/512x1 gradient": 1 / 2,
        "tiled/4 forward": 4 / 8,
        "tiled/8 forward": 4 / 6,
        "tiled/4 adjoint_apply": 8 / 12,
        "tiled/8 adjoint_apply": 8 / 10,
    }[kernel]


def step(kernel):
    """Bytes of rows between two drains of a workgroup, and its barriers there; (None, 0) where it never drains."""
    if kernel.startswith("one-pass/256x2"):
        return 2 * 4 * P, 3
    if kernel.startswith("row-resident"):
        return 4 * P, 3
    if kernel.startswith("tiled/4 f"):
        return 4 * 32 * 32, 2
    if kernel.startswith("tiled/8 f"):
        return 4 * 64 * 16, 2
    if kernel.startswith("tiled/4 a"):
        return 4 * 16 * 128, 2
    if kernel.startswith("tiled/8 a"):
        return 4 * 8 * 256, 2
    return None, 0


def read(folder):
    rows = {}
    for name in ("amd.csv", "nvidia.csv"):
        with (Path(folder) / name).open() as file:
            for row in csv.DictReader(file):
                if (row["operator"], row["n"], row["storage"]) == ("dense", "200", "f32"):
                    rows.setdefault((row["part"], row["kernel"], int(row["batch"])), row)
    return rows


def line(rows, card, kernel, batch):
    bandwidth, latency, units, _, part = CARDS[card]
    row = rows[part, kernel, batch]
    # NVK bounds each access by a branch of its own, so that nothing is under way beside it; ACO's order of loads stands for NVIDIA's.
    order = rows["navi31" if part == "ampere" else part, kernel, batch]
    workgroups = int(row["resident"])
    under_way = workgroups * int(row["threads"]) * int(order["in_flight_bytes"]) * rows_share(kernel, batch)
    needed = bandwidth * latency / units
    busy = min(1.0, under_way / needed)
    bytes_between, barriers = step(kernel)
    if bytes_between:
        # One workgroup alone: the latency once for every round of loads, the transfer at twice its share of the bandwidth, the barriers.
        fair = bandwidth / units
        rounds = max(1.0, bytes_between / (int(row["threads"]) * int(order["in_flight_bytes"]) * rows_share(kernel, batch)))
        alone = rounds * latency + bytes_between / (2 * fair) + barriers * BARRIER
        busy = min(busy, workgroups * bytes_between / alone / fair)
    return workgroups, under_way, needed, busy


def main():
    before, after = read(sys.argv[1]), read(sys.argv[2])
    print(__doc__.splitlines()[0].replace("Predicts from the tables of scripts/gpu-compile.sh", "# Kernels on cards that are not here\n\nPredicted from the tables of `scripts/gpu-compile.sh`:").replace(", and", "."))
    print(
        "Written by `scripts/gpu-predict.py`. n = 200, f32, gradient descent. **Nothing here was measured**: registers and the order of loads are\n"
        "the compilers', bandwidths the makers', latencies rounded from published microbenchmarks, and the rest is arithmetic.\n\n"
        "A card's memory is busy where the bytes under way on a compute unit reach bandwidth · latency / units (Little's law); a kernel that\n"
        "waits at barriers also loses the time in which none of its workgroups loads. *Share* is the predicted share of the bandwidth, before and\n"
        "after the loads of a slab were written out and brought forward (`shaders/rows/tiled.wgsl`). Cards of NVIDIA have NVK's registers and\n"
        "ACO's order of loads: indicative at best. Arithmetic is left out: batches of 64 are bound by it on most cards.\n"
    )
    print("| kernel | batch | barriers a slab or row | card | workgroups a unit | KB under way a unit | KB needed | share before | share after |")
    print("|---|---|---|---|---|---|---|---|---|")
    for kernel, batch in KERNELS:
        for card in CARDS:
            old, new = line(before, card, kernel, batch), line(after, card, kernel, batch)
            print(
                f"| {kernel} | {batch} | {step(kernel)[1]} | {card} | {new[0]} | {new[1] / 1e3:.0f} | {new[2] / 1e3:.1f} | "
                f"{100 * old[3]:.0f} % | {100 * new[3]:.0f} % |"
            )
    print(SAYS)


main()
