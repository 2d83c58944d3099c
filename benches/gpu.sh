#!/usr/bin/env bash
# Everything to know about one graphics card, in one command and under nine minutes: the laws on its driver, the speed of its
# memory, every kernel variant beside what docs/gpu-offline.md predicts, an iteration over sizes, batches and storage types, and
# the same iteration in PyTorch on the same card, where that is installed. A software adapter gets toy sizes: that shows that the
# script works, and the results say so.
#
#   bash benches/gpu.sh OUT_DIR [ADAPTER]        LOWRANK=path/to/lowrank uses a binary built elsewhere: no Rust is needed
set -euo pipefail
out="$(mkdir -p "$1" && cd "$1" && pwd)"
backend="gpu${2:+:$2}"
cd "$(dirname "$0")/.."
export XDG_RUNTIME_DIR="${XDG_RUNTIME_DIR:-$(mktemp -d)}"
if [ -z "${LOWRANK:-}" ]; then
    cargo build --release --quiet
    LOWRANK="$PWD/target/release/lowrank"
fi
begin=$SECONDS
said() { printf '\n== %s (%s s)\n' "$1" $((SECONDS - begin)); }

said "devices"
"$LOWRANK" list devices | tee "$out/devices.txt"
if grep -qE '^gpu.*\((vulkan|metal|dx12|gl), [^)]*(discrete|integrated|virtual|other)' "$out/devices.txt"; then
    sizes="200:10000:20" batches=64 read=1000 seconds=0.3 rounds=5 limit_s=120
    scan_n="100,200,300,500,700,1000" scan_batches="1,4,16,64,256" entries=500000000
    variants_n=200 variants_m=10000 variants_batches="1,8,64" variants_s=75
else
    echo "only software adapters here: toy sizes, and the laws are left to the tests"
    sizes="20:200:5" batches=4 read=16 seconds=0.02 rounds=2 limit_s=0
    scan_n="10,40" scan_batches="1,8" entries=100000
    variants_n=20 variants_m=100 variants_batches=1 variants_s=10
fi

said "the laws on this driver"
# A law that fails is recorded, and the script goes on: the numbers may say why.
if [ "$limit_s" -gt 0 ]; then
    timeout "$limit_s" "$LOWRANK" check --place gpu >"$out/check.txt" 2>&1 ||
        echo "the check failed or ran out of time" >>"$out/check.txt"
    tail -n 1 "$out/check.txt"
fi

said "memory"
"$LOWRANK" bench limit --backend "$backend" --read "$read" | tee "$out/limit.txt"

said "an iteration beside PyTorch"
device=cpu
python3 -c 'import torch, sys; sys.exit(not torch.cuda.is_available())' 2>/dev/null && device=cuda
timeout 200 python3 benches/versus/versus.py --lowrank "$LOWRANK" --backend "$backend" --device "$device" --peers torch \
    --sizes "$sizes" --batches "$batches" --read "$read" --rounds "$rounds" --seconds "$seconds" --out "$out" || echo "the comparison stopped early"

said "kernel variants, measured and predicted"
python3 benches/variants.py --lowrank "$LOWRANK" --backend "$backend" --n "$variants_n" --measurements "$variants_m" --batch "$variants_batches" \
    --seconds "$seconds" --read "$read" --limit "$variants_s" --out "$out/variants.csv" | tee "$out/variants.txt" ||
    echo "no variant was timed"

said "sizes, batches and storage types"
first=1
for n in ${scan_n//,/ }; do
    # As many measurements as fit the entries, at most 20 000: A takes 2 GB in f32.
    m=$((entries / (n * (n + 1) / 2)))
    m=$((m > 20000 ? 20000 : m))
    if [ $((SECONDS - begin)) -gt 420 ]; then
        echo "stopped at n = $n: out of time" | tee -a "$out/scan.log"
        break
    fi
    timeout 60 "$LOWRANK" bench iteration --backend "$backend" --n "$n" --measurements "$m" --storage f32,f16 \
        --batch "$scan_batches" --samples 3 --seconds 0.1 --read "$read" --out "$out/scan.part" >>"$out/scan.log" 2>&1 ||
        { echo "n = $n, m = $m: refused or out of time" | tee -a "$out/scan.log"; continue; }
    tail -n +$((first ? 1 : 2)) "$out/scan.part" >>"$out/scan.csv"
    first=0
done
rm -f "$out/scan.part"
[ ! -e "$out/scan.csv" ] || python3 - "$out/scan.csv" <<'TABLE'
import csv, sys
for row in csv.DictReader(open(sys.argv[1])):
    share = f"{100 * float(row['share_of_limit']):.0f} %" if row["share_of_limit"] else "-"
    print(f"n={row['n']:<5} m={row['measurements']:<6} batch={row['batch']:<4} {row['storage']}  {float(row['milliseconds']):>10.3f} ms"
          f"  {float(row['gigabytes_per_second']):>8.1f} GB/s  {share:>5} of the copy rate  {row['variant']}")
TABLE
said "done: $out"
