#!/usr/bin/env bash
# Ranks under mpirun: installs what is missing (Debian, Ubuntu), builds the program with the feature `mpi`, and compares what 1 to 4 ranks
# give, for every operator and model: the same bits for any number of ranks, the same end as one process, errors said once, exit codes.
# With a folder as argument it writes scaling.md there: times and bytes of 1, 2 and 4 ranks on this machine.
set -euo pipefail
cd "$(dirname "$0")/.."
export XDG_RUNTIME_DIR="${XDG_RUNTIME_DIR:-$(mktemp -d)}"
sudo=""
[ "$(id -u)" = 0 ] || sudo=sudo
if ! command -v mpirun >/dev/null || ! command -v mpicc >/dev/null || ! ls /usr/lib/llvm-*/lib/libclang*.so* >/dev/null 2>&1; then
    if ! command -v apt-get >/dev/null; then
        echo "Needs OpenMPI and libclang. Fedora: dnf install openmpi-devel clang-devel    Arch: pacman -S openmpi clang" >&2
        exit 2
    fi
    $sudo apt-get update -qq
    $sudo apt-get install -y -qq --no-install-recommends libopenmpi-dev openmpi-bin libclang-dev
fi
. scripts/with-numpy.sh
echo "building with the feature mpi"
# All packages, so that the library is the one that tests have built.
time cargo build --release --workspace --features lowrank-cli/mpi --bin lowrank --target-dir "${LOWRANK_MPI_TARGET:-target}"
exec python3 scripts/mpi_test.py "${LOWRANK_MPI_TARGET:-target}/release/lowrank" "$@"
