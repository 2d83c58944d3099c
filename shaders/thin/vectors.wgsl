// A_i = Σ_j a_ij b_ijᵀ over j < VECTORS: the two passes over the vectors, as matrix products with thin factors.
//
//   project         T[b, 0, v, c] = Σ_l a_v[l]·X[b, l, c]    T[b, 1, v, c] = Σ_l b_v[l]·X[b, N1 + l, c]    v = i·VECTORS + j
//   adjoint_apply   sums[s, b, l, c] (+)= Σ_v a_v[l]·r[b, i]·T[b, 1, v, c], and in the rows N1 + l Σ_v b_v[l]·r[b, i]·T[b, 0, v, c],
//                   over the measurements i of the split s
//
// One factor has SIDES = 1: b is a, and T[b, 0, …] serves as T[b, 1, …].
//
// Columns (slot, c) of all trials stand side by side, 16 to a workgroup, so that a read of the vectors serves several trials.
// Both stage slabs in workgroup memory; 64 threads keep 4×4 numbers of the product each.
//
// Grids, columns fastest because workgroups that share vectors then find them in cache:
//   project         one workgroup per (block of 64 vectors of the panel, side, block of 16 columns)
//   adjoint_apply   one per (split, block of 64 rows of L or of R, block of 16 columns)
// Measurements are dealt to splits in blocks of 16: block i / 16 belongs to split i / 16 mod SPLITS, whatever the panels are,
// and a split adds its vectors in order. So a sum depends on neither the batch nor the panels.
//
// Memory: every vector once a pass and 16 columns; T once; sums 2·SPLITS·N·K a trial and panel.
// Registers: 16 sums, 8 factors.

@group(1) @binding(0) var<storage, read> factor: array<real>;              // (BATCH, N, K)
@group(1) @binding(1) var<storage, read_write> thin_out: array<real>;      // (BATCH, SIDES, M·VECTORS, K)

@group(1) @binding(2) var<storage, read> pulled: array<real>;              // (BATCH, M): r
@group(1) @binding(3) var<storage, read> thin: array<real>;                // (BATCH, SIDES, M·VECTORS, K)
@group(1) @binding(4) var<storage, read_write> sums: array<real>;          // (SPLITS, slots, N, K)

const BLOCK: u32 = 16u;
// From one line of the slab of 64 numbers to the next: threads that write a column each meet different banks.
const PITCH: u32 = 68u;

var<workgroup> wide: array<real, 16u * PITCH>; // index of the sum · PITCH + one of 64
var<workgroup> narrow: array<real, 256>;       // index of the sum · 16 + column

@compute @workgroup_size(64)
fn project(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) extent: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let columns = slots[0] * K;
    let column_blocks = ceil_div(columns, 16u);
    let index = linear_index(workgroup, extent);
    let first_column = index % column_blocks * 16u;
    let side = index / column_blocks % SIDES;
    let first = index / column_blocks / SIDES * 64u;
    let count = panel.rows * VECTORS;
    if (first >= count) {
        return;
    }
    let length = select(N1, N2, side == 1u);
    // Where the vectors of this side begin in a row, and its rows in a factor.
    let in_row = side * VECTORS * N1;
    let in_factor = side * N1;
    let down = thread % 16u;
    let across = thread / 16u;
    var sum_0 = vec4<real>();
    var sum_1 = vec4<real>();
    var sum_2 = vec4<real>();
    var sum_3 = vec4<real>();
    for (var begin = 0u; begin < length; begin += 16u) {
        for (var at = thread; at < 1024u; at += 64u) {
            // Sixteen neighbouring numbers of four vectors.
            let v = min(first + at / 16u, count - 1u);
            let l = begin + at % 16u;
            let number = stored(v / VECTORS * ROW_WORDS, in_row + v % VECTORS * length + min(l, length - 1u));
            wide[at % 16u * PITCH + at / 16u] = select(0.0, number, l < length);
        }
        for (var at = thread; at < 256u; at += 64u) {
            let l = begin + at / 16u;
            let column = first_column + at % 16u;
            let inside = min(column, columns - 1u);
            let row = slots[1u + inside / K] * N + in_factor + min(l, length - 1u);
            narrow[at] = select(0.0, factor[row * K + inside % K], l < length && column < columns);
        }
        workgroupBarrier();
        for (var l = 0u; l < 16u; l += 1u) {
            let x_at = l * 16u + 4u * across;
            let x = vec4<real>(narrow[x_at], narrow[x_at + 1u], narrow[x_at + 2u], narrow[x_at + 3u]);
            let a_at = l * PITCH + 4u * down;
            sum_0 = fma(vec4<real>(wide[a_at]), x, sum_0);
            sum_1 = fma(vec4<real>(wide[a_at + 1u]), x, sum_1);
            sum_2 = fma(vec4<real>(wide[a_at + 2u]), x, sum_2);
            sum_3 = fma(vec4<real>(wide[a_at + 3u]), x, sum_3);
        }
        workgroupBarrier();
    }
    let v = first + 4u * down;
    let column = first_column + 4u * across;
    keep(v, column, side, sum_0);
    keep(v + 1u, column, side, sum_1);
    keep(v + 2u, column, side, sum_2);
    keep(v + 3u, column, side, sum_3);
}

// Four columns of T at vector v of the panel.
fn keep(v: u32, column: u32, side: u32, sum: vec4<real>) {
    if (v >= panel.rows * VECTORS) {
        return;
    }
    for (var c = 0u; c < 4u && column + c < slots[0] * K; c += 1u) {
        let trial = slots[1u + (column + c) / K];
        let at = (trial * SIDES + side) * (M * VECTORS) + panel.first * VECTORS + v;
        thin_out[at * K + (column + c) % K] = sum[c];
    }
}

@compute @workgroup_size(64)
fn adjoint_apply(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) extent: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let columns = slots[0] * K;
    let column_blocks = ceil_div(columns, 16u);
    let left_blocks = ceil_div(N1, 64u);
    let blocks = left_blocks + (SIDES - 1u) * ceil_div(N2, 64u);
    let index = linear_index(workgroup, extent);
    let first_column = index % column_blocks * 16u;
    let block = index / column_blocks % blocks;
    let split = index / column_blocks / blocks;
    if (split >= SPLITS) {
        return;
    }
    let side = select(0u, 1u, block >= left_blocks);
    let first = (block - side * left_blocks) * 64u;
    let length = select(N1, N2, side == 1u);
    let in_row = side * VECTORS * N1;
    let other = SIDES - 1u - side;
    let down = thread % 16u;
    let across = thread / 16u;
    let line = first + 4u * down;
    let column = first_column + 4u * across;
    var sum_0 = vec4<real>();
    var sum_1 = vec4<real>();
    var sum_2 = vec4<real>();
    var sum_3 = vec4<real>();
    if (panel.overwrite == 0u) {
        sum_0 = before(split, side, line, column);
        sum_1 = before(split, side, line + 1u, column);
        sum_2 = before(split, side, line + 2u, column);
        sum_3 = before(split, side, line + 3u, column);
    }
    let end = panel.first + panel.rows;
    let phase = panel.first / BLOCK;
    let skip = (split + SPLITS - phase % SPLITS) % SPLITS;
    for (var group = phase + skip; group * BLOCK < end; group += SPLITS) {
        for (var top = group * BLOCK * VECTORS; top < (group + 1u) * BLOCK * VECTORS; top += 16u) {
            // Measurements of the group that belong to other panels count with the factor 0.
            for (var at = thread; at < 1024u; at += 64u) {
                let v = top + at / 64u;
                let row = clamp(v / VECTORS, panel.first, end - 1u) - panel.first;
                let l = min(first + at % 64u, length - 1u);
                wide[at / 64u * PITCH + at % 64u] = stored(row * ROW_WORDS, in_row + v % VECTORS * length + l);
            }
            for (var at = thread; at < 256u; at += 64u) {
                let v = top + at / 16u;
                let i = v / VECTORS;
                let c = first_column + at % 16u;
                var value: real = 0.0;
                if (i >= panel.first && i < end && c < columns) {
                    let trial = slots[1u + c / K];
                    let t = ((trial * SIDES + other) * (M * VECTORS) + v) * K + c % K;
                    value = pulled[trial * M + i] * thin[t];
                }
                narrow[at] = value;
            }
            workgroupBarrier();
            for (var v = 0u; v < 16u; v += 1u) {
                let x_at = v * 16u + 4u * across;
                let x = vec4<real>(narrow[x_at], narrow[x_at + 1u], narrow[x_at + 2u], narrow[x_at + 3u]);
                let a_at = v * PITCH + 4u * down;
                sum_0 = fma(vec4<real>(wide[a_at]), x, sum_0);
                sum_1 = fma(vec4<real>(wide[a_at + 1u]), x, sum_1);
                sum_2 = fma(vec4<real>(wide[a_at + 2u]), x, sum_2);
                sum_3 = fma(vec4<real>(wide[a_at + 3u]), x, sum_3);
            }
            workgroupBarrier();
        }
    }
    add(split, side, line, column, sum_0);
    add(split, side, line + 1u, column, sum_1);
    add(split, side, line + 2u, column, sum_2);
    add(split, side, line + 3u, column, sum_3);
}

// Where a line of L or of R has a column of its partial sum.
fn place(split: u32, side: u32, line: u32, column: u32) -> u32 {
    return ((split * slots[0] + column / K) * N + side * N1 + line) * K + column % K;
}

// Four columns of what earlier panels added.
fn before(split: u32, side: u32, line: u32, column: u32) -> vec4<real> {
    var sum = vec4<real>();
    if (line < select(N1, N2, side == 1u)) {
        for (var c = 0u; c < 4u && column + c < slots[0] * K; c += 1u) {
            sum[c] = sums[place(split, side, line, column + c)];
        }
    }
    return sum;
}

fn add(split: u32, side: u32, line: u32, column: u32, sum: vec4<real>) {
    if (line >= select(N1, N2, side == 1u)) {
        return;
    }
    for (var c = 0u; c < 4u && column + c < slots[0] * K; c += 1u) {
        sums[place(split, side, line, column + c)] = sum[c];
    }
}
