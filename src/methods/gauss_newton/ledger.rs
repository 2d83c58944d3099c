//! State between iterations beside the factors.

/// State of a trial between iterations, as numbers in a register, so that checkpoints include it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Ledger {
    /// Whether the first iteration has run, and whether nothing is left to do.
    pub(super) started: bool,
    pub(super) finished: bool,
    /// Columns in use, and how many of them are positive.
    pub(super) rank: usize,
    pub(super) positive: usize,
    /// Columns of the basis Q, and how many of them are no probe.
    pub(super) columns: usize,
    pub(super) sure: usize,
    /// Shards to read in the next iteration.
    pub(super) shards: usize,
    /// Rank at which a last probe was tried, plus 1; 0 for none.
    pub(super) probed: usize,
    /// Root mean square of y.
    pub(super) size: f64,
    /// Root mean square of the residual that the last step left.
    pub(super) left: f64,
    /// Norms of the last change of Z and of the last completion; infinite after a change of rank.
    pub(super) change: f64,
    pub(super) completion: f64,
    /// Statistical error of Z: √(degrees of freedom/m′) times the residual.
    pub(super) error: f64,
    /// Total weight of the rows that were read.
    pub(super) read: f64,
}

impl Ledger {
    /// Numbers in the register.
    pub(super) const LENGTH: usize = 14;

    pub(super) fn write(&self) -> Vec<f64> {
        let flags = [self.started, self.finished].map(|flag| f64::from(u8::from(flag)));
        let counts =
            [self.rank, self.positive, self.columns, self.sure, self.shards, self.probed].map(|count| count as f64);
        let numbers = [self.size, self.left, self.change, self.completion, self.error, self.read];
        flags.into_iter().chain(counts).chain(numbers).collect()
    }

    /// Reads the register; `None` where no trial writes it.
    pub(super) fn read(numbers: &[f64]) -> Option<Self> {
        let [started, finished, counts @ .., size, left, change, completion, error, read] = numbers else {
            return None;
        };
        let [rank, positive, columns, sure, shards, probed] = counts else { return None };
        let flag = |number: &f64| (*number == 0.0 || *number == 1.0).then_some(*number == 1.0);
        let count = |number: &f64| (*number >= 0.0 && number.fract() == 0.0).then_some(*number as usize);
        let ledger = Self {
            started: flag(started)?,
            finished: flag(finished)?,
            rank: count(rank)?,
            positive: count(positive)?,
            columns: count(columns)?,
            sure: count(sure)?,
            shards: count(shards)?,
            probed: count(probed)?,
            size: *size,
            left: *left,
            change: *change,
            completion: *completion,
            error: *error,
            read: *read,
        };
        let fits = ledger.positive <= ledger.rank && ledger.rank <= ledger.columns;
        (fits && ledger.sure <= ledger.columns).then_some(ledger)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let ledger =
            Ledger { started: true, rank: 2, columns: 4, sure: 3, shards: 7, change: 0.5, ..Ledger::default() };
        assert_eq!(ledger.write().len(), Ledger::LENGTH);
        assert_eq!(Ledger::read(&ledger.write()), Some(ledger.clone()));
        let broken = Ledger { rank: 5, ..ledger };
        assert_eq!(Ledger::read(&broken.write()), None);
        assert_eq!(Ledger::read(&[0.5; Ledger::LENGTH]), None);
    }
}
