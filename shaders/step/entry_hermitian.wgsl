// Entry (i, j) of the real form [[A, −B], [B, A]] of the Hermitian G = A + iB, given as an H1×H1 square g: with the weight OFF_DIAGONAL
// beside the diagonal, A_ab is g[a, b] and B_ab is g[b, a] for a < b.
fn g_of(slot: u32, i: u32, j: u32) -> real {
    let a = i % H1;
    let b = j % H1;
    let lower = i >= H1;
    let beside = j >= H1;
    let weight: real = select(OFF_DIAGONAL, 1.0, a == b);
    if (lower == beside) {
        return weight * packed[slot * P + min(a, b) * H1 + max(a, b)];
    }
    // B is antisymmetric, and its diagonal is zero.
    let sign = select(real(-1.0), real(1.0), lower == (a < b));
    return select(sign * weight * packed[slot * P + max(a, b) * H1 + min(a, b)], 0.0, a == b);
}
