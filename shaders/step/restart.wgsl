// j ← 0 where ⟨D, U⁺ − U⟩ > 0; β = j/(j + 3); j ← j + 1.
//
// Grid: one workgroup of 64 threads per slot; the 64 parts of the sum are added by a fixed tree.

@group(0) @binding(0) var<storage, read> slots: array<u32>;
@group(1) @binding(0) var<storage, read> slopes: array<real>;            // (slots, 64), of `accelerate.wgsl`
@group(1) @binding(1) var<storage, read_write> since: array<u32>;        // (BATCH): j
@group(1) @binding(2) var<storage, read_write> betas: array<real>;       // (BATCH): β

var<workgroup> sums: array<real, 64>;

@compute @workgroup_size(64)
fn restart(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) extent: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let slot = linear_index(workgroup, extent);
    if (slot >= slots[0]) {
        return;
    }
    sums[thread] = slopes[slot * 64u + thread];
    workgroupBarrier();
    for (var width = 32u; width > 0u; width = width / 2u) {
        if (thread < width) {
            sums[thread] += sums[thread + width];
        }
        workgroupBarrier();
    }
    if (thread == 0u) {
        let trial = slots[1u + slot];
        let j = select(since[trial], 0u, sums[0] > 0.0);
        betas[trial] = real(j) / (real(j) + 3.0);
        since[trial] = j + 1u;
    }
}
