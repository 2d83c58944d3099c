//! Detection of stalled trials.

use serde::{Deserialize, Serialize};

/// Decides that a trial has stalled: over a window the loss was flat *and* no singular value of U grew by more than 1 %
/// beyond its earlier maximum. A flat loss alone is not enough. Between two emerging directions a run from a small
/// start stays on a plateau for thousands of iterations while the next singular value grows exponentially from the size
/// of the start. An oscillating loss is not flat: it is reported as unsteady.
#[derive(Debug)]
pub(crate) struct StallWatch {
    window: Option<usize>,
    /// Singular values below this share of the largest are rounding errors.
    resolution: f64,
    pub(super) anchor: Option<Anchor>,
}

/// Result of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stall {
    /// Nothing moves.
    Flat,
    /// The loss rises and falls without a new minimum.
    Unsteady,
}

/// State at the beginning of a window.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Anchor {
    iteration: usize,
    loss: f64,
    /// Maximum of each singular value so far.
    singular_values: Vec<f64>,
    /// Lowest and highest loss since then.
    #[serde(default)]
    range: (f64, f64),
}

impl Anchor {
    /// Whether it was set by that iteration.
    pub(super) fn is_within(&self, iteration: usize) -> bool {
        self.iteration <= iteration
    }
}

/// Fall of the loss over the window, as a share, below which it is flat.
const FLAT: f64 = 0.01;
/// Gain over its maximum, as a share, from which a singular value grows.
const GROWTH: f64 = 0.01;
/// Ratio of the highest to the lowest loss in a window from which the loss is unsteady.
const SWING: f64 = 4.0;

impl StallWatch {
    pub(crate) fn new(window: Option<usize>, resolution: f64) -> Self {
        Self { window, resolution, anchor: None }
    }

    /// Processes one observation. `singular_values` is only called at the ends of windows.
    pub(crate) fn stalled(
        &mut self,
        iteration: usize,
        loss: f64,
        singular_values: impl Fn() -> Vec<f64>,
    ) -> Option<Stall> {
        let window = self.window?;
        let Some(anchor) = &mut self.anchor else {
            self.anchor = Some(Anchor { iteration, loss, singular_values: singular_values(), range: (loss, loss) });
            return None;
        };
        anchor.range = (anchor.range.0.min(loss), anchor.range.1.max(loss));
        if iteration < anchor.iteration + window {
            return None;
        }
        let (values, (lowest, highest)) = (singular_values(), anchor.range);
        let floor = self.resolution * values.first().copied().unwrap_or(0.0);
        let before = |at: usize| anchor.singular_values.get(at).copied().unwrap_or(0.0);
        let growing = values.iter().enumerate().any(|(at, &new)| new > floor && new > (1.0 + GROWTH) * before(at));
        let records = values.iter().enumerate().map(|(at, &new)| new.max(before(at))).collect();
        let falls = lowest < (1.0 - FLAT) * anchor.loss;
        // The lowest value counts: a loss may oscillate between two observations.
        let level = if highest > SWING * lowest { lowest.min(anchor.loss) } else { loss };
        self.anchor = Some(Anchor { iteration, loss: level, singular_values: records, range: (loss, loss) });
        match (falls || growing, highest > SWING * lowest) {
            (true, _) => None,
            (false, true) => Some(Stall::Unsteady),
            (false, false) => Some(Stall::Flat),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plateau_with_a_growing_direction_is_not_a_stall() {
        let mut watch = StallWatch::new(Some(100), 1e-6);
        let sigma = |t: usize| move || vec![1.0, 1e-4 * 1.0006_f64.powi(t as i32)];
        assert!((0..=1000).step_by(10).all(|t| watch.stalled(t, 0.1, sigma(t)).is_none()));
        let mut watch = StallWatch::new(Some(100), 1e-6);
        let stop = (0..=1000).step_by(10).find(|&t| watch.stalled(t, 0.1, || vec![1.0, 1e-4]) == Some(Stall::Flat));
        assert_eq!(stop, Some(100));
    }

    #[test]
    fn a_falling_loss_is_not_a_stall() {
        let mut watch = StallWatch::new(Some(100), 1e-6);
        assert!((0..1000).step_by(10).all(|t| watch.stalled(t, 0.999_f64.powi(t as i32), || vec![1.0]).is_none()));
    }

    #[test]
    fn growth_below_the_resolution_is_rounding() {
        let mut watch = StallWatch::new(Some(10), 1e-6);
        let stop = (0..100).find(|&t| watch.stalled(t, 0.1, || vec![1.0, 1e-9 * (1 + t) as f64]).is_some());
        assert_eq!(stop, Some(10));
    }

    #[test]
    fn no_window_never_stalls() {
        let mut watch = StallWatch::new(None, 1e-6);
        assert!((0..1000).all(|t| watch.stalled(t, 0.1, || vec![1.0]).is_none()));
    }

    #[test]
    fn jitter_of_surplus_columns_is_no_growth() {
        let mut watch = StallWatch::new(Some(10), 1e-6);
        let jitter = |t: usize| 0.1 * (1.0 + 0.03 * ((t / 10 * 7919) % 101) as f64 / 101.0);
        let stop = (0..400).step_by(10).find(|&t| watch.stalled(t, 0.1, || vec![1.0, jitter(t)]).is_some());
        assert!(stop.is_some_and(|stop| stop <= 100), "{stop:?}");
    }

    #[test]
    fn a_loss_that_cycles_is_not_flat_and_does_not_go_on_for_ever() {
        let mut watch = StallWatch::new(Some(100), 1e-6);
        let loss = |t: usize| [0.1, 0.5, 2.0, 0.9][t / 10 % 4];
        let found = (0..1000).step_by(10).find_map(|t| watch.stalled(t, loss(t), || vec![1.0]).map(|how| (t, how)));
        assert!(found.is_some_and(|(at, how)| at <= 300 && how == Stall::Unsteady), "{found:?}");
    }
}
