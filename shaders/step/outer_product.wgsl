// z = the packed symmetric part of 2·L Rᵀ, weighted so that ⟨A, L Rᵀ⟩ = Σ_q a[q]·z[q] for packed symmetric A:
//
//   z[q(i,i)] = l_i·r_i        z[q(i,j)] = ω·(l_i·r_j + l_j·r_i)  for i < j        (2ω·u_i·u_j where L = R = U, SINGLE)
//
// with ω = OFF_DIAGONAL: the entry of A beside the diagonal is ω·a[q].
//
// Grid: one 16×16 workgroup per (slot, block of i, block of j); blocks below the diagonal return at once. Slots that
// only pad the last tile, and the STRIDE − P numbers behind the last, are written with zeros.

@group(0) @binding(0) var<storage, read> slots: array<u32>;
@group(1) @binding(0) var<storage, read> left: array<real>;      // (BATCH, N, K)
@group(1) @binding(1) var<storage, read> right: array<real>;     // (BATCH, N, K)
@group(1) @binding(2) var<storage, read_write> z: array<real>;   // (tiles, STRIDE, TILE)

// 16 columns of the block's 16 rows of L and R: index = row·16 + column.
var<workgroup> left_i: array<real, 256>;
var<workgroup> right_i: array<real, 256>;
var<workgroup> left_j: array<real, 256>;
var<workgroup> right_j: array<real, 256>;

@compute @workgroup_size(16, 16)
fn outer_product(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) extent: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let count = slots[0];
    let blocks = ceil_div(N, 16u);
    let index = linear_index(workgroup, extent);
    let slot = index / blocks / blocks;
    let block_i = index / blocks % blocks;
    let block_j = index % blocks;
    if (slot >= ceil_div(count, TILE) * TILE || block_j < block_i) {
        return;
    }
    let base = slots[1u + min(slot, count - 1u)] * N * K;
    let thread = local.y * 16u + local.x;
    let load_i = block_i * 16u + local.y;
    let load_j = block_j * 16u + local.y;
    var direct: real = 0.0;
    var crossed: real = 0.0;
    for (var first = 0u; first < K; first += 16u) {
        let column = first + local.x;
        let in_i = load_i < N && column < K;
        let in_j = load_j < N && column < K;
        let at_i = base + min(load_i, N - 1u) * K + min(column, K - 1u);
        let at_j = base + min(load_j, N - 1u) * K + min(column, K - 1u);
        left_i[thread] = select(0.0, left[at_i], in_i);
        right_j[thread] = select(0.0, right[at_j], in_j);
        if (!SINGLE) {
            right_i[thread] = select(0.0, right[at_i], in_i);
            left_j[thread] = select(0.0, left[at_j], in_j);
        }
        workgroupBarrier();
        for (var c = 0u; c < 16u; c += 1u) {
            direct = fma(left_i[local.y * 16u + c], right_j[local.x * 16u + c], direct);
            if (!SINGLE) {
                crossed = fma(left_j[local.x * 16u + c], right_i[local.y * 16u + c], crossed);
            }
        }
        workgroupBarrier();
    }
    let i = block_i * 16u + local.y;
    let j = block_j * 16u + local.x;
    if (i <= j && j < N) {
        let off_diagonal = OFF_DIAGONAL * select(direct + crossed, 2.0 * direct, SINGLE);
        let value = select(off_diagonal, direct, i == j);
        z[(slot / TILE * STRIDE + packed_index(i, j)) * TILE + slot % TILE] = select(0.0, value, slot < count);
    }
    if (i == N - 1u && j == N - 1u) {
        for (var q = P; q < STRIDE; q += 1u) {
            z[(slot / TILE * STRIDE + q) * TILE + slot % TILE] = 0.0;
        }
    }
}
