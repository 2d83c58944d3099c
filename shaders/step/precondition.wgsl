// X = D (C Cᵀ)⁻¹ with C of `cholesky.wgsl`, row by row: Y = D C⁻ᵀ forward, then X = Y C⁻¹ backward; X = D where there is no C.
// D is the gradient with the ridge's part, direction + (shrink/step)·U; what is in `direction` stays.
//
//   Y[i, c] = (D[i, c] − Σ_{l<c} Y[i, l]·C[c, l]) / C[c, c]      X[i, c] = (Y[i, c] − Σ_{l>c} X[i, l]·C[l, c]) / C[c, c]
//
// Blocks of sixteen columns one after the other: the sums over finished blocks are products of 16×16 tiles, within a block one
// column after the other. `raised` counts the iterations whose λ was raised on some side.
//
// Grid: one 16×16 workgroup per (slot, block of rows of D, or of D_L and then of D_R).
//
// Memory: D once, X three times or more; C once per sixteen rows, from cache.

@group(0) @binding(0) var<storage, read> slots: array<u32>;
@group(1) @binding(0) var<storage, read> triangles: array<real>;         // (slots, SIDES, K, K)
@group(1) @binding(1) var<storage, read> dampings: array<vec4<real>>;    // (slots, SIDES)
@group(1) @binding(2) var<storage, read> direction: array<real>;         // (BATCH, N, K)
@group(1) @binding(3) var<storage, read> factor: array<real>;            // (BATCH, N, K): U; around a centre there is no ridge
@group(1) @binding(4) var<storage, read_write> scaled: array<real>;      // (BATCH, N, K): X
@group(1) @binding(5) var<storage, read_write> raised: array<u32>;       // (BATCH)

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
    let left_blocks = ceil_div(N1, 16u);
    let row_blocks = left_blocks + (SIDES - 1u) * ceil_div(N2, 16u);
    let index = linear_index(workgroup, extent);
    let slot = index / row_blocks;
    if (slot >= slots[0]) {
        return;
    }
    let block = index % row_blocks;
    let side = select(0u, 1u, block >= left_blocks);
    let height = select(N1, N2, side == 1u);
    let row = (block - side * left_blocks) * 16u + local.y;
    let trial = slots[1u + slot];
    // The last row stands for those past the end, which are not written.
    let at = (trial * N + side * N1 + min(row, height - 1u)) * K;
    let thread = local.y * 16u + local.x;
    let base = (slot * SIDES + side) * K * K;
    if (block == 0u && thread == 0u) {
        let sides = dampings[slot * SIDES].y + dampings[slot * SIDES + SIDES - 1u].y;
        raised[trial] += select(0u, 1u, sides > 0.0);
    }
    let column_blocks = ceil_div(K, 16u);
    let ridge = dampings[slot * SIDES + side].z;
    if (dampings[slot * SIDES + side].x == 0.0) {
        for (var c = local.x; c < K; c += 16u) {
            if (row < height) {
                scaled[at + c] = fma(ridge, factor[at + c], direction[at + c]);
            }
        }
        return;
    }
    for (var b = 0u; b < column_blocks; b += 1u) {
        let c = b * 16u + local.x;
        let inside = at + min(c, K - 1u);
        var sum = select(0.0, fma(ridge, factor[inside], direction[inside]), c < K);
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
