#!/usr/bin/env bash
# The one test command: makes sure that there is a Vulkan driver (a software one will do), then builds and tests
# everything. A GPU test that finds no adapter fails here instead of being ignored. Arguments go to every cargo test and
# cargo build: --workspace builds the wheel's dependencies along.
set -euo pipefail
cd "$(dirname "$0")/.."

# The Mesa device-selection layer complains on stderr where this is unset.
export XDG_RUNTIME_DIR="${XDG_RUNTIME_DIR:-$(mktemp -d)}"

sudo=""
[ "$(id -u)" = 0 ] || sudo=sudo

have_driver() {
    local driver
    for driver in /usr/share/vulkan/icd.d/*.json /etc/vulkan/icd.d/*.json; do
        [ -e "$driver" ] && return 0
    done
    [ -n "${VK_DRIVER_FILES:-}${VK_ICD_FILENAMES:-}" ]
}

case "$(uname -s)" in
Linux)
    if ! have_driver; then
        if command -v apt-get >/dev/null; then
            echo "No Vulkan driver: installing Mesa's, which has a software one (llvmpipe)"
            $sudo apt-get update -qq
            $sudo apt-get install -y -qq --no-install-recommends mesa-vulkan-drivers libvulkan1
        else
            echo "No Vulkan driver. Install one with a software device (llvmpipe), then run this again:" >&2
            echo "  Fedora: dnf install mesa-vulkan-drivers    Arch: pacman -S vulkan-swrast vulkan-icd-loader" >&2
            exit 2
        fi
    fi
    ;;
*) ;; # Metal and DirectX 12 come with the system.
esac

export LOWRANK_REQUIRE_GPU=1
# The release profile throughout: what `cargo run --release` built is not built again.
cargo test --release --tests "$@"
cargo test --release --doc "$@"
built="${CARGO_TARGET_DIR:-target}/release"
cargo build --release --bins --examples "$@"
for example in examples/*.rs; do
    name="$(basename "$example" .rs)"
    echo "example $name"
    "$built/examples/$name"
done

# The program that the tests ran.
export LOWRANK="$PWD/target/release/lowrank"
case "$built" in /*) LOWRANK="$built/lowrank" ;; esac
# Problems as people bring them, with default flags.
. scripts/with-numpy.sh
python3 tests/cases/cases.py --program "$LOWRANK" --seeds 1,2,3
# A second driver, where it is there already (it comes with Debian's chromium): the laws of one operator, within a minute.
swiftshader=/usr/lib/chromium/vk_swiftshader_icd.json
if [ -e "$swiftshader" ]; then
    laws="$(mktemp)"
    code=0
    VK_DRIVER_FILES="$swiftshader" timeout 60 "$LOWRANK" check --operator entries --place swiftshader >"$laws" || code=$?
    cat "$laws"
    [ "$code" = 124 ] && echo "SwiftShader: stopped after a minute; the laws above were checked, the others were not"
    if [ "$code" != 124 ] && [ "$code" != 0 ] || grep -q FAILS "$laws"; then exit 1; fi
    rm "$laws"
fi
