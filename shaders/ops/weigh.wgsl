// What the adjoint pulls back: r[b, i] = w[b, i]·ρ′(e[b, i] − ē[b]) in the group whose turn it is and 0 elsewhere, with
// ē = Σw·e / Σw where residuals are CENTRED and 0 elsewhere, also where all weights are 0.
//
// Grid: one thread per (slot, i), workgroups of 256 that belong to one slot. Every workgroup adds the 64 parts by the same tree.

@group(0) @binding(0) var<storage, read> slots: array<u32>;
@group(1) @binding(0) var<storage, read> residual: array<real>;           // (BATCH, M)
@group(1) @binding(1) var<storage, read> weight: array<real>;             // (BATCH, M)
@group(1) @binding(2) var<storage, read> parts: array<vec2<real>>;        // (BATCH, 64), of `mean.wgsl`
@group(1) @binding(3) var<storage, read_write> pulled: array<real>;       // (BATCH, M)

var<workgroup> scratch: array<vec2<real>, 64>;

@compute @workgroup_size(256)
fn weigh(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) extent: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let blocks = ceil_div(M, 256u);
    let index = linear_index(workgroup, extent);
    let slot = index / blocks;
    if (slot >= slots[0]) {
        return;
    }
    var centre: real = 0.0;
    if (CENTRED) {
        if (thread < 64u) {
            scratch[thread] = parts[slots[1u + slot] * 64u + thread];
        }
        workgroupBarrier();
        for (var width = 32u; width > 0u; width = width / 2u) {
            if (thread < width) {
                scratch[thread] += scratch[thread + width];
            }
            workgroupBarrier();
        }
        if (scratch[0].y > 0.0) {
            centre = scratch[0].x / scratch[0].y;
        }
    }
    let i = index % blocks * 256u + thread;
    if (i < M) {
        let at = slots[1u + slot] * M + i;
        pulled[at] = select(0.0, weight[at] * influence(residual[at] - centre), in_group(i));
    }
}
