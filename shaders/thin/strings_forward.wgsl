// e[b, i] = tr(P_i ½(L Rᴴ + R Lᴴ)) − y[b, i] = Re (−i)^c Σ_a (−1)^(z·a) h_x(a) − y[b, i], h_x(a) = Σ_k conj(L_ak) R_(a⊕x)k: the values
// of all strings of a group are one transform of the real part of h_x, or of the imaginary part for an odd number of letters Y.
//
// Grid: one workgroup per (slot, group of the panel).
//
// Memory: every string once a trial; rows of the factors twice a group, from cache. Flops: 8·STATES·K + 2·q·STATES a group.

@group(1) @binding(0) var<storage, read> left: array<real>;               // (BATCH, N, K)
@group(1) @binding(1) var<storage, read> right: array<real>;              // (BATCH, N, K)
@group(1) @binding(2) var<storage, read> observed: array<real>;           // (BATCH, M)
@group(1) @binding(3) var<storage, read_write> residual: array<real>;     // (BATCH, M)

// The real (part 0) or imaginary part of h_x(a), for the trial whose factors begin at `base`, b = a⊕x.
fn inner(base: u32, a: u32, b: u32, part: u32) -> real {
    let l = base + a * K;
    let r = base + b * K;
    let down = STATES * K;
    var sum: real = 0.0;
    for (var c = 0u; c < K; c += 1u) {
        if (part == 0u) {
            sum = fma(left[l + c], right[r + c], fma(left[l + down + c], right[r + down + c], sum));
        } else {
            sum = fma(left[l + c], right[r + down + c], fma(-left[l + down + c], right[r + c], sum));
        }
    }
    return sum;
}

@compute @workgroup_size(256)
fn forward(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) extent: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let index = linear_index(workgroup, extent);
    let slot = index / panel.rows;
    if (slot >= slots[0]) {
        return;
    }
    let group = groups[index % panel.rows];
    let trial = slots[1u + slot];
    for (var part = 0u; part < 2u; part += 1u) {
        for (var a = thread; a < STATES; a += 256u) {
            wave[a] = inner(trial * N * K, a, a ^ group.x, part);
        }
        transform(thread);
        for (var t = group.y + thread; t < group.z; t += 256u) {
            let turns = strings[t].x >> 30u;
            if (turns % 2u == part) {
                let value = wave[strings[t].x & SIGNS];
                let at = trial * M + strings[t].y;
                residual[at] = select(value, -value, turns >= 2u) - observed[at];
            }
        }
        workgroupBarrier();
    }
}
