//! The real form of complex matrices: real parts above imaginary parts, see [`Domain`](crate::problem::Domain).

/// Columns v and i·v of each column v of a factor, side by side: (rows, 2k) from (rows, k), row-major.
///
/// With V̂ for the result, V̂V̂ᵀ is the real form [[A, −B], [B, A]] of A + iB = VVᴴ, and V̂ has the singular values of V twice.
pub(crate) fn expanded(columns: usize, data: &[f64]) -> Vec<f64> {
    if columns == 0 {
        return Vec::new();
    }
    let rows = data.len() / columns;
    let half = rows / 2;
    let mut out = Vec::with_capacity(2 * data.len());
    for i in 0..rows {
        // i(x + iy) = −y + ix
        let (other, sign) = if i < half { (i + half, -1.0) } else { (i - half, 1.0) };
        for j in 0..columns {
            out.extend([data[i * columns + j], sign * data[other * columns + j]]);
        }
    }
    out
}

/// Every second column, the inverse of [`expanded`] on its results.
pub(crate) fn every_second(columns: usize, data: &[f64]) -> Vec<f64> {
    data.chunks(columns.max(1)).flat_map(|row| row.iter().step_by(2)).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expanded_columns_are_orthogonal_to_their_own_and_give_the_real_form() {
        // v = (1 + 3i, 2 − i), so that vvᴴ = [[10, −1 + 7i], [−1 − 7i, 5]].
        let v = [1.0, 2.0, 3.0, -1.0];
        let wide = expanded(1, &v);
        assert_eq!(every_second(2, &wide), v);
        let entry = |i: usize, j: usize| (0..2).map(|c| wide[2 * i + c] * wide[2 * j + c]).sum::<f64>();
        let wanted = [[10.0, -1.0, 0.0, -7.0], [-1.0, 5.0, 7.0, 0.0], [0.0, 7.0, 10.0, -1.0], [-7.0, 0.0, -1.0, 5.0]];
        for (i, row) in wanted.iter().enumerate() {
            assert_eq!((0..4).map(|j| entry(i, j)).collect::<Vec<_>>(), row);
        }
        assert_eq!((0..4).map(|i| wide[2 * i] * wide[2 * i + 1]).sum::<f64>(), 0.0);
    }
}
