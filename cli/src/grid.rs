//! Values of flags: one number, a list, or an inclusive range: `3`, `1,2,5`, `1:8`, `0.1:0.5:0.1`, `log:1e-1:1e-7:7`.

use std::fmt::Display;
use std::str::FromStr;

use lowrank::{Error, Result};

/// Maximum number of values in one flag; more are a typing error.
const MOST: usize = 100_000;

/// Number type of a flag.
pub trait Scalar: Copy + FromStr + Display {
    fn of(value: f64) -> Option<Self>;
    fn value(self) -> f64;
    /// Whether values are whole, so that `a:b` has steps of one.
    const WHOLE: bool;
}

impl Scalar for f64 {
    fn of(value: f64) -> Option<Self> {
        Some(value)
    }
    fn value(self) -> f64 {
        self
    }
    const WHOLE: bool = false;
}

macro_rules! whole {
    ($type:ty) => {
        impl Scalar for $type {
            fn of(value: f64) -> Option<Self> {
                let rounded = value.round();
                (0.0..9.0e15).contains(&rounded).then_some(rounded as $type)
            }
            fn value(self) -> f64 {
                self as f64
            }
            const WHOLE: bool = true;
        }
    };
}
whole!(usize);
whole!(u64);

/// Parses the value of a flag that a whole run shares; the error for a list explains the reason.
///
/// # Errors
/// A sentence for the user.
pub fn single<T: FromStr<Err: Display>>(text: &str) -> std::result::Result<T, String> {
    text.parse::<T>().map_err(|error| match text.contains([',', ':']) {
        true => "only one value is allowed, no list or range, because all trials of a run share it; run once per \
                 value"
            .into(),
        false => error.to_string(),
    })
}

/// Parses all values of a flag, in their order. `name` is the setting's identifier, for messages.
///
/// # Errors
/// [`Error::Invalid`] naming the part that cannot be parsed.
pub fn parse<T: Scalar>(name: &str, text: &str) -> Result<Vec<T>> {
    let mut values = Vec::new();
    for part in text.split(',') {
        values.extend(parse_part::<T>(name, part.trim())?);
        if values.len() > MOST {
            return Err(refuse::<T>(name, format!("more than {MOST} values in '{text}'")));
        }
    }
    Ok(values)
}

fn refuse<T: Scalar>(name: &str, found: String) -> Error {
    let kind = if T::WHOLE { "whole numbers" } else { "numbers" };
    Error::Invalid {
        name: name.into(),
        found,
        allowed: format!("{kind}: one value, a list a,b,c, a range a:b:step, or log:a:b:count"),
        fix: "for example 1:8, or log:1e-1:1e-7:7".into(),
    }
}

fn parse_part<T: Scalar>(name: &str, part: &str) -> Result<Vec<T>> {
    let bad = || refuse::<T>(name, format!("'{part}'"));
    let pieces: Vec<&str> = part.split(':').collect();
    match pieces.as_slice() {
        [one] => Ok(vec![one.parse().map_err(|_| bad())?]),
        ["log", low, high, count] => {
            let (a, b): (f64, f64) = (low.parse().map_err(|_| bad())?, high.parse().map_err(|_| bad())?);
            let count: usize = count.parse().map_err(|_| bad())?;
            if !(a > 0.0 && b > 0.0 && a.is_finite() && b.is_finite()) || count == 0 || count > MOST {
                return Err(bad());
            }
            let at = |i: usize| {
                let share = if count == 1 { 0.0 } else { i as f64 / (count - 1) as f64 };
                // The exponent is rounded to 1e-12 so that decades come out as they are written.
                let exponent = a.log10() + share * (b.log10() - a.log10());
                let value = 10f64.powf((exponent * 1e12).round() / 1e12);
                format!("{value:.11e}").parse::<f64>().unwrap_or(value)
            };
            (0..count).map(|i| T::of(at(i)).ok_or_else(bad)).collect()
        }
        [first, last] if T::WHOLE => range::<T>(first, last, "1").ok_or_else(bad)?.ok_or_else(bad),
        [first, last, step] => range::<T>(first, last, step).ok_or_else(bad)?.ok_or_else(bad),
        _ => Err(bad()),
    }
}

/// Returns first, first + step, … up to last inclusive; `None` for a range that is empty, endless or too long.
fn range<T: Scalar>(first: &str, last: &str, step: &str) -> Option<Option<Vec<T>>> {
    let (first, last) = (first.parse::<T>().ok()?, last.parse::<T>().ok()?);
    // A step may be negative also where values are not.
    let step: f64 = step.parse().ok()?;
    let (a, b) = (first.value(), last.value());
    let steps = ((b - a) / step + 1e-9).floor();
    if !(steps.is_finite() && steps >= 0.0 && steps < MOST as f64) || step == 0.0 || (T::WHOLE && step.fract() != 0.0) {
        return Some(None);
    }
    let clean = |v: f64| if T::WHOLE { v } else { format!("{v:.11e}").parse().unwrap_or(v) };
    Some((0..=steps as usize).map(|i| T::of(clean(a + i as f64 * step))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_ranges_are_inclusive() {
        assert_eq!(parse::<usize>("seed", "3").unwrap(), [3]);
        assert_eq!(parse::<usize>("seed", "1:4").unwrap(), [1, 2, 3, 4]);
        assert_eq!(parse::<usize>("seed", "200:1000:400,7").unwrap(), [200, 600, 1000, 7]);
        assert_eq!(parse::<u64>("seed", "5:1:-2").unwrap(), [5, 3, 1]);
        assert_eq!(parse::<f64>("step_size", "0.1:0.3:0.1").unwrap(), [0.1, 0.2, 0.3]);
        let decades = [1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7];
        assert_eq!(parse::<f64>("init_scale", "log:1e-1:1e-7:7").unwrap(), decades);
        assert_eq!(parse::<f64>("init_scale", "log:0.5:2:1").unwrap(), [0.5]);
    }

    #[test]
    fn slips_are_refused_with_the_name() {
        for text in
            ["", "a", "1:", "1:2:0", "2:1", "1:2:x", "1:inf:1", "log:0:1:3", "log:1:2:0", "1:1e9:1e-9", "1:2:3:4"]
        {
            let message = parse::<f64>("step_size", text).err().map(|e| e.to_string());
            assert!(message.as_ref().is_some_and(|m| m.starts_with("step_size")), "{text}: {message:?}");
        }
        assert!(parse::<usize>("seed", "1.5").is_err() && parse::<usize>("seed", "-1").is_err());
        assert!(parse::<usize>("seed", "1:5:0.5").is_err());
        assert!(parse::<f64>("step_size", "1:2").is_err(), "a range of reals needs a step");
    }
}
