//! Lines (rows or columns) of a matrix against fixed factors: ridge least squares of their entries.

use faer::linalg::solvers::Solve;
use faer::{Mat, Side};
use rayon::prelude::*;

use crate::error::{Error, Result};

/// Most sweeps of the coordinate descent, and the largest change, relative to the largest coefficient, at which it ends.
const SWEEPS: usize = 200;
const SMALL: f64 = 1e-12;
/// Least share 1 − h of an entry that its own line leaves unexplained.
const LEAST: f64 = 1e-12;

/// Entries of lines over a fixed factor F (n, p): line l has the entries from `starts[l]` to `starts[l + 1]`.
#[derive(Clone, Copy, Debug)]
pub struct FittedLines<'a> {
    /// F, row-major.
    pub features: &'a [f64],
    /// Number p of its columns.
    pub width: usize,
    /// Where each line begins in the lists of entries, and the end.
    pub starts: &'a [usize],
    /// Row of F of each entry.
    pub places: &'a [u32],
    /// Value of each entry.
    pub values: &'a [f64],
}

/// Coefficients of lines, and what they leave.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LineFits {
    /// Coefficients w of every line, (lines, p), row-major; 0 for a line without entries.
    pub coefficients: Vec<f64>,
    /// Residual of each entry in the fit of the other entries of its line, (x − fᵀw)/(1 − h) with the leverage h.
    pub left_out: Vec<f64>,
}

impl FittedLines<'_> {
    /// Minimises Σ (x − fᵀw)² + Σ_j p_j w_j² for every line, over w ≥ 0 if `nonnegative`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for lists of other sizes, and where penalties and entries do not determine a line, with its
    /// number.
    pub fn fit(&self, penalties: &[f64], nonnegative: bool) -> Result<LineFits> {
        self.check(penalties)?;
        self.fits(penalties, nonnegative).map_err(|line| {
            let found = format!("a penalty with which its entries do not determine line {line}");
            Error::invalid("ridge", found, "a larger number", "raise it, or leave it out to have it chosen")
        })
    }

    /// The fits of lists that belong together, or the number of a line that is not determined.
    pub(super) fn fits(&self, penalties: &[f64], nonnegative: bool) -> std::result::Result<LineFits, usize> {
        let count = self.starts.len() - 1;
        let fits = (0..count).into_par_iter().map(|line| self.one(line, penalties, nonnegative).ok_or(line));
        let fits = fits.collect::<std::result::Result<Vec<_>, usize>>()?;
        let mut all = LineFits { coefficients: Vec::new(), left_out: Vec::with_capacity(self.values.len()) };
        all.coefficients.reserve(count * self.width);
        for fit in fits {
            all.coefficients.extend(fit.coefficients);
            all.left_out.extend(fit.left_out);
        }
        Ok(all)
    }

    fn check(&self, penalties: &[f64]) -> Result<()> {
        let rows = self.features.len() / self.width.max(1);
        let entries = self.values.len();
        let ordered = self.starts.first() == Some(&0)
            && self.starts.last() == Some(&entries)
            && self.starts.windows(2).all(|pair| pair[0] <= pair[1]);
        let inside = self.places.len() == entries && self.places.iter().all(|&place| (place as usize) < rows);
        let sizes = self.width > 0 && self.features.len() == rows * self.width && penalties.len() == self.width;
        if ordered && inside && sizes {
            return Ok(());
        }
        let found = format!("{entries} entries of {} lines over {rows} rows", self.starts.len().saturating_sub(1));
        Err(Error::invalid("lines", found, "lists that belong together", "pass a place and a value for each entry"))
    }

    fn one(&self, line: usize, penalties: &[f64], nonnegative: bool) -> Option<LineFits> {
        let (begin, end) = (self.starts[line], self.starts[line + 1]);
        let (p, count) = (self.width, end - begin);
        if count == 0 {
            return Some(LineFits { coefficients: vec![0.0; p], left_out: Vec::new() });
        }
        let places = &self.places[begin..end];
        let features = Mat::from_fn(count, p, |i, j| self.features[places[i] as usize * p + j]);
        let values = Mat::from_fn(count, 1, |i, _| self.values[begin + i]);
        let mut gram = features.transpose() * &features;
        (0..p).for_each(|j| gram[(j, j)] += penalties[j]);
        let right = features.transpose() * &values;
        let mut moved: Vec<usize> = (0..p).collect();
        let mut w = gram.llt(Side::Lower).ok()?.solve(&right);
        if nonnegative && (0..p).any(|j| w[(j, 0)] < 0.0) {
            w = at_least_zero(&gram, &right);
            moved.retain(|&j| w[(j, 0)] > 0.0);
        }
        let own = Mat::from_fn(count, moved.len(), |i, j| features[(i, moved[j])]);
        let inner = Mat::from_fn(moved.len(), moved.len(), |i, j| gram[(moved[i], moved[j])]);
        let spread = inner.llt(Side::Lower).ok()?.solve(own.transpose());
        let fitted = &features * &w;
        let residual = |i: usize| {
            let leverage: f64 = (0..moved.len()).map(|j| own[(i, j)] * spread[(j, i)]).sum();
            (values[(i, 0)] - fitted[(i, 0)]) / (1.0 - leverage).max(LEAST)
        };
        let fit = LineFits {
            coefficients: (0..p).map(|j| w[(j, 0)]).collect(),
            left_out: (0..count).map(residual).collect(),
        };
        let finite = fit.coefficients.iter().chain(&fit.left_out).all(|value| value.is_finite());
        finite.then_some(fit)
    }
}

/// Minimises wᵀGw/2 − bᵀw over w ≥ 0 by coordinate descent.
fn at_least_zero(gram: &Mat<f64>, right: &Mat<f64>) -> Mat<f64> {
    let p = gram.nrows();
    let mut w = Mat::<f64>::zeros(p, 1);
    for _ in 0..SWEEPS {
        let (mut change, mut largest) = (0.0_f64, 0.0_f64);
        for j in 0..p {
            let slope = right[(j, 0)] - (0..p).map(|i| gram[(j, i)] * w[(i, 0)]).sum::<f64>();
            let next = (w[(j, 0)] + slope / gram[(j, j)]).max(0.0);
            change = change.max((next - w[(j, 0)]).abs());
            largest = largest.max(next);
            w[(j, 0)] = next;
        }
        if change <= SMALL * largest {
            break;
        }
    }
    w
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two lines of 6 and 5 entries and an empty one between them, over 7 rows of 3 features.
    const STARTS: [usize; 4] = [0, 6, 6, 11];
    const PLACES: [u32; 11] = [0, 1, 2, 3, 5, 6, 1, 2, 4, 5, 6];

    fn numbers(count: usize, by: usize) -> Vec<f64> {
        (0..count).map(|i| ((i * by + 3) % 11) as f64 / 4.0 - 1.0).collect()
    }

    fn fit(places: &[u32], values: &[f64], starts: &[usize], nonnegative: bool) -> LineFits {
        let features = numbers(21, 7);
        FittedLines { features: &features, width: 3, starts, places, values }
            .fit(&[0.3, 0.1, 0.2], nonnegative)
            .unwrap()
    }

    #[test]
    fn leave_one_out_residuals_are_those_of_fits_without_the_entry() {
        let (features, values) = (numbers(21, 7), numbers(11, 5));
        for nonnegative in [false, true] {
            let all = fit(&PLACES, &values, &STARTS, nonnegative);
            assert_eq!(all.coefficients[3..6], [0.0; 3]);
            for out in 6..11 {
                let rest: Vec<usize> = (6..11).filter(|i| *i != out).collect();
                let places: Vec<u32> = rest.iter().map(|&i| PLACES[i]).collect();
                let fewer: Vec<f64> = rest.iter().map(|&i| values[i]).collect();
                let w = fit(&places, &fewer, &[0, 4], nonnegative).coefficients;
                // A residual of a bounded fit is exact where the same coefficients are 0.
                let same = w.iter().zip(&all.coefficients[6..]).all(|(a, b)| (*a > 0.0) == (*b > 0.0));
                let row = &features[PLACES[out] as usize * 3..][..3];
                let fitted: f64 = row.iter().zip(&w).map(|(a, b)| a * b).sum();
                if !nonnegative || same {
                    assert!((values[out] - fitted - all.left_out[out]).abs() < 1e-9, "{nonnegative} {out}");
                }
            }
        }
    }

    #[test]
    fn coefficients_are_least_squares_and_not_negative_where_asked() {
        let values = numbers(11, 5);
        let (free, bounded) = (fit(&PLACES, &values, &STARTS, false), fit(&PLACES, &values, &STARTS, true));
        assert!(free.coefficients.iter().any(|w| *w < -1e-3));
        assert!(bounded.coefficients.iter().all(|w| *w >= 0.0) && bounded.coefficients.iter().any(|w| *w > 1e-3));
        let features = numbers(21, 7);
        for (w, bound) in [(&free.coefficients, false), (&bounded.coefficients, true)] {
            let w = &w[..3];
            for j in 0..3 {
                let slope: f64 = (0..6)
                    .map(|i| {
                        let row = &features[PLACES[i] as usize * 3..][..3];
                        let rest = values[i] - row.iter().zip(w).map(|(a, b)| a * b).sum::<f64>();
                        -row[j] * rest
                    })
                    .sum::<f64>()
                    + [0.3, 0.1, 0.2][j] * w[j];
                // Zero slope, or a bound with the slope inwards.
                assert!(slope.abs() < 1e-9 || bound && w[j] == 0.0 && slope > 0.0, "{bound} {j}: {slope}");
            }
        }
    }

    #[test]
    fn lists_that_do_not_belong_together_are_refused() {
        let (features, values) = (numbers(21, 7), numbers(11, 5));
        let good = FittedLines { features: &features, width: 3, starts: &STARTS, places: &PLACES, values: &values };
        assert!(good.fit(&[0.1; 3], false).is_ok());
        assert!(good.fit(&[0.1; 2], false).is_err());
        assert!(FittedLines { width: 4, ..good }.fit(&[0.1; 4], false).is_err());
        assert!(FittedLines { starts: &[0, 12], ..good }.fit(&[0.1; 3], false).is_err());
        assert!(FittedLines { places: &[9; 11], ..good }.fit(&[0.1; 3], false).is_err());
        // A column of zeros without a penalty.
        let empty: Vec<f64> = (0..7).flat_map(|i| [i as f64, 0.0]).collect();
        let error = FittedLines { features: &empty, width: 2, ..good }.fit(&[0.0; 2], false).unwrap_err();
        assert!(error.to_string().contains("do not determine line"), "{error}");
    }
}
