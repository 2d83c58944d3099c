//! Choice of a kernel's fastest traversal and instruction set, made while iterating: all of them give the same bits.

use crate::engine::Candidate;
use crate::operators::{InstructionSet, PassSchedule};

/// First passes that are not timed: they touch memory for the first time.
const COLD: usize = 2;
/// Least samples per candidate, and least seconds of all its samples: short passes are timed more often.
const SAMPLES: usize = 5;
const SECONDS: f64 = 5e-3;
/// Ratio of a candidate's fastest sample to the fastest of all beyond which it is dropped after two samples.
const HOPELESS: f64 = 1.2;

pub(super) struct Choice {
    /// Remaining candidates with their samples in seconds.
    traversals: Vec<(PassSchedule, String, Vec<f64>)>,
    /// Dropped candidates with their samples.
    out: Vec<(String, Vec<f64>)>,
    /// Index of the next candidate.
    turn: usize,
    cold: usize,
    /// Instruction sets to compare the fastest traversal on. Wider registers are not always faster: numbers may be
    /// widened as they are read, or the processor may slow down.
    others: Vec<InstructionSet>,
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
    /// A choice among the traversals on `set` (none where a kernel has no choice), then between that set and `others`.
    pub(super) fn new(
        set: InstructionSet,
        others: Vec<InstructionSet>,
        traversals: Vec<(usize, &'static str)>,
    ) -> Self {
        let schedule =
            |(traversal, name): (usize, &str)| (PassSchedule { set, traversal }, name.to_owned(), Vec::new());
        let (others, traversals) = match traversals.is_empty() {
            true => (Vec::new(), vec![schedule((0, ""))]),
            false => (others, traversals.into_iter().map(schedule).collect()),
        };
        let mut choice = Self { traversals, out: Vec::new(), turn: 0, cold: COLD, others };
        if !choice.open() {
            choice.compare_sets();
        }
        choice
    }

    /// The candidate to run now.
    pub(super) fn schedule(&self) -> PassSchedule {
        self.traversals[self.turn].0
    }

    pub(super) fn open(&self) -> bool {
        self.traversals.len() > 1
    }

    /// Records the time of [`Choice::schedule`].
    pub(super) fn took(&mut self, seconds: f64) {
        if self.cold > 0 {
            self.cold -= 1;
            return;
        }
        self.traversals[self.turn].2.push(seconds);
        self.turn = (self.turn + 1) % self.traversals.len();
        if self.turn > 0 {
            return;
        }
        let samples = self.traversals[0].2.len();
        let total: f64 = self.traversals.iter().flat_map(|traversal| &traversal.2).sum();
        if samples >= SAMPLES && total >= SECONDS {
            let best = (self.traversals.iter().map(|traversal| median(&traversal.2)).enumerate())
                .min_by(|a, b| a.1.total_cmp(&b.1))
                .map_or(0, |(at, _)| at);
            self.traversals.swap(0, best);
            self.give_up(|at, _| at > 0);
            self.compare_sets();
        } else if samples >= 2 {
            let best = self.traversals.iter().map(|traversal| fastest(&traversal.2)).fold(f64::INFINITY, f64::min);
            self.give_up(|_, samples| fastest(samples) > HOPELESS * best);
            if !self.open() {
                self.compare_sets();
            }
        }
    }

    /// Compares the remaining traversal on the other instruction sets, once.
    fn compare_sets(&mut self) {
        let (schedule, name, _) = &self.traversals[0];
        let traversal = schedule.traversal;
        let again =
            |set: InstructionSet| (PassSchedule { set, traversal }, format!("{name} on {}", set.word()), Vec::new());
        let others: Vec<_> = std::mem::take(&mut self.others).into_iter().map(again).collect();
        if !others.is_empty() {
            self.traversals[0].2.clear();
            self.traversals.extend(others);
        }
    }

    fn give_up(&mut self, hopeless: impl Fn(usize, &[f64]) -> bool) {
        let all = std::mem::take(&mut self.traversals);
        for (at, (traversal, name, samples)) in all.into_iter().enumerate() {
            if hopeless(at, &samples) {
                self.out.push((name, samples));
            } else {
                self.traversals.push((traversal, name, samples));
            }
        }
    }

    /// Timed candidates, the chosen one first; empty while the choice is open.
    pub(super) fn candidates(&self) -> Vec<Candidate> {
        if self.open() {
            return Vec::new();
        }
        let chosen = self.traversals.iter().map(|(_, name, samples)| (name, samples));
        chosen
            .chain(self.out.iter().map(|(name, samples)| (name, samples)))
            .filter(|(_, samples)| !samples.is_empty())
            .map(|(name, samples)| Candidate { variant: name.clone(), milliseconds: 1e3 * median(samples) })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PORTABLE: InstructionSet = InstructionSet::Portable;

    fn candidates(choice: &Choice) -> Vec<(String, f64)> {
        choice.candidates().into_iter().map(|c| (c.variant, c.milliseconds)).collect()
    }

    #[test]
    fn the_fastest_by_its_median_is_taken_whatever_a_single_sample_says() {
        let mut choice = Choice::new(PORTABLE, Vec::new(), vec![(4, "slow"), (7, "fast"), (9, "hopeless")]);
        let mut taken = Vec::new();
        for i in 0..200 {
            if !choice.open() {
                break;
            }
            assert!(choice.candidates().is_empty());
            let traversal = choice.schedule().traversal;
            taken.push(traversal);
            // One sample of the slower traversal is lucky, one of the faster is unlucky, and the first passes are cold.
            choice.took(match (i, traversal) {
                (0 | 1, _) => 1.0,
                (11, 4) => 0.9e-3,
                (12, 7) => 5e-3,
                (_, 4) => 1.1e-3,
                (_, 7) => 1e-3,
                _ => 3e-3,
            });
        }
        assert_eq!((choice.open(), choice.schedule().traversal), (false, 7));
        assert_eq!(taken.iter().filter(|traversal| **traversal == 9).count(), 2);
        assert_eq!(candidates(&choice), [("fast".into(), 1.0), ("hopeless".into(), 3.0), ("slow".into(), 1.1)]);
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn the_way_taken_is_compared_on_the_other_instruction_sets() {
        let (wide, narrow) = (InstructionSet::Avx512, InstructionSet::Avx2);
        for (fast, name, traversals) in [
            (wide, "b", vec![(0, "a"), (3, "b")]),
            (narrow, "b on avx2", vec![(0, "a"), (3, "b")]),
            // One traversal still leaves a choice between two sets, and so does one that beats all others by far.
            (narrow, "b on avx2", vec![(3, "b")]),
            (narrow, "b on avx2", vec![(1, "hopeless"), (3, "b")]),
        ] {
            let mut choice = Choice::new(wide, vec![narrow], traversals);
            for _ in 0..200 {
                if choice.open() {
                    let PassSchedule { set, traversal } = choice.schedule();
                    assert!(set == wide || traversal == 3, "a traversal that is out");
                    let time = 1e-3 * [1.1, 9.0, 1.0, 1.0][traversal];
                    choice.took(if set == fast { time } else { 1.05 * time });
                }
            }
            assert_eq!((choice.open(), choice.schedule()), (false, PassSchedule { set: fast, traversal: 3 }));
            assert_eq!(candidates(&choice)[0].0, name);
        }
    }

    #[test]
    fn where_there_is_no_choice_nothing_is_timed() {
        for traversals in [vec![], vec![(3, "only")]] {
            let schedule = PassSchedule {
                set: PORTABLE,
                traversal: traversals.first().map_or(0, |traversal: &(usize, &str)| traversal.0),
            };
            let choice = Choice::new(PORTABLE, Vec::new(), traversals);
            assert!(!choice.open() && choice.schedule() == schedule && choice.candidates().is_empty());
        }
        #[cfg(target_arch = "x86_64")]
        assert!(!Choice::new(InstructionSet::Avx512, vec![InstructionSet::Avx2], Vec::new()).open());
    }
}
