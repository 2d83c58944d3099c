// U⁺ = Y − step·D − shrink·Y in the place of Y, and ⟨D, U⁺ − U⟩ in 64 parts: slopes[slot, h] is the sum over the h-th of 64
// stretches of the entries. A thread adds every 256th of a stretch in order, then a fixed tree adds the threads.
//
// Grid: one workgroup per (slot, h).

@group(0) @binding(0) var<storage, read> slots: array<u32>;
@group(1) @binding(0) var<storage, read> step_sizes: array<real>;        // (BATCH)
@group(1) @binding(1) var<storage, read> shrink: array<real>;            // (BATCH): μ·ridge
@group(1) @binding(2) var<storage, read> direction: array<real>;         // (BATCH, N, K)
@group(1) @binding(3) var<storage, read> previous: array<real>;          // (BATCH, N, K): U
@group(1) @binding(4) var<storage, read_write> factor: array<real>;      // (BATCH, N, K): Y, then U⁺
@group(1) @binding(5) var<storage, read_write> slopes: array<real>;      // (slots, 64)

var<workgroup> scratch: array<real, 256>;

@compute @workgroup_size(256)
fn accelerate(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) extent: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let index = linear_index(workgroup, extent);
    let slot = index / 64u;
    if (slot >= slots[0]) {
        return;
    }
    let trial = slots[1u + slot];
    let stretch = ceil_div(N * K, 64u);
    let first = index % 64u * stretch;
    let end = min(first + stretch, N * K);
    var sum: real = 0.0;
    for (var entry = first + thread; entry < end; entry += 256u) {
        let at = trial * N * K + entry;
        let d = direction[at];
        let u = fma(-step_sizes[trial], d, fma(-shrink[trial], factor[at], factor[at]));
        factor[at] = u;
        sum = fma(d, u - previous[at], sum);
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
