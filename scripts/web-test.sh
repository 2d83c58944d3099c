#!/usr/bin/env bash
# Builds the page that solves in a browser and drives it in chromium: results equal those of the program, files are read
# and given back, the page stays alive, with WebGPU (SwiftShader) and without. Pictures of the page are left for a look.
#
#   bash scripts/web-test.sh [PICTURES]     PICTURES: a folder, target/web-pictures where none is named
#
# $LOWRANK_CHROMIUM is the browser, else chromium or google-chrome of the path; $LOWRANK_PROGRAM is the program lowrank
# where it is built already. playwright-core is installed by npm into $LOWRANK_WEB_TOOLS (target/web-tools).
# Exit status: 0 fine; 1 a check failed; 77 tools are missing, so nothing was checked.
set -euo pipefail
cd "$(dirname "$0")/.."
target="$(mkdir -p "${CARGO_TARGET_DIR:-target}" && cd "${CARGO_TARGET_DIR:-target}" && pwd)"
export LOWRANK_WEB_TOOLS="${LOWRANK_WEB_TOOLS:-$target/web-tools}"
pictures="${1:-$target/web-pictures}"

not_run() {
    echo "web-test: NOT RUN: $1" >&2
    exit 77
}

chromium="${LOWRANK_CHROMIUM:-$(command -v chromium || command -v google-chrome || true)}"
[ -n "$chromium" ] || not_run "no chromium (Debian's package chromium), and LOWRANK_CHROMIUM names none"
command -v npm >/dev/null || not_run "no npm, which playwright-core comes from"
mkdir -p "$LOWRANK_WEB_TOOLS"
if [ ! -d "$LOWRANK_WEB_TOOLS/node_modules/playwright-core" ]; then
    npm install --silent --no-audit --no-fund --prefix "$LOWRANK_WEB_TOOLS" playwright-core || not_run "playwright-core cannot be had"
fi
bash scripts/web.sh build
program="${LOWRANK_PROGRAM:-}"
if [ -z "$program" ]; then
    cargo build --release --workspace --bins --quiet
    program="$target/release/lowrank"
fi
# Modules are looked for beside the file that imports them.
rm -rf "$LOWRANK_WEB_TOOLS/test" && cp -r web/test "$LOWRANK_WEB_TOOLS/test"
timeout 900 node "$LOWRANK_WEB_TOOLS/test/test.mjs" "$target/web" "$program" "$chromium" "$pictures"
