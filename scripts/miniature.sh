#!/usr/bin/env bash
# The benches in miniature, to see that they run and not how fast, and some random problems. It needs what
# scripts/test.sh built.
set -euo pipefail
cd "$(dirname "$0")/.."
export XDG_RUNTIME_DIR="${XDG_RUNTIME_DIR:-$(mktemp -d)}"
built="${CARGO_TARGET_DIR:-target}/release"
miniature="$(mktemp -d)"
trap 'rm -rf "$miniature"' EXIT
# A copy, because another build may replace the program meanwhile.
cp "$built/lowrank" "$miniature/lowrank"
export LOWRANK="$miniature/lowrank"

# Of the whole workspace, as the tests are: a choice of packages chooses the features of dependencies too.
cargo bench --workspace --bench iteration -- --quick
. scripts/with-numpy.sh
# A quarter of a minute of random problems on every backend and adapter; `lowrank check --minutes 10` looks longer.
"$LOWRANK" check --minutes 0.25 --seed 1
python3 benches/versus/versus.py --sizes 20:60:5 --batches 4 --rounds 1 --seconds 0.01 --read 16 --out "$miniature"
bash benches/gpu.sh "$miniature/gpu"
python3 benches/recovery.py --quick --backends cpu --out "$miniature"
python3 benches/defaults/defaults.py --quick --program "$LOWRANK" --out "$miniature/defaults"
