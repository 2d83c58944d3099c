// D[b] = Σ_s sums[s, slot of b], s in order.
//
// Grid: one thread per (slot, entry of D), workgroups of 256 that belong to one slot.

@group(0) @binding(0) var<storage, read> slots: array<u32>;
@group(1) @binding(0) var<storage, read> sums: array<real>;               // (SPLITS, slots, N, K)
@group(1) @binding(1) var<storage, read_write> direction: array<real>;    // (BATCH, N, K)

@compute @workgroup_size(256)
fn collect(
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
    var sum: real = 0.0;
    for (var split = 0u; split < SPLITS; split += 1u) {
        sum += sums[(split * slots[0] + slot) * N * K + entry];
    }
    direction[slots[1u + slot] * N * K + entry] = sum;
}
