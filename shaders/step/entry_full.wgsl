// Entry (i, j) of a G that is given row by row.
fn g_of(slot: u32, i: u32, j: u32) -> real {
    return packed[slot * P + i * N2 + j];
}
