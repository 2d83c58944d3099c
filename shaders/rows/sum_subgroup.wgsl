// As sum_portable.wgsl on adapters with subgroup operations: a sum within each subgroup, then one thread a row adds
// theirs in order; one barrier for all ROWS sums together.

// Subgroups have four threads or more.
var<workgroup> parts: array<real, ROWS * THREADS / 4u>;

var<private> lane: u32;
var<private> subgroup: u32;
var<private> subgroups: u32;

// This thread's share of the sum of row r < ROWS.
fn contribute(r: u32, thread: u32, share: real) {
    let sum = subgroupAdd(share);
    if (lane == 0u) {
        parts[r * (THREADS / 4u) + subgroup] = sum;
    }
}

// After all contributions: the sum of row `thread`, in the threads below ROWS.
fn total(thread: u32) -> real {
    workgroupBarrier();
    var sum: real = 0.0;
    if (thread < ROWS) {
        for (var s = 0u; s < subgroups; s += 1u) {
            sum += parts[thread * (THREADS / 4u) + s];
        }
    }
    return sum;
}

@compute @workgroup_size(THREADS)
fn gradient(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) extent: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
    @builtin(subgroup_invocation_id) lane_of_thread: u32,
    @builtin(subgroup_id) subgroup_of_thread: u32,
    @builtin(num_subgroups) subgroup_count: u32,
) {
    lane = lane_of_thread;
    subgroup = subgroup_of_thread;
    subgroups = subgroup_count;
    accumulate(linear_index(workgroup, extent), thread);
}
