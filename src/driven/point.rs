//! Factors and directions as vectors.

/// L and R, or U and nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Point {
    pub(super) left: Vec<f64>,
    pub(super) right: Vec<f64>,
}

impl Point {
    pub(super) fn numbers(&self) -> impl Iterator<Item = f64> {
        self.left.iter().chain(&self.right).copied()
    }

    pub(super) fn dot(&self, other: &Self) -> f64 {
        self.numbers().zip(other.numbers()).map(|(a, b)| a * b).sum()
    }

    /// self ← self + t·other.
    pub(super) fn add(&mut self, t: f64, other: &Self) {
        for (own, other) in [(&mut self.left, &other.left), (&mut self.right, &other.right)] {
            own.iter_mut().zip(other).for_each(|(a, b)| *a += t * b);
        }
    }

    pub(super) fn scaled(&self, t: f64) -> Self {
        let times = |v: &[f64]| v.iter().map(|a| t * a).collect();
        Self { left: times(&self.left), right: times(&self.right) }
    }

    pub(super) fn minus(&self, other: &Self) -> Self {
        let mut out = self.clone();
        out.add(-1.0, other);
        out
    }

    pub(super) fn is_finite(&self) -> bool {
        self.numbers().all(f64::is_finite)
    }
}
