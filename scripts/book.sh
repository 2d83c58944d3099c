#!/usr/bin/env bash
# Builds the book of docs/ into target/book. Takes mdBook from the PATH, or builds it once into target/tools, which takes
# four minutes of processor time, and twice that on two busy cores. CI therefore does not build the book: `cargo test
# --release -p lowrank-cli --test program book` checks its pages, links, lists and commands without mdBook.
set -euo pipefail
cd "$(dirname "$0")/.."

version=0.5.4
mdbook="$(command -v mdbook || true)"
if [ -z "$mdbook" ]; then
    tools="${CARGO_TARGET_DIR:-target}/tools"
    mdbook="$tools/bin/mdbook"
    if [ ! -x "$mdbook" ]; then
        echo "No mdbook on the PATH: building version $version into $tools"
        cargo install mdbook --version "$version" --locked --no-default-features --features search --root "$tools"
    fi
fi
"$mdbook" build docs
echo "target/book/index.html"
