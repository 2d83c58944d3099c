// ⟨gradient, D⟩ in 64 parts: slopes[slot, h] = Σ gradient·D over the h-th of 64 stretches of the entries of U. A thread adds every
// 256th of a stretch in order, then a fixed tree adds the threads.
//
// Grid: one workgroup per (slot, h).

@group(0) @binding(0) var<storage, read> slots: array<u32>;
@group(1) @binding(0) var<storage, read> gradient: array<real>;           // (BATCH, N, K)
@group(1) @binding(1) var<storage, read> direction: array<real>;          // (BATCH, N, K): the gradient, or D preconditioned
@group(1) @binding(2) var<storage, read_write> slopes: array<real>;       // (slots, 64)

var<workgroup> scratch: array<real, 256>;

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
    var sum: real = 0.0;
    for (var entry = first + thread; entry < end; entry += 256u) {
        sum = fma(gradient[base + entry], direction[base + entry], sum);
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
        slopes[index] = scratch[0];
    }
}
