//! JᵀWJ: the information about the parameters in the training measurements.

use crate::diagnostics::Tangent;
use crate::error::Result;
use crate::host;
use crate::linalg;
use crate::memory::product;
use crate::operators::{Entries, Operator};
use crate::problem::Factors;

/// Changes that are measured together.
const TOGETHER: usize = 64;

/// Bytes of J; sampled entries need none.
pub(crate) fn jacobian_bytes(operator: &dyn Operator, tangent: &Tangent) -> u64 {
    match operator.entries() {
        Some(_) => 0,
        None => product(&[operator.measurements(), tangent.parameters(), 2 * size_of::<f64>()]),
    }
}

/// JᵀWJ with the weights W of the training measurements, parameters×parameters row-major.
pub(crate) fn information(operator: &dyn Operator, tangent: &Tangent, weights: &[f64]) -> Result<Vec<f64>> {
    match operator.entries() {
        Some(entries) => Ok(of_entries(entries, tangent, weights)),
        None => of_changes(operator, tangent, weights),
    }
}

/// From the derivatives of the sampled entries, which have 2r numbers each.
fn of_entries(entries: &Entries, tangent: &Tangent, weights: &[f64]) -> Vec<f64> {
    let (d, symmetric) = (tangent.parameters(), entries.domain().is_symmetric());
    let mut all = vec![0.0; d * d];
    for (i, weight) in weights.iter().enumerate().filter(|(_, weight)| **weight > 0.0) {
        let (a, b) = entries.position(i);
        let mut derivative = tangent.entry(a, b);
        if symmetric {
            // The measurement is the mean of both entries.
            derivative.extend(tangent.entry(b, a));
            derivative.iter_mut().for_each(|(_, v)| *v *= 0.5);
        }
        for (at, v) in &derivative {
            derivative.iter().for_each(|(other, w)| all[at * d + other] += weight * v * w);
        }
    }
    all
}

/// From the measurements of the change by each parameter.
fn of_changes(operator: &dyn Operator, tangent: &Tangent, weights: &[f64]) -> Result<Vec<f64>> {
    let (d, m) = (tangent.parameters(), operator.measurements());
    let mut jacobian = Vec::with_capacity(d * m);
    for first in (0..d).step_by(TOGETHER) {
        let changes: Vec<_> = (first..d.min(first + TOGETHER)).map(|at| tangent.change(at)).collect();
        let left = changes.iter().flat_map(|change| &change.0).copied().collect();
        let right = changes.iter().flat_map(|change| &change.1).copied().collect();
        let domain = operator.domain();
        let point = Factors::pair(changes.len(), domain, 1, left, right)?;
        let measured = host::measure_batch(operator, &point);
        for (row, change) in measured.chunks(m).zip(&changes) {
            jacobian.extend(weighted(row, weights, operator.is_centred()).map(|v| change.2 * v));
        }
    }
    Ok(linalg::gram_of_rows(d, m, &jacobian))
}

/// A row of J times √w, about its weighted mean for centred residuals.
fn weighted<'a>(row: &'a [f64], weights: &'a [f64], centred: bool) -> impl Iterator<Item = f64> + 'a {
    let total: f64 = weights.iter().sum();
    let sum = || row.iter().zip(weights).map(|(v, weight)| v * weight).sum::<f64>();
    let centre = if centred { sum() / total } else { 0.0 };
    row.iter().zip(weights).map(move |(v, weight)| (v - centre) * weight.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::{Dense, Layout};
    use crate::problem::{Domain, MatrixView, Product};

    fn numbers(count: usize) -> Vec<f64> {
        (0..count).map(|i| ((i * 7919 + 13) % 101) as f64 / 50.0 - 1.0).collect()
    }

    #[test]
    fn entries_have_the_information_of_their_sensing_matrices() {
        let all = numbers(30);
        let u = MatrixView::new(5, 2, &all[..10]).unwrap();
        let r = MatrixView::new(4, 2, &all[10..18]).unwrap();
        let (rows, columns) = ([0, 1, 4, 2, 3, 3, 1], [1, 1, 3, 0, 2, 1, 3]);
        let weights = [1.0, 0.5, 0.0, 1.0, 2.0, 1.0, 1.5];
        for (domain, of) in [
            (Domain::symmetric(5), Product::psd(u)),
            (Domain::symmetric(5), Product::signed(u, 1)),
            (Domain::symmetric(5), Product::pair(u, u).unwrap()),
            (Domain::rectangular(5, 4), Product::pair(u, r).unwrap()),
        ] {
            let entries = Entries::new(domain, &rows, &columns).unwrap();
            let tangent = Tangent::at(&of).unwrap();
            let matrices: Vec<f64> = (0..rows.len()).flat_map(|i| entries.sensing_matrix(i)).collect();
            let dense = Dense::from_rows(domain, Layout::Full, &matrices).unwrap();
            let (sparse, full) =
                (of_entries(&entries, &tangent, &weights), of_changes(&dense, &tangent, &weights).unwrap());
            for (sparse, full) in sparse.iter().zip(&full) {
                approx::assert_relative_eq!(*sparse, *full, epsilon = 1e-12);
            }
        }
    }
}
