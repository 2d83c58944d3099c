// What the gradient needs at U = U₀ + V: the left factor (2U₀ + V)S, whose product with V is the part of U S Uᵀ that V
// makes, and (U₀ + V)S, which the adjoint is applied to. The doubling is exact. S = diag(±1) is −1 from column POSITIVE on.
//
// Signed columns without a centre are this at U₀ = 0; without signed columns POSITIVE is K.
//
// Grid: one thread per (slot, entry of U), workgroups of 256 that belong to one slot.

@group(0) @binding(0) var<storage, read> slots: array<u32>;
@group(1) @binding(0) var<storage, read> centre: array<real>;            // (BATCH, N, K): U₀
@group(1) @binding(1) var<storage, read> increment: array<real>;         // (BATCH, N, K): V
@group(1) @binding(2) var<storage, read_write> left: array<real>;        // (BATCH, N, K)
@group(1) @binding(3) var<storage, read_write> applied: array<real>;     // (BATCH, N, K)

@compute @workgroup_size(256)
fn around_centre(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) extent: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let blocks = ceil_div(N * K, 256u);
    let index = linear_index(workgroup, extent);
    let slot = index / blocks;
    let entry = index % blocks * 256u + thread;
    if (slot >= slots[0] || entry >= N * K) {
        return;
    }
    let at = slots[1u + slot] * N * K + entry;
    let u = centre[at];
    let v = increment[at];
    let negative = entry % K >= POSITIVE;
    let twice = fma(2.0, u, v);
    left[at] = select(twice, -twice, negative);
    applied[at] = select(u + v, -(u + v), negative);
}
