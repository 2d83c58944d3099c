//! Straight lines and medians.

use crate::report::quantile;

/// Line y = intercept + slope·x.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    pub slope: f64,
    pub intercept: f64,
}

/// Fits the least-squares line through points; `None` for fewer than two different x.
pub fn fit_line(points: &[(f64, f64)]) -> Option<Line> {
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|p| p.0), mean(|p| p.1));
    let (mut xx, mut xy) = (0.0, 0.0);
    for p in points {
        xx += (p.0 - x).powi(2);
        xy += (p.0 - x) * (p.1 - y);
    }
    let slope = xy / xx;
    (points.len() >= 2 && slope.is_finite()).then_some(Line { slope, intercept: y - slope * x })
}

/// Fits log₁₀ y against log₁₀ x, so that the slope is an exponent.
pub(crate) fn fit_power(points: impl Iterator<Item = (f64, f64)>) -> Option<Line> {
    let logs: Vec<(f64, f64)> = points.map(|(x, y)| (x.log10(), y.log10())).collect();
    fit_line(&logs)
}

/// Returns the median.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    quantile(values, 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_powers_are_found_exactly() {
        let line = fit_line(&[(0.0, 1.0), (1.0, 3.0), (2.0, 5.0)]).unwrap();
        assert_eq!((line.slope, line.intercept), (2.0, 1.0));
        assert_eq!(fit_line(&[(1.0, 3.0)]), None);
        assert_eq!(fit_line(&[(1.0, 3.0), (1.0, 4.0)]), None);
        assert_eq!(fit_line(&[(1.0, f64::NAN), (2.0, 4.0)]), None);
        let power = fit_power([1e-1, 1e-3, 1e-6].into_iter().map(|a: f64| (a, 5.0 * a.powf(1.5)))).unwrap();
        approx::assert_relative_eq!(power.slope, 1.5, epsilon = 1e-12);
    }
}
