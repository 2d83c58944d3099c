//! Complex signals, their estimates, and the distance between them.

use faer::{Mat, Side, c64};

use lowrank::problem::{MatrixView, Truth};

/// Reads one column of a factor in its real form, (2n, k): real parts above imaginary ones.
fn column(factor: MatrixView<'_>, at: usize) -> Vec<c64> {
    let n = factor.rows() / 2;
    (0..n).map(|i| c64::new(factor.row(i)[at], factor.row(n + i)[at])).collect()
}

/// Returns x of a truth x xᴴ.
pub(super) fn of_truth(truth: &Truth) -> Vec<c64> {
    truth.factor().map(|factor| column(factor, 0)).unwrap_or_default()
}

/// Returns the real form (2n, 1) of a signal.
pub(super) fn to_factor(x: &[c64]) -> Vec<f64> {
    x.iter().map(|v| v.re).chain(x.iter().map(|v| v.im)).collect()
}

/// Returns the signal of a factor U (n, k): z = U v with the leading eigenvector v of UᴴU, so that z zᴴ is the matrix of rank 1
/// next to U Uᴴ.
pub(super) fn leading(factor: MatrixView<'_>) -> Vec<c64> {
    let columns: Vec<Vec<c64>> = (0..factor.columns()).map(|at| column(factor, at)).collect();
    let used: Vec<&Vec<c64>> = columns.iter().filter(|column| size(column) > 0.0).collect();
    let n = factor.rows() / 2;
    let weights = match used.len() {
        0 => return vec![c64::new(0.0, 0.0); n],
        1 => vec![c64::new(1.0, 0.0)],
        k => {
            let gram = Mat::from_fn(k, k, |i, j| inner(used[i], used[j]));
            let Ok(eigen) = gram.self_adjoint_eigen(Side::Lower) else { return vec![c64::new(f64::NAN, 0.0); n] };
            (0..k).map(|i| eigen.U()[(i, k - 1)]).collect()
        }
    };
    (0..n).map(|i| used.iter().zip(&weights).map(|(column, weight)| column[i] * *weight).sum()).collect()
}

/// ⟨a, b⟩ = aᴴb
pub(super) fn inner(a: &[c64], b: &[c64]) -> c64 {
    a.iter().zip(b).map(|(a, b)| a.conj() * *b).sum()
}

/// ‖x‖
pub(super) fn size(x: &[c64]) -> f64 {
    x.iter().map(|v| v.norm_sqr()).sum::<f64>().sqrt()
}

/// Turns an estimate by the phase that brings it next to x.
pub(super) fn aligned(z: &[c64], x: &[c64]) -> Vec<c64> {
    let overlap = inner(z, x);
    let turn = if overlap.norm() > 0.0 { overlap / overlap.norm() } else { c64::new(1.0, 0.0) };
    z.iter().map(|v| *v * turn).collect()
}

/// min_φ ‖z e^{iφ} − x‖/‖x‖, the distance of arXiv 1407.1065.
pub(super) fn distance(z: &[c64], x: &[c64]) -> f64 {
    let off: Vec<c64> = aligned(z, x).iter().zip(x).map(|(a, b)| *a - *b).collect();
    size(&off) / size(x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lowrank::problem::Domain;

    #[test]
    fn a_phase_is_no_distance_and_a_second_column_is_left_out() {
        let x: Vec<c64> = (0..5).map(|i| c64::new(f64::from(i), 1.0 - f64::from(i))).collect();
        let turned: Vec<c64> = x.iter().map(|v| *v * c64::from_polar(1.0, 2.0)).collect();
        assert!(distance(&turned, &x) < 1e-15);
        let longer: Vec<c64> = turned.iter().map(|v| *v * 1.25).collect();
        assert!((distance(&longer, &x) - 0.25).abs() < 1e-15);
        // The columns 3a and 4a, and one that is orthogonal to a and small: the signal is 5a.
        let (a, b) = (c64::new(0.0, 1.0), c64::new(0.5, 0.0));
        let data: Vec<f64> = [0.0, 0.0, 0.0, 0.0, 0.0, b.re, 3.0 * a.im, 4.0 * a.im, 0.0, 0.0, 0.0, 0.0].to_vec();
        let found = leading(MatrixView::new(4, 3, &data).unwrap());
        assert!(distance(&found, &[c64::new(5.0, 0.0), c64::new(0.0, 0.0)]) < 1e-12, "{found:?}");
        let truth = Truth::from_factor_on(Domain::hermitian(5), 1, to_factor(&x)).unwrap();
        assert!(distance(&of_truth(&truth), &x) < 1e-15);
    }
}
