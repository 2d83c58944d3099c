//! Packed symmetric storage: the upper triangle row by row, length p = n(n+1)/2, entries unchanged.

/// Length p = n(n+1)/2 of the packed upper triangle.
pub fn packed_len(n: usize) -> usize {
    n * (n + 1) / 2
}

/// Packed position of entry (i, j), in either order: for i ≤ j it is i·n − i(i−1)/2 + (j − i).
pub fn packed_index(n: usize, i: usize, j: usize) -> usize {
    let (i, j) = if i <= j { (i, j) } else { (j, i) };
    i * (2 * n - i + 1) / 2 + (j - i)
}

/// Packs the symmetric part (A + Aᵀ)/2 of a row-major n×n matrix, in f64.
pub(crate) fn pack_symmetric_part(n: usize, full: impl Fn(usize, usize) -> f64, out: &mut [f64]) {
    let mut q = 0;
    for i in 0..n {
        out[q] = full(i, i);
        q += 1;
        for j in i + 1..n {
            out[q] = 0.5 * (full(i, j) + full(j, i));
            q += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_triangle_is_numbered_row_by_row_without_gaps() {
        for n in [1, 2, 3, 7] {
            let mut expected = 0;
            for i in 0..n {
                for j in i..n {
                    assert_eq!(packed_index(n, i, j), expected);
                    assert_eq!(packed_index(n, j, i), expected);
                    expected += 1;
                }
            }
            assert_eq!(packed_len(n), expected);
        }
    }

    #[test]
    fn packing_symmetrises() {
        let full = [1.0, 2.0, 4.0, 3.0];
        let mut out = [0.0; 3];
        pack_symmetric_part(2, |i, j| full[2 * i + j], &mut out);
        assert_eq!(out, [1.0, 3.0, 3.0]);
    }
}
