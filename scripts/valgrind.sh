#!/usr/bin/env bash
# The program's usual paths under valgrind's memcheck: errors of memory, in it or in what it uses, end this with an error. The processor that
# valgrind 3.19 simulates has AVX2 and no AVX-512, which the program finds out by itself.
#
#   bash scripts/valgrind.sh [target/release/lowrank]
set -euo pipefail
cd "$(dirname "$0")/.."
program="${1:-target/release/lowrank}"
[ -x "$program" ] || cargo build --release
if ! command -v valgrind >/dev/null; then
    sudo=""
    [ "$(id -u)" = 0 ] || sudo=sudo
    $sudo apt-get update -qq && $sudo apt-get install -y -qq --no-install-recommends valgrind
fi
at="$(mktemp -d)"
trap 'rm -rf "$at"' EXIT
checked() {
    echo "valgrind: $1 $2"
    valgrind --quiet --error-exitcode=99 --leak-check=no --fair-sched=yes --num-callers=30 "$program" "$@" >"$at/out" 2>"$at/err" || {
        code=$?
        # 1: finished, but a target was missed. No such thing is asked for here.
        echo "exit code $code"
        tail -60 "$at/err"
        exit 1
    }
}
export RAYON_NUM_THREADS=2
checked generate --n 9 --rank 1 --measurements 60 --out "$at/p"
checked solve --matrices "$at/p/A.npy" --observations "$at/p/y.npy" --truth "$at/p/X.npy" --backend cpu --max-iterations 12 \
    --out "$at/f.npz" --report "$at/r.json" --trace "$at/t.csv" --search-rank 3
checked solve --matrices "$at/p/A.npy" --observations "$at/p/y.npy" --backend cpu --precision mixed --storage f16 --method gd --max-iterations 12 \
    --search-rank 3 --parts 3
checked solve --operator seeded --operator-seed 1 --measurements 60 --n 9 --observations "$at/p/y.npy" --backend cpu --max-iterations 5
checked generate --operator entries --model asymmetric --shape 12,9 --rank 1 --measurements 80 --out "$at/e"
checked solve --entries "$at/e/entries.csv" --shape 12,9 --index-base 0 --holdout 0.1 --search-rank 2 --backend cpu --max-iterations 10
checked generate --operator rank_one --n 9 --rank 1 --measurements 60 --out "$at/v"
checked solve --vectors "$at/v/a.npy" --observations "$at/v/y.npy" --backend cpu --method cg --max-iterations 5 --search-rank 2
echo "no error of memory"
