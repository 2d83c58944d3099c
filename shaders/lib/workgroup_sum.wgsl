// Sum over the 256 threads of a workgroup by a fixed binary tree: the order of additions depends on nothing.

// 256·32 bytes = 8 KiB at most, 16 KiB where real is f64. Kernels may use it themselves before or after a sum, behind a barrier.
var<workgroup> scratch: array<Lane, 256>;

// Every thread of the workgroup calls it; the sum is returned to all of them.
fn workgroup_sum(thread: u32, value: Lane) -> Lane {
    scratch[thread] = value;
    workgroupBarrier();
    for (var width = 128u; width > 0u; width = width / 2u) {
        if (thread < width) {
            scratch[thread] = lane_add(scratch[thread], scratch[thread + width]);
        }
        workgroupBarrier();
    }
    return scratch[0];
}
