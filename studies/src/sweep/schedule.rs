//! Which solves share an operator, and how large that operator is.

use std::collections::BTreeMap;

use crate::sweep::probes::{Probe, Probes};
use crate::sweep::{Cell, Grid};
use lowrank::Backend;
use lowrank::{Error, Result};

/// Solves on one operator.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Group {
    /// Rows and columns of the unknown matrix.
    pub size: (usize, usize),
    pub operator_seed: u64,
    /// Measurements of the loaded operator: the most any of its solves uses. The first m rows of an operator are the
    /// operator of m measurements under the same seed.
    pub rows: usize,
    /// Numbers of solves, by measurements, then search rank.
    pub solves: Vec<usize>,
}

/// Trials over which a read is shared when groups are weighed. The batch size itself must not matter here: it would
/// make results depend on it.
const NOMINAL_BATCH: f64 = 64.0;
/// A group spans at most this many (m, k) classes, which bounds the search.
const WIDEST: usize = 64;

/// Reading one byte, in units of one operation. Rough on purpose: it decides between groupings that are within a factor of two of each other anyway.
pub(crate) fn read_price(backend: &Backend) -> f64 {
    match backend.own() {
        // Tens of operations a byte, and a launch that costs the same for few rows and for many.
        Backend::Gpu(_) => 16.0,
        // Arithmetic from cache costs about what reading from memory costs.
        _ => 1.0,
    }
}

/// Cuts the solves of each operator, sorted by (m, k), into runs that share a load, so that the price of all iterations
/// is least. An iteration of b trials on M rows with widest search rank K costs
///
///   ⌈b/64⌉·(read_price·bytes + shared flops)·M + b·(own flops(K)·M + 6K·p):
///
/// reads and numbers made on each use, then arithmetic over all M rows for each trial, then, where a matrix of p numbers
/// is formed, packing it and applying it to factors of K columns.
pub(crate) fn groups(grid: &Grid, cells: &[Cell], read_price: f64, probes: &Probes) -> Vec<Group> {
    let mut all = Vec::new();
    for size in grid.sizes() {
        let operators = if grid.vary_operator { grid.repetitions } else { 1 };
        for operator in 0..operators {
            let mut classes: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
            for (at, cell) in cells.iter().enumerate().filter(|(_, cell)| cell.size() == size) {
                let solves = classes.entry((cell.measurements, cell.search_rank)).or_default();
                let repetitions = if grid.vary_operator { operator..operator + 1 } else { 0..grid.repetitions };
                solves.extend(repetitions.map(|repetition| at * grid.repetitions + repetition));
            }
            let classes: Vec<((usize, usize), Vec<usize>)> = classes.into_iter().collect();
            for run in cheapest_runs(&classes, read_price, probes.of(size)) {
                let rows = classes[run.end - 1].0.0;
                let solves = classes[run].iter().flat_map(|(_, solves)| solves).copied().collect();
                all.push(Group { size, operator_seed: grid.operator_seed(size, operator), rows, solves });
            }
        }
    }
    all
}

type Class = ((usize, usize), Vec<usize>);

/// Dynamic programming over the ends of runs.
fn cheapest_runs(classes: &[Class], read_price: f64, probe: &Probe) -> Vec<std::ops::Range<usize>> {
    let read = read_price * probe.bytes_read();
    let formed = if probe.forms_a_matrix() { 6.0 * probe.dimension() } else { 0.0 };
    // best[e]: least price of classes[..e], and where its last run begins.
    let mut best = vec![(0.0, 0)];
    for end in 1..=classes.len() {
        let rows = classes[end - 1].0.0 as f64;
        let (mut widest, mut trials, mut found) = (0, 0, (f64::INFINITY, 0));
        for start in (end.saturating_sub(WIDEST)..end).rev() {
            widest = widest.max(classes[start].0.1);
            trials += classes[start].1.len();
            let b = trials as f64;
            let (shared, own) = probe.flops(widest);
            let passes = (b / NOMINAL_BATCH).ceil() * (read + shared) * rows;
            let price = best[start].0 + passes + b * (own * rows + formed * widest as f64);
            if price < found.0 {
                found = (price, start);
            }
        }
        best.push(found);
    }
    let (mut runs, mut end) = (Vec::new(), classes.len());
    while end > 0 {
        let start = best[end].1;
        runs.push(start..end);
        end = start;
    }
    runs.reverse();
    runs
}

/// Memory that all trials of a batch may take together.
const BATCH_BYTES: f64 = (1_u64 << 30) as f64;
/// Most shards an operator splits into, each with an accumulator a trial.
const SHARDS: f64 = 16.0;

/// Bytes of one trial: accumulators and, where a matrix of the unknown's size is formed, the packed point in the working
/// precision, observations and residuals in f64 and in it, factors and the truth.
fn trial_bytes(grid: &Grid, probe: &Probe, group: &Group, search_rank: usize) -> f64 {
    let word = grid.precision.bytes() as f64;
    let sizes = grid.model.sizes(&grid.domain(group.size), search_rank);
    let factor = sizes.iter().map(|(rows, columns)| (rows * columns) as f64).sum::<f64>();
    let formed = if probe.forms_a_matrix() { probe.dimension() } else { factor };
    let m = group.rows as f64;
    (SHARDS + 2.0) * formed * word + m * (6.0 * 8.0 + 3.0 * word) + factor * (4.0 * 8.0 + 3.0 * word)
}

/// Trials a batch holds on a group: `limit`, or fewer where memory asks for it.
pub(crate) fn batch_limit(grid: &Grid, cells: &[Cell], group: &Group, limit: usize, probes: &Probes) -> usize {
    let widest = widest(grid, cells, group);
    let fits = BATCH_BYTES / trial_bytes(grid, probes.of(group.size), group, widest);
    (fits as usize).clamp(1, limit.max(1))
}

fn widest(grid: &Grid, cells: &[Cell], group: &Group) -> usize {
    group.solves.iter().map(|solve| cells[solve / grid.repetitions].search_rank).max().unwrap_or(1)
}

/// Bytes the most demanding group needs: the operator in f32 (twice where a device holds a copy) and a batch.
pub(crate) fn memory_need(
    grid: &Grid,
    cells: &[Cell],
    groups: &[Group],
    limit: usize,
    (backend, probes): (&Backend, &Probes),
) -> f64 {
    let copies = if matches!(backend, Backend::Gpu(_)) { 2.0 } else { 1.0 };
    let need = |group: &Group| {
        let probe = probes.of(group.size);
        let operator = probe.operator_bytes(group.rows) * copies;
        let trials = batch_limit(grid, cells, group, limit, probes).min(group.solves.len()) as f64;
        operator + trials * trial_bytes(grid, probe, group, widest(grid, cells, group))
    };
    groups.iter().map(need).fold(0.0, f64::max)
}

/// Refuses what this machine's memory does not hold, or, where it does not tell, more than 64 GiB.
pub(crate) fn require_memory(grid: &Grid, need: f64) -> Result<()> {
    let (have, which) = match available_memory() {
        Some(bytes) => (bytes, "this machine has free"),
        None => ((1_u64 << 36) as f64, "is taken without knowing the machine's memory"),
    };
    if need <= have {
        return Ok(());
    }
    let gib = |bytes: f64| format!("{:.1} GiB", bytes / (1_u64 << 30) as f64);
    let (n, n2) = grid.sizes().into_iter().max_by_key(|(n, n2)| n.saturating_mul(*n2)).unwrap_or_default();
    let size = if n == n2 { format!("n = {n}") } else { format!("{n}×{n2}") };
    let m = grid.measurements.iter().max().copied().unwrap_or(0);
    Err(Error::invalid(
        "measurements",
        format!("{m} at {size}, which need {} of memory", gib(need)),
        format!("what fits in the {} that {which}", gib(have)),
        format!("lower --n or --measurements; memory of the operator {}: {}", grid.operator.name, grid.operator.memory),
    ))
}

/// MemAvailable, where the system tells it.
fn available_memory() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.split_whitespace().next()?.parse::<f64>().ok()? * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lowrank::internals::operators::Registration;
    use lowrank::models::Model;

    fn grid(measurements: &[usize], rank: &[usize], repetitions: usize) -> Grid {
        Grid { n: vec![30], rank: rank.to_vec(), measurements: measurements.to_vec(), repetitions, ..Grid::default() }
    }

    fn rows(grid: &Grid, price: f64) -> Vec<usize> {
        groups(grid, &grid.cells(), price, &Probes::new(grid).unwrap()).iter().map(|group| group.rows).collect()
    }

    #[test]
    fn every_solve_is_in_one_group_with_enough_rows() {
        let base = grid(&[50, 90, 100, 400], &[1, 2, 3], 4);
        for grid in [base.clone(), Grid { vary_operator: true, n: vec![10, 30], ..base }] {
            for price in [0.1, 1.0, 16.0, 1000.0] {
                let cells = grid.cells();
                let groups = groups(&grid, &cells, price, &Probes::new(&grid).unwrap());
                let mut seen: Vec<usize> = groups.iter().flat_map(|g| g.solves.clone()).collect();
                seen.sort_unstable();
                assert_eq!(seen, (0..cells.len() * 4).collect::<Vec<_>>());
                for group in &groups {
                    for solve in &group.solves {
                        let (cell, repetition) = (cells[solve / 4], solve % 4);
                        assert!(cell.size() == group.size && cell.measurements <= group.rows);
                        assert_eq!(grid.seeds(&cell, repetition).operator, group.operator_seed);
                    }
                    assert!(group.solves.iter().any(|s| cells[s / 4].measurements == group.rows), "rows to spare");
                }
            }
        }
    }

    #[test]
    fn few_trials_share_a_read_and_many_do_not() {
        // One trial each at close m: sharing saves a read and costs little.
        assert_eq!(rows(&grid(&[1000, 1010], &[1], 1), 1.0), [1010]);
        // Far apart, the short trial would pay nine times its rows.
        assert_eq!(rows(&grid(&[100, 1000], &[1], 1), 1.0), [100, 1000]);
        // Many trials at close m: their arithmetic outweighs a read.
        assert_eq!(rows(&grid(&[900, 1000], &[1], 64), 1.0), [900, 1000]);
        // Where reads are dear, even those share.
        assert_eq!(rows(&grid(&[900, 1000], &[1], 32), 16.0), [1000]);
        // Search ranks of one m are cheap to pad next to m rows.
        assert_eq!(rows(&grid(&[1000], &[1, 2, 3], 5), 1.0), [1000]);
    }

    #[test]
    fn absurd_sizes_are_refused_and_batches_shrink() {
        let batch = |grid: &Grid, limit: usize| {
            let (cells, probes) = (grid.cells(), Probes::new(grid).unwrap());
            let groups = groups(grid, &cells, 1.0, &probes);
            let need = memory_need(grid, &cells, &groups, limit, (&Backend::Cpu, &probes));
            (batch_limit(grid, &cells, &groups[0], limit, &probes), require_memory(grid, need))
        };
        let huge = Grid { n: vec![1 << 10], ..grid(&[1 << 40], &[1], 2) };
        let (size, refused) = batch(&huge, 8);
        let message = refused.unwrap_err().to_string();
        assert!(message.starts_with("measurements: found 1099511627776 at n = 1024"), "{message}");
        assert!(message.contains("matrices") && size == 1, "{message}");
        let (size, fits) = batch(&grid(&[50], &[1], 9), 8);
        assert!(size == 8 && fits.is_ok());
        // What forms no matrix of the unknown's size needs no memory for one.
        let (operator, model) = (Registration::find("entries").unwrap(), Model::asymmetric());
        let entries = Grid { operator, model, n: vec![1 << 15], ..grid(&[1 << 20], &[1], 9) };
        let (size, fits) = batch(&entries, 8);
        assert!(size == 8 && fits.is_ok(), "{size} {fits:?}");
    }
}
