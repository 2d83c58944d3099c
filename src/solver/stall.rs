//! When nothing happens any more.

use serde::{Deserialize, Serialize};

/// Decides that a trial has stalled: over a window the loss was flat *and* no singular value of U grew by more than
/// 1 %. A flat loss alone says nothing here: between two emerging directions a small-initialisation run sits on a
/// plateau for thousands of iterations while the next singular value grows exponentially from the size of the start.
#[derive(Debug)]
pub(crate) struct StallWatch {
    window: Option<usize>,
    /// Singular values below this share of the largest are rounding, not signal.
    resolution: f64,
    pub(super) anchor: Option<Anchor>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Anchor {
    iteration: usize,
    loss: f64,
    singular_values: Vec<f64>,
}

impl Anchor {
    /// Whether it was set by then.
    pub(super) fn is_within(&self, iteration: usize) -> bool {
        self.iteration <= iteration
    }
}

/// The loss is flat where it fell by less than this share over the window.
const FLAT: f64 = 0.01;
/// A singular value grows where it gains more than this share over the window.
const GROWTH: f64 = 0.01;

impl StallWatch {
    pub(crate) fn new(window: Option<usize>, resolution: f64) -> Self {
        Self { window, resolution, anchor: None }
    }

    /// Looks at one observation. `singular_values` is only called at the ends of windows.
    pub(crate) fn stalled(&mut self, iteration: usize, loss: f64, singular_values: impl Fn() -> Vec<f64>) -> bool {
        let Some(window) = self.window else { return false };
        let Some(anchor) = &self.anchor else {
            self.anchor = Some(Anchor { iteration, loss, singular_values: singular_values() });
            return false;
        };
        if iteration < anchor.iteration + window {
            return false;
        }
        let now = Anchor { iteration, loss, singular_values: singular_values() };
        let flat = now.loss >= (1.0 - FLAT) * anchor.loss;
        let floor = self.resolution * now.singular_values.first().copied().unwrap_or(0.0);
        let growing = (now.singular_values.iter().zip(&anchor.singular_values))
            .any(|(&new, &old)| new > floor && new > (1.0 + GROWTH) * old);
        self.anchor = Some(now);
        flat && !growing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plateau_with_a_growing_direction_is_not_a_stall() {
        let mut watch = StallWatch::new(Some(100), 1e-6);
        let sigma = |t: usize| move || vec![1.0, 1e-4 * 1.0006_f64.powi(t as i32)];
        assert!((0..=1000).step_by(10).all(|t| !watch.stalled(t, 0.1, sigma(t))));
        let mut watch = StallWatch::new(Some(100), 1e-6);
        let stop = (0..=1000).step_by(10).find(|&t| watch.stalled(t, 0.1, || vec![1.0, 1e-4]));
        assert_eq!(stop, Some(100));
    }

    #[test]
    fn a_falling_loss_is_not_a_stall() {
        let mut watch = StallWatch::new(Some(100), 1e-6);
        assert!((0..1000).step_by(10).all(|t| !watch.stalled(t, 0.999_f64.powi(t as i32), || vec![1.0])));
    }

    #[test]
    fn growth_below_the_resolution_is_rounding() {
        let mut watch = StallWatch::new(Some(10), 1e-6);
        let stop = (0..100).find(|&t| watch.stalled(t, 0.1, || vec![1.0, 1e-9 * (1 + t) as f64]));
        assert_eq!(stop, Some(10));
    }

    #[test]
    fn no_window_never_stalls() {
        let mut watch = StallWatch::new(None, 1e-6);
        assert!((0..1000).all(|t| !watch.stalled(t, 0.1, || vec![1.0])));
    }
}
