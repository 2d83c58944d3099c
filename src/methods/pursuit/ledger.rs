//! What an iteration hands on to the next one beside factors: counts, thresholds, and the state of a trial change of rank.

/// Iterations over which a flat loss is told.
pub(super) const WINDOW: usize = 10;

macro_rules! ledger {
    ($($(#[$doc:meta])* $field:ident),* $(,)?) => {
        /// The numbers that a trial carries from one iteration to the next. They lie in a register, so that checkpoints have them.
        #[derive(Clone, Debug, Default, PartialEq)]
        pub(super) struct Ledger {
            $($(#[$doc])* pub(super) $field: f64,)*
            /// Energies since the rank last changed, the latest last; NaN where there is none.
            pub(super) energies: Vec<f64>,
        }

        impl Ledger {
            /// Numbers in the register.
            pub(super) const LENGTH: usize = [$(stringify!($field)),*].len() + WINDOW + 1;

            /// What was written; `None` where no trial with so many columns writes that.
            pub(super) fn read(numbers: &[f64], columns: usize) -> Option<Self> {
                let mut all = numbers.iter().copied();
                let mut ledger = Self::default();
                $(ledger.$field = all.next()?;)*
                ledger.energies = all.collect();
                let count = |number: f64| (number >= 0.0 && number.fract() == 0.0).then_some(number as usize);
                ledger.energies.truncate(count(ledger.seen)?);
                let probes = count(ledger.first_probe)?.checked_add(count(ledger.probes)?)?;
                let most = [count(ledger.rank)?, count(ledger.saved_rank)?, count(ledger.noise_probes)?, probes];
                most.into_iter().all(|count| count <= columns).then_some(ledger)
            }

            pub(super) fn write(&self) -> Vec<f64> {
                let mut numbers = vec![$(self.$field),*];
                numbers.extend(&self.energies);
                numbers.resize(Self::LENGTH, 0.0);
                numbers
            }
        }
    };
}

ledger! {
    /// 1 after the first iteration; 1 where there is nothing left to do.
    started, finished,
    /// Columns of U in use.
    rank,
    /// Where the probes begin in their register, and how many there are.
    first_probe, probes,
    /// Probes for the edge of the noise, and the norm of the residual that the noise is of.
    noise_probes, noise_norm,
    /// Iterations so far, those that only looked for eigenvalues left out.
    steps,
    /// Iterations in a row that only looked for eigenvalues.
    looks,
    /// The largest eigenvalue of noise over the norm of the residual, and its error as a share of it.
    edge, edge_error,
    /// ⟨g, z⟩ of the last direction; 0 where the next one begins anew.
    slope,
    /// The energy before the last step, whether it was along −z, and whether it moved.
    last_energy, restarted, moved,
    /// The step at which eigenvalues were last judged.
    judged,
    /// 0, or what is on trial: 1 one more column, 2 fewer columns. Since which step, what the energy has to fall to, the rank before.
    trial, trial_since, trial_accept, saved_rank,
    /// Steps to wait between trials of fewer columns, and the step of the last one.
    wait, cut_at,
    /// The energy at some step, to tell slow convergence.
    rate, rate_at,
    /// How many energies there are.
    seen,
}

impl Ledger {
    /// Notes the energy of a point of this rank.
    pub(super) fn note(&mut self, energy: f64) {
        self.energies.push(energy);
        if self.energies.len() > WINDOW + 1 {
            self.energies.remove(0);
        }
        self.seen = self.energies.len() as f64;
    }

    /// Forgets energies: the rank changed.
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
        let mut ledger = Ledger { rank: 3.0, wait: 60.0, edge: 0.25, ..Ledger::default() };
        (0..15).for_each(|at| ledger.note(f64::from(at)));
        let numbers = ledger.write();
        assert_eq!(numbers.len(), Ledger::LENGTH);
        assert_eq!(Ledger::read(&numbers, 3), Some(ledger.clone()));
        assert_eq!((ledger.energies.len(), ledger.energies[0]), (WINDOW + 1, 4.0));
    }

    #[test]
    fn what_no_trial_writes_is_none() {
        assert_eq!(Ledger::read(&[0.0; 3], 8), None);
        for damaged in [
            Ledger { rank: 9.0, ..Ledger::default() },
            Ledger { rank: -1.0, ..Ledger::default() },
            Ledger { saved_rank: f64::NAN, ..Ledger::default() },
            Ledger { noise_probes: 1e300, ..Ledger::default() },
            Ledger { first_probe: 5.0, probes: 4.0, ..Ledger::default() },
            Ledger { probes: 0.5, ..Ledger::default() },
        ] {
            assert_eq!(Ledger::read(&damaged.write(), 8), None, "{damaged:?}");
        }
    }
}
