#!/usr/bin/env bash
# Bad input on purpose: every target of fuzz/ for so many seconds, with the address sanitizer where there is a nightly compiler. What is found
# is left in fuzz/artifacts; fixed, it belongs into fuzz/corpus, which cli/tests/program/corpus.rs replays.
#
#   bash scripts/fuzz.sh [seconds] [target...]
set -euo pipefail
cd "$(dirname "$0")/.."
seconds="${1:-60}"
shift || true
command -v cargo-fuzz >/dev/null || cargo install cargo-fuzz --locked
cargo=(cargo +nightly fuzz)
options=()
if ! cargo +nightly --version >/dev/null 2>&1; then
    cargo=(cargo fuzz)
    options=(--sanitizer none)
fi
# New inputs are kept out of the working tree.
found="$(mktemp -d)"
trap 'rm -rf "$found"' EXIT
[ $# -gt 0 ] || set -- npy npz matrix_market csv table predict checkpoint cli
for target in "$@"; do
    mkdir "$found/$target"
    # A header that claims 10^18 numbers shows as one allocation, a loop without an end as a timeout.
    "${cargo[@]}" run --codegen-units 16 "${options[@]}" "$target" "$found/$target" "fuzz/corpus/$target" -- -max_total_time="$seconds" \
        -rss_limit_mb=2048 -malloc_limit_mb=512 -timeout=10 -max_len=4096 -print_final_stats=1 -verbosity=0
done
