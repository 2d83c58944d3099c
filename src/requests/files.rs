//! Measurements, truth and start of a request, from files.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::io::complex::{read_complex_matrix, read_hermitian};
use crate::io::{read_rectangular_truth, read_truth_matrix};
use crate::models::{Model, ModelCard};
use crate::operators::entries::Predictions;
use crate::operators::open::{Opened, Opening, Wanted};
use crate::operators::registry::{REGISTRY, Registration};
use crate::options::{Request, flag};
use crate::problem::{Domain, Truth};
use crate::requests::listing::options_of;
use crate::solver::axes::Axes;
use crate::solver::init::InitWord;
use crate::solver::{Init, Problem, Settings};

/// A request that is understood: nothing was read yet.
pub struct Planned {
    /// Settings without start and trials.
    pub settings: Settings,
    /// Axes of the batch.
    pub axes: Axes,
    model: &'static ModelCard,
    /// Model as it was written.
    written: String,
    opening: Box<dyn Opening>,
}

/// A problem that was read, with its settings.
pub struct Measured {
    /// The problem, with its truth if there is one.
    pub problem: Problem,
    /// Settings with the start and the trials.
    pub settings: Settings,
    /// Description of the measurements for reports.
    pub described: Map<String, Value>,
    /// What the user should know.
    pub notices: Vec<String>,
    /// Predictions without factors, of sampled entries.
    pub predictions: Option<Predictions>,
}

impl Request {
    /// Understands a request of `solve` or `compare`, without a look at files or devices. `axes` are those of the
    /// command.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the option.
    pub fn planned(&self, command: &str, settings: Settings, axes: Axes) -> Result<Planned> {
        self.check(&options_of(command))?;
        let registration = asked(self)?;
        let symmetric = (registration.is_symmetric)(self);
        let domain = if symmetric { Domain::symmetric(1) } else { Domain::rectangular(1, 1) };
        let usual = Model::natural(&domain).word();
        let model = self.model_card(usual)?;
        let (word, symmetric, storage) = (model.word, model.symmetric, self.storage()?);
        let opening = (registration.open)(&Wanted { request: self, model: word, symmetric, storage })?;
        self.start()?;
        if self.has("stop_relative_error") && !self.has("truth") && !self.has("truth_matrix") {
            let allowed = "a target together with --truth or --truth-matrix";
            let fix = "give the truth, or stop by --stop-residual or --holdout";
            return Err(Error::invalid("stop_relative_error", "a target but no truth", allowed, fix));
        }
        if self.unseen_below()?.is_some() && registration.name != "entries" {
            let (found, allowed) = ("measurements that are no entries", "entries of a matrix");
            return Err(Error::invalid("loss_unseen", found, allowed, "pass entries, or leave it out"));
        }
        let settings = self.with_implicit(settings, registration.name == "entries")?;
        let settings = settings.model(self.model(usual)?);
        // Refused before any file is opened.
        settings.clone().trials(axes.trials(1)).check()?;
        let written = self.text("model").unwrap_or(usual).to_owned();
        Ok(Planned { settings, axes, model, written, opening })
    }

    /// Files that the request reads.
    pub fn inputs(&self, planned: &Planned) -> Vec<PathBuf> {
        let init = self.file("init").filter(|path| !path.to_str().is_some_and(InitWord::is_meant));
        let more = [self.file("truth"), self.file("truth_matrix"), self.file("weights"), init];
        planned.opening.inputs().into_iter().chain(more.into_iter().flatten().map(Path::to_path_buf)).collect()
    }

    /// Reads the files of a request.
    ///
    /// # Errors
    /// Those of the files.
    pub fn measured(&self, planned: Planned) -> Result<Measured> {
        let Planned { settings, axes, model, written, opening } = planned;
        let Opened { operator, observations, weights, mut notices, mut described, held_out, predictions } =
            opening.open()?;
        // Unobserved entries of implicit feedback count too.
        if predictions.is_some() && !self.has("implicit") {
            let training = operator.measurements() - held_out.as_ref().map_or(0, Vec::len);
            notices.extend(self.too_few(model, operator.domain(), training));
        }
        described.insert("model".into(), written.into());
        let problem = Problem::batch(operator, observations)?;
        let problem = weights.into_iter().try_fold(problem, Problem::with_weights)?;
        let (problem, said) = self.with_unseen(problem)?;
        notices.extend(said);
        let (settings, chosen) = self.with_usual_ridge(settings, &problem)?;
        notices.extend(chosen);
        let problem = self.with_truth(problem, &settings)?;
        let mut settings = self.with_start(settings, &problem.operator().domain())?;
        if let Some(held_out) = held_out {
            settings = settings.holdout_measurements(held_out);
        }
        if self.is_on("biases") {
            settings = settings.without_biases();
        }
        axes.check(problem.instances())?;
        let trials = axes.trials_from(&settings, problem.instances());
        Ok(Measured { problem, settings: settings.trials(trials), described, notices, predictions })
    }

    /// Attaches the truth that the request names.
    fn with_truth(&self, problem: Problem, settings: &Settings) -> Result<Problem> {
        let domain = problem.operator().domain();
        if let Some(path) = self.file("truth") {
            return problem.with_truths(settings.model_of(&domain).read_truth(path, &domain)?);
        }
        let Some(path) = self.file("truth_matrix") else { return Ok(problem) };
        let (n1, n2) = (domain.rows(), domain.columns());
        let matrix = match (domain.is_complex(), domain.is_symmetric()) {
            (true, true) => read_hermitian(path, domain.order())?,
            (true, false) => read_complex_matrix(path, domain.shape())?,
            (false, true) => read_truth_matrix(path, n1)?,
            (false, false) => read_rectangular_truth(path, n1, n2)?,
        };
        problem.with_truth(Truth::from_matrix_of(domain, matrix)?)
    }

    /// Adds the start; scales and seeds are on the trials.
    fn with_start(&self, settings: Settings, domain: &Domain) -> Result<Settings> {
        match (self.start()?, self.file("init")) {
            (Some((word, preprocess)), _) => Ok(settings.init_word(word, preprocess)),
            (None, Some(path)) => {
                let given = settings.model_of(domain).read_factors(path, domain, "init")?;
                Ok(settings.init(Init::Given(given)))
            }
            (None, None) => Ok(settings),
        }
    }

    /// Says where entries are fewer than the degrees of freedom of the smallest search rank.
    fn too_few(&self, card: &ModelCard, domain: Domain, m: usize) -> Option<String> {
        let k = self.text("search_rank").and_then(|text| text.parse::<usize>().ok()).unwrap_or(1);
        let model = self.model(card.word).unwrap_or_else(|_| Model::natural(&domain));
        let freedom = model.degrees_of_freedom(&domain, k);
        (m < freedom).then(|| {
            let most = (1..k).rev().find(|&r| model.degrees_of_freedom(&domain, r) <= m);
            let enough = most.map_or("not even of rank 1".to_owned(), |r| format!("of rank {r} at most"));
            format!(
                "{m} training entries are fewer than the {freedom} degrees of freedom of a {domain} matrix of rank {k}: they \
                 determine a matrix {enough}"
            )
        })
    }
}

/// The operator whose measurements a request names.
///
/// # Errors
/// [`Error::Invalid`] where it names none, or those of two operators.
fn asked(request: &Request) -> Result<&'static Registration> {
    let mut all = REGISTRY.iter().filter(|registration| (registration.is_asked)(request));
    match (all.next(), all.next()) {
        (Some(one), None) => Ok(one),
        (Some(one), Some(other)) => {
            let of = |registration: &Registration| registration.source;
            let found = format!("'{}' beside {}", request.written(of(one)).unwrap_or_default(), flag(of(other)));
            Err(Error::invalid(of(one), found, "measurements of one kind", "leave one of the two out"))
        }
        (None, _) => match request.text("operator") {
            Some(word) => {
                let made: Vec<_> = REGISTRY.iter().filter(|r| r.source == "operator").map(|r| r.name).collect();
                let fix = "other measurements come from files: --matrices, --vectors, --sparse or --entries";
                Err(Error::invalid("operator", format!("'{word}'"), made.join(" or "), fix))
            }
            None => {
                let allowed = "--matrices A.npy, --vectors a.npy, --sparse A.mtx or --operator seeded with --observations y.npy, or \
                               --entries ratings.csv";
                Err(Error::invalid("matrices", "no measurements", allowed, "name the files, or try `lowrank demo`"))
            }
        },
    }
}
