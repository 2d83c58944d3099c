//! Ranges and labelled positions of an axis, in the coordinate that is drawn (log₁₀ of the value on a logarithmic axis).

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

use super::PlotAxis;

/// A drawn axis: range and ticks.
#[derive(Clone)]
pub(super) struct Scale {
    pub low: f64,
    pub high: f64,
    pub ticks: Vec<(f64, String)>,
    log: bool,
}

/// Maximum number of ticks.
const MOST: usize = 9;

impl Scale {
    /// Creates the scale of an axis and the values shown on it.
    pub(super) fn new(axis: &PlotAxis, values: impl Iterator<Item = f64>) -> Self {
        let place = |v: f64| if axis.log { v.log10() } else { v };
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for v in values.map(place).filter(|v| v.is_finite()) {
            low = low.min(v);
            high = high.max(v);
        }
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        if let Some((a, b)) = axis.range {
            (low, high) = (place(a), place(b));
        } else if axis.log {
            // Whole decades, so that the labels are powers of ten.
            (low, high) = ((low + 1e-9).floor(), (high - 1e-9).ceil());
        }
        if high - low < 1e-12 {
            (low, high) = (low - 0.5, high + 0.5);
        }
        let ticks = match (axis.ticks.is_empty(), axis.log) {
            (false, _) => axis.ticks.iter().map(|(v, text)| (place(*v), text.clone())).collect(),
            (true, true) => decades(low, high),
            (true, false) => round_numbers(low, high),
        };
        Self { low, high, ticks, log: axis.log }
    }

    /// Returns the position of a value; `None` if it lies outside or cannot be drawn.
    pub(super) fn place(&self, value: f64) -> Option<f64> {
        let at = if self.log { value.log10() } else { value };
        let slack = 1e-9 * (self.high - self.low);
        (at.is_finite() && at >= self.low - slack && at <= self.high + slack).then_some(at)
    }

    /// Returns the position of a value, moved to the nearest end if it lies outside.
    pub(super) fn clamp(&self, value: f64) -> f64 {
        let at = if self.log { value.max(f64::MIN_POSITIVE).log10() } else { value };
        if at.is_nan() { self.low } else { at.clamp(self.low, self.high) }
    }
}

impl Ranged for Scale {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        let share = (value - self.low) / (self.high - self.low);
        limit.0 + (share * f64::from(limit.1 - limit.0)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() { Vec::new() } else { self.ticks.iter().map(|t| t.0).collect() }
    }

    fn range(&self) -> Range<f64> {
        self.low..self.high
    }
}

impl ValueFormatter<f64> for Scale {
    fn format_ext(&self, value: &f64) -> String {
        self.ticks.iter().find(|t| t.0 == *value).map(|t| t.1.clone()).unwrap_or_default()
    }
}

fn decades(low: f64, high: f64) -> Vec<(f64, String)> {
    let (first, last) = (low.ceil() as i64, high.floor() as i64);
    let step = ((last - first).max(0) / MOST as i64) + 1;
    // Counted from 1, so that 1 itself is among the labels where it is in range.
    (first..=last).filter(|e| e.rem_euclid(step) == 0).map(|e| (e as f64, format!("1e{e}"))).collect()
}

fn round_numbers(low: f64, high: f64) -> Vec<(f64, String)> {
    let rough = (high - low) / 7.0;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|f| f * power).find(|s| *s >= rough).unwrap_or(10.0 * power);
    let digits = (-step.log10().floor()).max(0.0) as usize;
    let (first, last) = ((low / step - 1e-9).ceil() as i64, (high / step + 1e-9).floor() as i64);
    (first..=last).map(|i| (i as f64 * step, format!("{:.digits$}", i as f64 * step))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_few() {
        let scale = Scale::new(&PlotAxis::linear(""), [0.0, 223.0].into_iter());
        let texts: Vec<&str> = scale.ticks.iter().map(|t| t.1.as_str()).collect();
        assert_eq!(texts, ["0", "50", "100", "150", "200"]);
        let scale = Scale::new(&PlotAxis::linear(""), [0.0, 1.0].into_iter());
        assert_eq!(scale.ticks[1], (0.2, "0.2".into()));
        let scale = Scale::new(&PlotAxis::log(""), [3e-17, 0.5].into_iter());
        assert_eq!((scale.low, scale.high), (-17.0, 0.0));
        assert!(scale.ticks.len() <= MOST && scale.ticks.contains(&(0.0, "1e0".into())), "{:?}", scale.ticks);
    }

    #[test]
    fn a_logarithmic_axis_has_no_place_for_zero() {
        let scale = Scale::new(&PlotAxis::log(""), [0.0, 1e-3, 1.0, f64::NAN].into_iter());
        assert_eq!((scale.place(0.0), scale.place(f64::NAN), scale.place(10.0)), (None, None, None));
        assert_eq!(scale.place(1e-3), Some(-3.0));
        assert_eq!(scale.clamp(100.0), 0.0);
    }
}
