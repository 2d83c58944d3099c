// Σ w·e and Σ w over 64 stretches of the measurements of a group, for the mean of the residuals: parts[b, h] = (Σ w·e, Σ w)
// over the h-th of 64 stretches of as many, rounded up. The e of trial b begin at VALUES_OFFSET +
// b·VALUES_STRIDE. A thread adds every 256th of a stretch in order, then a fixed tree adds the threads. A weight of 0 hides an
// infinite residual.
//
// Grid: one workgroup per (slot, h).

@group(0) @binding(0) var<storage, read> slots: array<u32>;
@group(1) @binding(0) var<storage, read> residual: array<real>;
@group(1) @binding(1) var<storage, read> weight: array<real>;             // (BATCH, M)
@group(1) @binding(2) var<storage, read_write> parts: array<vec2<real>>;  // (BATCH, 64)

var<workgroup> scratch: array<vec2<real>, 256>;

@compute @workgroup_size(256)
fn mean(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) extent: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let index = linear_index(workgroup, extent);
    let slot = index / 64u;
    if (slot >= slots[0]) {
        return;
    }
    let stretch = ceil_div(group_end() - group_first(), 64u);
    let first = group_first() + index % 64u * stretch;
    let end = min(first + stretch, group_end());
    let trial = slots[1u + slot];
    let base = trial * M;
    let values = VALUES_OFFSET + trial * VALUES_STRIDE;
    var sum = vec2<real>();
    for (var i = first + thread; i < end; i += 256u) {
        let w = weight[base + i];
        if (w != 0.0) {
            sum.x = fma(w, residual[values + i], sum.x);
            sum.y += w;
        }
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
        parts[trial * 64u + index % 64u] = scratch[0];
    }
}
