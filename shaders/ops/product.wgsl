// C = A·B, one slot at a time: C[i, c] = Σ_t A[i, t]·B[t, c], t in order. What stands before it has a_of, b_of and put_result, which
// say where the numbers of a slot and of what it stands for lie: blocks of registers, transposed or not, which the host writes; or
// `step/packed_gradient.wgsl`.
//
// Grid: one 16×16 workgroup per (slot, block of rows i, block of columns c).

var<workgroup> a_block: array<real, 256>; // row i of the block · 16 + t
var<workgroup> b_block: array<real, 256>; // t · 16 + column c of the block

@compute @workgroup_size(16, 16)
fn multiply(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) extent: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let row_blocks = ceil_div(RESULT_ROWS, 16u);
    let column_blocks = ceil_div(RESULT_COLUMNS, 16u);
    let index = linear_index(workgroup, extent);
    let slot = index / column_blocks / row_blocks;
    if (slot >= slots[0]) {
        return;
    }
    let place = Place(slot, slots[1u + slot]);
    let i = index / column_blocks % row_blocks * 16u + local.y;
    let c = index % column_blocks * 16u + local.x;
    let thread = local.y * 16u + local.x;
    var sum: real = 0.0;
    for (var first = 0u; first < INNER; first += 16u) {
        let t_of_a = first + local.x;
        let t_of_b = first + local.y;
        let a = a_of(place, min(i, RESULT_ROWS - 1u), min(t_of_a, INNER - 1u));
        let b = b_of(place, min(t_of_b, INNER - 1u), min(c, RESULT_COLUMNS - 1u));
        a_block[thread] = select(0.0, a, i < RESULT_ROWS && t_of_a < INNER);
        b_block[thread] = select(0.0, b, t_of_b < INNER && c < RESULT_COLUMNS);
        workgroupBarrier();
        for (var t = 0u; t < 16u; t += 1u) {
            sum = fma(a_block[local.y * 16u + t], b_block[t * 16u + local.x], sum);
        }
        workgroupBarrier();
    }
    if (i < RESULT_ROWS && c < RESULT_COLUMNS) {
        put_result(place, i, c, sum);
    }
}
