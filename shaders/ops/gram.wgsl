// The lower triangles of VᵀV in shares: shares[slot, side, s, i, j] = Σ V[r, i]·V[r, j] over the s-th GRAM_ROWS rows of V, i ≥ j,
// sixteen rows at a time whose sums are added in order. V is the block whose columns are those of the side's rows of D: it begins at
// v_at(side) of a trial's V_SIZE numbers and has v_rows(side) rows.
//
// Grid: one 16×16 workgroup per (slot, side, share s, block of i, block of j); blocks above the diagonal return at once.
//
// Memory: the factors once per pair of blocks; K² numbers a share.

@group(0) @binding(0) var<storage, read> slots: array<u32>;
@group(1) @binding(0) var<storage, read> factor: array<real>;            // (BATCH, V_SIZE)
@group(1) @binding(1) var<storage, read_write> shares: array<real>;      // (slots, SIDES, GRAM_SHARES, K, K)

var<workgroup> rows_i: array<real, 256>; // row · 16 + column i of the block
var<workgroup> rows_j: array<real, 256>;

@compute @workgroup_size(16, 16)
fn gram(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) extent: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let blocks = ceil_div(K, 16u);
    let index = linear_index(workgroup, extent);
    let block_j = index % blocks;
    let block_i = index / blocks % blocks;
    let share = index / blocks / blocks;
    let side = share / GRAM_SHARES % SIDES;
    let slot = share / GRAM_SHARES / SIDES;
    if (slot >= slots[0] || block_j > block_i) {
        return;
    }
    let height = v_rows(side);
    let base = slots[1u + slot] * V_SIZE + v_at(side);
    let thread = local.y * 16u + local.x;
    let load_i = block_i * 16u + local.x;
    let load_j = block_j * 16u + local.x;
    let begin = share % GRAM_SHARES * GRAM_ROWS;
    let end = min(begin + GRAM_ROWS, height);
    var sum: real = 0.0;
    for (var first = begin; first < end; first += 16u) {
        let row = first + local.y;
        let at = base + min(row, height - 1u) * K;
        let at_i = at + min(load_i, K - 1u);
        let at_j = at + min(load_j, K - 1u);
        rows_i[thread] = select(0.0, factor[at_i], row < end && load_i < K);
        rows_j[thread] = select(0.0, factor[at_j], row < end && load_j < K);
        workgroupBarrier();
        var part: real = 0.0;
        for (var r = 0u; r < 16u; r += 1u) {
            part = fma(rows_i[r * 16u + local.y], rows_j[r * 16u + local.x], part);
        }
        sum += part;
        workgroupBarrier();
    }
    let i = block_i * 16u + local.y;
    let j = block_j * 16u + local.x;
    if (i < K && j <= i) {
        shares[(share * K + i) * K + j] = sum;
    }
}
