// z of P + iQ = L Rᴴ, weighted so that Re⟨A, L Rᴴ⟩ = Σ_q a[q]·z[q] for rows a of complex A. With the rows x_i + i·y_i of L and
// v_j + i·w_j of R, whose imaginary parts are H1 and H2 rows below the real ones:
//
//   P[i,j] = x_i·v_j + y_i·w_j        Q[i,j] = y_i·v_j − x_i·w_j
//   Hermitian A (SYMMETRIC), an H1×H1 square: z[i·H1 + i] = P[i,i], and for i < j
//       z[i·H1 + j] = ω·(P[i,j] + P[j,i])        z[j·H1 + i] = ω·(Q[i,j] − Q[j,i])        (2ω·P[i,j], 2ω·Q[i,j] where L = R, SINGLE)
//   other A: P row by row, and then Q
//
// with ω = OFF_DIAGONAL: the entry of A beside the diagonal is ω times its numbers.
//
// Grid: one 16×16 workgroup per (slot, block of i, block of j); of Hermitian A blocks below the diagonal return at once. Slots that
// only pad the last tile, and the STRIDE − P numbers behind the last, are written with zeros.

@group(0) @binding(0) var<storage, read> slots: array<u32>;
@group(1) @binding(0) var<storage, read> left: array<real>;      // (BATCH, N, K): L is its first N1 rows
@group(1) @binding(1) var<storage, read> right: array<real>;     // (BATCH, N, K): R is its last N2 rows
@group(1) @binding(2) var<storage, read_write> z: array<real>;   // (tiles, STRIDE, TILE)

// Where R begins: there is one factor of Hermitian matrices.
const RIGHT: u32 = N - N2;

// 16 columns of the block's 16 rows: index = row·16 + column.
var<workgroup> left_real: array<real, 256>;
var<workgroup> left_imaginary: array<real, 256>;
var<workgroup> right_real: array<real, 256>;
var<workgroup> right_imaginary: array<real, 256>;

// P[i,j] and Q[i,j], summed over the columns.
struct Entry {
    real_part: real,
    imaginary_part: real,
}

// Entry of the rows l of L in block_l and r of R in block_r. `turned` says that the thread's row is that of R.
fn entry_of(base: u32, first_l: u32, first_r: u32, local: vec2<u32>, turned: bool) -> Entry {
    let thread = local.y * 16u + local.x;
    let load_l = first_l + local.y;
    let load_r = first_r + local.y;
    let own_l = select(local.y, local.x, turned) * 16u;
    let own_r = select(local.x, local.y, turned) * 16u;
    var sum = Entry(0.0, 0.0);
    for (var first = 0u; first < K; first += 16u) {
        let column = first + local.x;
        let in_l = load_l < H1 && column < K;
        let in_r = load_r < H2 && column < K;
        let at_l = base + min(load_l, H1 - 1u) * K + min(column, K - 1u);
        let at_r = base + (RIGHT + min(load_r, H2 - 1u)) * K + min(column, K - 1u);
        left_real[thread] = select(0.0, left[at_l], in_l);
        left_imaginary[thread] = select(0.0, left[at_l + H1 * K], in_l);
        right_real[thread] = select(0.0, right[at_r], in_r);
        right_imaginary[thread] = select(0.0, right[at_r + H2 * K], in_r);
        workgroupBarrier();
        for (var c = 0u; c < 16u; c += 1u) {
            let x = left_real[own_l + c];
            let y = left_imaginary[own_l + c];
            let v = right_real[own_r + c];
            let w = right_imaginary[own_r + c];
            sum.real_part = fma(x, v, fma(y, w, sum.real_part));
            sum.imaginary_part = fma(y, v, fma(-x, w, sum.imaginary_part));
        }
        workgroupBarrier();
    }
    return sum;
}

// A number of z, which is zero in slots that only pad a tile.
fn put(slot: u32, q: u32, value: real) {
    z[(slot / TILE * STRIDE + q) * TILE + slot % TILE] = select(0.0, value, slot < slots[0]);
}

@compute @workgroup_size(16, 16)
fn outer_product(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) extent: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let count = slots[0];
    let blocks_i = ceil_div(H1, 16u);
    let blocks_j = ceil_div(H2, 16u);
    let index = linear_index(workgroup, extent);
    let slot = index / blocks_j / blocks_i;
    let first_i = index / blocks_j % blocks_i * 16u;
    let first_j = index % blocks_j * 16u;
    if (slot >= ceil_div(count, TILE) * TILE || (SYMMETRIC && first_j < first_i)) {
        return;
    }
    let base = slots[1u + min(slot, count - 1u)] * N * K;
    let i = first_i + local.y;
    let j = first_j + local.x;
    let direct = entry_of(base, first_i, first_j, local.xy, false);
    if (!SYMMETRIC) {
        if (i < H1 && j < H2) {
            put(slot, i * H2 + j, direct.real_part);
            put(slot, H1 * H2 + i * H2 + j, direct.imaginary_part);
        }
    } else {
        var crossed = Entry(direct.real_part, -direct.imaginary_part);
        if (!SINGLE) {
            crossed = entry_of(base, first_j, first_i, local.xy, true);
        }
        if (i < j && j < H1) {
            put(slot, i * H1 + j, OFF_DIAGONAL * (direct.real_part + crossed.real_part));
            put(slot, j * H1 + i, OFF_DIAGONAL * (direct.imaginary_part - crossed.imaginary_part));
        }
        if (i == j && j < H1) {
            put(slot, i * H1 + i, direct.real_part);
        }
    }
    if (i == H1 - 1u && j == H2 - 1u) {
        for (var q = P; q < STRIDE; q += 1u) {
            put(slot, q, 0.0);
        }
    }
}
