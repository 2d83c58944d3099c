//! Implicit feedback: counts of events as confidence in a preference.

use crate::error::{Error, Result};

/// Implicit feedback (Hu, Koren & Volinsky, ICDM 2008): every entry of the matrix counts with the confidence
/// c = 1 + α·count against the preference p = 1 where the count is positive, and 0 elsewhere.
///
/// ½Σ c(Z − p)² over all entries is, but for a constant, ½Σ w(Z − t)² over the entries with a count, with w = α·count and
/// t = c/(c − 1), plus ½‖Z‖_F²: the [`weight of unobserved entries`](crate::Settings::unobserved_weight) is 1. So nothing of
/// the size of the matrix is formed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Implicit {
    alpha: f64,
}

/// Targets and weights of the entries with counts.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Confidences {
    /// Targets t = c/(c − 1), and 0 where the count is 0.
    pub targets: Vec<f64>,
    /// Weights w = c − 1 = α·count.
    pub weights: Vec<f64>,
}

impl Implicit {
    /// Weight of unobserved entries: their confidence.
    pub const UNOBSERVED_WEIGHT: f64 = 1.0;

    /// Confidences that grow by α with each count.
    ///
    /// # Errors
    /// [`Error::Invalid`] unless 0 < α < ∞.
    pub fn new(alpha: f64) -> Result<Self> {
        if alpha.is_finite() && alpha > 0.0 {
            return Ok(Self { alpha });
        }
        let allowed = "a positive finite number: the confidence of a count n is 1 + α n";
        Err(Error::invalid("implicit", alpha, allowed, "a common value is 40, or less for large counts"))
    }

    /// Targets and weights of counts, one of each entry.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a count that is negative or not finite, a confidence beyond the range of numbers, and for no
    /// positive count.
    pub fn confidences(&self, counts: &[f64]) -> Result<Confidences> {
        let weights: Vec<f64> = counts.iter().map(|count| self.alpha * count).collect();
        // The target of a confidence near 1 is about 1/w.
        let good = |w: f64| w == 0.0 || (w > 0.0 && w.is_finite() && (1.0 / w).is_finite());
        if let Some(at) = weights.iter().position(|w| !good(*w)) {
            let found = format!("a count of {} at entry {at}", counts[at]);
            let allowed = "finite counts of at least 0, how often something happened";
            return Err(Error::invalid(
                "implicit",
                found,
                allowed,
                "leave ratings and dislikes out, or solve without it",
            ));
        }
        if weights.iter().all(|w| *w == 0.0) {
            let allowed = "at least one positive count";
            return Err(Error::invalid(
                "implicit",
                "counts of 0 alone",
                allowed,
                "pass the entries where something happened",
            ));
        }
        let targets = weights.iter().map(|w| if *w > 0.0 { 1.0 + 1.0 / w } else { 0.0 }).collect();
        Ok(Confidences { targets, weights })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn confidences_are_those_of_the_paper() {
        let of = Implicit::new(2.0).unwrap().confidences(&[0.0, 0.5, 3.0]).unwrap();
        assert_eq!(of.weights, [0.0, 1.0, 6.0]);
        assert_eq!(of.targets, [0.0, 2.0, 7.0 / 6.0]);
        // c(z − 1)² and w(z − t)² + z² differ by a constant.
        for (w, t) in of.weights.iter().zip(&of.targets).skip(1) {
            let apart = |z: f64| (w + 1.0) * (z - 1.0).powi(2) - w * (z - t).powi(2) - z * z;
            approx::assert_relative_eq!(apart(0.3), apart(-2.0), max_relative = 1e-12);
        }
    }

    #[test]
    fn what_is_no_count_is_refused() {
        for alpha in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(Implicit::new(alpha).unwrap_err().to_string().starts_with("implicit"));
        }
        let of = Implicit::new(40.0).unwrap();
        for counts in [[1.0, -1.0], [1.0, f64::NAN], [1.0, 1e308], [0.0, 0.0], [1e-320, 1.0]] {
            let message = of.confidences(&counts).unwrap_err().to_string();
            assert!(message.starts_with("implicit") && message.contains("count"), "{message}");
        }
    }
}
