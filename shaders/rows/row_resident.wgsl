// row-resident: as one_pass.wgsl, but a thread keeps its part of the ROWS rows in registers between the dot product and the
// sum, so that a row is read once and nothing is asked of the caches but z.
//
// Memory: each row once; z from cache; sums 2·SPLITS·P numbers a panel.
// Registers: 4·(SLICES + 1)·(1 + ROWS) for sums and rows.

@group(1) @binding(0) var<storage, read> z: array<vec4<real>>;                // (slots, STRIDE / 4)
@group(1) @binding(1) var<storage, read> observed: array<real>;               // (BATCH, M)
@group(1) @binding(2) var<storage, read> weight: array<real>;                 // (BATCH, M)
@group(1) @binding(3) var<storage, read_write> residual: array<real>;         // (BATCH, M)
@group(1) @binding(4) var<storage, read_write> sums: array<vec4<real>>;       // (SPLITS, slots, STRIDE / 4)

// w·ρ′(e) of the ROWS rows in flight, scaled.
var<workgroup> factors: array<real, ROWS>;

fn accumulate(index: u32, thread: u32) {
    let count = slots[0];
    let slot = index % count;
    let split = index / count;
    if (split >= SPLITS) {
        return;
    }
    let trial = slots[1u + slot] * M + panel.first;
    let z_at = slot * (STRIDE / 4u) + thread;
    let sums_at = (split * count + slot) * (STRIDE / 4u) + thread;
    let rest = SLICES * THREADS;
    let has_rest = rest + thread < QUADS;
    //@ repeat SLICES
    var sum_$j = vec4<real>();
    //@ end
    var sum_rest = vec4<real>();
    if (panel.overwrite == 0u) {
        //@ repeat SLICES
        sum_$j = sums[sums_at + $ju * THREADS];
        //@ end
        if (has_rest) {
            sum_rest = sums[sums_at + rest];
        }
    }
    // The panel's first row of this split: (first + row) mod SPLITS = split.
    let phase = (split + SPLITS - panel.first % SPLITS) % SPLITS;
    for (var begin = phase; begin < panel.rows; begin += ROWS * SPLITS) {
        let row_$r = row_at(min(begin + $ru * SPLITS, panel.rows - 1u));
        var dot_$r = vec4<real>();
        // Thread r finishes row r; what it needs is under way while the row is read.
        let mine = begin + thread * SPLITS;
        let finishes = thread < ROWS && mine < panel.rows;
        var y: real = 0.0;
        var w: real = 0.0;
        if (finishes) {
            y = observed[trial + mine];
            w = weight[trial + mine];
        }
        //@ repeat SLICES
        let x_$j = z[z_at + $ju * THREADS];
        let a_$r_$j = quad(row_$r, thread + $ju * THREADS);
        dot_$r = fma(a_$r_$j, x_$j, dot_$r);
        //@ end
        var rest_$r = vec4<real>();
        if (has_rest) {
            let x = z[z_at + rest];
            rest_$r = quad(row_$r, thread + rest);
            dot_$r = fma(rest_$r, x, dot_$r);
        }
        contribute($ru, thread, (dot_$r.x + dot_$r.y) + (dot_$r.z + dot_$r.w));
        let dot = total(thread);
        if (thread < ROWS) {
            let start = row_at(min(mine, panel.rows - 1u));
            var factor: real = 0.0;
            if (finishes) {
                let e = scaled(start, dot) - y;
                residual[trial + mine] = e;
                factor = scaled(start, w * influence(e));
            }
            factors[thread] = factor;
        }
        workgroupBarrier();
        let factor_$r = vec4<real>(factors[$ru]);
        //@ repeat SLICES
        sum_$j = fma(factor_$r, a_$r_$j, sum_$j);
        //@ end
        if (has_rest) {
            sum_rest = fma(factor_$r, rest_$r, sum_rest);
        }
    }
    //@ repeat SLICES
    sums[sums_at + $ju * THREADS] = sum_$j;
    //@ end
    if (has_rest) {
        sums[sums_at + rest] = sum_rest;
    }
}
