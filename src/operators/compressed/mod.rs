//! The common part of `entries` and `sparse`: sensing matrices as a list of nonzeros.
//!
//! Nonzero q puts v at (a, b) of Aᵢ. For a symmetric unknown Aᵢ is the symmetric part of its nonzeros, so off the
//! diagonal v/2 is at (a, b) and at (b, a):
//!
//! ```text
//! ⟨Aᵢ, L Rᵀ⟩ = Σ v l_a·r_b                    or   Σ ½v (l_a·r_b + l_b·r_a)
//! row a of A*(c)V = Σ cᵢ v v_b, over the nonzeros in row a   or   Σ ½cᵢ v v_b, over those at (a, b) or (b, a)
//! ```
//!
//! Nothing of size n1·n2 is ever formed. The forward map costs nnz·k. The adjoint is gathered, each row of the result
//! by itself, over one index of the nonzeros by matrix row and one by matrix column. Sums share nothing, and no device
//! needs atomics. Symmetric unknowns need one index, which lists every nonzero twice (also those on the diagonal, as
//! two halves).

mod gather;
mod index;
mod reference;

pub(crate) use index::{Index, Values};
pub(crate) use reference::{adjoint_apply, adjoint_apply_transposed, forward, sensing_matrix};

use std::ops::Range;

use crate::error::{Error, Result};
use crate::memory::{Location, Memory, Part, product};
use crate::operators::{Cost, GpuNonzeros};
use crate::problem::Domain;
use index::Listing;

/// Least nonzeros per shard, and most shards.
const SHARD: usize = 1 << 15;
const MOST_SHARDS: usize = 256;

/// Nonzeros of m sensing matrices, by measurement, by matrix row and by matrix column.
pub(crate) struct Compressed {
    pub(crate) domain: Domain,
    pub(crate) measurements: usize,
    /// Nonzeros of measurement i are at `starts[i]..starts[i + 1]`; without `starts` each has one.
    pub(crate) starts: Option<Vec<u32>>,
    pub(crate) rows: Vec<u32>,
    pub(crate) columns: Vec<u32>,
    pub(crate) values: Values,
    /// Index with n1 lines; for a symmetric unknown it has every nonzero twice.
    pub(crate) by_row: Index,
    /// Index with n2 lines; `None` for a symmetric unknown.
    pub(crate) by_column: Option<Index>,
    /// Bounds of the shards, from 0 to m.
    cuts: Vec<usize>,
}

/// Predicted memory of the lists.
pub(crate) fn statement(
    domain: Domain,
    measurements: usize,
    nonzeros: usize,
    value_bytes: usize,
    one_each: bool,
) -> Memory {
    let listings = if domain.is_symmetric() { 2 } else { 1 };
    let index = |lines: usize| product(&[lines + 1, 4]).saturating_add(product(&[nonzeros, listings, 8 + value_bytes]));
    let starts = if one_each { 0 } else { product(&[measurements + 1, 4]) };
    let part = |name: &str, bytes: u64| Part::new(name, Location::Host, bytes);
    let mut parts = vec![
        part("nonzeros by measurement", starts.saturating_add(product(&[nonzeros, 8 + value_bytes]))),
        part("nonzeros by row", index(domain.rows())),
    ];
    if !domain.is_symmetric() {
        parts.push(part("nonzeros by column", index(domain.columns())));
    }
    Memory { parts }
}

impl Compressed {
    /// Builds from checked lists: positions inside the domain, and one start more than measurements. A shard may be cut
    /// only before the measurements `boundaries`, or anywhere without them.
    pub(crate) fn new(
        domain: Domain,
        starts: Option<Vec<u32>>,
        rows: Vec<u32>,
        columns: Vec<u32>,
        values: Values,
        boundaries: Option<&[usize]>,
    ) -> Self {
        let measurements = starts.as_ref().map_or(rows.len(), |starts| starts.len() - 1);
        let of = owners(starts.as_deref(), rows.len());
        let owner = |q: usize| of.as_ref().map_or(q as u32, |of| of[q]);
        let forward = Listing { line: &rows, other: &columns };
        let backward = Listing { line: &columns, other: &rows };
        let (by_row, by_column) = if domain.is_symmetric() {
            (Index::new(domain.rows(), &[forward, backward], owner, &values), None)
        } else {
            let by_row = Index::new(domain.rows(), &[forward], owner, &values);
            (by_row, Some(Index::new(domain.columns(), &[backward], owner, &values)))
        };
        let cuts = cuts(measurements, rows.len(), starts.as_deref(), boundaries);
        Self { domain, measurements, starts, rows, columns, values, by_row, by_column, cuts }
    }

    /// Refuses more nonzeros than the lists can number, and lists that exceed the memory.
    pub(crate) fn require_room(
        domain: Domain,
        measurements: usize,
        nonzeros: usize,
        value_bytes: usize,
        one_each: bool,
    ) -> Result<()> {
        let most = u32::MAX as usize;
        let listings = if domain.is_symmetric() { 2 } else { 1 };
        if nonzeros > most / listings || measurements > most {
            return Err(Error::invalid(
                "measurements",
                format!("{nonzeros} nonzeros in {measurements} measurements"),
                format!("at most {} nonzeros", most / listings),
                "split the problem",
            ));
        }
        let memory = statement(domain, measurements, nonzeros, value_bytes, one_each);
        memory.require("measurements", "Use fewer measurements, or a machine with more memory")
    }

    /// A copy of the lists of these measurements.
    pub(crate) fn slice(&self, measurements: Range<usize>) -> Self {
        let nonzeros = match &self.starts {
            Some(starts) => starts[measurements.start] as usize..starts[measurements.end] as usize,
            None => measurements.clone(),
        };
        let begin = nonzeros.start as u32;
        let starts = self
            .starts
            .as_ref()
            .map(|starts| starts[measurements.start..=measurements.end].iter().map(|start| start - begin).collect());
        let (rows, columns) = (self.rows[nonzeros.clone()].to_vec(), self.columns[nonzeros.clone()].to_vec());
        Self::new(self.domain, starts, rows, columns, self.values.slice(nonzeros), None)
    }

    /// The nonzeros of a measurement.
    pub(crate) fn range(&self, i: usize) -> Range<usize> {
        match &self.starts {
            Some(starts) => starts[i] as usize..starts[i + 1] as usize,
            None => i..i + 1,
        }
    }

    pub(crate) fn nonzeros(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn shards(&self) -> usize {
        self.cuts.len() - 1
    }

    pub(crate) fn shard_range(&self, shard: usize) -> Range<usize> {
        self.cuts[shard]..self.cuts[shard + 1]
    }

    /// Memory of each list, as predicted by [`statement`].
    pub(crate) fn memory(&self) -> Vec<Part> {
        statement(self.domain, self.measurements, self.nonzeros(), self.values.bytes(), self.starts.is_none()).parts
    }

    /// Bytes: each list is read once. Rows of factors are read too, k numbers per listing, from caches or memory.
    pub(crate) fn cost(&self, batch: usize, search_rank: usize) -> Cost {
        let starts = self.starts.as_ref().map_or(0, |starts| product(&[starts.len(), 4]));
        let by_measurement = starts + product(&[self.nonzeros(), 8 + self.values.bytes()]);
        let index = self.by_row.bytes() + self.by_column.as_ref().map_or(0, Index::bytes);
        // A multiplication and an addition for each column of each factor row: once forward, twice for the adjoint.
        let flops = 6.0 * self.nonzeros() as f64 * search_rank as f64 * batch as f64;
        Cost { bytes: (by_measurement + index) as f64, flops }
    }

    /// The s implied by the data if they are isotropic, dim/Σ‖Aᵢ‖_F², where no position occurs twice in a measurement.
    pub(crate) fn implied_normalization(&self) -> f64 {
        let squared = |q: usize| {
            let (v, both) = (self.values.at(q), self.domain.is_symmetric() && self.rows[q] != self.columns[q]);
            if both { 0.5 * v * v } else { v * v }
        };
        let sum: f64 = (0..self.nonzeros()).map(squared).sum();
        if sum > 0.0 { self.domain.dimension() as f64 / sum } else { f64::INFINITY }
    }
}

impl GpuNonzeros for Compressed {
    fn count(&self) -> usize {
        self.nonzeros()
    }

    fn all_ones(&self) -> bool {
        matches!(self.values, Values::Ones)
    }

    fn visit(&self, each: &mut dyn FnMut(usize, usize, usize, f64)) {
        for i in 0..self.measurements {
            for q in self.range(i) {
                each(i, self.rows[q] as usize, self.columns[q] as usize, self.values.at(q));
            }
        }
    }
}

/// Implements the contract for a type with `lists: Compressed`, `normalization` and `isotropic`.
macro_rules! compressed_operator {
    ($operator:ty, $name:literal) => {
        impl Operator for $operator {
            fn name(&self) -> &str {
                $name
            }

            fn domain(&self) -> Domain {
                self.lists.domain
            }

            fn measurements(&self) -> usize {
                self.lists.measurements
            }

            fn normalization(&self) -> f64 {
                self.normalization
            }

            fn shards(&self) -> usize {
                self.lists.shards()
            }

            fn shard_range(&self, shard: usize) -> Range<usize> {
                self.lists.shard_range(shard)
            }

            fn sensing_matrix(&self, i: usize) -> Vec<f64> {
                compressed::sensing_matrix(&self.lists, i)
            }

            fn forward(&self, shard: usize, point: &Factors, out: &mut [f64]) {
                compressed::forward(&self.lists, shard, point, out);
            }

            fn adjoint_apply(&self, shard: usize, residual: &[f64], applied: &Factors, out: &mut [f64]) {
                compressed::adjoint_apply(&self.lists, shard, residual, applied, out);
            }

            fn adjoint_apply_transposed(&self, shard: usize, residual: &[f64], applied: &Factors, out: &mut [f64]) {
                compressed::adjoint_apply_transposed(&self.lists, shard, residual, applied, out);
            }

            fn cost(&self, batch: usize, search_rank: usize) -> Cost {
                self.lists.cost(batch, search_rank)
            }

            fn stored_in(&self) -> Option<Storage> {
                self.lists.values.storage()
            }

            fn memory(&self) -> Vec<Part> {
                self.lists.memory()
            }

            fn entries(&self) -> Option<&crate::operators::Entries> {
                (self as &dyn std::any::Any).downcast_ref()
            }

            /// Copies the lists.
            fn slice(&self, measurements: Range<usize>) -> Option<std::sync::Arc<dyn Operator>> {
                let (lists, normalization) = (self.lists.slice(measurements), self.normalization);
                Some(std::sync::Arc::new(Self { lists, normalization, isotropic: false }))
            }

            fn is_isotropic(&self) -> bool {
                self.isotropic
            }

            fn accelerate(&self) -> Acceleration<'_> {
                let gpu = GpuForm::Thin(GpuThin::Nonzeros(&self.lists));
                Acceleration::default().gathers(&self.lists, &self.lists).gpu(gpu)
            }
        }
    };
}
pub(crate) use compressed_operator;

/// The measurement of each nonzero.
fn owners(starts: Option<&[u32]>, nonzeros: usize) -> Option<Vec<u32>> {
    let starts = starts?;
    let mut of = vec![0; nonzeros];
    for (i, pair) in starts.windows(2).enumerate() {
        of[pair[0] as usize..pair[1] as usize].fill(i as u32);
    }
    Some(of)
}

/// Shards of about equal numbers of nonzeros, each with at least one.
fn cuts(measurements: usize, nonzeros: usize, starts: Option<&[u32]>, boundaries: Option<&[usize]>) -> Vec<usize> {
    let shards = (nonzeros / SHARD).clamp(1, MOST_SHARDS).min(measurements);
    let mut cuts = vec![0];
    for shard in 1..shards {
        let wanted = nonzeros * shard / shards;
        let at = starts.map_or(wanted, |starts| starts.partition_point(|&start| (start as usize) < wanted));
        let at = match boundaries {
            Some(all) => all.get(all.partition_point(|&b| b < at)).copied().unwrap_or(measurements),
            None => at,
        };
        if at > cuts[cuts.len() - 1] && at < measurements {
            cuts.push(at);
        }
    }
    cuts.push(measurements);
    cuts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_say_the_same_three_ways() {
        // Measurement 0: (2,1) 3 and (0,0) 2; 1: nothing; 2: (2,0) −1.
        let (starts, rows, columns) = (vec![0, 2, 2, 3], vec![2, 0, 2], vec![1, 0, 0]);
        let values = || Values::new(vec![3.0, 2.0, -1.0]);
        let c = Compressed::new(
            Domain::rectangular(4, 2),
            Some(starts.clone()),
            rows.clone(),
            columns.clone(),
            values(),
            None,
        );
        let line = |index: &Index, line: usize| -> Vec<(u32, u32, f64)> {
            index.range(line).map(|q| (index.other[q], index.measurement[q], index.values.at(q))).collect()
        };
        assert_eq!(line(&c.by_row, 0), [(0, 0, 2.0)]);
        assert!(line(&c.by_row, 1).is_empty() && line(&c.by_row, 3).is_empty());
        assert_eq!(line(&c.by_row, 2), [(1, 0, 3.0), (0, 2, -1.0)]);
        let by_column = c.by_column.as_ref().unwrap();
        assert_eq!(line(by_column, 0), [(0, 0, 2.0), (2, 2, -1.0)]);
        assert_eq!(line(by_column, 1), [(2, 0, 3.0)]);
        assert_eq!(c.implied_normalization(), 8.0 / 14.0);
        let parts: u64 = c.memory().iter().map(|part| part.bytes).sum();
        assert_eq!(parts as f64, c.cost(1, 1).bytes);

        let c = Compressed::new(Domain::symmetric(3), Some(starts), rows, columns, values(), None);
        // A diagonal nonzero is twice in its line, as two halves.
        assert_eq!(line(&c.by_row, 0), [(0, 0, 2.0), (0, 0, 2.0), (2, 2, -1.0)]);
        assert_eq!(line(&c.by_row, 1), [(2, 0, 3.0)]);
        assert_eq!(line(&c.by_row, 2), [(1, 0, 3.0), (0, 2, -1.0)]);
        assert_eq!(c.implied_normalization(), 6.0 / (4.5 + 4.0 + 0.5));
        let parts: u64 = c.memory().iter().map(|part| part.bytes).sum();
        assert_eq!(parts as f64, c.cost(1, 1).bytes);
    }

    #[test]
    fn shards_and_blocks_cover_everything_and_none_is_empty() {
        for (m, boundaries) in [(1, None), (SHARD * 3 + 5, None), (SHARD * 5, Some(vec![7, SHARD * 4, SHARD * 4 + 1]))]
        {
            let cuts = cuts(m, m, None, boundaries.as_deref());
            assert!(cuts.windows(2).all(|pair| pair[0] < pair[1]) && cuts[0] == 0 && cuts[cuts.len() - 1] == m);
        }
    }
}
