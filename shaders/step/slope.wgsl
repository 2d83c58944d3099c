// ⟨gradient, D⟩, ‖D‖² and ‖U‖² in 64 parts, of the h-th of 64 stretches of the entries of U each. A thread adds every 256th of a
// stretch in order, then a fixed tree adds the threads.
//
// Grid: one workgroup per (slot, h).

@group(0) @binding(0) var<storage, read> slots: array<u32>;
@group(1) @binding(0) var<storage, read> gradient: array<real>;           // (BATCH, N, K)
@group(1) @binding(1) var<storage, read> direction: array<real>;          // (BATCH, N, K): the gradient, or D preconditioned
@group(1) @binding(2) var<storage, read> centre: array<real>;             // (BATCH, N, K): U₀, zeros where the factor is U
@group(1) @binding(3) var<storage, read> factor: array<real>;             // (BATCH, N, K)
@group(1) @binding(4) var<storage, read_write> slopes: array<real>;       // (slots, 64)
@group(1) @binding(5) var<storage, read_write> lengths: array<vec2<real>>; // (slots, 64): ‖D‖², ‖U‖²

var<workgroup> scratch: array<vec3<real>, 256>;

@compute @workgroup_size(256)
fn slope(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) extent: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let index = linear_index(workgroup, extent);
    let slot = index / 64u;
    if (slot >= slots[0]) {
        return;
    }
    let stretch = ceil_div(N * K, 64u);
    let first = index % 64u * stretch;
    let end = min(first + stretch, N * K);
    let base = slots[1u + slot] * N * K;
    var sum = vec3<real>();
    for (var entry = first + thread; entry < end; entry += 256u) {
        let d = direction[base + entry];
        let u = centre[base + entry] + factor[base + entry];
        sum = fma(vec3<real>(gradient[base + entry], d, u), vec3<real>(d, d, u), sum);
    }
    scratch[thread] = sum;
    workgroupBarrier();
    for (var width = 128u; width > 0u; width = width / 2u) {
        if (thread < width) {
            scratch[thread] += scratch[thread + width];
        }
        workgroupBarrier();
    }
    if (thread == 0u) {
        slopes[index] = scratch[0].x;
        lengths[index] = scratch[0].yz;
    }
}
