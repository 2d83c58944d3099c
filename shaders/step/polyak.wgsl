// The step of Polyak: polyak_scale·max(c·E − optimal, 0)/⟨gradient, D⟩ with c = ½ for one factor and 1 for two; 0 where nothing is
// left to descend, or where the quotient is no number; never more than ½‖U‖/‖D‖. POLYAK_FIRST: it is also the base of later steps,
// which are multiplied by GRADIENT_SCALE as all bases are.
//
// Grid: one workgroup of 64 threads per slot; the 64 parts of either sum are added by a fixed tree.

@group(0) @binding(0) var<storage, read> slots: array<u32>;
@group(1) @binding(0) var<storage, read> tuning: array<vec4<real>>;       // (BATCH): …, optimal, polyak_scale
@group(1) @binding(1) var<storage, read> energies: array<real>;           // (slots, 64), of `energy.wgsl`
@group(1) @binding(2) var<storage, read> slopes: array<real>;             // (slots, 64), of `slope.wgsl`
@group(1) @binding(3) var<storage, read> lengths: array<vec2<real>>;      // (slots, 64), of `slope.wgsl`
@group(1) @binding(4) var<storage, read_write> taken: array<real>;        // (BATCH): the step of this iteration
@group(1) @binding(5) var<storage, read_write> base_steps: array<real>;   // (BATCH)

var<workgroup> sums: array<vec4<real>, 64>; // E, ⟨gradient, D⟩, ‖D‖², ‖U‖²

@compute @workgroup_size(64)
fn polyak(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) extent: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let slot = linear_index(workgroup, extent);
    if (slot >= slots[0]) {
        return;
    }
    let part = slot * 64u + thread;
    sums[thread] = vec4<real>(energies[part], slopes[part], lengths[part]);
    workgroupBarrier();
    for (var width = 32u; width > 0u; width = width / 2u) {
        if (thread < width) {
            sums[thread] += sums[thread + width];
        }
        workgroupBarrier();
    }
    if (thread == 0u) {
        let trial = slots[1u + slot];
        let numbers = tuning[trial];
        var share: real = 1.0;
        if (SYMMETRIC) {
            share = 0.5;
        }
        let above = max(fma(share, sums[0].x, -numbers.z), 0.0);
        var step: real = 0.0;
        if (sums[0].y > 0.0) {
            let quotient = numbers.w * above / sums[0].y;
            if (quotient <= LARGEST) {
                // Near a saddle the gradient is small and the loss is not.
                step = quotient;
                if (sums[0].z > 0.0) {
                    step = min(step, 0.5 * sqrt(sums[0].w / sums[0].z));
                }
            }
        }
        taken[trial] = step;
        if (POLYAK_FIRST) {
            base_steps[trial] = GRADIENT_SCALE * step;
        }
    }
}
