// A_i a list of nonzeros, v at (a, b): e[b, i] = Σ_q v_q·l_a·r_b − y[b, i], q in order; of symmetric models
// Σ_q v_q·½(l_a·r_b + l_b·r_a), which is Σ_q v_q·u_a·u_b where L = R = U (SINGLE). Rows of R below L are counted from N1 on.
//
//   forward        one thread per measurement with up to SHORT nonzeros: (slot, row), workgroups of 256 that belong to one slot
//   forward_long   one workgroup per (slot, longer measurement): a thread adds every 256th nonzero in order, then a fixed tree
//                  adds the threads
//
// Memory: every nonzero once a trial; rows of the factors from cache, as far as they fit it.

@group(1) @binding(0) var<storage, read> left: array<real>;               // (BATCH, N, K)
@group(1) @binding(1) var<storage, read> right: array<real>;              // (BATCH, N, K)
@group(1) @binding(2) var<storage, read> observed: array<real>;           // (BATCH, M)
@group(1) @binding(3) var<storage, read_write> residual: array<real>;     // (BATCH, M)

// Nonzeros of measurement `row` of the panel: offsets[row] ≤ q < offsets[row + 1]. Behind these, the longer measurements.
@group(2) @binding(0) var<storage, read> offsets: array<u32>;

var<workgroup> scratch: array<real, 256>;

// ⟨nonzero q, L Rᵀ⟩ for the trial whose factors begin at `base`.
fn inner(base: u32, q: u32) -> real {
    let a = base + places[q].x * K;
    let b = base + places[q].y * K;
    var sum: real = 0.0;
    for (var c = 0u; c < K; c += 1u) {
        sum = fma(left[a + c], right[b + c], sum);
    }
    if (SYMMETRIC && !SINGLE) {
        var crossed: real = 0.0;
        for (var c = 0u; c < K; c += 1u) {
            crossed = fma(left[b + c], right[a + c], crossed);
        }
        sum = 0.5 * (sum + crossed);
    }
    return times(q, sum);
}

@compute @workgroup_size(256)
fn forward(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) extent: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let blocks = ceil_div(panel.rows, 256u);
    let index = linear_index(workgroup, extent);
    let slot = index / blocks;
    let row = index % blocks * 256u + thread;
    if (slot >= slots[0] || row >= panel.rows) {
        return;
    }
    let first = offsets[row];
    let end = offsets[row + 1u];
    if (end - first > SHORT) {
        return;
    }
    let trial = slots[1u + slot];
    var sum: real = 0.0;
    for (var q = first; q < end; q += 1u) {
        sum += inner(trial * N * K, q);
    }
    let at = trial * M + panel.first + row;
    residual[at] = sum - observed[at];
}

@compute @workgroup_size(256)
fn forward_long(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) extent: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let index = linear_index(workgroup, extent);
    let slot = index / panel.long;
    if (slot >= slots[0]) {
        return;
    }
    let row = offsets[panel.rows + 1u + index % panel.long];
    let trial = slots[1u + slot];
    var sum: real = 0.0;
    for (var q = offsets[row] + thread; q < offsets[row + 1u]; q += 256u) {
        sum += inner(trial * N * K, q);
    }
    scratch[thread] = sum;
    workgroupBarrier();
    for (var width = 128u; width > 0u; width = width / 2u) {
        if (thread < width) {
            scratch[thread] += scratch[thread + width];
        }
        workgroupBarrier();
    }
    if (thread == 0u) {
        let at = trial * M + panel.first + row;
        residual[at] = scratch[0] - observed[at];
    }
}
