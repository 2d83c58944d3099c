// Packed symmetric storage: the upper triangle row by row, P = N(N+1)/2 numbers, entries as they are.

// Position of entry (i, j), in either order: i·N − i(i−1)/2 + (j − i) for i ≤ j.
fn packed_index(i: u32, j: u32) -> u32 {
    let a = min(i, j);
    let b = max(i, j);
    return a * (2u * N - a + 1u) / 2u + (b - a);
}
