// C Cᵀ = VᵀV + λI, C lower triangular, for
//
//   λ = max(damping, 4·K·UNIT·tr VᵀV)
//
// with the formula damping_of(trial), which may read sums that are added here. The second number is what rounding can move
// eigenvalues of VᵀV by, some times over. Pivots of VᵀV + λI are at least λ; one that rounding made less is set to that, so that C is
// finite. Where λ is no number that one may divide by (V = 0, or V has overflowed), there is no C.
//
//   dampings[slot, side] = (whether there is C, whether λ was raised to the second number), as 0 and 1
//
// Shares of VᵀV are added in order. Then column after column: it is divided by the root of its pivot, and what is right of it is
// reduced by its products.
//
// Grid: one workgroup per (slot, side).

@group(0) @binding(0) var<storage, read> slots: array<u32>;
@group(1) @binding(0) var<storage, read> shares: array<real>;                // (slots, SIDES, GRAM_SHARES, K, K), of `gram.wgsl`
@group(1) @binding(1) var<storage, read> SCALARS: array<real>;
@group(1) @binding(2) var<storage, read> PARTS: array<real>;                 // (sums, BATCH, 64)
@group(1) @binding(3) var<storage, read_write> triangles: array<real>;       // (slots, SIDES, K, K): C
@group(1) @binding(4) var<storage, read_write> dampings: array<vec2<real>>;  // (slots, SIDES)

var<workgroup> scratch: array<real, 256>;

@compute @workgroup_size(256)
fn cholesky(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) extent: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let index = linear_index(workgroup, extent);
    let slot = index / SIDES;
    if (slot >= slots[0]) {
        return;
    }
    let base = index * K * K;
    var diagonal: real = 0.0;
    for (var entry = thread; entry < K * K; entry += 256u) {
        var sum: real = 0.0;
        if (entry % K <= entry / K) {
            for (var share = 0u; share < GRAM_SHARES; share += 1u) {
                sum += shares[(index * GRAM_SHARES + share) * K * K + entry];
            }
        }
        triangles[base + entry] = sum;
        diagonal += select(0.0, sum, entry % K == entry / K);
    }
    scratch[thread] = diagonal;
    workgroupBarrier();
    for (var width = 128u; width > 0u; width = width / 2u) {
        if (thread < width) {
            scratch[thread] += scratch[thread + width];
        }
        workgroupBarrier();
    }
    let least = 4.0 * real(K) * UNIT * scratch[0];
    let trial = slots[1u + slot];
    add_sums(trial, thread);
    let damping = damping_of(trial);
    let lambda = max(damping, least);
    let divides = damping <= LARGEST && lambda >= SMALLEST && lambda <= LARGEST;
    if (thread == 0u) {
        let raised = divides && damping < least;
        dampings[index] = vec2<real>(real(u32(divides)), real(u32(raised)));
    }
    if (!divides) {
        return;
    }
    storageBarrier();
    workgroupBarrier();
    for (var i = thread; i < K; i += 256u) {
        triangles[base + i * K + i] += lambda;
    }
    storageBarrier();
    workgroupBarrier();
    for (var j = 0u; j < K; j += 1u) {
        let root = sqrt(max(triangles[base + j * K + j], lambda));
        workgroupBarrier();
        for (var i = j + 1u + thread; i < K; i += 256u) {
            triangles[base + i * K + j] /= root;
        }
        if (thread == 0u) {
            triangles[base + j * K + j] = root;
        }
        storageBarrier();
        workgroupBarrier();
        for (var top = j + 1u; top < K; top += 16u) {
            let i = top + thread / 16u;
            for (var left = j + 1u; left < top + 16u; left += 16u) {
                let l = left + thread % 16u;
                if (i < K && l <= i) {
                    let at = base + i * K + l;
                    triangles[at] = fma(-triangles[base + i * K + j], triangles[base + l * K + j], triangles[at]);
                }
            }
        }
        storageBarrier();
        workgroupBarrier();
    }
}
