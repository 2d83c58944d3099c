// D ← D + (shrink/step)·U: the ridge is part of the gradient that is preconditioned.
//
// Grid: one thread per (slot, entry of U), workgroups of 256 that belong to one slot.

@group(0) @binding(0) var<storage, read> slots: array<u32>;
@group(1) @binding(0) var<storage, read> step_sizes: array<real>;        // (BATCH): μ·s
@group(1) @binding(1) var<storage, read> shrink: array<real>;            // (BATCH): μ·ridge
@group(1) @binding(2) var<storage, read> factor: array<real>;            // (BATCH, N, K)
@group(1) @binding(3) var<storage, read_write> direction: array<real>;   // (BATCH, N, K)

@compute @workgroup_size(256)
fn ridge(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) extent: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let blocks = ceil_div(N * K, 256u);
    let index = linear_index(workgroup, extent);
    let slot = index / blocks;
    let entry = index % blocks * 256u + thread;
    if (slot >= slots[0] || entry >= N * K) {
        return;
    }
    let trial = slots[1u + slot];
    let at = trial * N * K + entry;
    if (step_sizes[trial] > 0.0) {
        direction[at] = fma(shrink[trial] / step_sizes[trial], factor[at], direction[at]);
    }
}
