//! Random distinct positions.

use std::collections::HashMap;

use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::error::{Error, Result};
use crate::io::Triplets;
use crate::problem::random::{Purpose, stream};
use crate::problem::{Domain, packed_index};

/// Largest number of positions that are listed for uniform draws.
const LISTED: usize = 1 << 26;
/// Rounds in which repeated positions are replaced.
const ROUNDS: usize = 200;

/// Draws `count` distinct positions (a ≤ b for a symmetric domain) with values 0. They are uniform for `exponent` 0.
/// Otherwise row and column are independent, and the j-th of a random order has a probability in proportion to
/// j^−exponent, as far as positions stay distinct.
///
/// # Errors
/// [`Error::Invalid`] for more positions than there are, an exponent that is negative or not finite, or one so large
/// that the likely rows are full.
pub fn draw_positions(domain: Domain, count: usize, exponent: f64, seed: u64) -> Result<Triplets> {
    require_some(domain, count)?;
    let total = domain.dimension();
    if !(exponent.is_finite() && exponent >= 0.0) {
        return Err(Error::invalid("degrees", exponent, "a finite exponent of at least 0", "0 draws uniformly"));
    }
    let mut rng = stream(seed, Purpose::Operator, 0);
    let places = if exponent == 0.0 && total <= LISTED {
        listed(domain, count, &mut rng)
    } else {
        rejected(domain, count, exponent, &mut rng)?
    };
    let (rows, columns) = places.into_iter().map(|place| ((place >> 32) as u32, place as u32)).unzip();
    Ok(Triplets { rows, columns, values: vec![0.0; count], ..Triplets::default() })
}

/// Refuses no positions, and more than there are.
pub(super) fn require_some(domain: Domain, count: usize) -> Result<()> {
    domain.validate()?;
    let total = domain.dimension();
    if count == 0 || count > total {
        let allowed = format!("1 to {total}, the entries of a {domain} matrix");
        return Err(Error::invalid("measurements", count, allowed, "each entry is drawn once at most"));
    }
    Ok(())
}

/// Draws `count` distinct positions (a ≤ b for a symmetric domain) uniformly and in random order, as rows and columns.
/// The first of them do not depend on `count`.
pub(super) fn in_random_order(domain: Domain, count: usize, seed: u64) -> (Vec<u32>, Vec<u32>) {
    let mut rng = stream(seed, Purpose::Operator, 0);
    let (n, total) = (domain.rows(), domain.dimension());
    // The shuffle of Fisher and Yates from the front, on a list of which only moved elements are kept.
    let mut moved: HashMap<usize, usize> = HashMap::new();
    (0..count)
        .map(|at| {
            let from = rng.random_range(at as u64..total as u64) as usize;
            let own = moved.remove(&at).unwrap_or(at);
            let drawn = if from == at { own } else { moved.insert(from, own).unwrap_or(from) };
            if !domain.is_symmetric() {
                return ((drawn / domain.columns()) as u32, (drawn % domain.columns()) as u32);
            }
            let (mut row, mut after) = (0, n);
            while after - row > 1 {
                let middle = row + (after - row) / 2;
                (row, after) = if packed_index(n, middle, middle) <= drawn { (middle, after) } else { (row, middle) };
            }
            (row as u32, (row + drawn - packed_index(n, row, row)) as u32)
        })
        .unzip()
}

fn place(row: usize, column: usize, symmetric: bool) -> u64 {
    let (a, b) = if symmetric { (row.min(column), row.max(column)) } else { (row, column) };
    (a as u64) << 32 | b as u64
}

/// A part of the list of all positions, in order.
fn listed(domain: Domain, count: usize, rng: &mut ChaCha8Rng) -> Vec<u64> {
    let symmetric = domain.is_symmetric();
    let first = |row: usize| if symmetric { row } else { 0 };
    let mut all: Vec<u64> = (0..domain.rows())
        .flat_map(|row| (first(row)..domain.columns()).map(move |column| place(row, column, symmetric)))
        .collect();
    let (drawn, _) = all.partial_shuffle(rng, count);
    let mut drawn = drawn.to_vec();
    drawn.sort_unstable();
    drawn
}

fn rejected(domain: Domain, count: usize, exponent: f64, rng: &mut ChaCha8Rng) -> Result<Vec<u64>> {
    let symmetric = domain.is_symmetric();
    let rows = Chances::new(domain.rows(), exponent, rng);
    let columns = (!symmetric).then(|| Chances::new(domain.columns(), exponent, rng));
    let columns = columns.as_ref().unwrap_or(&rows);
    let mut places = Vec::with_capacity(count);
    for _ in 0..ROUNDS {
        let missing = count - places.len();
        places.extend((0..missing).map(|_| place(rows.draw(rng), columns.draw(rng), symmetric)));
        places.sort_unstable();
        places.dedup();
        if places.len() == count {
            return Ok(places);
        }
    }
    let found = format!("{exponent}, which gave only {} of {count} different positions", places.len());
    let fix = "lower it, or draw fewer entries: the most likely rows and columns are full";
    Err(Error::invalid("degrees", found, "a smaller exponent", fix))
}

/// Lines in a random order, with their cumulative probabilities.
struct Chances {
    order: Vec<u32>,
    sums: Vec<f64>,
}

impl Chances {
    fn new(lines: usize, exponent: f64, rng: &mut ChaCha8Rng) -> Self {
        let mut order: Vec<u32> = (0..lines as u32).collect();
        order.shuffle(rng);
        let mut sum = 0.0;
        let sums = (1..=lines).map(|j| {
            sum += (j as f64).powf(-exponent);
            sum
        });
        Self { order, sums: sums.collect() }
    }

    fn draw(&self, rng: &mut ChaCha8Rng) -> usize {
        let last = self.sums.len() - 1;
        let at = rng.random::<f64>() * self.sums[last];
        self.order[self.sums.partition_point(|&sum| sum <= at).min(last)] as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_different_inside_and_as_many_as_asked_for() {
        for domain in [Domain::rectangular(30, 20), Domain::symmetric(25)] {
            for (count, exponent) in [(1, 0.0), (200, 0.0), (200, 0.8), (domain.dimension(), 0.0)] {
                let drawn = draw_positions(domain, count, exponent, 1).unwrap();
                let mut all: Vec<_> = drawn.rows.iter().zip(&drawn.columns).collect();
                all.sort();
                all.dedup();
                assert_eq!(all.len(), count);
                assert!(all.iter().all(|(a, b)| (**a as usize) < domain.rows() && (**b as usize) < domain.columns()));
                assert!(!domain.is_symmetric() || all.iter().all(|(a, b)| a <= b));
            }
            assert!(draw_positions(domain, domain.dimension() + 1, 0.0, 1).is_err());
            assert!(draw_positions(domain, domain.dimension(), 3.0, 1).is_err());
            assert!(draw_positions(domain, 5, f64::NAN, 1).is_err());
        }
    }

    #[test]
    fn positions_in_random_order_begin_alike_and_reach_every_entry() {
        for domain in [Domain::rectangular(7, 5), Domain::symmetric(8)] {
            let total = domain.dimension();
            let places = |count: usize| {
                let (rows, columns) = in_random_order(domain, count, 3);
                rows.into_iter().zip(columns).collect::<Vec<_>>()
            };
            let mut all = places(total);
            assert_eq!(places(9), all[..9]);
            // Some of the first come from the end of the list: the order is no part of the choice.
            assert!(all[..9].iter().any(|(row, _)| *row as usize >= domain.rows() / 2));
            all.sort_unstable();
            all.dedup();
            assert_eq!(all.len(), total);
            assert!(all.iter().all(|(a, b)| (*a as usize) < domain.rows() && (*b as usize) < domain.columns()));
            assert!(!domain.is_symmetric() || all.iter().all(|(a, b)| a <= b));
        }
        // Each position is first about as often as any other.
        let mut counts = [0; 6];
        (0..6000).for_each(|seed| counts[in_random_order(Domain::rectangular(2, 3), 1, seed).1[0] as usize] += 1);
        assert!(counts[..3].iter().all(|count| (1850..2150).contains(count)), "{counts:?}");
    }

    #[test]
    fn degrees_follow_the_power_law() {
        let drawn = draw_positions(Domain::rectangular(1000, 5000), 60_000, 0.7, 2).unwrap();
        let mut degrees = vec![0; 1000];
        drawn.rows.iter().for_each(|&row| degrees[row as usize] += 1);
        degrees.sort_unstable_by(|a, b| b.cmp(a));
        // The first over the hundredth of the order: 100^0.7 = 25.
        let ratio = f64::from(degrees[0]) / f64::from(degrees[99]);
        assert!((15.0..30.0).contains(&ratio), "{ratio}");
    }
}
