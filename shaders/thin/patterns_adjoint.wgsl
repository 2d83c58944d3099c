// D[b, ·, c] (+)= Σ_l conj(d_l) ∘ Fᴴ(r_l ∘ F(d_l ∘ X[b, ·, c])) over the patterns l of the panel, in order. So a sum depends on neither the
// batch nor the panels.
//
// Grid: one thread per (slot, c, j), workgroups of 256 that belong to one slot.
//
// Memory: the transforms and the masks once a slot; D once a panel. Flops: 8 a number of the transforms.

@group(1) @binding(0) var<storage, read> waves: array<vec2<real>>;        // (slots, rows, K, H1), from patterns_transform.wgsl
@group(1) @binding(1) var<storage, read_write> direction: array<real>;    // (BATCH, N, K): D

@compute @workgroup_size(256)
fn adjoint_apply(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) extent: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let blocks = ceil_div(K * H1, 256u);
    let index = linear_index(workgroup, extent);
    let slot = index / blocks;
    let at = index % blocks * 256u + thread;
    if (slot >= slots[0] || at >= K * H1) {
        return;
    }
    let j = at % H1;
    let above = slots[1u + slot] * N * K + j * K + at / H1;
    let below = above + H1 * K;
    var sum = vec2<real>();
    if (panel.overwrite == 0u) {
        sum = vec2<real>(direction[above], direction[below]);
    }
    for (var l = 0u; l < panel.rows; l += 1u) {
        let d = masks[l * H1 + j];
        sum += times(vec2<real>(d.x, -d.y), waves[(slot * panel.rows + l) * K * H1 + at]);
    }
    direction[above] = sum.x;
    direction[below] = sum.y;
}
