#!/usr/bin/env bash
# Runs the laws on every driver that can be had without a graphics card: llvmpipe of the distribution and of Debian trixie (Mesa 25),
# SwiftShader of Debian's chromium, and OpenGL ES on llvmpipe, each with the three settings of runtime checks. Writes
# benches/results/<date>-drivers/laws.csv and laws.md.
#
#   bash scripts/nightly-laws.sh [--operator NAME]... [--minutes NUMBER] [OUT_DIR]
#
# A driver that is not here is fetched (nothing is installed: packages are unpacked into $LOWRANK_GPU_KIT, a folder outside of the
# sources); one that cannot be had is reported as NOT RUN. --minutes limits each driver [default: 30]; a run that reaches the limit
# is reported as CUT SHORT with the laws that held. $LOWRANK is the program where it is built already.
# Exit status: 0 all laws that ran hold; 1 a law fails; 77 no driver ran.
set -euo pipefail
cd "$(dirname "$0")/.."
target="$(mkdir -p "${CARGO_TARGET_DIR:-target}" && cd "${CARGO_TARGET_DIR:-target}" && pwd)"
kit="${LOWRANK_GPU_KIT:-$target/gpu-kit}"
minutes=30
operators=()
while [ "${1:-}" ]; do
    case "$1" in
    --operator) operators+=("$2") && shift 2 ;;
    --minutes) minutes="$2" && shift 2 ;;
    *) break ;;
    esac
done
[ "${#operators[@]}" -gt 0 ] || operators=(all)
out="${1:-benches/results/$(date +%F)-drivers}"
mkdir -p "$out" "$kit"
logs="$(mktemp -d)"
export XDG_RUNTIME_DIR="${XDG_RUNTIME_DIR:-$(mktemp -d)}"
# A record of an earlier night must not decide about this one.
export LOWRANK_CACHE=off

program="${LOWRANK:-}"
if [ -z "$program" ]; then
    cargo build --release --quiet --bin lowrank
    program="$target/release/lowrank"
fi

csv="$out/laws.csv"
echo "driver,operator,outcome,version,laws held,laws failed,kernels,compile seconds,seconds,remark" >"$csv"
ran=0
broken=0

row() { # driver operator outcome version held failed kernels compile seconds remark
    local fields=() field
    for field in "$@"; do fields+=("\"${field//\"/\"\"}\""); done
    (IFS=, && echo "${fields[*]}") >>"$csv"
    echo "$1, $2: $3 (${5:-0} held, ${6:-0} failed; $4${10:+; ${10}})"
}
not_run() { row "$1" all "NOT RUN" "" "" "" "" "" "" "$2"; }

# laws DRIVER PLACE COMMAND...: the command is what runs the program with the driver.
laws() {
    local driver=$1 place=$2 version operator log code begin held failed outcome remark compiled
    shift 2
    version="$("$@" list devices 2>/dev/null | grep -i -m 1 "$place" | sed 's/^ *//' || true)"
    if [ -z "$version" ]; then
        not_run "$driver" "the driver shows no adapter whose name contains '$place' that can run the kernels"
        return
    fi
    for operator in "${operators[@]}"; do
        log="$logs/$driver-$operator.txt"
        code=0 begin=$SECONDS remark=
        local arguments=(check --place "$place")
        [ "$operator" = all ] || arguments+=(--operator "$operator")
        timeout "${minutes}m" "$@" "${arguments[@]}" >"$log" 2>"$log.err" || code=$?
        held="$(grep -E '^  (holds|FAILS) ' "$log" | awk '/holds/ { for (i = 1; i <= NF; i++) if ($i == "cases") sum += $(i - 1) } END { print sum + 0 }')"
        failed="$(grep -c '^  FAILS ' "$log" || true)"
        compiled="$(sed -nE 's/.*: ([0-9]+) kernels compiled in ([0-9.]+) s$/\1 \2/p' "$log" | head -1)"
        outcome=HOLDS
        case "$code" in
        0) ;;
        124) outcome="CUT SHORT" remark="stopped after $minutes minutes" ;;
        *) outcome=FAILS ;;
        esac
        if [ "$failed" -gt 0 ]; then
            outcome=FAILS
            remark="$(grep -m 1 -A1 '^  FAILS ' "$log" | tr -s ' ' | tr '\n' ' ' | cut -c1-300)"
        elif [ "$outcome" = FAILS ]; then
            remark="exit status $code: $(tail -n 1 "$log.err" | cut -c1-300)"
        fi
        [ "$outcome" = FAILS ] && broken=1
        # The definition's laws need no driver.
        if [ "$held" = 0 ] && [ "$outcome" != FAILS ]; then outcome="NOT RUN"; else ran=1; fi
        row "$driver" "$operator" "$outcome" "$version" "$held" "$failed" "${compiled% *}" "${compiled#* }" "$((SECONDS - begin))" "$remark"
    done
}

mirror() { apt-get indextargets --format '$(REPO_URI)' 2>/dev/null | grep -m 1 "$1/*\$" || true; }
linux() { [ "$(uname -sm)" = "Linux x86_64" ] && command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null; }

# Mesa's llvmpipe of the distribution.
lvp="$(ls /usr/share/vulkan/icd.d/lvp_icd*.json 2>/dev/null | head -1 || true)"
if [ -n "$lvp" ]; then
    laws llvmpipe llvmpipe env VK_DRIVER_FILES="$lvp" VK_ICD_FILENAMES="$lvp" "$program"
else
    not_run llvmpipe "no Vulkan driver named lvp is installed (mesa-vulkan-drivers)"
fi

# Mesa 25's: trixie's packages with their own loader, those of scripts/gpu-compile.sh.
if [ -e "$kit/root/usr/lib/x86_64-linux-gnu/libvulkan_lvp.so" ]; then
    libraries="$kit/root/usr/lib/x86_64-linux-gnu"
    printf '{"file_format_version":"1.0.0","ICD":{"api_version":"1.4.305","library_path":"%s"}}\n' "$libraries/libvulkan_lvp.so" >"$kit/lvp.json"
    laws llvmpipe-mesa-25 llvmpipe env VK_DRIVER_FILES="$kit/lvp.json" VK_ICD_FILENAMES="$kit/lvp.json" \
        "$libraries/ld-linux-x86-64.so.2" --library-path "$libraries" "$program"
else
    not_run llvmpipe-mesa-25 "run scripts/gpu-compile.sh first: it unpacks Mesa 25 into \$LOWRANK_GPU_KIT"
fi

# SwiftShader, installed with chromium or taken out of its packages.
swiftshader=/usr/lib/chromium/vk_swiftshader_icd.json
if [ ! -e "$swiftshader" ]; then
    swiftshader="$kit/swiftshader/usr/lib/chromium/vk_swiftshader_icd.json"
    if [ ! -e "$swiftshader" ] && linux; then
        mkdir -p "$kit/swiftshader"
        # The driver is in one of the two, depending on the version.
        for package in chromium-common chromium; do
            [ -e "$swiftshader" ] && break
            (cd "$kit" && timeout 900 apt-get -qq -o APT::Sandbox::User=root download "$package" \
                && dpkg-deb --fsys-tarfile "$package"_*.deb | tar -x -C swiftshader --wildcards '*vk_swiftshader*') || true
            rm -f "$kit/$package"_*.deb
        done
    fi
fi
if [ -e "$swiftshader" ]; then
    laws swiftshader swiftshader env VK_DRIVER_FILES="$swiftshader" VK_ICD_FILENAMES="$swiftshader" "$program"
else
    not_run swiftshader "no vk_swiftshader_icd.json in the packages chromium-common and chromium, or they cannot be had"
fi

# OpenGL ES of the distribution's Mesa, without a display.
laws gles-llvmpipe llvmpipe env WGPU_BACKEND=gl EGL_PLATFORM=surfaceless LIBGL_ALWAYS_SOFTWARE=1 GALLIUM_DRIVER=llvmpipe "$program"

{
    echo "# Laws on drivers without a graphics card, $(date +%F)"
    echo
    echo "Written by \`scripts/nightly-laws.sh\`. A law counts once for each problem. NOT RUN means that nothing is known."
    echo
    python3 - "$csv" <<'PY'
import csv, sys

rows = list(csv.reader(open(sys.argv[1])))
for index, row in enumerate(rows):
    print("| " + " | ".join(field.replace("|", "\\|") for field in row) + " |")
    if index == 0:
        print("|" + "---|" * len(row))
PY
    for log in "$logs"/*.txt; do
        [ -e "$log" ] && grep -q ' kernels compiled in ' "$log" || continue
        echo
        echo "Compile times, $(basename "$log" .txt):"
        echo
        echo '```'
        sed -n '/ kernels compiled in /,$p' "$log"
        echo '```'
    done
} >"$out/laws.md"
rm -rf "$logs"
[ "$broken" = 0 ] || exit 1
[ "$ran" = 1 ] || exit 77
