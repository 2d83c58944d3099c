//! A matrix as a square picture.

use lowrank::problem::MatrixView;

/// Most pixels of a side.
pub const SIDE: usize = 96;

/// The pixels of a picture row by row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Picture {
    pub columns: usize,
    pub pixels: Vec<f32>,
}

/// The picture of L Rᵀ, or of the real part of L Rᴴ for complex factors in their real form, where it is
/// Re L Re Rᵀ + Im L Im Rᵀ. A pixel is the mean of its entries: the mean of a block is the product of the means of its rows and
/// columns.
pub fn picture(left: MatrixView<'_>, right: MatrixView<'_>, complex: bool) -> Picture {
    let (left, right) = (means(left, complex), means(right, complex));
    let pixel = |l: &[f64], r: &[f64]| l.iter().zip(r).map(|(l, r)| l * r).sum::<f64>() as f32;
    let pixels = left.iter().flat_map(|l| right.iter().map(move |r| pixel(l, r))).collect();
    Picture { columns: right.len(), pixels }
}

/// At most [`SIDE`] rows: means of rows that lie side by side; of complex ones the real parts, then the imaginary parts.
fn means(of: MatrixView<'_>, complex: bool) -> Vec<Vec<f64>> {
    let n = if complex { of.rows() / 2 } else { of.rows() };
    let (side, parts) = (n.min(SIDE), if complex { vec![0, n] } else { vec![0] });
    let mean = |pixel: usize| {
        let rows = pixel * n / side..(pixel + 1) * n / side;
        let count = rows.len() as f64;
        let part = |first: usize, j: usize| rows.clone().map(|i| of.row(first + i)[j]).sum::<f64>() / count;
        parts.iter().flat_map(|first| (0..of.columns()).map(|j| part(*first, j)).collect::<Vec<_>>()).collect()
    };
    (0..side).map(mean).collect()
}

#[cfg(test)]
mod tests {
    use lowrank::problem::Product;

    use super::*;

    #[test]
    fn pixels_are_means_of_entries() {
        let n = 2 * SIDE + 7;
        let values: Vec<f64> = (0..n * 2).map(|at| (at as f64 * 0.37).sin()).collect();
        let view = MatrixView::new(n, 2, &values).unwrap();
        let found = picture(view, view, false);
        assert_eq!((found.columns, found.pixels.len()), (SIDE, SIDE * SIDE));
        let all = Product::psd(view).to_dense();
        for (row, column) in [(0, 0), (3, 90), (SIDE - 1, SIDE - 1)] {
            let range = |pixel: usize| pixel * n / SIDE..(pixel + 1) * n / SIDE;
            let entries: Vec<f64> =
                range(row).flat_map(|i| range(column).map(move |j| (i, j))).map(|(i, j)| all[i * n + j]).collect();
            let mean = entries.iter().sum::<f64>() / entries.len() as f64;
            assert!((f64::from(found.pixels[row * SIDE + column]) - mean).abs() < 1e-6, "{row} {column}");
        }
    }

    #[test]
    fn complex_factors_show_the_real_part() {
        let values: Vec<f64> = (0..2 * 5 * 2).map(|at| (at as f64 * 0.37).sin()).collect();
        let view = MatrixView::new(10, 2, &values).unwrap();
        let found = picture(view, view, true);
        assert_eq!((found.columns, found.pixels.len()), (5, 25));
        let domain = lowrank::problem::Domain::hermitian(5);
        let product = Product::psd(view).on(&domain);
        for (i, j) in [(0, 0), (1, 4), (3, 2)] {
            assert!((f64::from(found.pixels[i * 5 + j]) - product.complex_entry(i, j).0).abs() < 1e-6, "{i} {j}");
        }
    }
}
