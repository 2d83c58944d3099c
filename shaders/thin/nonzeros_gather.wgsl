// D by its rows: D[b, l, c] = Σ_q r[b, i_q]·v_q·X[b, o_q, c] over the nonzeros in row l, with o the row of the applied factor
// that faces it; of symmetric models half of that over the nonzeros in row or column l. Of two factors the rows of D_L come
// first, then those of D_R from N1 on, and so do those of X = W above V.
//
// Rows come in pieces: a row of up to SHORT nonzeros is one, a longer one is cut every SEGMENT nonzeros.
//
//   adjoint_apply   one thread per (slot, short piece, column c), q in order; workgroups of 256 that belong to one slot
//   adjoint_long    one workgroup per (slot, long piece): LANES threads side by side take the columns, 256/LANES groups of them
//                   every so many-th nonzero in order, and a fixed tree adds the groups. Pieces of a row that has several go to
//                   `partial`, which `combine.wgsl` adds.
//
// No sum is shared, so there are no atomics and one order, whatever the panels, the batch and the other trials are.
//
// Memory: every nonzero once a trial (SHORT pieces: from cache for the other columns); rows of X from cache as far as they fit.

@group(1) @binding(0) var<storage, read> pulled: array<real>;             // (BATCH, M): r
@group(1) @binding(1) var<storage, read> applied: array<real>;            // (BATCH, N, K): X
@group(1) @binding(2) var<storage, read_write> partial: array<real>;      // (slots, PARTIALS, K)
@group(1) @binding(3) var<storage, read_write> direction: array<real>;    // (BATCH, N, K)

// (row l, first nonzero, end, its place in `partial` or WHOLE)
@group(2) @binding(0) var<storage, read> pieces: array<vec4<u32>>;

const WHOLE: u32 = 0xffffffffu;
const GROUPS: u32 = 256u / LANES;

var<workgroup> scratch: array<real, 256>; // group · LANES + lane

// r·v·X of nonzero q in column c, added.
fn gathered(trial: u32, q: u32, c: u32, sum: real) -> real {
    let place = places[q];
    return fma(times(q, pulled[trial * M + place.x]), applied[(trial * N + place.y) * K + c], sum);
}

// What stands at (a, b) and at (b, a) of a symmetric matrix is half of v.
fn halved(sum: real) -> real {
    if (SYMMETRIC) {
        return 0.5 * sum;
    }
    return sum;
}

@compute @workgroup_size(256)
fn adjoint_apply(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) extent: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let blocks = ceil_div(panel.rows * K, 256u);
    let index = linear_index(workgroup, extent);
    let slot = index / blocks;
    let entry = index % blocks * 256u + thread;
    if (slot >= slots[0] || entry >= panel.rows * K) {
        return;
    }
    let piece = pieces[entry / K];
    let c = entry % K;
    let trial = slots[1u + slot];
    var sum: real = 0.0;
    for (var q = piece.y; q < piece.z; q += 1u) {
        sum = gathered(trial, q, c, sum);
    }
    direction[(trial * N + piece.x) * K + c] = halved(sum);
}

@compute @workgroup_size(256)
fn adjoint_long(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) extent: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let index = linear_index(workgroup, extent);
    let slot = index / panel.rows;
    if (slot >= slots[0]) {
        return;
    }
    let piece = pieces[index % panel.rows];
    let trial = slots[1u + slot];
    let group = thread / LANES;
    for (var first = 0u; first < K; first += LANES) {
        let c = first + thread % LANES;
        var sum: real = 0.0;
        if (c < K) {
            for (var q = piece.y + group; q < piece.z; q += GROUPS) {
                sum = gathered(trial, q, c, sum);
            }
        }
        scratch[thread] = sum;
        workgroupBarrier();
        for (var width = GROUPS / 2u; width > 0u; width = width / 2u) {
            if (group < width) {
                scratch[thread] += scratch[thread + width * LANES];
            }
            workgroupBarrier();
        }
        if (group == 0u && c < K) {
            if (piece.w == WHOLE) {
                direction[(trial * N + piece.x) * K + c] = halved(scratch[thread]);
            } else {
                partial[(slot * PARTIALS + piece.w) * K + c] = halved(scratch[thread]);
            }
        }
        workgroupBarrier();
    }
}
