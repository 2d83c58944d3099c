// D[b, l, c] = Σ_p partial[slot of b, p, c] over the pieces p of row l, in order, for the rows that have several.
//
// Grid: one thread per (slot, such a row, column c), workgroups of 256 that belong to one slot.

@group(0) @binding(0) var<storage, read> slots: array<u32>;
@group(1) @binding(0) var<storage, read> partial: array<real>;            // (slots, PARTIALS, K)
@group(1) @binding(1) var<storage, read> spans: array<vec4<u32>>;         // (row l, first piece, end, unused)
@group(1) @binding(2) var<storage, read_write> direction: array<real>;    // (BATCH, N, K)

@compute @workgroup_size(256)
fn combine(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) extent: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let blocks = ceil_div(SPANS * K, 256u);
    let index = linear_index(workgroup, extent);
    let slot = index / blocks;
    let entry = index % blocks * 256u + thread;
    if (slot >= slots[0] || entry >= SPANS * K) {
        return;
    }
    let span = spans[entry / K];
    let c = entry % K;
    var sum: real = 0.0;
    for (var p = span.y; p < span.z; p += 1u) {
        sum += partial[(slot * PARTIALS + p) * K + c];
    }
    direction[(slots[1u + slot] * N + span.x) * K + c] = sum;
}
