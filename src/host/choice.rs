//! Which of a kernel's ways is the fastest here: found while iterating, because all of them give the same bits.

use crate::engine::Candidate;

/// Passes that come first and are not timed: memory is touched for the first time in them.
const COLD: usize = 2;
/// Samples of a way, at least, and seconds of all of them together: what takes microseconds is timed more often.
const SAMPLES: usize = 5;
const SECONDS: f64 = 5e-3;
/// A way whose fastest sample is so many times the fastest of all is out after two samples.
const HOPELESS: f64 = 1.2;

pub(super) struct Choice {
    /// Those still in question, and their samples in seconds.
    ways: Vec<(usize, &'static str, Vec<f64>)>,
    /// Timed and given up.
    out: Vec<(&'static str, Vec<f64>)>,
    /// The one that is next.
    turn: usize,
    cold: usize,
}

fn fastest(samples: &[f64]) -> f64 {
    samples.iter().copied().fold(f64::INFINITY, f64::min)
}

fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::INFINITY)
}

impl Choice {
    pub(super) fn new(ways: Vec<(usize, &'static str)>) -> Self {
        let ways = ways.into_iter().map(|(way, name)| (way, name, Vec::new())).collect();
        Self { ways, out: Vec::new(), turn: 0, cold: COLD }
    }

    /// The way to take now.
    pub(super) fn way(&self) -> usize {
        self.ways.get(self.turn).map_or(0, |way| way.0)
    }

    pub(super) fn open(&self) -> bool {
        self.ways.len() > 1
    }

    /// That [`Choice::way`] took so long.
    pub(super) fn took(&mut self, seconds: f64) {
        if self.cold > 0 {
            self.cold -= 1;
            return;
        }
        self.ways[self.turn].2.push(seconds);
        self.turn = (self.turn + 1) % self.ways.len();
        if self.turn > 0 {
            return;
        }
        let samples = self.ways[0].2.len();
        let total: f64 = self.ways.iter().flat_map(|way| &way.2).sum();
        if samples >= SAMPLES && total >= SECONDS {
            let best = (self.ways.iter().map(|way| median(&way.2)).enumerate())
                .min_by(|a, b| a.1.total_cmp(&b.1))
                .map_or(0, |(at, _)| at);
            self.ways.swap(0, best);
            self.give_up(|at, _| at > 0);
        } else if samples >= 2 {
            let best = self.ways.iter().map(|way| fastest(&way.2)).fold(f64::INFINITY, f64::min);
            self.give_up(|_, samples| fastest(samples) > HOPELESS * best);
        }
    }

    fn give_up(&mut self, hopeless: impl Fn(usize, &[f64]) -> bool) {
        let all = std::mem::take(&mut self.ways);
        for (at, (way, name, samples)) in all.into_iter().enumerate() {
            if hopeless(at, &samples) {
                self.out.push((name, samples));
            } else {
                self.ways.push((way, name, samples));
            }
        }
    }

    /// What was timed, the chosen one first; empty while the choice is open.
    pub(super) fn candidates(&self) -> Vec<Candidate> {
        if self.open() {
            return Vec::new();
        }
        let chosen = self.ways.iter().map(|(_, name, samples)| (name, samples));
        chosen
            .chain(self.out.iter().map(|(name, samples)| (name, samples)))
            .filter(|(_, samples)| !samples.is_empty())
            .map(|(name, samples)| Candidate { variant: (*name).into(), milliseconds: 1e3 * median(samples) })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fastest_by_its_median_is_taken_whatever_a_single_sample_says() {
        let mut choice = Choice::new(vec![(4, "slow"), (7, "fast"), (9, "hopeless")]);
        let mut taken = Vec::new();
        for i in 0..200 {
            if !choice.open() {
                break;
            }
            assert!(choice.candidates().is_empty());
            let way = choice.way();
            taken.push(way);
            // One sample of the slower way is lucky, one of the faster unlucky, and the first passes are cold.
            choice.took(match (i, way) {
                (0 | 1, _) => 1.0,
                (11, 4) => 0.9e-3,
                (12, 7) => 5e-3,
                (_, 4) => 1.1e-3,
                (_, 7) => 1e-3,
                _ => 3e-3,
            });
        }
        assert_eq!((choice.open(), choice.way()), (false, 7));
        assert_eq!(taken.iter().filter(|way| **way == 9).count(), 2);
        let names: Vec<_> = choice.candidates().into_iter().map(|c| (c.variant, c.milliseconds)).collect();
        assert_eq!(names, [("fast".into(), 1.0), ("hopeless".into(), 3.0), ("slow".into(), 1.1)]);
    }

    #[test]
    fn where_there_is_no_choice_nothing_is_timed() {
        for ways in [vec![], vec![(3, "only")]] {
            let first = ways.first().map_or(0, |way: &(usize, &str)| way.0);
            let choice = Choice::new(ways);
            assert!(!choice.open() && choice.way() == first && choice.candidates().is_empty());
        }
    }
}
