// sums[s, b, l, c] (+)= Σ_x φ_x(a) X[b, a⊕x, c] over the groups x of split s, with φ_x(a) = Σ_z r_(x,z) (−i)^c (−1)^(z·a), complex: one
// transform of the residuals of a group for the real part of φ_x, one for the imaginary part.
//
// Grid: one workgroup per (slot, split). Group g of all panels belongs to split g mod SPLITS, and a split adds its groups in
// order. So a sum depends on neither the batch nor the panels.
//
// Memory: every string once a trial; rows of X and of the sums twice a group, from cache. Flops: 8·STATES·K + 2·q·STATES a group.

@group(1) @binding(0) var<storage, read> pulled: array<real>;             // (BATCH, M): r
@group(1) @binding(1) var<storage, read> applied: array<real>;            // (BATCH, N, K): X
@group(1) @binding(2) var<storage, read_write> sums: array<real>;         // (SPLITS, slots, N, K)

// The residuals of a group by their signs z: those of an even (part 0) or odd number of letters Y, times the sign of (−i)^c.
fn scatter(group: vec4<u32>, trial: u32, part: u32, thread: u32) {
    for (var a = thread; a < STATES; a += 256u) {
        wave[a] = 0.0;
    }
    workgroupBarrier();
    for (var t = group.y + thread; t < group.z; t += 256u) {
        let turns = strings[t].x >> 30u;
        // Strings that are measured several times stand side by side; the thread of the first adds all.
        let again = t > group.y && strings[max(t, 1u) - 1u].x == strings[t].x;
        if (turns % 2u == part && !again) {
            var sum: real = 0.0;
            for (var s = t; s < group.z && strings[s].x == strings[t].x; s += 1u) {
                sum += pulled[trial * M + strings[s].y];
            }
            wave[strings[t].x & SIGNS] = select(sum, -sum, turns == 1u || turns == 2u);
        }
    }
}

@compute @workgroup_size(256)
fn adjoint_apply(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) extent: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let index = linear_index(workgroup, extent);
    let slot = index / SPLITS;
    let split = index % SPLITS;
    if (slot >= slots[0]) {
        return;
    }
    let trial = slots[1u + slot];
    let down = STATES * K;
    let sum_at = (split * slots[0] + slot) * N * K;
    // A thread has the same entries throughout.
    if (panel.overwrite != 0u) {
        for (var entry = thread; entry < down; entry += 256u) {
            sums[sum_at + entry] = 0.0;
            sums[sum_at + down + entry] = 0.0;
        }
    }
    let skip = (split + SPLITS - panel.first % SPLITS) % SPLITS;
    for (var g = skip; g < panel.rows; g += SPLITS) {
        let group = groups[g];
        for (var part = 0u; part < 2u; part += 1u) {
            scatter(group, trial, part, thread);
            transform(thread);
            for (var entry = thread; entry < down; entry += 256u) {
                let a = entry / K;
                let x = trial * N * K + (a ^ group.x) * K + entry % K;
                let phi = wave[a];
                let above = sum_at + entry;
                if (part == 0u) {
                    sums[above] = fma(phi, applied[x], sums[above]);
                    sums[above + down] = fma(phi, applied[x + down], sums[above + down]);
                } else {
                    sums[above] = fma(-phi, applied[x + down], sums[above]);
                    sums[above + down] = fma(phi, applied[x], sums[above + down]);
                }
            }
            workgroupBarrier();
        }
    }
}
