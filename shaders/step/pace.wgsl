// Steps that decay: taken[b] = base_steps[b]·decayᵗ for all trials, active or not, with decayᵗ from the table that the host writes
// for the next iterations whose steps are these. `turn` is the row of the table; the host sets it to 0 with the table, and each call
// goes one row on.
//
// Grid: one workgroup.

@group(1) @binding(0) var<storage, read> base_steps: array<real>;         // (BATCH)
@group(1) @binding(1) var<storage, read> powers: array<real>;             // (iterations, BATCH)
@group(1) @binding(2) var<storage, read_write> turn: array<u32>;          // (1)
@group(1) @binding(3) var<storage, read_write> taken: array<real>;        // (BATCH)

@compute @workgroup_size(256)
fn pace(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) extent: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    if (linear_index(workgroup, extent) > 0u) {
        return;
    }
    let row = turn[0];
    for (var trial = thread; trial < BATCH; trial += 256u) {
        taken[trial] = base_steps[trial] * powers[row * BATCH + trial];
    }
    workgroupBarrier();
    if (thread == 0u) {
        turn[0] = row + 1u;
    }
}
