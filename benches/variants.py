"""Every kernel variant of a graphics adapter against the copy rate of its memory, beside the share that docs/gpu-offline.md predicts.

    python3 benches/variants.py --lowrank PROGRAM [--backend gpu] [--n 200] [--measurements 10000] [--search-rank 20] [--batch 1,8,64]
                                [--seconds 0.1] [--read 1000] [--limit 120] [--out variants.csv]

A variant that kernels of one strategy share is timed once, without and with subgroup operations. The prediction is that of the card
whose name the adapter's name contains, and of an H100 for other cards of NVIDIA; it leaves out arithmetic and caches, and says nothing of software adapters.
Of two kernels in a variant the lower share counts. The run ends after --limit seconds with what it has.
"""

import argparse
import csv
import pathlib
import re
import subprocess
import sys
import time

PAGE = pathlib.Path(__file__).resolve().parent.parent / "docs/gpu-offline.md"


def named(program, flags):
    """The names that the program lists for a wrong one, without the strategies that only stand for their best variant."""
    said = subprocess.run([program, "bench", "iteration", *flags, "--variant", "?"], capture_output=True, text=True).stderr
    found = re.search(r"allowed: (.*?)\. leave", said)
    if not found:
        sys.exit(said.strip() or "no variants are listed")
    names = found[1].split(", ")
    return [name for name in names if "/" in name or not any(other.startswith(name.split("+")[0] + "/") for other in names)]


def predicted():
    """Shares by card, variant and batch."""
    shares = {}
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) == 9 and cells[-1].endswith("%"):
            variant, batch, card = cells[0].split()[0], int(cells[1]), cells[3]
            share = float(cells[-1].rstrip("% ")) / 100
            shares[card, variant, batch] = min(share, shares.get((card, variant, batch), 1.0))
    return shares


def card_of(adapter, cards):
    for card in cards:
        if all(word in adapter.lower() for word in card.lower().replace("sxm", "").split()):
            return card
    return "H100 SXM" if "nvidia" in adapter.lower() else None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lowrank", required=True)
    parser.add_argument("--backend", default="gpu")
    for name, default in (("n", "200"), ("measurements", "10000"), ("search-rank", "20"), ("batch", "1,8,64"), ("seconds", "0.1"), ("read", "1000")):
        parser.add_argument(f"--{name}", default=default)
    parser.add_argument("--limit", type=float, default=120)
    parser.add_argument("--out", type=pathlib.Path)
    args = parser.parse_args()
    shares, rows, begin = predicted(), [], time.monotonic()
    cards = {card for card, _, _ in shares}
    print(f"{'variant':<28} {'batch':>5} {'ms':>9} {'GB/s':>7} {'of copy':>8} {'predicted':>9}")
    for batch in args.batch.split(","):
        flags = ["--backend", args.backend, "--n", args.n, "--measurements", args.measurements, "--search-rank", args.search_rank, "--batch", batch]
        flags += ["--samples", "3", "--seconds", args.seconds, "--read", args.read]
        for name in named(args.lowrank, flags):
            if time.monotonic() - begin > args.limit:
                print("stopped: out of time")
                break
            ran = subprocess.run([args.lowrank, "bench", "iteration", *flags, "--variant", name, "--out", "-"], capture_output=True, text=True)
            table = ran.stdout[ran.stdout.find("n,measurements"):]
            row = next(csv.DictReader(table.splitlines()), None)
            if ran.returncode or row is None:
                print(f"{name:<28} {batch:>5} {ran.stderr.strip().splitlines()[-1:]}")
                continue
            card = None if row["software_adapter"] == "true" else card_of(row["adapter"], cards)
            row["predicted_share"] = shares.get((card, name.removesuffix("+subgroup"), int(batch)), "")
            rows.append(row)
            percent = lambda share: f"{100 * float(share):.0f} %" if share != "" else "-"
            print(f"{name:<28} {batch:>5} {float(row['milliseconds']):>9.3f} {float(row['gigabytes_per_second']):>7.1f} "
                  f"{percent(row['share_of_limit']):>8} {percent(row['predicted_share']):>9}", flush=True)
    if args.out and rows:
        with args.out.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    # Nothing timed is no result.
    return 0 if rows else 1


if __name__ == "__main__":
    sys.exit(main())
