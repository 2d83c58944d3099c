#!/usr/bin/env bash
# One iteration of lowrank beside NumPy, JAX and PyTorch, in one run on one machine; nothing else should run. Needs Rust and
# python3 with numpy; jax and torch take part where they are installed. Takes about five minutes.
#
#   bash benches/versus/run.sh [--out benches/results/DATE-MACHINE] [--readme README.md]      --help shows the rest
set -euo pipefail
cd "$(dirname "$0")/../.."
export XDG_RUNTIME_DIR="${XDG_RUNTIME_DIR:-$(mktemp -d)}"
cargo build --release --quiet
python3 benches/versus/versus.py "$@"
