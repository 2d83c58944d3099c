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

/// The picture of L Rᵀ. A pixel is the mean of its entries: the mean of a block is the product of the means of its rows
/// and columns.
pub fn picture(left: MatrixView<'_>, right: MatrixView<'_>) -> Picture {
    let (left, right) = (means(left), means(right));
    let pixel = |l: &[f64], r: &[f64]| l.iter().zip(r).map(|(l, r)| l * r).sum::<f64>() as f32;
    let pixels = left.iter().flat_map(|l| right.iter().map(move |r| pixel(l, r))).collect();
    Picture { columns: right.len(), pixels }
}

/// At most [`SIDE`] rows: means of rows that lie side by side.
fn means(of: MatrixView<'_>) -> Vec<Vec<f64>> {
    let side = of.rows().min(SIDE);
    let mean = |pixel: usize| {
        let rows = pixel * of.rows() / side..(pixel + 1) * of.rows() / side;
        let count = rows.len() as f64;
        (0..of.columns()).map(|j| rows.clone().map(|i| of.row(i)[j]).sum::<f64>() / count).collect()
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
        let found = picture(view, view);
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
}
