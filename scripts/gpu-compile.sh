#!/usr/bin/env bash
# Compiles every kernel for graphics cards that are not here, with the compilers of Mesa's drivers (RADV for AMD, NVK for
# NVIDIA) and its stand-ins for kernel drivers, so that nothing is executed. Collects registers, spills, scratch, workgroup
# memory, occupancy and accesses to memory of each kernel by name, and holds them to benches/offline/exceptions.csv. The modules
# are also checked by the validators of SPIR-V and GLSL, and compiled as HLSL by DXC, Microsoft's compiler for DirectX 12.
#
#   bash scripts/gpu-compile.sh [--full] [OUT_DIR]     --full: the whole grid (ten minutes on two cores); else a minute
#
# Debian's packages (70 MB) and DXC (67 MB) are fetched once into $LOWRANK_GPU_KIT, a folder outside of the sources, and unpacked
# there; nothing is installed. $LOWRANK_OFFLINE is the program lowrank-offline where it is built already.
# Exit status: 0 fine; 1 a kernel breaks the rules; 77 something cannot be had and was not run.
set -euo pipefail
cd "$(dirname "$0")/.."
target="$(mkdir -p "${CARGO_TARGET_DIR:-target}" && cd "${CARGO_TARGET_DIR:-target}" && pwd)"
kit="${LOWRANK_GPU_KIT:-$target/gpu-kit}"
full=
if [ "${1:-}" = --full ]; then full=--full && shift; fi
out="${1:-$target/gpu-compile}"
mkdir -p "$out"
export XDG_RUNTIME_DIR="${XDG_RUNTIME_DIR:-$(mktemp -d)}"

not_run() {
    echo "gpu-compile: NOT RUN: $1" >&2
    exit 77
}

packages="mesa-vulkan-drivers mesa-drm-shim libvulkan1 libbsd0 libc6 libcap2 libdisplay-info2 libdrm-amdgpu1 libdrm2 libedit2
    libelf1t64 libexpat1 libffi8 libgcc-s1 libicu76 libllvm19 liblzma5 libmd0 libstdc++6 libtinfo6 libudev1 libwayland-client0
    libx11-xcb1 libxau6 libxcb-dri3-0 libxcb-present0 libxcb-randr0 libxcb-shm0 libxcb-sync1 libxcb-xfixes0 libxcb1 libxdmcp6
    libxml2 libxshmfence1 libz3-4 libzstd1 spirv-tools glslang-tools zlib1g"

# Trixie's drivers with all of their libraries and their loader: they run on any x86-64 Linux, whatever is installed.
fetch() {
    [ "$(uname -sm)" = "Linux x86_64" ] || not_run "Mesa's packages are those of x86-64 Linux"
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || not_run "no apt-get to fetch Mesa's packages with"
    local keys=/usr/share/keyrings/debian-archive-keyring.gpg mirror options
    [ -e "$keys" ] || not_run "no keys of Debian's archive ($keys)"
    mirror="$(apt-get indextargets --format '$(REPO_URI)' 2>/dev/null | grep -m 1 '/debian/*$' || true)"
    mkdir -p "$kit/lists/partial" "$kit/debs"
    echo "deb [signed-by=$keys] ${mirror:-http://deb.debian.org/debian} trixie main" >"$kit/sources.list"
    options=(-qq -o "Dir::Etc::SourceList=$kit/sources.list" -o Dir::Etc::SourceParts=- -o "Dir::State::Lists=$kit/lists"
        -o APT::Architecture=amd64 -o APT::Sandbox::User=root)
    echo "gpu-compile: fetching Mesa's packages into $kit"
    timeout 300 apt-get "${options[@]}" update || not_run "the list of packages cannot be had"
    # shellcheck disable=SC2086
    (cd "$kit/debs" && timeout 900 apt-get "${options[@]}" download $packages) || not_run "the packages cannot be had"
    rm -rf "$kit/root.part"
    for package in "$kit"/debs/*.deb; do dpkg-deb -x "$package" "$kit/root.part"; done
    rm -rf "$kit/root.part/usr/share/doc" "$kit/debs" "$kit/lists"
    rm -rf "$kit/root" && mv "$kit/root.part" "$kit/root"
}
[ -e "$kit/root/usr/bin/glslangValidator" ] || fetch

# DXC for Linux comes with the sources of a package of PyPI, of which only this library is used.
dxc="$kit/libdxcompiler.so" dxc_missing=
fetch_dxc() {
    local from=compushady-0.17.5 folder="$kit/dxc"
    echo "gpu-compile: fetching DXC into $kit"
    mkdir -p "$folder"
    echo "compushady==0.17.5 --hash=sha256:5052caf9e955d8e7a48e22f536e82b44b72e83af46e824a9e99157c7809de691" >"$folder/requirements.txt"
    timeout 300 python3 -m pip download --quiet --disable-pip-version-check --no-deps --no-binary compushady --dest "$folder" \
        --require-hashes --requirement "$folder/requirements.txt" || return 1
    tar -xzf "$folder/$from.tar.gz" -C "$folder" "$from/compushady/backends/libdxcompiler_x86_64.so.3.7" || return 1
    mv "$folder/$from/compushady/backends/libdxcompiler_x86_64.so.3.7" "$dxc"
    rm -rf "$folder"
}
if [ ! -e "$dxc" ] && ! fetch_dxc; then
    dxc_missing="the package compushady of PyPI cannot be had"
elif ! said="$(python3 -c 'import ctypes, sys; ctypes.CDLL(sys.argv[1])' "$dxc" 2>&1)"; then
    dxc_missing="the library cannot be loaded: ${said##*$'\n'}"
fi
libraries="$kit/root/usr/lib/x86_64-linux-gnu"
for driver in radeon nouveau; do
    printf '{"file_format_version":"1.0.0","ICD":{"api_version":"1.4.305","library_path":"%s"}}\n' \
        "$libraries/libvulkan_$driver.so" >"$kit/$driver.json"
done

program="${LOWRANK_OFFLINE:-}"
if [ -z "$program" ]; then
    cargo build --release --workspace --bins --quiet
    program="$target/release/lowrank-offline"
fi

# compile PART DRIVER SHIM [ARGUMENTS]: a few hundred kernels at a time, since a pretended card has no room for more.
compile() {
    local part=$1 driver=$2 shim=$3 from=0 most=300 piece
    shift 3
    rm -f "$out/$part".*.csv
    while :; do
        piece="$out/$part.$(printf %05d "$from").csv"
        VK_DRIVER_FILES="$kit/$driver.json" VK_ICD_FILENAMES="$kit/$driver.json" MESA_SHADER_CACHE_DISABLE=true \
            timeout 1200 "$libraries/ld-linux-x86-64.so.2" --preload "$libraries/lib${shim}_noop_drm_shim.so" \
            --library-path "$libraries" "$program" --part "$part" --from "$from" --most "$most" --out "$piece" "$@" \
            2>"$out/$part.log" || { cat "$out/$part.log" >&2; return 1; }
        [ "$(wc -l <"$piece")" -gt "$most" ] || break
        from=$((from + most))
    done
}
amd() { AMDGPU_GPU_ID=$1 compile "$1" radeon amdgpu "${@:2}"; }
# GA104: the same instructions as all of Ampere but the A100's.
ampere() { NOUVEAU_CHIPSET=0x174 compile ampere nouveau nouveau "$@"; }

parts=(polaris10 navi21 navi31 vangogh)
begin=$SECONDS
if [ -n "$full" ]; then
    grid=(--n 200,50,100,300,1000 --batch 1,8,64 --storage f32,f16 --everything)
    nvidia=("${grid[@]}")
else
    grid=(--n 200 --batch 1,64 --storage f32,f16 --everything)
    # navi21 has vangogh's instructions, and NVK's compiler takes ten times as long.
    parts=(polaris10 navi21 navi31)
    nvidia=(--n 200 --batch 1,64 --storage f32)
fi
valid=(--n 50 --batch 1,64 --storage f32,f16 --everything)
ampere "${nvidia[@]}" &
first=$!
for part in "${parts[@]}"; do amd "$part" "${grid[@]}"; done
wait "$first"

# The same modules by the validators of Khronos: SPIR-V, and the GLSL that OpenGL ES gets.
tool() { "$libraries/ld-linux-x86-64.so.2" --library-path "$libraries" "$kit/root/usr/bin/$1" "${@:2}"; }
rm -rf "$out/modules" && mkdir -p "$out/modules"
(out="$out/modules" && amd navi31 "${valid[@]}" --keep "$out")
export -f tool
export libraries kit
count() { find "$out/modules" -name "*.$1" | wc -l; }
find "$out/modules" -name '*.spv' -print0 | xargs -0 -P 2 -n 1 bash -c 'tool spirv-val --target-env vulkan1.3 "$0"'
find "$out/modules" -name '*.comp' -print0 | xargs -0 -P 2 -n 16 bash -c 'tool glslangValidator "$0" "$@" >"$1.log" || { cat "$1.log"; exit 255; }'
echo "valid: $(count spv) modules of SPIR-V (spirv-val), $(count comp) of GLSL (glslangValidator)"
if [ -z "$dxc_missing" ]; then
    find "$out/modules" -name '*.hlsl' -print0 | xargs -0 -P 2 -n 100 python3 scripts/hlsl-compile.py --compiler "$dxc"
    echo "compiled: $(count hlsl) kernels as HLSL (DXC)"
fi
rm -rf "$out/modules"
python3 scripts/gpu-compile.py --out "$out" $full "$out"/*.[0-9]*.csv
rm -f "$out"/*.[0-9]*.csv "$out"/*.log
echo "gpu-compile: $((SECONDS - begin)) s"
[ -z "$dxc_missing" ] || not_run "HLSL by DXC: $dxc_missing. Everything else passed"
