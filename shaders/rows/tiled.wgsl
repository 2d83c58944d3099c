// tiled: the two passes over a panel of packed symmetric rows a[i, ·] as matrix-matrix products, TILE trials at a time.
//
//   forward         e[b, i] = Σ_q a[i, q]·z[q, b] − target[b, i]         (rows × P)·(P × TILE)
//   adjoint_apply   sums[s, q, b] (+)= Σ_i a[i, q]·weight[b, i]·ρ′(e[b, i])   (P × rows)·(rows × TILE), rows of the split s
//
// Both stage slabs of their factors in workgroup memory; a thread keeps WIDE×4 numbers of the product in registers (WIDE
// vectors of four trials; the host repeats lines with $r for $r = 0, …, WIDE − 1). Workgroups have 8·TILE threads.
//
// Grids, tiles fastest because workgroups that share rows then find them in cache:
//   forward         one workgroup per (block of 8·WIDE rows, tile): 8 × TILE/4 threads in each of four groups; group h
//                   takes the columns q ≡ h (mod 4), and the four sums are added in order.
//   adjoint_apply   one per (split, block of 32·WIDE columns, tile): 32 × TILE/4 threads.
// Rows are dealt to splits in blocks of BLOCK measurements: block i / BLOCK belongs to split i / BLOCK mod SPLITS, whatever
// the panels are, and a split adds its rows in order. So a sum depends on neither TILE, WIDE, the batch nor the panels.
//
// Memory: each row once a pass (its tiles from cache); z once per 8·WIDE rows from cache; sums 2·SPLITS·P·TILE.
// Registers: 4·WIDE sums, WIDE + 4 factors, and the next slab: loads of it are under way while the workgroup multiplies this one.
// Their lines are repeated in the text, because compilers leave a loop of loads and stores as it is and wait for each load.
// Workgroup memory: SLAB numbers.

@group(1) @binding(0) var<storage, read> z: array<real>;                  // (tiles, P, TILE)
@group(1) @binding(1) var<storage, read> observed: array<real>;           // (BATCH, M)
@group(1) @binding(2) var<storage, read_write> residual_out: array<real>; // (BATCH, M)

@group(1) @binding(3) var<storage, read> residual: array<real>;           // (BATCH, M)
@group(1) @binding(4) var<storage, read> weight: array<real>;             // (BATCH, M)
@group(1) @binding(5) var<storage, read_write> sums: array<vec4<real>>;   // (SPLITS, tiles, P, TILE / 4)

const BLOCK: u32 = 16u;
const THREADS: u32 = 8u * TILE;
// forward: rows of a workgroup; from one column of its slab to the next, so that neighbouring threads that write a column
// each meet different banks. The prelude has its columns, DEPTH = 4·STEPS, a multiple of 8.
const ROWS: u32 = 8u * WIDE;
const PITCH: u32 = ROWS + 4u;
// adjoint_apply: columns of a workgroup. The prelude has its rows of a slab, HEIGHT, a divisor of BLOCK.
const COLUMNS: u32 = 32u * WIDE;

const SLAB: u32 = max(max(DEPTH * (PITCH + TILE), ROWS * TILE), HEIGHT * (COLUMNS + TILE));
var<workgroup> slab: array<real, SLAB>;

@compute @workgroup_size(THREADS)
fn forward(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) extent: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let count = slots[0];
    let tiles = ceil_div(count, TILE);
    let index = linear_index(workgroup, extent);
    let tile = index % tiles;
    let first = index / tiles * ROWS;
    if (first >= panel.rows) {
        return;
    }
    // Rows first + WIDE·down …, trials 4·across … of the tile.
    let down = thread % 8u;
    let across = thread / 8u % (TILE / 4u);
    let group = thread / (2u * TILE);
    let z_slab = DEPTH * PITCH;
    var sum_$r = vec4<real>();
    if (thread < ROWS) {
        stage_row(thread, min(first + thread, panel.rows - 1u));
    }
    rows_staged();
    // Columns begin … of the slab are in registers before the workgroup is done with those of the last one.
    //@ repeat ROW_LOADS
    let row_$j = (thread + $ju * THREADS) / 8u % ROWS;
    let column_$j = (thread + $ju * THREADS) / (8u * ROWS) * 8u + thread % 8u;
    let start_$j = staged_row(row_$j, min(first + row_$j, panel.rows - 1u));
    var a_$j = stored(start_$j, min(column_$j, P - 1u));
    //@ end
    //@ repeat Z_LOADS
    let zq_$j = thread / TILE + $ju * 8u;
    var z_$j = z[(tile * P + min(zq_$j, P - 1u)) * TILE + thread % TILE];
    //@ end
    for (var begin = 0u; begin < P; begin += DEPTH) {
        //@ repeat ROW_LOADS
        slab[column_$j * PITCH + row_$j] = select(0.0, a_$j, begin + column_$j < P);
        //@ end
        //@ repeat Z_LOADS
        slab[z_slab + thread + $ju * THREADS] = select(0.0, z_$j, begin + zq_$j < P);
        //@ end
        workgroupBarrier();
        let next = begin + DEPTH;
        //@ repeat ROW_LOADS
        a_$j = stored(start_$j, min(next + column_$j, P - 1u));
        //@ end
        //@ repeat Z_LOADS
        z_$j = z[(tile * P + min(next + zq_$j, P - 1u)) * TILE + thread % TILE];
        //@ end
        //@ repeat STEPS
        let a_at_$j = ($ju * 4u + group) * PITCH + WIDE * down;
        let z_at_$j = z_slab + ($ju * 4u + group) * TILE + 4u * across;
        let x_$j = vec4<real>(slab[z_at_$j], slab[z_at_$j + 1u], slab[z_at_$j + 2u], slab[z_at_$j + 3u]);
        sum_$r = fma(vec4<real>(slab[a_at_$j + $ru]), x_$j, sum_$r);
        //@ end
        workgroupBarrier();
    }
    let part = (thread % (2u * TILE)) * 4u * WIDE;
    for (var other = 1u; other < 4u; other += 1u) {
        if (group == other) {
            slab[part + $ru * 4u] = sum_$r.x;
            slab[part + $ru * 4u + 1u] = sum_$r.y;
            slab[part + $ru * 4u + 2u] = sum_$r.z;
            slab[part + $ru * 4u + 3u] = sum_$r.w;
        }
        workgroupBarrier();
        if (group == 0u) {
            sum_$r.x += slab[part + $ru * 4u];
            sum_$r.y += slab[part + $ru * 4u + 1u];
            sum_$r.z += slab[part + $ru * 4u + 2u];
            sum_$r.w += slab[part + $ru * 4u + 3u];
        }
        workgroupBarrier();
    }
    if (group == 0u) {
        finish(first + WIDE * down + $ru, tile * TILE + 4u * across, sum_$r);
    }
}

// e of four trials at a row.
fn finish(row: u32, slot: u32, sum: vec4<real>) {
    if (row >= panel.rows) {
        return;
    }
    for (var c = 0u; c < 4u && slot + c < slots[0]; c += 1u) {
        let at = slots[1u + slot + c] * M + panel.first + row;
        residual_out[at] = scaled(row_at(row), sum[c]) - observed[at];
    }
}

// Slabs of a block.
const PARTS: u32 = BLOCK / HEIGHT;

// The row of the panel that is nearest to a measurement. A panel without rows has the place of one.
fn in_panel(measurement: u32) -> u32 {
    return clamp(measurement, panel.first, panel.first + max(panel.rows, 1u) - 1u) - panel.first;
}

@compute @workgroup_size(THREADS)
fn adjoint_apply(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) extent: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let count = slots[0];
    let tiles = ceil_div(count, TILE);
    let blocks = ceil_div(P, COLUMNS);
    let index = linear_index(workgroup, extent);
    let tile = index % tiles;
    let first = index / tiles % blocks * COLUMNS;
    let split = index / tiles / blocks;
    if (split >= SPLITS) {
        return;
    }
    // Columns first + WIDE·down …, trials 4·across … of the tile.
    let down = thread % 32u;
    let across = thread / 32u;
    let factors = HEIGHT * COLUMNS;
    let column = first + WIDE * down;
    let sums_at = ((split * tiles + tile) * P + column) * (TILE / 4u) + across;
    var sum_$r = vec4<real>();
    if (panel.overwrite == 0u) {
        if (column + $ru < P) { sum_$r = sums[sums_at + $ru * (TILE / 4u)]; }
    }
    let end = panel.first + panel.rows;
    let phase = panel.first / BLOCK;
    let block = phase + (split + SPLITS - phase % SPLITS) % SPLITS;
    // Of this thread's factors: where trial and row of the slab are, and whether the trial is one.
    //@ repeat FACTOR_LOADS
    let height_$j = (thread + $ju * THREADS) % HEIGHT;
    let slot_$j = tile * TILE + (thread + $ju * THREADS) / HEIGHT;
    let is_slot_$j = thread + $ju * THREADS < HEIGHT * TILE && slot_$j < count;
    let trial_$j = slots[1u + min(slot_$j, count - 1u)] * M;
    //@ end
    // The numbers of a slab are in registers before the workgroup is done with those of the last one. Measurements of a block
    // that belong to other panels count with the factor 0.
    var top = block * BLOCK;
    if (thread < HEIGHT) {
        stage_row(thread, in_panel(top + thread));
    }
    rows_staged();
    //@ repeat COLUMN_LOADS
    let down_$j = (thread + $ju * THREADS) / COLUMNS;
    let q_$j = min(first + (thread + $ju * THREADS) % COLUMNS, P - 1u);
    var a_$j = stored(staged_row(down_$j, in_panel(top + down_$j)), q_$j);
    //@ end
    //@ repeat FACTOR_LOADS
    var row_$j = in_panel(top + height_$j);
    var w_$j = weight[trial_$j + panel.first + row_$j];
    var e_$j = residual[trial_$j + panel.first + row_$j];
    var scale_$j = scaled(row_at(row_$j), 1.0);
    //@ end
    for (var step = 0u; (block + step / PARTS * SPLITS) * BLOCK < end; step += 1u) {
        //@ repeat COLUMN_LOADS
        slab[thread + $ju * THREADS] = a_$j;
        //@ end
        //@ repeat FACTOR_LOADS
        if (thread + $ju * THREADS < HEIGHT * TILE) {
            let measured = is_slot_$j && top + height_$j >= panel.first && top + height_$j < end;
            let factor = select(0.0, w_$j * influence(e_$j) * scale_$j, measured);
            slab[factors + height_$j * TILE + (thread + $ju * THREADS) / HEIGHT] = factor;
        }
        //@ end
        top = (block + (step + 1u) / PARTS * SPLITS) * BLOCK + (step + 1u) % PARTS * HEIGHT;
        let place = (step + 1u) % 2u * HEIGHT;
        if (thread < HEIGHT) {
            stage_row(place + thread, in_panel(top + thread));
        }
        workgroupBarrier();
        //@ repeat COLUMN_LOADS
        a_$j = stored(staged_row(place + down_$j, in_panel(top + down_$j)), q_$j);
        //@ end
        //@ repeat FACTOR_LOADS
        row_$j = in_panel(top + height_$j);
        w_$j = weight[trial_$j + panel.first + row_$j];
        e_$j = residual[trial_$j + panel.first + row_$j];
        scale_$j = scaled(row_at(row_$j), 1.0);
        //@ end
        //@ repeat HEIGHT
        let a_at_$j = $ju * COLUMNS + WIDE * down;
        let f_at_$j = factors + $ju * TILE + 4u * across;
        let x_$j = vec4<real>(slab[f_at_$j], slab[f_at_$j + 1u], slab[f_at_$j + 2u], slab[f_at_$j + 3u]);
        sum_$r = fma(vec4<real>(slab[a_at_$j + $ru]), x_$j, sum_$r);
        //@ end
        workgroupBarrier();
    }
    if (column + $ru < P) { sums[sums_at + $ru * (TILE / 4u)] = sum_$r; }
}
