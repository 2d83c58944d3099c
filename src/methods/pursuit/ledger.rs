//! State between iterations beside the factors: counts, thresholds, and a trial change of rank.

/// Iterations over which a flat loss is detected.
pub(super) const WINDOW: usize = 10;

macro_rules! ledger {
    ($($(#[$doc:meta])* $field:ident),* $(,)?) => {
        /// State of a trial between iterations, as numbers in a register, so that checkpoints include it.
        #[derive(Clone, Debug, Default, PartialEq)]
        pub(super) struct Ledger {
            $($(#[$doc])* pub(super) $field: f64,)*
            /// Energies since the last change of rank, latest last; NaN for unused places.
            pub(super) energies: Vec<f64>,
            /// Signs ±1 of the columns in use, and of those in use before a trial change.
            pub(super) signs: Vec<f64>,
            pub(super) saved_signs: Vec<f64>,
        }

        impl Ledger {
            /// Numbers in the register without the signs.
            const FIXED: usize = [$(stringify!($field)),*].len() + WINDOW + 1;

            /// Numbers in the register for factors with `columns` columns.
            pub(super) const fn length(columns: usize) -> usize {
                Self::FIXED + 2 * columns
            }

            /// Reads the register; `None` where no trial with that many columns writes it.
            pub(super) fn read(numbers: &[f64], columns: usize) -> Option<Self> {
                let mut all = numbers.iter().copied();
                let mut ledger = Self::default();
                $(ledger.$field = all.next()?;)*
                ledger.energies = all.by_ref().take(WINDOW + 1).collect();
                ledger.signs = all.by_ref().take(columns).collect();
                ledger.saved_signs = all.take(columns).collect();
                if numbers.len() != Self::length(columns) {
                    return None;
                }
                let count = |number: f64| (number >= 0.0 && number.fract() == 0.0).then_some(number as usize);
                ledger.energies.truncate(count(ledger.seen)?);
                let probes = count(ledger.first_probe)?.checked_add(count(ledger.probes)?)?;
                let most = [count(ledger.rank)?, count(ledger.saved_rank)?, count(ledger.noise_probes)?, probes];
                (ledger.signs.truncate(count(ledger.rank)?), ledger.saved_signs.truncate(count(ledger.saved_rank)?));
                let mut signs = ledger.signs.iter().chain(&ledger.saved_signs);
                let good = signs.all(|sign| sign.abs() == 1.0) && most.into_iter().all(|count| count <= columns);
                good.then_some(ledger)
            }

            pub(super) fn write(&self, columns: usize) -> Vec<f64> {
                let mut numbers = vec![$(self.$field),*];
                for (list, length) in [(&self.energies, WINDOW + 1), (&self.signs, columns), (&self.saved_signs, columns)] {
                    let end = numbers.len() + length;
                    numbers.extend(list);
                    numbers.resize(end, 0.0);
                }
                numbers
            }
        }
    };
}

ledger! {
    /// `started` is 1 after the first iteration; `finished` is 1 when nothing is left to do.
    started, finished,
    /// Columns of U in use.
    rank,
    /// First register column and number of probes.
    first_probe, probes,
    /// Number of probes for the edge of the noise, and the norm of its residual.
    noise_probes, noise_norm,
    /// Iterations so far without those that only searched for eigenvalues.
    steps,
    /// Consecutive iterations that only searched for eigenvalues.
    searches,
    /// Largest eigenvalue of the noise over the norm of the residual, and its relative error.
    edge, edge_error,
    /// ⟨g, z⟩ of the last direction; 0 where the next one restarts.
    slope,
    /// Energy before the last step, whether that step was along −z, and whether it moved.
    last_energy, restarted, moved,
    /// Step at which eigenvalues were last judged.
    judged,
    /// Trial change: 0 none, 1 one more column, 2 fewer columns. Then its first step, the energy before it or its target, and the rank
    /// before.
    trial, trial_since, trial_energy, saved_rank,
    /// Rank whose last column a trial has left out: it stays if the trial fails.
    proven,
    /// Steps between trials of fewer columns, and the step of the last one.
    wait, cut_at,
    /// Energy and step that measure the rate of convergence.
    rate, rate_at,
    /// Number of energies.
    seen,
}

impl Ledger {
    /// Records the energy of a point of this rank.
    pub(super) fn note(&mut self, energy: f64) {
        self.energies.push(energy);
        if self.energies.len() > WINDOW + 1 {
            self.energies.remove(0);
        }
        self.seen = self.energies.len() as f64;
    }

    /// Clears the energies after a change of rank.
    pub(super) fn forget(&mut self) {
        self.energies.clear();
        self.seen = 0.0;
        self.slope = 0.0;
        self.moved = 0.0;
    }

    pub(super) fn rank(&self) -> usize {
        self.rank as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let signs = vec![1.0, -1.0, 1.0];
        let mut ledger = Ledger { rank: 3.0, wait: 60.0, edge: 0.25, signs, ..Ledger::default() };
        (0..15).for_each(|at| ledger.note(f64::from(at)));
        let numbers = ledger.write(3);
        assert_eq!(numbers.len(), Ledger::length(3));
        assert_eq!(Ledger::read(&numbers, 3), Some(ledger.clone()));
        assert_eq!((ledger.energies.len(), ledger.energies[0]), (WINDOW + 1, 4.0));
    }

    #[test]
    fn what_no_trial_writes_is_none() {
        assert_eq!(Ledger::read(&[0.0; 3], 8), None);
        for damaged in [
            Ledger { rank: 9.0, ..Ledger::default() },
            Ledger { rank: -1.0, ..Ledger::default() },
            Ledger { rank: 2.0, signs: vec![1.0, 0.5], ..Ledger::default() },
            Ledger { saved_rank: f64::NAN, ..Ledger::default() },
            Ledger { noise_probes: 1e300, ..Ledger::default() },
            Ledger { first_probe: 5.0, probes: 4.0, ..Ledger::default() },
            Ledger { probes: 0.5, ..Ledger::default() },
        ] {
            assert_eq!(Ledger::read(&damaged.write(8), 8), None, "{damaged:?}");
        }
    }
}
