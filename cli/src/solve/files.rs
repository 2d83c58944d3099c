//! What the files of a solve hold: the measurements, the truth, the start.

use std::path::PathBuf;
use std::sync::Arc;

use lowrank::internals::solver::InitWord;
use lowrank::io::{read_observations, read_rectangular_truth, read_truth_matrix};
use lowrank::models::{self, ModelCard};
use lowrank::operators::Storage;
use lowrank::operators::dense::{Normalization, OpenOptions};
use lowrank::operators::rank_one::OpenVectors;
use lowrank::operators::{Operator, Sparse};
use lowrank::problem::Truth;
use lowrank::{Error, Init, Precision, Problem, Result, Settings};
use lowrank_studies::report::readable;
use serde_json::{Map, Value, json};

use super::completion::{Completion, Predictions};
use super::made::Made;
use super::{Common, pair_of};

/// Where the measurements come from, as far as flags tell.
pub enum Source {
    /// Stored matrices.
    Matrices { path: PathBuf, observations: PathBuf, options: OpenOptions },
    /// Vectors of outer products.
    Vectors { left: PathBuf, right: Option<PathBuf>, observations: PathBuf, options: OpenVectors },
    /// Stored matrices with few nonzeros.
    Sparse { path: PathBuf, observations: PathBuf, options: OpenOptions },
    /// Matrices known by a seed.
    Made(Made),
    /// Entries of the unknown.
    Entries(Completion),
}

/// A problem without its truth, what there is to say of it, and the settings it was read with.
pub struct Measured {
    pub problem: Problem,
    pub described: Map<String, Value>,
    pub notices: Vec<String>,
    /// Measurements that are held out, where these are chosen already.
    pub held_out: Option<Vec<usize>>,
    /// Of sampled entries.
    pub predictions: Option<Predictions>,
}

impl Source {
    /// From the flags alone; no file is opened.
    pub fn new(args: &Common) -> Result<Self> {
        let model = card(args)?;
        if let Some(path) = &args.entries {
            return Ok(Self::Entries(Completion::new(args, path.clone(), model, shape(args)?)?));
        }
        if let Some(path) = &args.sparse {
            let (path, options) = (path.clone(), open_options(args, model)?);
            return Ok(Self::Sparse { path, observations: observations(args)?, options });
        }
        if let Some(left) = args.vectors.clone() {
            return Self::vectors(args, left, model);
        }
        if let Some(name) = &args.operator {
            return Ok(Self::Made(Made::new(args, name, model, shape(args)?, observations(args)?)?));
        }
        let Some(path) = args.matrices.clone() else {
            return Err(Error::Invalid {
                name: "matrices".into(),
                found: "no measurements".into(),
                allowed: "--matrices A.npy, --vectors a.npy, --sparse A.mtx or --operator seeded with --observations \
                          y.npy, or --entries ratings.csv"
                    .into(),
                fix: "name the files, or try `lowrank demo`".into(),
            });
        };
        Ok(Self::Matrices { path, observations: observations(args)?, options: open_options(args, model)? })
    }

    /// Files that are read.
    pub fn inputs(&self, args: &Common) -> Vec<PathBuf> {
        let mut inputs = match self {
            Self::Matrices { path, observations, .. } | Self::Sparse { path, observations, .. } => {
                vec![path.clone(), observations.clone()]
            }
            Self::Vectors { left, right, observations, .. } => {
                std::iter::once(left).chain(right).chain([observations]).cloned().collect()
            }
            Self::Made(made) => vec![made.observations().clone()],
            Self::Entries(completion) => completion.inputs(),
        };
        let init = args.init.as_ref().filter(|path| !path.to_str().is_some_and(InitWord::is_meant));
        inputs.extend([&args.truth, &args.truth_matrix].into_iter().flatten().chain(init).cloned());
        inputs
    }

    pub fn open(self, args: &Common) -> Result<Measured> {
        match self {
            Self::Matrices { path, observations, options } => {
                let file = options.open(&path)?;
                let described = json!({ "operator": "dense", "matrices": path });
                let (text, notices) = (file.describe(), file.notices);
                measured(args, Arc::new(file.operator), &text, notices, observations, described)
            }
            Self::Sparse { path, observations, options } => {
                let file = Sparse::open(&path, &options)?;
                let described = json!({ "operator": "sparse", "sparse": path });
                let (text, notices) = (file.describe(), file.notices);
                measured(args, Arc::new(file.operator), &text, notices, observations, described)
            }
            Self::Vectors { left, right, observations, options } => {
                let file = options.open(&left, right.as_deref())?;
                let described = json!({
                    "operator": "rank_one", "vectors": left, "vectors_right": right,
                    "products": file.operator.products(), "centred": file.operator.is_centred(),
                });
                let (text, notices) = (file.describe(), file.notices);
                measured(args, Arc::new(file.operator), &text, notices, observations, described)
            }
            Self::Made(made) => made.open(args),
            Self::Entries(completion) => completion.open(args),
        }
    }

    fn vectors(args: &Common, left: PathBuf, model: &ModelCard) -> Result<Self> {
        for (name, flag) in [("layout", &args.layout), ("shape", &args.shape)] {
            if let Some(found) = flag {
                return Err(Error::Invalid {
                    name: name.into(),
                    found: format!("'{found}'"),
                    allowed: "nothing with --vectors, which have the size of the unknown".into(),
                    fix: "leave it out".into(),
                });
            }
        }
        let options = OpenVectors {
            symmetric: model.symmetric,
            storage: storage(args)?,
            normalization: args.normalization.parse::<Normalization>()?,
            centred: !args.no_center,
        };
        Ok(Self::Vectors { left, right: args.vectors_right.clone(), observations: observations(args)?, options })
    }
}

/// The model that the flags name, with what stands behind its word.
pub fn model(args: &Common) -> &str {
    // Two sets of vectors are those of two factors.
    let pair = args.entries.is_some() || args.vectors_right.is_some();
    args.model.as_deref().unwrap_or(if pair { "asymmetric" } else { "psd" })
}

/// What is known of it.
pub fn card(args: &Common) -> Result<&'static ModelCard> {
    models::card(model(args))
}

/// Matrices with their observations.
pub fn measured(
    args: &Common,
    operator: Arc<dyn Operator>,
    text: &str,
    mut notices: Vec<String>,
    observations: PathBuf,
    described: Value,
) -> Result<Measured> {
    let y = read_observations(&observations, operator.measurements(), text)?;
    let s = operator.normalization();
    notices.push(format!("normalization {}: s as --normalization {} has it", readable(s), args.normalization));
    let model = model(args);
    let mut described = object(described);
    described.extend(object(json!({
        "observations": observations, "model": model, "layout": args.layout, "shape": args.shape,
        "normalization": args.normalization, "normalization_value": s,
    })));
    Ok(Measured { problem: Problem::batch(operator, y)?, described, notices, held_out: None, predictions: None })
}

pub fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn observations(args: &Common) -> Result<PathBuf> {
    args.observations.clone().ok_or_else(|| Error::Invalid {
        name: "observations".into(),
        found: "nothing".into(),
        allowed: "a .npy file of y, one number a measurement".into(),
        fix: "give --observations y.npy".into(),
    })
}

/// n1,n2 of --shape.
fn shape(args: &Common) -> Result<Option<(usize, usize)>> {
    let Some(text) = &args.shape else { return Ok(None) };
    let (allowed, fix) = ("two positive whole numbers n1,n2", "for example --shape 60,60");
    match pair_of("shape", text, allowed, fix)? {
        (n1, n2) if n1 > 0 && n2 > 0 => Ok(Some((n1, n2))),
        _ => Err(Error::Invalid {
            name: "shape".into(),
            found: format!("'{text}'"),
            allowed: allowed.into(),
            fix: fix.into(),
        }),
    }
}

/// What --storage says, or what suits precision and backend.
fn storage(args: &Common) -> Result<Option<Storage>> {
    let precision: Precision = args.precision.parse()?;
    let storage = args.storage.as_ref().map(|text| text.parse()).transpose()?;
    Ok(storage.or(precision.usual_storage(&args.backend)))
}

fn open_options(args: &Common, model: &ModelCard) -> Result<OpenOptions> {
    Ok(OpenOptions {
        symmetric: model.symmetric,
        layout: args.layout.as_ref().map(|text| text.parse()).transpose()?,
        shape: shape(args)?,
        storage: storage(args)?,
        normalization: args.normalization.parse::<Normalization>()?,
    })
}

/// Attaches the truth that --truth or --truth-matrix names.
pub fn with_truth(args: &Common, problem: Problem, settings: &Settings) -> Result<Problem> {
    let domain = problem.operator().domain();
    let (n1, n2) = (domain.rows(), domain.columns());
    let problem = match &args.truth {
        None => problem,
        Some(path) => problem.with_truths(settings.model_of(&domain).read_truth(path, &domain)?)?,
    };
    match &args.truth_matrix {
        None => Ok(problem),
        Some(path) => {
            let matrix = if domain.is_symmetric() {
                read_truth_matrix(path, n1)?
            } else {
                read_rectangular_truth(path, n1, n2)?
            };
            problem.with_truth(Truth::from_matrix_of(domain, matrix)?)
        }
    }
}

/// The word of `--init`, where it is none of a file.
pub fn init_word(args: &Common) -> Result<Option<InitWord>> {
    let text = args.init.as_ref().and_then(|path| path.to_str()).filter(|text| InitWord::is_meant(text));
    text.map(str::parse).transpose()
}

/// Adds the start. Scales and seeds are on the trials.
pub fn with_start(args: &Common, settings: Settings, problem: &Problem) -> Result<Settings> {
    let Some(path) = &args.init else { return Ok(settings.init(Init::Automatic { seed: 0 })) };
    if let Some(word) = init_word(args)? {
        let preprocess = args.init_preprocess.as_ref().map(|text| text.parse()).transpose()?;
        return Ok(settings.init_word(word, preprocess.unwrap_or_default()));
    }
    let domain = problem.operator().domain();
    let given = settings.model_of(&domain).read_factors(path, &domain, "init")?;
    Ok(settings.init(Init::Given(given)))
}
