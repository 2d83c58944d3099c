// X = D (C Cᵀ)⁻¹ with C of `cholesky.wgsl`, row by row: Y = D C⁻ᵀ forward, then X = Y C⁻¹ backward; X = D where there is no C.
// Side b is the block of D that begins at d_at(b) of a trial's D_SIZE numbers and has d_rows(b) rows.
//
//   Y[i, c] = (D[i, c] − Σ_{l<c} Y[i, l]·C[c, l]) / C[c, c]      X[i, c] = (Y[i, c] − Σ_{l>c} X[i, l]·C[l, c]) / C[c, c]
//
// Blocks of sixteen columns one after the other: the sums over finished blocks are products of 16×16 tiles, within a block one
// column after the other. scalars[RAISED + b] counts the iterations whose
// λ was raised on some side.
//
// Grid: one 16×16 workgroup per (slot, block of rows of the sides of D one after the other).
//
// Memory: D once, X three times or more; C once per sixteen rows, from cache.

@group(0) @binding(0) var<storage, read> slots: array<u32>;
@group(1) @binding(0) var<storage, read> triangles: array<real>;         // (slots, SIDES, K, K)
@group(1) @binding(1) var<storage, read> dampings: array<vec2<real>>;    // (slots, SIDES)
@group(1) @binding(2) var<storage, read> direction: array<real>;         // (BATCH, D_SIZE)
@group(1) @binding(3) var<storage, read_write> scaled: array<real>;      // (BATCH, D_SIZE): X
@group(1) @binding(4) var<storage, read_write> scalars: array<real>;

var<workgroup> own: array<real, 256>;    // row of the block · 16 + column of a finished block
var<workgroup> tile: array<real, 256>;   // row of C · 16 + column of C
var<workgroup> solved: array<real, 16>;  // the column that is finished, by row of the block

// Entry (i, c) of C; the unit matrix behind column K.
fn entry_of(base: u32, i: u32, c: u32) -> real {
    let number = triangles[base + min(i, K - 1u) * K + min(c, K - 1u)];
    return select(real(u32(i == c)), number, i < K && c < K);
}

@compute @workgroup_size(16, 16)
fn precondition(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) extent: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let index = linear_index(workgroup, extent);
    let slot = index / ROW_BLOCKS;
    if (slot >= slots[0]) {
        return;
    }
    let first = index % ROW_BLOCKS == 0u;
    var block = index % ROW_BLOCKS;
    var side = 0u;
    for (; side + 1u < SIDES && block >= ceil_div(d_rows(side), 16u); side += 1u) {
        block -= ceil_div(d_rows(side), 16u);
    }
    let height = d_rows(side);
    let row = block * 16u + local.y;
    let trial = slots[1u + slot];
    // The last row stands for those past the end, which are not written.
    let at = trial * D_SIZE + d_at(side) + min(row, height - 1u) * K;
    let thread = local.y * 16u + local.x;
    let base = (slot * SIDES + side) * K * K;
    if (first && thread == 0u) {
        var raised = false;
        for (var other = 0u; other < SIDES; other += 1u) {
            raised = raised || dampings[slot * SIDES + other].y > 0.0;
        }
        if (raised) {
            scalars[RAISED + trial] += 1.0;
        }
    }
    let column_blocks = ceil_div(K, 16u);
    if (dampings[slot * SIDES + side].x == 0.0) {
        for (var c = local.x; c < K; c += 16u) {
            if (row < height) {
                scaled[at + c] = direction[at + c];
            }
        }
        return;
    }
    for (var b = 0u; b < column_blocks; b += 1u) {
        let c = b * 16u + local.x;
        let inside = at + min(c, K - 1u);
        var sum = select(0.0, direction[inside], c < K);
        for (var before = 0u; before < b; before += 1u) {
            own[thread] = scaled[at + before * 16u + local.x];
            tile[thread] = entry_of(base, b * 16u + local.y, before * 16u + local.x);
            workgroupBarrier();
            for (var l = 0u; l < 16u; l += 1u) {
                sum = fma(-own[local.y * 16u + l], tile[local.x * 16u + l], sum);
            }
            workgroupBarrier();
        }
        tile[thread] = entry_of(base, b * 16u + local.y, b * 16u + local.x);
        workgroupBarrier();
        for (var l = 0u; l < 16u; l += 1u) {
            if (local.x == l) {
                sum = sum / tile[l * 16u + l];
                solved[local.y] = sum;
            }
            workgroupBarrier();
            if (local.x > l) {
                sum = fma(-solved[local.y], tile[local.x * 16u + l], sum);
            }
            workgroupBarrier();
        }
        if (row < height && c < K) {
            scaled[at + c] = sum;
        }
        storageBarrier();
        workgroupBarrier();
    }
    for (var reverse = 0u; reverse < column_blocks; reverse += 1u) {
        let b = column_blocks - 1u - reverse;
        let c = b * 16u + local.x;
        var sum = select(0.0, scaled[at + min(c, K - 1u)], c < K);
        for (var behind = b + 1u; behind < column_blocks; behind += 1u) {
            let theirs = behind * 16u + local.x;
            own[thread] = select(0.0, scaled[at + min(theirs, K - 1u)], theirs < K);
            tile[thread] = entry_of(base, behind * 16u + local.y, b * 16u + local.x);
            workgroupBarrier();
            for (var l = 0u; l < 16u; l += 1u) {
                sum = fma(-own[local.y * 16u + l], tile[l * 16u + local.x], sum);
            }
            workgroupBarrier();
        }
        tile[thread] = entry_of(base, b * 16u + local.y, b * 16u + local.x);
        workgroupBarrier();
        for (var rest = 16u; rest > 0u; rest -= 1u) {
            let l = rest - 1u;
            if (local.x == l) {
                sum = sum / tile[l * 16u + l];
                solved[local.y] = sum;
            }
            workgroupBarrier();
            if (local.x < l) {
                sum = fma(-solved[local.y], tile[l * 16u + local.x], sum);
            }
            workgroupBarrier();
        }
        if (row < height && c < K) {
            scaled[at + c] = sum;
        }
        storageBarrier();
        workgroupBarrier();
    }
}
