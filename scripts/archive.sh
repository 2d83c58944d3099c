#!/usr/bin/env bash
# Packs the program for a target into target/archives: the binary, its licences, manual pages and completions, and a
# checksum beside the archive.
#
#     bash scripts/archive.sh x86_64-unknown-linux-gnu
set -euo pipefail
cd "$(dirname "$0")/.."

target="${1:-$(rustc -vV | sed -n 's/^host: //p')}"
built="${CARGO_TARGET_DIR:-target}"
cargo build --release --locked -p lowrank-cli --target "$target"
program="$built/$target/release/lowrank"
case "$target" in *windows*) program="$program.exe" ;; esac

version="$("$program" --version | cut -d' ' -f2)"
name="lowrank-$version-$target"
archives="$PWD/target/archives"
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
mkdir -p "$archives" "$folder/$name/completions"
cp "$program" LICENSE-MIT LICENSE-APACHE README.md CHANGELOG.md "$folder/$name"
"$program" man "$folder/$name/man"
for shell in bash zsh fish powershell; do
    "$program" completions "$shell" >"$folder/$name/completions/lowrank.$shell"
done
cd "$folder"
case "$target" in
*windows*) 7z a -bso0 "$archives/$name.zip" "$name" && file="$name.zip" ;;
*) tar -czf "$archives/$name.tar.gz" "$name" && file="$name.tar.gz" ;;
esac
cd "$archives"
if command -v sha256sum >/dev/null; then sha256sum "$file"; else shasum -a 256 "$file"; fi >"$file.sha256"
echo "$archives/$file"
