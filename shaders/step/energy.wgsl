// E in 64 parts: energies[slot, h] = Σ w[b, i]·ρ(e[b, i] − ē[b]) over the h-th of 64 stretches of the measurements of a group, with
// ē as in thin/weigh.wgsl. A thread adds every 256th of a stretch in order, then a fixed tree adds the threads. A weight of 0 hides
// an infinite residual.
//
// Grid: one workgroup per (slot, h).

@group(0) @binding(0) var<storage, read> slots: array<u32>;
@group(1) @binding(0) var<storage, read> residual: array<real>;           // (BATCH, M)
@group(1) @binding(1) var<storage, read> weight: array<real>;             // (BATCH, M)
@group(1) @binding(2) var<storage, read> means: array<vec2<real>>;        // (slots, 64), of thin/mean.wgsl, where CENTRED
@group(1) @binding(3) var<storage, read_write> energies: array<real>;     // (slots, 64)

var<workgroup> halves: array<vec2<real>, 64>;
var<workgroup> scratch: array<real, 256>;

@compute @workgroup_size(256)
fn energy(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) extent: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let index = linear_index(workgroup, extent);
    let slot = index / 64u;
    if (slot >= slots[0]) {
        return;
    }
    var centre: real = 0.0;
    if (CENTRED) {
        if (thread < 64u) {
            halves[thread] = means[slot * 64u + thread];
        }
        workgroupBarrier();
        for (var width = 32u; width > 0u; width = width / 2u) {
            if (thread < width) {
                halves[thread] += halves[thread + width];
            }
            workgroupBarrier();
        }
        if (halves[0].y > 0.0) {
            centre = halves[0].x / halves[0].y;
        }
    }
    let stretch = ceil_div(group_end() - group_first(), 64u);
    let first = group_first() + index % 64u * stretch;
    let end = min(first + stretch, group_end());
    let base = slots[1u + slot] * M;
    var sum: real = 0.0;
    for (var i = first + thread; i < end; i += 256u) {
        let w = weight[base + i];
        if (w != 0.0) {
            sum = fma(w, rho(residual[base + i] - centre), sum);
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
        energies[index] = scratch[0];
    }
}
