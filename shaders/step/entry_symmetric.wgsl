// Entry (i, j) of the symmetric G with the given upper triangle g: g[q(i, j)] on the diagonal and OFF_DIAGONAL times that beside it.
fn g_of(slot: u32, i: u32, j: u32) -> real {
    let weight: real = select(OFF_DIAGONAL, 1.0, i == j);
    return weight * packed[slot * P + packed_index(i, j)];
}
