// two-kernel: rows of P numbers a[i, q] = scaled(i, stored(i, q)), as a file of `storage` reads or makes them. Sums are taken
// over stored(i, q) and scaled once.
//
//   forward         e[b, i]  = Σ_q a[i, q]·z[b, q] − target[b, i]   one workgroup per (ROWS rows of the panel, tile)
//   adjoint_apply   sums[s, b, q] (+)= Σ_i a[i, q]·weight[b, i]·ρ′(e[b, i])   one thread per (split s, tile, column q),
//                                        over the rows i ≡ s (mod SPLITS) of the panel, in order
//
// Memory: each row once a pass and tile; z from cache, once for ROWS rows, because it is as long as a row and would cost a
// GPU's cache as much as the rows cost its memory; sums 2·SPLITS·P·TILE a panel. Registers: ROWS·TILE sums (forward), TILE
// (adjoint_apply).
//
// A tile is TILE slots: a row is read once for all trials of a tile. Row i belongs to the same split whatever the
// panels are, and a split adds its rows in order, so neither the panels nor the batch change a sum.

@group(1) @binding(0) var<storage, read> z: array<Lane>;                // (tiles, P)
@group(1) @binding(1) var<storage, read> observed: array<real>;          // (BATCH, M)
@group(1) @binding(2) var<storage, read_write> residual_out: array<real>; // (BATCH, M)

@group(1) @binding(3) var<storage, read> residual: array<real>;          // (BATCH, M)
@group(1) @binding(4) var<storage, read> weight: array<real>;            // (BATCH, M)
@group(1) @binding(5) var<storage, read_write> sums: array<Lane>;    // (SPLITS, tiles, P)

@compute @workgroup_size(256)
fn forward(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) extent: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    // The tile runs fastest: workgroups that share rows are neighbours and find them in the cache.
    let tiles = ceil_div(slots[0], TILE);
    let index = linear_index(workgroup, extent);
    let first = index / tiles * ROWS;
    let tile = index % tiles;
    if (first >= panel.rows) {
        return;
    }
    let start_$r = row_at(min(first + $ru, panel.rows - 1u));
    var dot_$r = lane_zero();
    var q = thread;
    // Unrolled here because compilers may not: 2·ROWS reads of `data` under way, added in the same order as one by one.
    for (; q + 256u < P; q += 512u) {
        let x0 = z[tile * P + q];
        let x1 = z[tile * P + q + 256u];
        let near_$r = stored(start_$r, q);
        let far_$r = stored(start_$r, q + 256u);
        dot_$r = lane_fma(near_$r, x0, dot_$r);
        dot_$r = lane_fma(far_$r, x1, dot_$r);
    }
    for (; q < P; q += 256u) {
        let x = z[tile * P + q];
        dot_$r = lane_fma(stored(start_$r, q), x, dot_$r);
    }
    finish(thread, tile, first + $ru, dot_$r);
}

// e of a row, from every thread's share of the sums.
fn finish(thread: u32, tile: u32, row: u32, share: Lane) {
    let sum = workgroup_sum(thread, share);
    let slot = tile * TILE + thread;
    if (row < panel.rows && thread < TILE && slot < slots[0]) {
        let at = slots[1u + slot] * M + panel.first + row;
        residual_out[at] = scaled(row_at(row), lane_get(sum, thread)) - observed[at];
    }
    // The next sum overwrites what this one is read from.
    workgroupBarrier();
}

@compute @workgroup_size(256)
fn adjoint_apply(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) extent: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let count = slots[0];
    let tiles = ceil_div(count, TILE);
    let blocks = ceil_div(P, 256u);
    let index = linear_index(workgroup, extent);
    let tile = index % tiles;
    let q = (index / tiles) % blocks * 256u + thread;
    let split = index / tiles / blocks;
    if (split >= SPLITS) {
        return;
    }
    let column = min(q, P - 1u);
    let at = (split * tiles + tile) * P + column;
    var sum = lane_zero();
    if (panel.overwrite == 0u) {
        sum = sums[at];
    }
    // The panel's first row of this split: (first + row) mod SPLITS = split.
    let phase = (split + SPLITS - panel.first % SPLITS) % SPLITS;
    for (var begin = phase; begin < panel.rows; begin += 256u * SPLITS) {
        // Thread t stages r = weight·ρ′(e) of the t-th row from `begin`, scaled, one number per trial of the tile.
        let mine = begin + thread * SPLITS;
        var r = lane_zero();
        if (mine < panel.rows) {
            for (var l = 0u; l < TILE; l += 1u) {
                let slot = tile * TILE + l;
                if (slot < count) {
                    let row = slots[1u + slot] * M + panel.first + mine;
                    r = lane_with(r, l, scaled(row_at(mine), weight[row] * influence(residual[row])));
                }
            }
        }
        scratch[thread] = r;
        stage_row(thread, min(mine, panel.rows - 1u));
        workgroupBarrier();
        let staged = min(256u, ceil_div(panel.rows - begin, SPLITS));
        var t = 0u;
        // Unrolled like the loop of `forward`.
        for (; t + 4u <= staged; t += 4u) {
            let a0 = stored(staged_row(t, begin + t * SPLITS), column);
            let a1 = stored(staged_row(t + 1u, begin + (t + 1u) * SPLITS), column);
            let a2 = stored(staged_row(t + 2u, begin + (t + 2u) * SPLITS), column);
            let a3 = stored(staged_row(t + 3u, begin + (t + 3u) * SPLITS), column);
            sum = lane_fma(a0, scratch[t], sum);
            sum = lane_fma(a1, scratch[t + 1u], sum);
            sum = lane_fma(a2, scratch[t + 2u], sum);
            sum = lane_fma(a3, scratch[t + 3u], sum);
        }
        for (; t < staged; t += 1u) {
            sum = lane_fma(stored(staged_row(t, begin + t * SPLITS), column), scratch[t], sum);
        }
        workgroupBarrier();
    }
    if (q < P) {
        sums[at] = sum;
    }
}
