//! What a measurement of each size costs and means, from operators of one and of two measurements.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::sweep::{Cell, Grid};
use lowrank::Result;
use lowrank::operators::{Operator, Storage};

/// Costs of one measurement on matrices of one size.
pub(crate) struct Probe {
    one: Arc<dyn Operator>,
    /// The same where the ensemble has a single measurement.
    two: Arc<dyn Operator>,
}

impl Probe {
    fn new(grid: &Grid, size: (usize, usize)) -> Result<Self> {
        let domain = grid.domain(size);
        let make = |rows: usize| (grid.operator.generate)(domain, rows, 0, Storage::F32);
        let single = (grid.operator.limit)(domain) == Some(1);
        Ok(Self { one: make(1)?, two: make(if single { 1 } else { 2 })? })
    }

    /// Dimension of the space of matrices.
    pub fn dimension(&self) -> f64 {
        self.one.domain().dimension() as f64
    }

    /// The share of one measurement in a sum over all.
    fn share(&self, of: impl Fn(&dyn Operator) -> f64) -> f64 {
        let (one, two) = (of(&*self.one), of(&*self.two));
        if two > one { two - one } else { one }
    }

    /// Bytes read for one measurement in an iteration.
    pub fn bytes_read(&self) -> f64 {
        self.share(|operator| operator.cost(1, 1).bytes)
    }

    /// Operations for one measurement: those shared by all trials, and those of each.
    pub fn flops(&self, search_rank: usize) -> (f64, f64) {
        let of = |batch: usize| self.share(|operator| operator.cost(batch, search_rank).flops);
        let (one, two) = (of(1), of(2));
        (2.0 * one - two, two - one)
    }

    /// Whether trials form a matrix of the unknown's size, whose products with the measurements do not depend on k.
    pub fn forms_a_matrix(&self) -> bool {
        self.flops(1) == self.flops(2)
    }

    /// Bytes of an operator of so many measurements.
    pub fn operator_bytes(&self, rows: usize) -> f64 {
        let of = |operator: &dyn Operator| operator.memory().iter().map(|part| part.bytes as f64).sum::<f64>();
        let share = of(&*self.two) - of(&*self.one);
        of(&*self.one) + share * (rows.max(1) - 1) as f64
    }

    /// About s of an operator of so many measurements.
    fn normalization(&self, rows: usize) -> f64 {
        self.one.normalization() / rows as f64
    }
}

/// A probe for each size of a grid.
pub(crate) struct Probes(BTreeMap<(usize, usize), Probe>);

impl Probes {
    pub fn new(grid: &Grid) -> Result<Self> {
        grid.sizes().into_iter().map(|size| Ok((size, Probe::new(grid, size)?))).collect::<Result<_>>().map(Self)
    }

    /// That of a size of the grid.
    pub fn of(&self, size: (usize, usize)) -> &Probe {
        &self.0[&size]
    }

    /// Doubts, in sentences. Even least squares on the true column space errs by about σ√(s·d)/‖M‖_F for d degrees of
    /// freedom: a `success` below that cannot be reached.
    pub fn doubts(&self, grid: &Grid, cells: &[Cell]) -> Vec<String> {
        let floor = |cell: &Cell| {
            let (r, kappa) = (cell.rank, cell.condition_number);
            let step = (1.0 - 1.0 / kappa) / (r.max(2) - 1) as f64;
            // Singular values of X are spread evenly, and those of M are their squares; without X those of M are.
            let power = if grid.domain(cell.size()).is_symmetric() { 4 } else { 2 };
            let norm = (0..r).map(|i| (1.0 - step * i as f64).powi(power)).sum::<f64>().sqrt();
            let s = self.of(cell.size()).normalization(cell.measurements);
            cell.noise_std * (s * cell.degrees_of_freedom as f64).sqrt() / norm
        };
        let noisy = grid.noise_std.iter().filter(|std| **std > 0.0);
        let hopeless = noisy.filter_map(|std| {
            let all = cells.iter().filter(|c| c.noise_std == *std).map(floor);
            let least = all.fold(f64::INFINITY, f64::min);
            (least > grid.success).then(|| {
                format!(
                    "noise_std {std}: noise alone costs a relative error of about {least:.1e} or more in every cell, so none \
                     can succeed at {:e}; see the medians, or raise success",
                    grid.success
                )
            })
        });
        hopeless.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lowrank::internals::operators::{REGISTRY, Registration};
    use lowrank::models::Model;

    fn small() -> Grid {
        Grid { n: vec![12], rank: vec![1, 2], measurements: vec![10, 20, 30], ..Grid::default() }
    }

    #[test]
    fn hopeless_noise_is_said() {
        let doubts = |grid: &Grid| Probes::new(grid).unwrap().doubts(grid, &grid.cells());
        assert!(doubts(&small()).is_empty());
        let noisy = doubts(&Grid { noise_std: vec![0.0, 1e-6, 0.1], ..small() });
        assert_eq!(noisy.len(), 1);
        assert!(noisy[0].starts_with("noise_std 0.1"), "{noisy:?}");
        // An entry is a smaller number than a Gaussian measurement, by the root of the number of entries.
        let entries = Grid { operator: Registration::find("entries").unwrap(), model: Model::asymmetric(), ..small() };
        let less = Grid { noise_std: vec![3e-4], success: 1e-3, ..entries };
        assert_eq!(doubts(&less).len(), 1);
        assert!(doubts(&Grid { operator: &REGISTRY[0], ..less }).is_empty());
    }

    #[test]
    fn costs_of_a_measurement_are_those_of_many_shared_out() {
        for operator in REGISTRY {
            let grid = Grid { operator, ..small() };
            let (probe, m) = (Probe::new(&grid, (12, 12)).unwrap(), 60);
            let many = (operator.generate)(grid.domain((12, 12)), m, 3, Storage::F32).unwrap();
            let close = |found: f64, expected: f64, slack: f64| {
                assert!((found - expected).abs() <= slack * expected, "{}: {found}, {expected}", operator.name);
            };
            let (shared, own) = probe.flops(3);
            // Nonzeros at (a, b) and (b, a) are one. Pauli strings that flip the same bits share their sums: many cost less than one by one.
            let alone = m as f64 * (shared + 5.0 * own);
            match operator.name {
                "pauli" => assert!(alone >= many.cost(5, 3).flops, "{alone}"),
                _ => close(alone, many.cost(5, 3).flops, 0.1),
            }
            close(m as f64 * probe.bytes_read(), many.cost(1, 1).bytes, 0.1);
            let held: u64 = many.memory().iter().map(|part| part.bytes).sum();
            // A mask is held as a whole, however many of its pixels are measured.
            if operator.name != "cdp" {
                close(probe.operator_bytes(m), held as f64, 0.1);
            }
            // s of few random vectors is that of their own variance.
            close(probe.normalization(m), many.normalization(), 0.5);
        }
    }
}
