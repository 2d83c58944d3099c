// Entry (i, j) of the real form [[A, −B], [B, A]] of G = A + iB, given as A row by row and then B.
fn g_of(slot: u32, i: u32, j: u32) -> real {
    let lower = i >= H1;
    let beside = j >= H2;
    let at = slot * P + i % H1 * H2 + j % H2;
    let sign = select(real(1.0), real(-1.0), beside && !lower);
    return sign * packed[at + select(0u, H1 * H2, lower != beside)];
}
