// one-pass: e[b, i] = Σ_q a[i, q]·z[b, q] − y[b, i] and sums[s, b, q] (+)= Σ_i a[i, q]·w[b, i]·ρ′(e[b, i]) in one dispatch, for
// packed symmetric rows a[i, ·] of P numbers.
//
// Grid: one workgroup of THREADS per (split s, slot), numbered split·slots + slot. It takes the rows i ≡ s (mod SPLITS) of
// the panel in order, ROWS at a time so that they share the barriers and the reads of z. A thread owns the quads (four
// columns) thread, thread + THREADS, …: SLICES of them in every thread, one more in some.
//
// Memory: each row once from memory and once more from cache; z from cache; sums 2·SPLITS·P numbers a panel.
// Registers: 4·(SLICES + 1) accumulators, 8·ROWS for what is under way. They are names, not an array, because an indexed
// array would lie in memory: the host repeats the lines between `//@ repeat` and `//@ end` for $j = 0, 1, …, SLICES − 1,
// and a line with $r for $r = 0, 1, …, ROWS − 1.
//
// Sums: a row belongs to the same split whatever the panels are, and a split adds its rows in order. A row past the end is
// the panel's last one again with the factor 0.

@group(1) @binding(0) var<storage, read> z: array<vec4<real>>;                // (slots, STRIDE / 4)
@group(1) @binding(1) var<storage, read> observed: array<real>;               // (BATCH, M)
@group(1) @binding(2) var<storage, read> weight: array<real>;                 // (BATCH, M)
@group(1) @binding(3) var<storage, read_write> residual: array<real>;         // (BATCH, M)
@group(1) @binding(4) var<storage, read_write> sums: array<vec4<real>>;       // (SPLITS, slots, STRIDE / 4)

// Of the ROWS rows in flight: w·ρ′(e), scaled, and where the row is.
var<workgroup> factors: array<real, ROWS>;
var<workgroup> starts: array<Row, ROWS>;

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
        dot_$r = fma(quad(row_$r, thread + $ju * THREADS), x_$j, dot_$r);
        //@ end
        if (has_rest) {
            let x = z[z_at + rest];
            dot_$r = fma(quad(row_$r, thread + rest), x, dot_$r);
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
            starts[thread] = start;
        }
        workgroupBarrier();
        let factor_$r = vec4<real>(factors[$ru]);
        // The start comes from workgroup memory so that a compiler does not see the same read as above and keep the row in
        // registers, which there may be too few of.
        let again_$r = starts[$ru];
        //@ repeat SLICES
        sum_$j = fma(factor_$r, quad(again_$r, thread + $ju * THREADS), sum_$j);
        //@ end
        if (has_rest) {
            sum_rest = fma(factor_$r, quad(again_$r, thread + rest), sum_rest);
        }
    }
    //@ repeat SLICES
    sums[sums_at + $ju * THREADS] = sum_$j;
    //@ end
    if (has_rest) {
        sums[sums_at + rest] = sum_rest;
    }
}
