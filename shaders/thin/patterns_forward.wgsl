// e[b, i] = Re Σ_c conj(F(d_l∘L_c))_p F(d_l∘R_c)_p − y[b, i] for the measurement i of pixel p of pattern l, c in order.
//
// Grid: one thread per (slot, pattern of the panel, position), workgroups of 256 that belong to one slot.
//
// Memory: the transforms of L and of R once. Flops: 4·K a pixel.

@group(1) @binding(0) var<storage, read> left: array<vec2<real>>;         // (slots, rows, K, H1), from patterns_transform.wgsl
@group(1) @binding(1) var<storage, read> right: array<vec2<real>>;        // (slots, rows, K, H1)
@group(1) @binding(2) var<storage, read> observed: array<real>;           // (BATCH, M)
@group(1) @binding(3) var<storage, read_write> residual: array<real>;     // (BATCH, M)

@compute @workgroup_size(256)
fn forward(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) extent: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let count = panel.rows * H1;
    let blocks = ceil_div(count, 256u);
    let index = linear_index(workgroup, extent);
    let slot = index / blocks;
    let at = index % blocks * 256u + thread;
    if (slot >= slots[0] || at >= count) {
        return;
    }
    let l = at / H1;
    let i = measurement(l, at % H1);
    if (i >= M) {
        return;
    }
    let first = (slot * panel.rows + l) * K * H1 + at % H1;
    var sum: real = 0.0;
    for (var c = 0u; c < K; c += 1u) {
        let a = left[first + c * H1];
        let b = right[first + c * H1];
        sum = fma(a.x, b.x, fma(a.y, b.y, sum));
    }
    let to = slots[1u + slot] * M + i;
    residual[to] = sum - observed[to];
}
