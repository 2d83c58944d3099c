// e[b, i] = Σ_j Σ_c TL[b, 0, i·VECTORS + j, c]·TR[b, SIDES − 1, i·VECTORS + j, c] − y[b, i], j and c in order: ⟨A_i, L Rᵀ⟩ from the
// thin products of `vectors.wgsl`.
//
// Grid: one thread per (slot, i), workgroups of 256 that belong to one slot.

@group(0) @binding(0) var<storage, read> slots: array<u32>;
@group(1) @binding(0) var<storage, read> thin_left: array<real>;          // (BATCH, SIDES, M·VECTORS, K)
@group(1) @binding(1) var<storage, read> thin_right: array<real>;         // (BATCH, SIDES, M·VECTORS, K)
@group(1) @binding(2) var<storage, read> observed: array<real>;           // (BATCH, M)
@group(1) @binding(3) var<storage, read_write> residual: array<real>;     // (BATCH, M)

@compute @workgroup_size(256)
fn forward(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) extent: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let blocks = ceil_div(M, 256u);
    let index = linear_index(workgroup, extent);
    let slot = index / blocks;
    let i = index % blocks * 256u + thread;
    if (slot >= slots[0] || i >= M) {
        return;
    }
    let trial = slots[1u + slot];
    let size = VECTORS * K;
    let left = trial * SIDES * M * size + i * size;
    let right = (trial * SIDES + SIDES - 1u) * M * size + i * size;
    var sum: real = 0.0;
    for (var c = 0u; c < size; c += 1u) {
        sum = fma(thin_left[left + c], thin_right[right + c], sum);
    }
    residual[trial * M + i] = sum - observed[trial * M + i];
}
