// Y = U⁺ + β·(U⁺ − U) in the place of U⁺, and U ← U⁺.
//
// Grid: one thread per (slot, entry of U), workgroups of 256 that belong to one slot.

@group(0) @binding(0) var<storage, read> slots: array<u32>;
@group(1) @binding(0) var<storage, read> betas: array<real>;             // (BATCH), of `restart.wgsl`
@group(1) @binding(1) var<storage, read_write> previous: array<real>;    // (BATCH, N, K): U
@group(1) @binding(2) var<storage, read_write> factor: array<real>;      // (BATCH, N, K): U⁺, then Y

@compute @workgroup_size(256)
fn extrapolate(
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
    let u = factor[at];
    factor[at] = fma(betas[trial], u - previous[at], u);
    previous[at] = u;
}
