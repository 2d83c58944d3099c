#!/usr/bin/env bash
# Tries everything of a release that can be tried without publishing: what is in the packages, whether they build as
# packages, the source distribution of the wheel, and the citation.
#
#     bash scripts/publish-check.sh           # long: all packages and their dependencies are built from scratch
#     bash scripts/publish-check.sh --list    # seconds: contents and sizes only
set -euo pipefail
cd "$(dirname "$0")/.."

# In the order in which they have to be published: each needs those before it.
packages=(lowrank lowrank-mpi lowrank-studies lowrank-cli)
# The registry takes 10 MiB. More than this has data in it that nobody needs to compile.
most_kib=1024
foreign='^(tests|benches|fuzz|python|scripts|target|\.ci|\.github)/|\.(npy|npz|csv|svg|ckpt)$'
allowed='^src/reproduce/recorded\.csv$'
target="${CARGO_TARGET_DIR:-target}/publish"
dirty=()
[ -z "$(git status --porcelain 2>/dev/null)" ] || dirty=(--allow-dirty)

wrong=0
complain() {
    echo "WRONG: $1" >&2
    wrong=1
}

choice=()
for package in "${packages[@]}"; do choice+=(-p "$package"); done
# Together: a package may need another one that is not published yet.
cargo package "${choice[@]}" --no-verify "${dirty[@]}" --target-dir "$target" --quiet
for package in "${packages[@]}"; do
    listed="$(cargo package --list -p "$package" "${dirty[@]}" 2>/dev/null)"
    found="$(grep -E "$foreign" <<<"$listed" | grep -vE "$allowed" || true)"
    [ -z "$found" ] || complain "$package has files that do not belong into a package: $found"
    for file in LICENSE-MIT LICENSE-APACHE Cargo.toml README.md; do
        grep -qx "$file" <<<"$listed" || complain "$package lacks $file"
    done
    archive="$(ls "$target/package/$package"-[0-9]*.crate)"
    kib=$(($(wc -c <"$archive") / 1024))
    [ "$kib" -le "$most_kib" ] || complain "$package has $kib KiB, more than $most_kib"
    echo "$package: $(wc -l <<<"$listed") files, $kib KiB"
done
if grep -q '^repository = ""' Cargo.toml; then
    echo "FOR THE OWNER: repository in Cargo.toml is empty; the registry refuses that"
fi
[ "${1:-}" != --list ] || exit "$wrong"

# Dry runs one after the other fail from the second package on, because the first one is not on the registry. Cargo puts
# the packages of one call into a registry of their own, in their order, and builds each from there.
cargo publish "${choice[@]}" --dry-run "${dirty[@]}" --target-dir "$target"

# Versions of these tools are those of the day: they only look.
tools="$target/tools"
[ -x "$tools/bin/cffconvert" ] || {
    python3 -m venv "$tools"
    "$tools/bin/pip" install --quiet --disable-pip-version-check cffconvert maturin twine
}
"$tools/bin/cffconvert" --validate
rm -rf "$target/sdist"
"$tools/bin/maturin" sdist --manifest-path python/Cargo.toml --out "$target/sdist"
"$tools/bin/twine" check --strict "$target"/sdist/*.tar.gz
tar -tzf "$target"/sdist/*.tar.gz | grep -E '/(tests/golden|benches/results|fuzz)/' &&
    complain "the source distribution of the wheel has data of tests"
echo "source distribution: $(($(wc -c <"$(ls "$target"/sdist/*.tar.gz)") / 1024)) KiB"
exit "$wrong"
