//! Ranks as threads of one process, for tests and for the effect of a number of ranks.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};
use crate::team::Team;

/// A rank of a team of threads. Once one is dropped, waiting for its messages is an error.
pub struct Threads {
    rank: usize,
    size: usize,
    table: Arc<(Mutex<Table>, Condvar)>,
}

#[derive(Default)]
struct Table {
    /// Messages of the current round.
    laid: Vec<Option<Vec<u8>>>,
    /// Messages of the last complete round.
    complete: Arc<Vec<u8>>,
    /// Number of that round.
    round: u64,
    gone: Option<usize>,
}

impl Threads {
    /// All ranks of a team.
    pub fn team(size: usize) -> Vec<Self> {
        let table = Table { laid: vec![None; size], ..Table::default() };
        let table = Arc::new((Mutex::new(table), Condvar::new()));
        (0..size).map(|rank| Self { rank, size, table: table.clone() }).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.lock().gone.get_or_insert(self.rank);
        self.table.1.notify_all();
    }
}

impl Team for Threads {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.size
    }

    fn all_gather(&self, own: &[u8], lengths: &[usize]) -> Result<Vec<u8>> {
        debug_assert_eq!(own.len(), lengths[self.rank]);
        let mut table = self.lock();
        let round = table.round;
        table.laid[self.rank] = Some(own.to_vec());
        if table.laid.iter().all(Option::is_some) {
            let all = table.laid.iter_mut().filter_map(Option::take).flatten().collect();
            (table.complete, table.round) = (Arc::new(all), round + 1);
            self.table.1.notify_all();
        }
        while table.round == round {
            if let Some(rank) = table.gone {
                return Err(Error::Team { rank, message: "it ended before the other ranks".into() });
            }
            table = self.table.1.wait(table).unwrap_or_else(PoisonError::into_inner);
        }
        // The next round is complete only after this rank calls again, so these are the messages of this round.
        let complete = table.complete.clone();
        drop(table);
        Ok(complete.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_arrive_in_the_order_of_ranks_round_after_round() {
        std::thread::scope(|scope| {
            for team in Threads::team(3) {
                scope.spawn(move || {
                    for round in 0..100_u8 {
                        let own = vec![round + team.rank() as u8; team.rank()];
                        assert_eq!(team.all_gather(&own, &[0, 1, 2]).unwrap(), [round + 1, round + 2, round + 2]);
                    }
                });
            }
        });
    }

    #[test]
    fn a_rank_that_is_gone_is_an_error() {
        let mut team = Threads::team(2);
        drop(team.pop());
        let error = team[0].all_gather(&[1], &[1, 1]).unwrap_err();
        assert!(error.to_string().contains("rank 1"), "{error}");
    }
}
