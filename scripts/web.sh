#!/usr/bin/env bash
# Builds the page that solves in a browser.
#
#   bash scripts/web.sh [build]     into target/web; without `build` it is then shown on http://127.0.0.1:8000
#
# It needs a Rust that compiles to wasm32: `rustup target add wasm32-unknown-unknown`, or Debian's packages rustc-web,
# cargo-web, rust-web-src and lld-22, which compile the standard library too. wasm-bindgen is installed into
# $LOWRANK_WEB_TOOLS (target/web-tools) where it is not there yet.
# Exit status: 0 built; 77 there is no such Rust, or its tools cannot be had, so nothing was built.
set -euo pipefail
cd "$(dirname "$0")/.."
target="$(mkdir -p "${CARGO_TARGET_DIR:-target}" && cd "${CARGO_TARGET_DIR:-target}" && pwd)"
tools="${LOWRANK_WEB_TOOLS:-$target/web-tools}"
triple=wasm32-unknown-unknown

not_run() {
    echo "web: NOT RUN: $1" >&2
    exit 77
}

build=(build --release --package lowrank-web --lib --target "$triple")
export CARGO_TARGET_DIR="$target" CARGO_PROFILE_RELEASE_DEBUG=false RUSTFLAGS="-C target-feature=+simd128"
if [ -d "$(rustc --print sysroot)/lib/rustlib/$triple" ]; then
    cargo "${build[@]}"
elif [ -d "$(/usr/bin/rustc --print sysroot 2>/dev/null)/lib/rustlib/src/rust/library/std" ] && linker="$(compgen -c wasm-ld- | sort -V | tail -n 1)" && [ -n "$linker" ]; then
    # The standard library is compiled from its sources, which a stable compiler does only so.
    RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER="$linker" \
        /usr/bin/cargo "${build[@]}" -Zbuild-std=std,panic_abort
else
    not_run "no Rust for $triple: 'rustup target add $triple', or Debian's rustc-web cargo-web rust-web-src lld-22"
fi

# The tool must be of the version of the crate.
version="$(sed -n '/^name = "wasm-bindgen"$/{n;s/version = "\(.*\)"/\1/p}' Cargo.lock)"
bindgen="$(PATH="$tools/bin:$PATH" command -v wasm-bindgen || true)"
if [ -z "$bindgen" ] || [ "$("$bindgen" --version)" != "wasm-bindgen $version" ]; then
    echo "web: installing wasm-bindgen $version into $tools"
    env -u RUSTFLAGS -u CARGO_PROFILE_RELEASE_DEBUG CARGO_TARGET_DIR="$tools/target" \
        cargo install --quiet wasm-bindgen-cli --version "$version" --root "$tools" || not_run "wasm-bindgen $version cannot be had"
    bindgen="$tools/bin/wasm-bindgen"
fi
rm -rf "$target/web" && cp -r web/page "$target/web"
"$bindgen" --target web --no-typescript --remove-name-section --remove-producers-section --out-dir "$target/web/pkg" "$target/$triple/release/lowrank_web.wasm"
echo "web: $target/web, $(stat -c %s "$target/web/pkg/lowrank_web_bg.wasm") bytes of WebAssembly"
if [ "${1:-}" != build ]; then
    exec python3 -m http.server --bind 127.0.0.1 --directory "$target/web" 8000
fi
