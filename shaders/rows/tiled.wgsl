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
// Registers: 4·WIDE sums, WIDE + 4 factors. Workgroup memory: SLAB numbers.

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
    for (var begin = 0u; begin < P; begin += DEPTH) {
        for (var at = thread; at < DEPTH * ROWS; at += THREADS) {
            // Eight columns of four rows by 32 neighbouring threads.
            let row = at / 8u % ROWS;
            let column = at / (8u * ROWS) * 8u + at % 8u;
            let q = begin + column;
            let number = stored(staged_row(row, min(first + row, panel.rows - 1u)), min(q, P - 1u));
            slab[column * PITCH + row] = select(0.0, number, q < P);
        }
        for (var at = thread; at < DEPTH * TILE; at += THREADS) {
            let q = begin + at / TILE;
            let number = z[(tile * P + min(q, P - 1u)) * TILE + at % TILE];
            slab[z_slab + at] = select(0.0, number, q < P);
        }
        workgroupBarrier();
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
    let skip = (split + SPLITS - phase % SPLITS) % SPLITS;
    for (var block = phase + skip; block * BLOCK < end; block += SPLITS) {
        for (var top = block * BLOCK; top < (block + 1u) * BLOCK; top += HEIGHT) {
            // Measurements of the block that belong to other panels count with the factor 0.
            if (thread < HEIGHT) {
                stage_row(thread, clamp(top + thread, panel.first, end - 1u) - panel.first);
            }
            rows_staged();
            for (var at = thread; at < HEIGHT * COLUMNS; at += THREADS) {
                let row = clamp(top + at / COLUMNS, panel.first, end - 1u) - panel.first;
                slab[at] = stored(staged_row(at / COLUMNS, row), min(first + at % COLUMNS, P - 1u));
            }
            for (var at = thread; at < HEIGHT * TILE; at += THREADS) {
                let measurement = top + at % HEIGHT;
                let l = at / HEIGHT;
                let slot = tile * TILE + l;
                var factor: real = 0.0;
                if (measurement >= panel.first && measurement < end && slot < count) {
                    let source = slots[1u + slot] * M + measurement;
                    factor = scaled(row_at(measurement - panel.first), weight[source] * influence(residual[source]));
                }
                slab[factors + at % HEIGHT * TILE + l] = factor;
            }
            workgroupBarrier();
            //@ repeat HEIGHT
            let a_at_$j = $ju * COLUMNS + WIDE * down;
            let f_at_$j = factors + $ju * TILE + 4u * across;
            let x_$j = vec4<real>(slab[f_at_$j], slab[f_at_$j + 1u], slab[f_at_$j + 2u], slab[f_at_$j + 3u]);
            sum_$r = fma(vec4<real>(slab[a_at_$j + $ru]), x_$j, sum_$r);
            //@ end
            workgroupBarrier();
        }
    }
    if (column + $ru < P) { sums[sums_at + $ru * (TILE / 4u)] = sum_$r; }
}
