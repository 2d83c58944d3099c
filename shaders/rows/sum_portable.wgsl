// Sums over the THREADS threads of a workgroup, ROWS of them at once, by a fixed tree; and the entry `gradient`.
//
// Two barriers for all ROWS sums together: 16 threads a row add THREADS/16 numbers each, one thread a row adds those 16.

var<workgroup> parts: array<real, ROWS * THREADS>;
var<workgroup> groups: array<real, ROWS * 16u>;

// This thread's share of the sum of row r < ROWS.
fn contribute(r: u32, thread: u32, share: real) {
    parts[r * THREADS + thread] = share;
}

// After all contributions: the sum of row `thread`, in the threads below ROWS.
fn total(thread: u32) -> real {
    workgroupBarrier();
    if (thread < ROWS * 16u) {
        // Neighbouring threads read neighbouring numbers.
        let first = thread / 16u * THREADS + thread % 16u;
        var sum = parts[first];
        for (var t = 16u; t < THREADS; t += 16u) {
            sum += parts[first + t];
        }
        groups[thread] = sum;
    }
    workgroupBarrier();
    var sum: real = 0.0;
    if (thread < ROWS) {
        for (var g = 0u; g < 16u; g += 1u) {
            sum += groups[thread * 16u + g];
        }
    }
    return sum;
}

@compute @workgroup_size(THREADS)
fn gradient(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) extent: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    accumulate(linear_index(workgroup, extent), thread);
}
