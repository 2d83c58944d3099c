// g[slot, q] = Σ_s sums[s, slot, q], s = 0, 1, …, SPLITS − 1 in this order.
//
// Grid: one thread per (tile, q), workgroups of 256. Slots that only pad the last tile are summed too.

@group(0) @binding(0) var<storage, read> slots: array<u32>;
@group(1) @binding(0) var<storage, read> sums: array<Lane>;      // (SPLITS, tiles, P)
@group(1) @binding(1) var<storage, read_write> packed: array<real>;  // (tiles·TILE, P)

@compute @workgroup_size(256)
fn reduce(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) extent: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let size = ceil_div(slots[0], TILE) * P;
    let at = linear_index(workgroup, extent) * 256u + thread;
    if (at >= size) {
        return;
    }
    var sum = sums[at];
    for (var split = 1u; split < SPLITS; split += 1u) {
        sum = lane_add(sum, sums[split * size + at]);
    }
    let tile = at / P;
    let q = at % P;
    for (var l = 0u; l < TILE; l += 1u) {
        packed[(tile * TILE + l) * P + q] = lane_get(sum, l);
    }
}
