#!/usr/bin/env bash
# Builds the wheel, installs it into a fresh virtual environment, and tests it there: tests, stubs, gallery. WHEELS=folder
# takes the wheel in that folder instead, and PYTHON another interpreter than python3.
set -euo pipefail
cd "$(dirname "$0")/.."

export XDG_RUNTIME_DIR="${XDG_RUNTIME_DIR:-$(mktemp -d)}"
# What the library's own build made is not made again.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}"
export LOWRANK_REQUIRE_GPU=1

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
interpreter="${PYTHON:-python3}"
if ! "$interpreter" -m venv "$folder/venv" 2>/dev/null; then
    echo "$interpreter has no venv: install python3-venv (Debian, Ubuntu), then run this again" >&2
    exit 2
fi
python="$folder/venv/bin/python"
source=./python
[ -z "${WHEELS:-}" ] || source="$(ls "$WHEELS"/lowrank_recovery-*.whl)"
"$python" -m pip install --quiet --disable-pip-version-check "$source[test]"
# Away from the sources: what is imported is what was installed.
cp -r python/tests python/gallery "$folder"
cp README.md "$folder/README.md"
cp python/README.md "$folder/python-README.md"
cp -r docs "$folder/docs"
cp -r benches/versus "$folder/versus"
cp python/lowrank/_lowrank.pyi "$folder/source.pyi"
cd "$folder"
"$python" -m pytest -q -p no:cacheprovider tests "$@"
export MPLBACKEND=Agg
for script in gallery/*.py; do
    echo "gallery $(basename "$script")"
    (cd gallery && "$python" "$(basename "$script")")
done
# The comparisons that use the module, in miniature: to see that they run and not how fast.
echo "versus solve.py"
"$python" versus/solve.py --n 16 --measurements 400 --rank 2 --k 2,3 --kappa 1,10 --limit 0.5 --rounds 1 --out miniature >miniature.txt
echo "versus tomography.py"
"$python" versus/tomography.py --qubits 3 --rank 1 --shots 1024 --rounds 1 >miniature.txt
echo "versus complex.py"
"$python" versus/complex.py --n 12 --measurements 60 --qubits 3 --side 16 --patterns 3 --rounds 1 >miniature.txt
