//! The plan of a sweep: lists of values, their product, and what is refused before any work.

use serde::{Serialize, Serializer};

use crate::sweep::axis::{Axis, Cell};
use lowrank::engine::Precision;
use lowrank::internals::methods::AUTOMATIC;
use lowrank::internals::operators::{REGISTRY, Registration};
use lowrank::methods::{Method, StartKind};
use lowrank::models::{self, Model};
use lowrank::operators::Loss;
use lowrank::problem::Domain;
use lowrank::solver::{Settings, Stop, Trial};
use lowrank::{Error, Result};

/// More solves than this in one directory are a slip of the keyboard, or better cut into several sweeps.
const MOST_SOLVES: usize = 1_000_000;

/// What a sweep runs: the cartesian product of its lists, each cell `repetitions` times.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Grid {
    /// Ensemble of the measurements.
    pub operator: &'static Registration,
    /// Model of the truths and of the iterate.
    #[serde(serialize_with = "spelled")]
    pub model: Model,
    /// Method; `None` for the solver's choice, see [`Settings::method_of`].
    #[serde(serialize_with = "asked")]
    pub method: Option<Method>,
    /// Rows of the unknown matrix, and its columns where `n2` is empty.
    pub n: Vec<usize>,
    /// Columns of the unknown matrix, for models of matrices that need not be symmetric. Empty: as many as rows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub n2: Vec<usize>,
    /// r* of the truth.
    pub rank: Vec<usize>,
    /// κ of X; of M for models with factors of their own on both sides.
    pub condition_number: Vec<f64>,
    /// m.
    pub measurements: Vec<usize>,
    /// Standard deviation of the noise on y; the truth has ‖X‖ = 1.
    pub noise_std: Vec<f64>,
    /// k. Empty: that of the model, or min(n, n2, 2 r*) for every method alike, so that methods compare.
    pub search_rank: Vec<usize>,
    /// α. Empty: chosen from the data, see [`lowrank::Init::Automatic`].
    pub init_scale: Vec<f64>,
    /// μ. Empty: that of the method.
    pub step_size: Vec<f64>,
    /// Weight of the ridge. Empty: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ridge: Vec<f64>,
    pub repetitions: usize,
    /// A solve succeeds, and stops, at a relative error of at most this.
    pub success: f64,
    pub max_iterations: usize,
    /// See [`lowrank::Stop::stall_window`].
    pub stall_window: Option<usize>,
    /// A fresh operator for every repetition instead of one for each size.
    pub vary_operator: bool,
    pub precision: Precision,
    pub seed: u64,
}

/// A model as text that reads back.
fn spelled<S: Serializer>(model: &Model, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_str(model)
}

/// A requested method as text that reads back.
fn asked<S: Serializer>(method: &Option<Method>, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    match method {
        Some(method) => serializer.collect_str(method),
        None => serializer.serialize_str(AUTOMATIC),
    }
}

impl Default for Grid {
    /// No cells yet: fill in `n`, `rank` and `measurements`. The operator is dense, the model psd, and the method is the
    /// solver's choice.
    fn default() -> Self {
        Self {
            operator: &REGISTRY[0],
            model: Model::psd(),
            method: None,
            n: Vec::new(),
            n2: Vec::new(),
            rank: Vec::new(),
            condition_number: vec![1.0],
            measurements: Vec::new(),
            noise_std: vec![0.0],
            search_rank: Vec::new(),
            init_scale: Vec::new(),
            step_size: Vec::new(),
            ridge: Vec::new(),
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

impl Grid {
    /// Rows and columns of the unknown matrices, without repetition.
    pub fn sizes(&self) -> Vec<(usize, usize)> {
        let of = |&n: &usize| match self.n2.is_empty() {
            true => vec![(n, n)],
            false => self.n2.iter().map(|&n2| (n, n2)).collect(),
        };
        self.n.iter().flat_map(of).collect()
    }

    /// Whether the model is one of symmetric matrices.
    fn is_symmetric(&self) -> bool {
        // A model without a card has two factors or more, or checks its domain itself.
        models::card(self.model.word()).is_ok_and(|card| card.symmetric)
    }

    /// The matrices of a size that are measured.
    pub fn domain(&self, (n, n2): (usize, usize)) -> Domain {
        let domain = if self.is_symmetric() { Domain::symmetric(n) } else { Domain::rectangular(n, n2) };
        (self.operator.domain)(domain).unwrap_or(domain)
    }

    /// Degrees of freedom of a truth.
    pub fn degrees_of_freedom(&self, size: (usize, usize), rank: usize) -> usize {
        self.model.degrees_of_freedom(&self.domain(size), rank)
    }

    /// The settings that all solves share.
    pub(crate) fn settings(&self) -> Settings {
        let stop = Stop::default()
            .relative_error(self.success)
            .max_iterations(self.max_iterations)
            .stall_window(self.stall_window);
        let settings = Settings::default().model(self.model.clone()).precision(self.precision).stop(stop);
        self.method.iter().fold(settings, |settings, method| settings.method(method.clone()))
    }

    /// A solve of a cell, but for its instance and its seed.
    pub(crate) fn trial(cell: &Cell) -> Trial {
        let mut trial = Trial::default().rows(cell.measurements).search_rank(cell.search_rank);
        trial = cell.init_scale.map_or(trial, |scale| trial.init_scale(scale));
        trial = cell.ridge.map_or(trial, |ridge| trial.ridge(ridge));
        cell.step_size.map_or(trial, |step| trial.step_size(step))
    }

    /// The method that runs: the requested one, or the solver's choice for this grid.
    pub fn method_in_use(&self) -> Method {
        let trial = Trial::default();
        let trial = self.init_scale.first().map_or(trial, |scale| trial.init_scale(*scale));
        let trial = self.step_size.first().map_or(trial, |step| trial.step_size(*step));
        // Settings alike in all trials, on a domain that only decides a model, which is given.
        self.settings().trials([trial]).method_of(&self.domain((1, 1)))
    }

    /// Every axis with its values, ascending; an automatic parameter has none.
    pub fn axes(&self) -> Vec<(Axis, Vec<f64>)> {
        let whole = |values: &[usize]| values.iter().map(|&v| v as f64).collect::<Vec<_>>();
        let mut axes = vec![
            (Axis::N, whole(&self.n)),
            (Axis::N2, whole(&self.n2)),
            (Axis::Rank, whole(&self.rank)),
            (Axis::ConditionNumber, self.condition_number.clone()),
            (Axis::Measurements, whole(&self.measurements)),
            (Axis::NoiseStd, self.noise_std.clone()),
            (Axis::SearchRank, whole(&self.search_rank)),
            (Axis::InitScale, self.init_scale.clone()),
            (Axis::StepSize, self.step_size.clone()),
            (Axis::Ridge, self.ridge.clone()),
        ];
        axes.iter_mut().for_each(|(_, values)| values.sort_by(f64::total_cmp));
        axes
    }

    /// All cells, measurements running fastest, then the rank.
    pub fn cells(&self) -> Vec<Cell> {
        // A search rank of 0 stands for an automatic one until the rank is known.
        let plain = |(n, n2)| Cell {
            n,
            n2,
            rank: 0,
            condition_number: 1.0,
            measurements: 0,
            noise_std: 0.0,
            search_rank: 0,
            init_scale: None,
            step_size: None,
            ridge: None,
            degrees_of_freedom: 0,
        };
        let mut cells: Vec<Cell> = self.sizes().into_iter().map(plain).collect();
        extend(&mut cells, &self.condition_number, |cell, kappa| cell.condition_number = kappa);
        extend(&mut cells, &self.noise_std, |cell, std| cell.noise_std = std);
        extend(&mut cells, &self.search_rank, |cell, k| cell.search_rank = k);
        extend(&mut cells, &self.init_scale, |cell, scale| cell.init_scale = Some(scale));
        extend(&mut cells, &self.step_size, |cell, step| cell.step_size = Some(step));
        extend(&mut cells, &self.ridge, |cell, ridge| cell.ridge = Some(ridge));
        extend(&mut cells, &self.rank, |cell, rank| cell.rank = rank);
        extend(&mut cells, &self.measurements, |cell, m| cell.measurements = m);
        for cell in &mut cells {
            if cell.search_rank == 0 {
                let usual = (2 * cell.rank).min(cell.n).min(cell.n2);
                cell.search_rank = self.model.search_rank().unwrap_or(usual);
            }
            cell.degrees_of_freedom = self.degrees_of_freedom(cell.size(), cell.rank);
        }
        cells
    }

    /// Refuses models without such truths, operators without so many measurements, and methods that do not suit.
    fn check_problem(&self) -> Result<()> {
        if let Some(n2) = self.n2.first().filter(|_| self.is_symmetric()) {
            let allowed = format!("nothing with the model {}, whose matrices are symmetric", self.model);
            return Err(Error::invalid("n2", n2, allowed, "leave it out, or say --model asymmetric"));
        }
        for size in self.sizes() {
            let domain = self.domain(size);
            if domain.order() != size.0.min(size.1) {
                let allowed = format!("sizes like {} for the operator {}", domain.order(), self.operator.name);
                return Err(Error::invalid("n", size.0, allowed, "q qubits have matrices of 2^q rows"));
            }
            domain.validate()?;
            self.model.check(&domain)?;
            self.rank.iter().try_for_each(|rank| self.model.truth(&domain, Some(*rank)).map(drop))?;
            let most = self.measurements.iter().max();
            if let Some((limit, m)) = (self.operator.limit)(domain).zip(most).filter(|(limit, m)| *m > limit) {
                let allowed = format!("1 to {limit} for the operator {} on {domain} matrices", self.operator.name);
                return Err(Error::invalid("measurements", m, allowed, "lower it, or run sizes apart"));
            }
        }
        if let Some((k, found)) =
            self.model.search_rank().zip(self.search_rank.iter().find(|k| Some(**k) != self.model.search_rank()))
        {
            let allowed = format!("{k} for the model {}", self.model);
            return Err(Error::invalid("search_rank", found, allowed, "leave it out: the model has it"));
        }
        let method = self.method_in_use();
        method.suits(Loss::Square, &self.model)?;
        if let Some(scale) = self.init_scale.first().filter(|_| method.start(None) != StartKind::SmallRandom) {
            let allowed = format!("nothing for the method {method}, whose start has no scale");
            return Err(Error::invalid("init_scale", scale, allowed, "leave it out, or choose another method"));
        }
        Ok(())
    }

    /// Refuses what cannot be run, before anything is drawn or allocated.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the parameter.
    pub fn check(&self) -> Result<()> {
        for (axis, values) in self.axes() {
            if values.is_empty() && !axis.is_optional() {
                return Err(Error::invalid(axis.name(), "no value", "at least one", "give one, a list or a range"));
            }
            if let Some(pair) = values.windows(2).find(|pair| pair[0] == pair[1]) {
                let found = format!("{} twice", pair[0]);
                return Err(Error::invalid(axis.name(), found, "every value once", "raise the repetitions instead"));
            }
            let (allowed, fix, good): (_, _, fn(f64) -> bool) = match axis {
                Axis::ConditionNumber => ("finite numbers of at least 1", "give κ of X", |v| v >= 1.0),
                Axis::Ridge => ("finite numbers of at least 0", "leave it out for none", |v| v >= 0.0),
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
        // In floating point, where no product of list lengths overflows.
        let solves = self.axes().iter().map(|(_, v)| v.len().max(1) as f64).product::<f64>() * self.repetitions as f64;
        if solves > MOST_SOLVES as f64 {
            let allowed = format!("at most {MOST_SOLVES} solves");
            let fix = "fewer repetitions or values, or several sweeps into several directories";
            return Err(Error::invalid("repetitions", format!("{solves:.3e} solves in all"), allowed, fix));
        }
        self.check_problem()?;
        let (axis, smallest) = match (self.n.iter().min(), self.n2.iter().min()) {
            (Some(n), Some(n2)) if n2 < n => (Axis::N2, *n2),
            (n, _) => (Axis::N, n.copied().unwrap_or(0)),
        };
        if let Some(rank) = self.rank.iter().find(|rank| **rank > smallest) {
            let fix = "a rank cannot exceed the size: lower the rank, or run sizes apart";
            return Err(Error::invalid("rank", rank, format!("1 to {} = {smallest}", axis.name()), fix));
        }
        if let (true, Some(kappa)) = (self.rank.contains(&1), self.condition_number.iter().find(|k| **k != 1.0)) {
            let fix = "a matrix of rank one has one singular value: let the ranks begin at 2";
            return Err(Error::invalid("condition_number", kappa, "1 where the rank is 1", fix));
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
        Ok(())
    }
}

/// Replaces each cell by one for every value of a list, unless the list is empty.
fn extend<T: Copy>(cells: &mut Vec<Cell>, values: &[T], set: fn(&mut Cell, T)) {
    if values.is_empty() {
        return;
    }
    let of = |cell: &Cell| {
        let mut own = vec![*cell; values.len()];
        own.iter_mut().zip(values).for_each(|(cell, value)| set(cell, *value));
        own
    };
    *cells = cells.iter().flat_map(of).collect();
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
        assert_eq!(cells[3].degrees_of_freedom, 23);
        let wide = Grid { n: vec![3], rank: vec![2], search_rank: vec![7], ..small() };
        assert_eq!((wide.cells()[0].search_rank, wide.cells().len()), (7, 3));
    }

    #[test]
    fn columns_are_an_axis_of_their_own() {
        let model = Model::asymmetric();
        let wide = Grid { model, n: vec![6, 9], n2: vec![4, 5], rank: vec![3], ..small() };
        wide.check().unwrap();
        assert_eq!(wide.sizes(), [(6, 4), (6, 5), (9, 4), (9, 5)]);
        let cell = wide.cells()[0];
        assert_eq!((cell.size(), cell.search_rank, cell.degrees_of_freedom), ((6, 4), 4, 3 * (6 + 4 - 3)));
        assert_eq!(wide.domain((6, 4)), Domain::rectangular(6, 4));
        let message = Grid { rank: vec![5], ..wide }.check().unwrap_err().to_string();
        assert!(message.contains("n2 = 4"), "{message}");
    }

    #[test]
    fn refusals_name_the_parameter() {
        small().check().unwrap();
        let bad = [
            ("n", Grid { n: vec![], ..small() }),
            ("n", Grid { n: vec![0], ..small() }),
            ("n2", Grid { n2: vec![12], ..small() }),
            ("n2", Grid { n2: vec![0], ..small() }),
            ("ridge", Grid { ridge: vec![-1.0], ..small() }),
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
}
