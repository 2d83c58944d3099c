// z = L Rᵀ, row by row, for factors with L above R: z[i·N2 + j] = l_i·r_j.
//
// Grid: one 16×16 workgroup per (slot, block of i, block of j). Slots that only pad the last tile, and the STRIDE − P
// numbers behind the last, are written with zeros.

@group(0) @binding(0) var<storage, read> slots: array<u32>;
@group(1) @binding(0) var<storage, read> left: array<real>;      // (BATCH, N, K): L is its first N1 rows
@group(1) @binding(1) var<storage, read> right: array<real>;     // (BATCH, N, K): R is its last N2 rows
@group(1) @binding(2) var<storage, read_write> z: array<real>;   // (tiles, STRIDE, TILE)

// 16 columns of the block's 16 rows of L and of R: index = row·16 + column.
var<workgroup> left_i: array<real, 256>;
var<workgroup> right_j: array<real, 256>;

@compute @workgroup_size(16, 16)
fn outer_product(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) extent: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let count = slots[0];
    let blocks_i = ceil_div(N1, 16u);
    let blocks_j = ceil_div(N2, 16u);
    let index = linear_index(workgroup, extent);
    let slot = index / blocks_j / blocks_i;
    if (slot >= ceil_div(count, TILE) * TILE) {
        return;
    }
    let first_i = index / blocks_j % blocks_i * 16u;
    let first_j = index % blocks_j * 16u;
    let base = slots[1u + min(slot, count - 1u)] * N * K;
    let thread = local.y * 16u + local.x;
    let load_i = first_i + local.y;
    let load_j = first_j + local.y;
    var sum: real = 0.0;
    for (var first = 0u; first < K; first += 16u) {
        let column = first + local.x;
        let at_i = base + min(load_i, N1 - 1u) * K + min(column, K - 1u);
        let at_j = base + (N1 + min(load_j, N2 - 1u)) * K + min(column, K - 1u);
        left_i[thread] = select(0.0, left[at_i], load_i < N1 && column < K);
        right_j[thread] = select(0.0, right[at_j], load_j < N2 && column < K);
        workgroupBarrier();
        for (var c = 0u; c < 16u; c += 1u) {
            sum = fma(left_i[local.y * 16u + c], right_j[local.x * 16u + c], sum);
        }
        workgroupBarrier();
    }
    let i = first_i + local.y;
    let j = first_j + local.x;
    if (i < N1 && j < N2) {
        z[(slot / TILE * STRIDE + i * N2 + j) * TILE + slot % TILE] = select(0.0, sum, slot < count);
    }
    if (i == N1 - 1u && j == N2 - 1u) {
        for (var q = P; q < STRIDE; q += 1u) {
            z[(slot / TILE * STRIDE + q) * TILE + slot % TILE] = 0.0;
        }
    }
}
