//! Transformations of the observations before the spectral estimate.

/// T(y), a function of ŷ = y/mean(y).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Transform {
    /// T = ŷ.
    None,
    /// T = ŷ·1[ŷ ≤ c].
    Truncated(f64),
    /// T = max(1 − 1/ŷ, −[`LOWEST`]), which has the least transition (from memory: Mondelli & Montanari, arXiv
    /// 1708.05932; Luo, Alghamdi & Lu, arXiv 1811.04420). The bound keeps small y from a long negative spectrum.
    Optimal,
}

/// Bound of the optimal T from below.
pub(super) const LOWEST: f64 = 5.0;

impl Transform {
    pub(super) fn of(self, relative: f64) -> f64 {
        match self {
            Self::None => relative,
            Self::Truncated(most) => {
                if relative <= most {
                    relative
                } else {
                    0.0
                }
            }
            Self::Optimal => (1.0 - 1.0 / relative.max(f64::MIN_POSITIVE)).max(-LOWEST),
        }
    }

    /// Returns the supremum of T, if it is finite.
    pub(super) fn supremum(self) -> Option<f64> {
        match self {
            Self::None => None,
            Self::Truncated(most) => Some(most),
            Self::Optimal => Some(1.0),
        }
    }

    /// Returns the name in CSV files.
    pub(super) fn name(self) -> String {
        match self {
            Self::None => "none".into(),
            Self::Truncated(most) => format!("truncated-{most}"),
            Self::Optimal => "optimal".into(),
        }
    }

    /// Returns the legend.
    pub(super) fn words(self) -> String {
        match self {
            Self::None => "T = y".into(),
            Self::Truncated(most) => format!("y ≤ {most} means"),
            Self::Optimal => "T = 1 − 1/ŷ".into(),
        }
    }
}
