//! The plan of a sweep: lists of values, their product, and what is refused before any work.

use serde::Serialize;

use lowrank::engine::Precision;
use lowrank::models::Model;
use lowrank::problem::Domain;
use lowrank::{Error, Result};

/// More solves than this in one directory are a slip of the keyboard, or better cut into several sweeps.
const MOST_SOLVES: usize = 1_000_000;

/// What a sweep runs: the cartesian product of its lists, each cell `repetitions` times.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Grid {
    pub n: Vec<usize>,
    /// r* of the truth.
    pub rank: Vec<usize>,
    /// κ of X.
    pub condition_number: Vec<f64>,
    /// m.
    pub measurements: Vec<usize>,
    /// Standard deviation of the noise on y; the truth has ‖X‖ = 1.
    pub noise_std: Vec<f64>,
    /// k. Empty: min(n, 2 r*).
    pub search_rank: Vec<usize>,
    /// α. Empty: chosen from the data, see [`lowrank::Init::Automatic`].
    pub init_scale: Vec<f64>,
    /// μ. Empty: 1/(4‖s·A*(y)‖).
    pub step_size: Vec<f64>,
    pub repetitions: usize,
    /// A solve succeeds, and stops, at a relative error of at most this.
    pub success: f64,
    pub max_iterations: usize,
    /// See [`lowrank::Stop::stall_window`].
    pub stall_window: Option<usize>,
    /// A fresh operator for every repetition instead of one for each n.
    pub vary_operator: bool,
    pub precision: Precision,
    pub seed: u64,
}

impl Default for Grid {
    /// No cells yet: fill in `n`, `rank` and `measurements`.
    fn default() -> Self {
        Self {
            n: Vec::new(),
            rank: Vec::new(),
            condition_number: vec![1.0],
            measurements: Vec::new(),
            noise_std: vec![0.0],
            search_rank: Vec::new(),
            init_scale: Vec::new(),
            step_size: Vec::new(),
            repetitions: 20,
            success: 1e-3,
            max_iterations: 2_000,
            stall_window: Some(200),
            vary_operator: false,
            precision: Precision::F32,
            seed: 0,
        }
    }
}

/// One combination of the grid's values.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Cell {
    pub n: usize,
    pub rank: usize,
    pub condition_number: f64,
    pub measurements: usize,
    pub noise_std: f64,
    pub search_rank: usize,
    /// `None`: automatic.
    pub init_scale: Option<f64>,
    /// `None`: automatic.
    pub step_size: Option<f64>,
}

impl Cell {
    /// n r − r(r−1)/2: with fewer measurements than this no method can succeed.
    pub fn degrees_of_freedom(&self) -> usize {
        Model::psd().degrees_of_freedom(&Domain::symmetric(self.n), self.rank)
    }
}

/// A parameter that can vary, in the order of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Axis {
    N,
    Rank,
    ConditionNumber,
    Measurements,
    NoiseStd,
    SearchRank,
    InitScale,
    StepSize,
}

impl Axis {
    /// The identifier in tables and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::N => "n",
            Self::Rank => "rank",
            Self::ConditionNumber => "condition_number",
            Self::Measurements => "measurements",
            Self::NoiseStd => "noise_std",
            Self::SearchRank => "search_rank",
            Self::InitScale => "init_scale",
            Self::StepSize => "step_size",
        }
    }

    /// What a figure calls it.
    pub fn label(self) -> &'static str {
        match self {
            Self::N => "size n",
            Self::Rank => "rank r*",
            Self::ConditionNumber => "condition number κ of X",
            Self::Measurements => "measurements m",
            Self::NoiseStd => "noise std",
            Self::SearchRank => "search rank k",
            Self::InitScale => "init scale α",
            Self::StepSize => "step size μ",
        }
    }

    /// A cell's value; NaN for one that is chosen automatically.
    pub fn of(self, cell: &Cell) -> f64 {
        match self {
            Self::N => cell.n as f64,
            Self::Rank => cell.rank as f64,
            Self::ConditionNumber => cell.condition_number,
            Self::Measurements => cell.measurements as f64,
            Self::NoiseStd => cell.noise_std,
            Self::SearchRank => cell.search_rank as f64,
            Self::InitScale => cell.init_scale.unwrap_or(f64::NAN),
            Self::StepSize => cell.step_size.unwrap_or(f64::NAN),
        }
    }
}

impl Grid {
    /// Every axis with its values, ascending; an automatic parameter has none.
    pub fn axes(&self) -> Vec<(Axis, Vec<f64>)> {
        let whole = |values: &[usize]| values.iter().map(|&v| v as f64).collect::<Vec<_>>();
        let mut axes = vec![
            (Axis::N, whole(&self.n)),
            (Axis::Rank, whole(&self.rank)),
            (Axis::ConditionNumber, self.condition_number.clone()),
            (Axis::Measurements, whole(&self.measurements)),
            (Axis::NoiseStd, self.noise_std.clone()),
            (Axis::SearchRank, whole(&self.search_rank)),
            (Axis::InitScale, self.init_scale.clone()),
            (Axis::StepSize, self.step_size.clone()),
        ];
        axes.iter_mut().for_each(|(_, values)| values.sort_by(f64::total_cmp));
        axes
    }

    /// All cells, measurements running fastest, then the rank.
    pub fn cells(&self) -> Vec<Cell> {
        fn optional(values: &[f64]) -> Vec<Option<f64>> {
            if values.is_empty() { vec![None] } else { values.iter().copied().map(Some).collect() }
        }
        let search_ranks: Vec<Option<usize>> =
            if self.search_rank.is_empty() { vec![None] } else { self.search_rank.iter().copied().map(Some).collect() };
        let (scales, steps) = (optional(&self.init_scale), optional(&self.step_size));
        let mut cells = Vec::new();
        for &n in &self.n {
            for &condition_number in &self.condition_number {
                for &noise_std in &self.noise_std {
                    for &search_rank in &search_ranks {
                        for &init_scale in &scales {
                            for &step_size in &steps {
                                for &rank in &self.rank {
                                    let search_rank = search_rank.unwrap_or((2 * rank).min(n));
                                    cells.extend(self.measurements.iter().map(|&measurements| Cell {
                                        n,
                                        rank,
                                        condition_number,
                                        measurements,
                                        noise_std,
                                        search_rank,
                                        init_scale,
                                        step_size,
                                    }));
                                }
                            }
                        }
                    }
                }
            }
        }
        cells
    }

    /// Refuses what cannot be run, before anything is drawn or allocated.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the parameter.
    pub fn check(&self) -> Result<()> {
        for (axis, values) in self.axes() {
            let automatic = matches!(axis, Axis::SearchRank | Axis::InitScale | Axis::StepSize);
            if values.is_empty() && !automatic {
                return Err(Error::invalid(axis.name(), "no value", "at least one", "give one, a list or a range"));
            }
            if let Some(pair) = values.windows(2).find(|pair| pair[0] == pair[1]) {
                let found = format!("{} twice", pair[0]);
                return Err(Error::invalid(axis.name(), found, "every value once", "raise the repetitions instead"));
            }
            let (allowed, fix, good): (_, _, fn(f64) -> bool) = match axis {
                Axis::ConditionNumber => ("finite numbers of at least 1", "give κ of X", |v| v >= 1.0),
                Axis::NoiseStd => ("finite numbers of at least 0", "give the noise's std", |v| v >= 0.0),
                Axis::InitScale | Axis::StepSize => {
                    ("positive finite numbers", "leave it out for an automatic value", |v| v > 0.0)
                }
                _ => ("whole numbers of at least 1", "give positive sizes", |v| v >= 1.0),
            };
            if let Some(bad) = values.iter().find(|v| !(v.is_finite() && good(**v))) {
                return Err(Error::invalid(axis.name(), bad, allowed, fix));
            }
        }
        let smallest = self.n.iter().copied().min().unwrap_or(0);
        if let Some(rank) = self.rank.iter().find(|rank| **rank > smallest) {
            let fix = "a rank cannot exceed the size: lower the rank, or run sizes apart";
            return Err(Error::invalid("rank", rank, format!("1 to n = {smallest}"), fix));
        }
        if let (true, Some(kappa)) = (self.rank.contains(&1), self.condition_number.iter().find(|k| **k != 1.0)) {
            let fix = "a matrix of rank one has one singular value: let the ranks begin at 2";
            return Err(Error::invalid("condition_number", kappa, "1 where the rank is 1", fix));
        }
        for &n in &self.n {
            Domain::symmetric(n).validate()?;
        }
        if self.repetitions == 0 {
            return Err(Error::invalid("repetitions", 0, "at least 1", "20 give rates to about ±0.2"));
        }
        if !(self.success > 0.0 && self.success < 1.0) {
            let fix = "it is the relative error at which a solve counts as a success; 1 is that of the zero matrix";
            return Err(Error::invalid("success", self.success, "a number between 0 and 1, both excluded", fix));
        }
        if self.max_iterations == 0 {
            return Err(Error::invalid("max_iterations", 0, "at least 1", "2000 suit well-conditioned problems"));
        }
        if self.stall_window == Some(0) {
            return Err(Error::invalid("stall_window", 0, "at least 1", "leave it out, or give a window"));
        }
        // In floating point, where no product of list lengths overflows.
        let solves = self.axes().iter().map(|(_, v)| v.len().max(1) as f64).product::<f64>() * self.repetitions as f64;
        if solves > MOST_SOLVES as f64 {
            let allowed = format!("at most {MOST_SOLVES} solves");
            let fix = "fewer repetitions or values, or several sweeps into several directories";
            return Err(Error::invalid("repetitions", format!("{solves:.3e} solves in all"), allowed, fix));
        }
        Ok(())
    }

    /// Doubts, in sentences. Even least squares on the true column space errs by about σ√(d/m)/‖M‖_F for
    /// d = n r − r(r−1)/2 and ‖M‖_F² = Σ σᵢ(X)⁴: a `success` below that cannot be reached.
    pub fn notices(&self) -> Vec<String> {
        let floor = |cell: &Cell| {
            let (r, kappa) = (cell.rank, cell.condition_number);
            let step = (1.0 - 1.0 / kappa) / (r.max(2) - 1) as f64;
            let norm = (0..r).map(|i| (1.0 - step * i as f64).powi(4)).sum::<f64>().sqrt();
            cell.noise_std * (cell.degrees_of_freedom() as f64 / cell.measurements as f64).sqrt() / norm
        };
        let cells = self.cells();
        let noisy = self.noise_std.iter().filter(|std| **std > 0.0);
        noisy
            .filter_map(|std| {
                let all = cells.iter().filter(|c| c.noise_std == *std).map(floor);
                let least = all.fold(f64::INFINITY, f64::min);
                (least > self.success).then(|| {
                    format!(
                        "noise_std {std}: noise alone costs a relative error of about {least:.1e} or more in every \
                         cell, so none can succeed at {:e}; see the medians, or raise success",
                        self.success
                    )
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> Grid {
        Grid { n: vec![12], rank: vec![1, 2], measurements: vec![10, 20, 30], ..Grid::default() }
    }

    #[test]
    fn cells_are_the_product_in_a_fixed_order() {
        let cells = Grid { noise_std: vec![0.0, 0.1], ..small() }.cells();
        assert_eq!(cells.len(), 12);
        let first: Vec<_> = cells[..4].iter().map(|c| (c.rank, c.measurements, c.search_rank)).collect();
        assert_eq!(first, [(1, 10, 2), (1, 20, 2), (1, 30, 2), (2, 10, 4)]);
        assert_eq!((cells[5].noise_std, cells[6].noise_std), (0.0, 0.1));
        assert_eq!(cells[3].degrees_of_freedom(), 23);
        let wide = Grid { n: vec![3], rank: vec![2], search_rank: vec![7], ..small() };
        assert_eq!((wide.cells()[0].search_rank, wide.cells().len()), (7, 3));
    }

    #[test]
    fn refusals_name_the_parameter() {
        small().check().unwrap();
        let bad = [
            ("n", Grid { n: vec![], ..small() }),
            ("n", Grid { n: vec![0], ..small() }),
            ("rank", Grid { rank: vec![13], ..small() }),
            ("rank", Grid { n: vec![12, 1], ..small() }),
            ("rank", Grid { rank: vec![2, 2], ..small() }),
            ("measurements", Grid { measurements: vec![0, 3], ..small() }),
            ("condition_number", Grid { condition_number: vec![2.0], ..small() }),
            ("condition_number", Grid { rank: vec![2], condition_number: vec![0.5], ..small() }),
            ("noise_std", Grid { noise_std: vec![-1.0], ..small() }),
            ("noise_std", Grid { noise_std: vec![f64::NAN], ..small() }),
            ("search_rank", Grid { search_rank: vec![0], ..small() }),
            ("init_scale", Grid { init_scale: vec![0.0], ..small() }),
            ("step_size", Grid { step_size: vec![f64::INFINITY], ..small() }),
            ("repetitions", Grid { repetitions: 0, ..small() }),
            ("repetitions", Grid { repetitions: usize::MAX, ..small() }),
            ("success", Grid { success: 0.0, ..small() }),
            ("success", Grid { success: 1.0, ..small() }),
            ("max_iterations", Grid { max_iterations: 0, ..small() }),
            ("stall_window", Grid { stall_window: Some(0), ..small() }),
        ];
        for (name, grid) in bad {
            let message = grid.check().unwrap_err().to_string();
            assert!(message.starts_with(&format!("{name}: found")), "{name}: {message}");
        }
    }

    #[test]
    fn hopeless_noise_is_said() {
        assert!(small().notices().is_empty());
        let noisy = Grid { noise_std: vec![0.0, 1e-6, 0.1], ..small() }.notices();
        assert_eq!(noisy.len(), 1);
        assert!(noisy[0].starts_with("noise_std 0.1"), "{noisy:?}");
    }
}
