// g[slot, q] = Σ_s sums[s, slot, q], in an order that depends on SPLITS only: the splits s ≡ h (mod 8) are added in order
// for h = 0, …, 7, then those eight sums in order.
//
// Grid: one workgroup per 32 neighbouring numbers (tile, q, l): 32 columns × 8 h. Slots that only pad the last tile are
// summed too.
//
// Memory: SPLITS·slots·P numbers, once; four of them under way in a thread.

@group(0) @binding(0) var<storage, read> slots: array<u32>;
@group(1) @binding(0) var<storage, read> sums: array<real>;          // (SPLITS, tiles, STRIDE, TILE)
@group(1) @binding(1) var<storage, read_write> packed: array<real>;  // (tiles·TILE, P)

var<workgroup> parts: array<real, 256>; // h · 32 + column

@compute @workgroup_size(256)
fn reduce(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) extent: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let size = ceil_div(slots[0], TILE) * STRIDE * TILE;
    let at = linear_index(workgroup, extent) * 32u + thread % 32u;
    var sum: real = 0.0;
    if (at < size) {
        var split = thread / 32u;
        for (; split + 24u < SPLITS; split += 32u) {
            let s0 = sums[split * size + at];
            let s1 = sums[(split + 8u) * size + at];
            let s2 = sums[(split + 16u) * size + at];
            let s3 = sums[(split + 24u) * size + at];
            sum = (((sum + s0) + s1) + s2) + s3;
        }
        for (; split < SPLITS; split += 8u) {
            sum += sums[split * size + at];
        }
    }
    parts[thread] = sum;
    workgroupBarrier();
    let q = at / TILE % STRIDE;
    if (thread < 32u && at < size && q < P) {
        for (var h = 1u; h < 8u; h += 1u) {
            sum += parts[h * 32u + thread];
        }
        packed[(at / TILE / STRIDE * TILE + at % TILE) * P + q] = sum;
    }
}
