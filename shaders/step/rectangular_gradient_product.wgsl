// D_L = G V above D_R = Gᵀ W, for a G whose entries `g_of` reads from numbers g, and W above V:
//
//   D[i, c] = Σ_j G[i, j]·V[j, c]    j in order        D[N1 + j, c] = Σ_i G[i, j]·W[i, c]    i in order
//
// Grid: one 16×16 workgroup per (slot, block of rows of D_L or of D_R, block of columns c).

@group(0) @binding(0) var<storage, read> slots: array<u32>;
@group(1) @binding(0) var<storage, read> packed: array<real>;            // (slots, P)
@group(1) @binding(1) var<storage, read> applied: array<real>;           // (BATCH, N, K): W above V
@group(1) @binding(2) var<storage, read_write> direction: array<real>;   // (BATCH, N, K)

var<workgroup> g_block: array<real, 256>; // row of the block · 16 + index of the sum
var<workgroup> v_block: array<real, 256>; // index of the sum · 16 + column c of the block

@compute @workgroup_size(16, 16)
fn multiply(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) extent: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let left_blocks = ceil_div(N1, 16u);
    let blocks = left_blocks + ceil_div(N2, 16u);
    let column_blocks = ceil_div(K, 16u);
    let index = linear_index(workgroup, extent);
    let slot = index / column_blocks / blocks;
    if (slot >= slots[0]) {
        return;
    }
    let block = index / column_blocks % blocks;
    let transposed = block >= left_blocks;
    // Rows of this factor, rows of the other one, and where either begins.
    let height = select(N1, N2, transposed);
    let length = select(N2, N1, transposed);
    let own = select(0u, N1, transposed);
    let other = select(N1, 0u, transposed);
    let first_row = select(block, block - left_blocks, transposed) * 16u;
    let c = index % column_blocks * 16u + local.x;
    let base = slots[1u + slot] * N * K;
    let thread = local.y * 16u + local.x;
    var sum: real = 0.0;
    for (var first = 0u; first < length; first += 16u) {
        // Neighbouring threads read neighbouring numbers of G: along its rows, which are the sum's index or the block's rows.
        let of_row = select(local.y, local.x, transposed);
        let of_sum = select(local.x, local.y, transposed);
        let row = min(first_row + of_row, height - 1u);
        let term = min(first + of_sum, length - 1u);
        let inside = first_row + of_row < height && first + of_sum < length;
        g_block[of_row * 16u + of_sum] = select(0.0, g_of(slot, select(row, term, transposed), select(term, row, transposed)), inside);
        let v_row = first + local.y;
        let number = applied[base + (other + min(v_row, length - 1u)) * K + min(c, K - 1u)];
        v_block[thread] = select(0.0, number, v_row < length && c < K);
        workgroupBarrier();
        for (var t = 0u; t < 16u; t += 1u) {
            sum = fma(g_block[local.y * 16u + t], v_block[t * 16u + local.x], sum);
        }
        workgroupBarrier();
    }
    let i = first_row + local.y;
    if (i < height && c < K) {
        direction[base + (own + i) * K + c] = sum;
    }
}
