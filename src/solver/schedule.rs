//! Schedules of observations and saves.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Schedule of observations: stop rules, traces and callbacks run at these iterations, the same on every backend.
/// Iteration 0 and the last one always belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Schedule {
    /// Every `.0` iterations.
    Every(usize),
    /// Every iteration up to 10, then about twelve per decade.
    Log,
}

impl Default for Schedule {
    fn default() -> Self {
        Self::Every(10)
    }
}

impl std::str::FromStr for Schedule {
    type Err = Error;

    /// Parses `every:J` or `log`.
    fn from_str(text: &str) -> Result<Self> {
        match (text, text.strip_prefix("every:").map(str::parse::<usize>)) {
            ("log", _) => Ok(Self::Log),
            (_, Some(Ok(j))) => Ok(Self::Every(j)),
            _ => {
                let allowed = "every:J with J at least 1, or log";
                Err(Error::invalid("observe", format!("'{text}'"), allowed, "for example every:10"))
            }
        }
    }
}

impl Schedule {
    /// First scheduled iteration after `iteration`.
    pub fn next(self, iteration: usize) -> usize {
        match self {
            Self::Every(j) => (iteration / j.max(1) + 1) * j.max(1),
            Self::Log if iteration < 10 => iteration + 1,
            // 10^(j/12), rounded; consecutive values differ by at least 2 from 10 on.
            Self::Log => {
                let mut j = (12.0 * (iteration as f64).log10()).floor();
                loop {
                    let candidate = 10f64.powf(j / 12.0).round() as usize;
                    if candidate > iteration {
                        return candidate;
                    }
                    j += 1.0;
                }
            }
        }
    }
}

/// Interval between saves of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum SaveEvery {
    /// Multiples of this number of iterations, at least 1.
    Iterations(usize),
    /// This number of seconds.
    Seconds(f64),
}

impl std::str::FromStr for SaveEvery {
    type Err = Error;

    /// Parses a number of iterations, or of seconds such as `30s`.
    fn from_str(text: &str) -> Result<Self> {
        let seconds = text.strip_suffix('s').and_then(|text| text.trim().parse::<f64>().ok());
        match (seconds, text.parse::<usize>()) {
            (Some(seconds), _) if seconds.is_finite() && seconds > 0.0 => Ok(Self::Seconds(seconds)),
            (None, Ok(iterations)) if iterations > 0 => Ok(Self::Iterations(iterations)),
            _ => {
                let allowed = "a number of iterations, at least 1, or of seconds with an s behind it";
                Err(Error::invalid("checkpoint_every", format!("'{text}'"), allowed, "for example 100, or 30s"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_grow_and_are_exact() {
        assert_eq!(Schedule::Every(10).next(0), 10);
        assert_eq!(Schedule::Every(10).next(13), 20);
        assert_eq!(Schedule::Every(1).next(7), 8);
        let mut points = vec![0];
        while *points.last().unwrap() < 1000 {
            points.push(Schedule::Log.next(*points.last().unwrap()));
        }
        assert_eq!(&points[..14], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 18]);
        assert!(points.contains(&100) && points.contains(&1000), "{points:?}");
    }
}
