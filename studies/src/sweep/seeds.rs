//! Which random numbers a solve gets.

use serde::Serialize;

use crate::sweep::{Cell, Grid};

/// Seeds of one solve, as the library's builders take them: [`lowrank::internals::operators::Registration::generate`],
/// [`lowrank::problem::synthetic`], [`lowrank::Problem::with_noise`], [`lowrank::Trial::seed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Seeds {
    pub operator: u64,
    pub truth: u64,
    pub noise: u64,
    pub init: u64,
}

impl Seeds {
    /// How a seed is derived, for reports.
    pub const RULE: &'static str = "seed(purpose, c1, c2, ...): h = mix(seed), then h = mix(h xor mix(c + g)) over \
         purpose and coordinates, with g = 0x9e3779b97f4a7c15 and mix(v) the SplitMix64 finaliser of v + g; the upper \
         53 bits. operator (purpose 1): n, then 0, or the repetition + 1 with vary_operator; truth (2), noise (3), \
         init (4): n, rank, bits of condition_number, repetition; n2 \
         last, where it is not n";
}

impl Grid {
    /// The seeds of a repetition of a cell. The truth, the noise and the start are the same along measurements, noise
    /// level, search rank, init scale, step size and ridge, so that curves along those differ by that parameter only; noise of
    /// another level is the same noise scaled. Seeds have 53 bits: tables that hold numbers as doubles show them exactly.
    pub fn seeds(&self, cell: &Cell, repetition: usize) -> Seeds {
        let drawn = |purpose: u64| {
            let (n, rank) = (cell.n as u64, cell.rank as u64);
            let own = [purpose, n, rank, cell.condition_number.to_bits(), repetition as u64];
            derive(self.seed, own.into_iter().chain(columns(cell.size())))
        };
        Seeds {
            operator: self.operator_seed(cell.size(), repetition),
            truth: drawn(2),
            noise: drawn(3),
            init: drawn(4),
        }
    }

    pub(crate) fn operator_seed(&self, size: (usize, usize), repetition: usize) -> u64 {
        let own = [1, size.0 as u64, if self.vary_operator { repetition as u64 + 1 } else { 0 }];
        derive(self.seed, own.into_iter().chain(columns(size)))
    }
}

/// The columns of a matrix that is not square, as a last coordinate.
fn columns((n, n2): (usize, usize)) -> Option<u64> {
    (n2 != n).then_some(n2 as u64)
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

fn derive(seed: u64, coordinates: impl IntoIterator<Item = u64>) -> u64 {
    coordinates.into_iter().fold(mix(seed), |h, c| mix(h ^ mix(c.wrapping_add(GOLDEN)))) >> 11
}

/// One step of SplitMix64: a bijection of 64-bit numbers that spreads every input bit over all output bits.
fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(GOLDEN);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mix_is_splitmix64() {
        // First outputs of the published generator from state 0 and from state 1234567.
        assert_eq!(mix(0), 0xe220_a839_7b1d_cdaf);
        assert_eq!(mix(1_234_567), 6_457_827_717_110_365_317);
    }

    #[test]
    fn seeds_change_with_what_matters_and_with_nothing_else() {
        let grid = Grid { n: vec![20], rank: vec![2], measurements: vec![50], seed: 3, ..Grid::default() };
        let cell = grid.cells()[0];
        let base = grid.seeds(&cell, 0);
        assert_eq!(base, grid.seeds(&Cell { measurements: 7, noise_std: 1.0, search_rank: 9, ..cell }, 0));
        assert_eq!(
            base,
            grid.seeds(&Cell { init_scale: Some(1.0), step_size: Some(1.0), ridge: Some(1.0), ..cell }, 0)
        );
        let others = [
            grid.seeds(&cell, 1),
            grid.seeds(&Cell { rank: 3, ..cell }, 0),
            grid.seeds(&Cell { n: 21, ..cell }, 0),
            grid.seeds(&Cell { n2: 21, ..cell }, 0),
            grid.seeds(&Cell { condition_number: 2.0, ..cell }, 0),
            Grid { seed: 4, ..grid.clone() }.seeds(&cell, 0),
        ];
        let mut all: Vec<u64> = others.iter().chain([&base]).flat_map(|s| [s.truth, s.noise, s.init]).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 21, "seeds collide");
        assert!(all.iter().all(|&s| s < 1 << 53));
        assert_eq!(base.operator, grid.seeds(&cell, 1).operator);
        let vary = Grid { vary_operator: true, ..grid };
        assert_ne!(vary.seeds(&cell, 0).operator, vary.seeds(&cell, 1).operator);
        assert_eq!(vary.seeds(&cell, 1).truth, others[0].truth);
    }
}
