#!/usr/bin/env bash
# Time of one gradient descent iteration against NumPy, in one run on one machine, medians; nothing else should run.
# Needs Rust and python3 with numpy.
#
#   bash benches/versus/run.sh [OUT.csv]        sizes: SIZES="n:rank:measurements ..." (default: small and the paper's)
set -euo pipefail
cd "$(dirname "$0")/../.."
sizes="${SIZES:-50:2:1000 100:3:3000 200:5:10000}"
export XDG_RUNTIME_DIR="${XDG_RUNTIME_DIR:-$(mktemp -d)}"
cargo build --release --quiet
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

rows="n,rank,measurements,program,milliseconds_per_iteration,gigabytes_of_packed_matrices_per_second"
for size in $sizes; do
    IFS=: read -r n rank m <<<"$size"
    target/release/lowrank generate --n "$n" --rank "$rank" --measurements "$m" --out "$work/p" >/dev/null
    # Median over five solves of the mean over 200 iterations looked at once.
    for _ in 1 2 3 4 5; do
        target/release/lowrank solve --quiet --matrices "$work/p/A.npy" --observations "$work/p/y.npy" \
            --backend cpu --search-rank 20 --step-size 0.25 --init-scale 1e-3 --seed 1 \
            --max-iterations "${ITERATIONS:-100}" --observe every:100 --stall-window 0 --report - |
            python3 -c 'import json, sys; print(1e3 * json.load(sys.stdin)["timing"]["seconds_per_iteration"])'
    done | sort -g | sed -n 3p | sed "s/^/lowrank_cpu /" >"$work/times"
    python3 benches/versus/numpy_gd.py "$work/p" --full >>"$work/times"
    while read -r program milliseconds; do
        rate="$(python3 -c "print(f'{$m * $n * ($n + 1) / 2 * 4 / $milliseconds / 1e6:.2f}')")"
        rows="$rows"$'\n'"$n,$rank,$m,$program,$milliseconds,$rate"
    done <"$work/times"
done
if [ $# -ge 1 ]; then printf '%s\n' "$rows" >"$1"; else printf '%s\n' "$rows"; fi
