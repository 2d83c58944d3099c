// D = G V for the symmetric G with the given upper triangle g: D[i, c] = Σ_j G[i, j]·V[j, c], j in order. G[i, j] is g[q(i, j)]
// on the diagonal and OFF_DIAGONAL times that beside it.
//
// Grid: one 16×16 workgroup per (slot, block of rows i, block of columns c).

@group(0) @binding(0) var<storage, read> slots: array<u32>;
@group(1) @binding(0) var<storage, read> packed: array<real>;            // (slots, P)
@group(1) @binding(1) var<storage, read> applied: array<real>;           // (BATCH, N, K)
@group(1) @binding(2) var<storage, read_write> direction: array<real>;   // (BATCH, N, K)

var<workgroup> g_block: array<real, 256>; // row i of the block · 16 + j
var<workgroup> v_block: array<real, 256>; // j · 16 + column c of the block

@compute @workgroup_size(16, 16)
fn gradient_product(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) extent: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let row_blocks = ceil_div(N, 16u);
    let column_blocks = ceil_div(K, 16u);
    let index = linear_index(workgroup, extent);
    let slot = index / column_blocks / row_blocks;
    if (slot >= slots[0]) {
        return;
    }
    let i = index / column_blocks % row_blocks * 16u + local.y;
    let c = index % column_blocks * 16u + local.x;
    let base = slots[1u + slot] * N * K;
    let thread = local.y * 16u + local.x;
    var sum: real = 0.0;
    for (var first = 0u; first < N; first += 16u) {
        let j_of_g = first + local.x;
        let j_of_v = first + local.y;
        let entry = packed[slot * P + packed_index(min(i, N - 1u), min(j_of_g, N - 1u))];
        let weight: real = select(OFF_DIAGONAL, 1.0, i == j_of_g);
        let number = applied[base + min(j_of_v, N - 1u) * K + min(c, K - 1u)];
        g_block[thread] = select(0.0, weight * entry, i < N && j_of_g < N);
        v_block[thread] = select(0.0, number, j_of_v < N && c < K);
        workgroupBarrier();
        for (var j = 0u; j < 16u; j += 1u) {
            sum = fma(g_block[local.y * 16u + j], v_block[j * 16u + local.x], sum);
        }
        workgroupBarrier();
    }
    if (i < N && c < K) {
        direction[base + i * K + c] = sum;
    }
}
