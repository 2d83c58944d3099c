//! What the files of a solve hold: the measurements, the truth, the start.

use std::path::PathBuf;
use std::sync::Arc;

use lowrank::io::{
    read_factor, read_observations, read_pair, read_rectangular_truth, read_signed_factor, read_truth_matrix,
};
use lowrank::operators::Operator;
use lowrank::operators::dense::{Layout, Normalization, OpenOptions, Storage};
use lowrank::operators::rank_one::OpenVectors;
use lowrank::problem::{Factors, Model, Shape, Truth};
use lowrank::report::readable;
use lowrank::{Error, Init, Problem, Result, Settings};
use serde_json::{Map, Value, json};

use super::{Args, STORAGES, pair_of, word};

const MODELS: &[(&str, Model)] = &[("psd", Model::Psd), ("asymmetric", Model::Asymmetric), ("signed", Model::Signed)];
const LAYOUTS: &[(&str, Layout)] = &[("packed", Layout::Packed), ("full", Layout::Full)];

/// Where the measurements come from, as far as flags tell.
pub enum Source {
    /// Stored matrices.
    Matrices { path: PathBuf, observations: PathBuf, options: OpenOptions },
    /// Vectors of outer products.
    Vectors { left: PathBuf, right: Option<PathBuf>, observations: PathBuf, options: OpenVectors },
}

/// A problem without its truth, what there is to say of it, and the settings it was read with.
pub struct Measured {
    pub problem: Problem,
    pub described: Map<String, Value>,
    pub notices: Vec<String>,
}

impl Source {
    /// From the flags alone; no file is opened.
    pub fn new(args: &Args) -> Result<Self> {
        // Two sets of vectors are those of two factors.
        let usual = if args.vectors_right.is_some() { "asymmetric" } else { "psd" };
        let model = word("model", args.model.as_deref().unwrap_or(usual), MODELS)?;
        if let Some(path) = args.matrices.clone() {
            let options = open_options(args, model)?;
            return Ok(Self::Matrices { path, observations: observations(args)?, options });
        }
        if let Some(left) = args.vectors.clone() {
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
                model,
                storage: storage(args)?,
                normalization: args.normalization.parse::<Normalization>()?,
                centred: !args.no_center,
            };
            return Ok(Self::Vectors {
                left,
                right: args.vectors_right.clone(),
                observations: observations(args)?,
                options,
            });
        }
        Err(Error::Invalid {
            name: "matrices".into(),
            found: "no measurements".into(),
            allowed: "--matrices A.npy or --vectors a.npy, with --observations y.npy".into(),
            fix: "name the files, or try `lowrank demo`".into(),
        })
    }

    /// Files that are read.
    pub fn inputs(&self, args: &Args) -> Vec<PathBuf> {
        let own: Vec<&PathBuf> = match self {
            Self::Matrices { path, observations, .. } => vec![path, observations],
            Self::Vectors { left, right, observations, .. } => {
                std::iter::once(left).chain(right).chain([observations]).collect()
            }
        };
        let optional = [&args.truth, &args.truth_matrix, &args.init].into_iter().flatten();
        own.into_iter().chain(optional).cloned().collect()
    }

    pub fn open(self, args: &Args) -> Result<Measured> {
        match self {
            Self::Matrices { path, observations, options } => Self::open_matrices(args, path, observations, options),
            Self::Vectors { left, right, observations, options } => {
                let file = options.open(&left, right.as_deref())?;
                let y = read_observations(&observations, file.operator.measurements(), &file.describe())?;
                let s = file.operator.normalization();
                let mut notices = file.notices;
                notices.push(normalization_notice(args, s));
                let described = object(json!({
                    "operator": "rank_one", "vectors": left, "vectors_right": right, "observations": observations,
                    "model": model_word(options.model), "products": file.operator.products(),
                    "centred": file.operator.is_centred(),
                    "normalization": args.normalization, "normalization_value": s,
                }));
                Ok(Measured { problem: Problem::batch(Arc::new(file.operator), y)?, described, notices })
            }
        }
    }

    fn open_matrices(args: &Args, path: PathBuf, observations: PathBuf, options: OpenOptions) -> Result<Measured> {
        let file = options.open(&path)?;
        let mut notices = file.notices.clone();
        let y = read_observations(&observations, file.operator.measurements(), &file.describe())?;
        let s = file.operator.normalization();
        notices.push(normalization_notice(args, s));
        let model = model_word(options.model);
        let described = object(json!({
            "operator": "dense", "matrices": path, "observations": observations, "model": model,
            "layout": args.layout, "shape": args.shape,
            "normalization": args.normalization, "normalization_value": s,
        }));
        Ok(Measured { problem: Problem::batch(Arc::new(file.operator), y)?, described, notices })
    }
}

fn normalization_notice(args: &Args, s: f64) -> String {
    format!("normalization {}: s as --normalization {} has it", readable(s), args.normalization)
}

fn model_word(model: Model) -> &'static str {
    MODELS.iter().find(|(_, known)| *known == model).map_or("", |(word, _)| word)
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn observations(args: &Args) -> Result<PathBuf> {
    args.observations.clone().ok_or_else(|| Error::Invalid {
        name: "observations".into(),
        found: "nothing".into(),
        allowed: "a .npy file of y, one number a measurement".into(),
        fix: "give --observations y.npy".into(),
    })
}

/// n1,n2 of --shape.
fn shape(args: &Args) -> Result<Option<(usize, usize)>> {
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

/// What --storage says. Reference keeps the file's own type, as do double and mixed precision; single precision rounds
/// once, where the file is read.
fn storage(args: &Args) -> Result<Option<Storage>> {
    let single = args.precision == "f32" && args.backend != "reference";
    let storage = args.storage.as_ref().map(|text| word("storage", text, STORAGES)).transpose()?;
    Ok(storage.or(single.then_some(Storage::F32)))
}

fn open_options(args: &Args, model: Model) -> Result<OpenOptions> {
    Ok(OpenOptions {
        model,
        layout: args.layout.as_ref().map(|text| word("layout", text, LAYOUTS)).transpose()?,
        shape: shape(args)?,
        storage: storage(args)?,
        normalization: args.normalization.parse::<Normalization>()?,
    })
}

/// Attaches the truth that --truth or --truth-matrix names.
pub fn with_truth(args: &Args, problem: Problem) -> Result<Problem> {
    let shape = problem.operator().shape();
    let (n1, n2) = (shape.rows(), shape.columns());
    let problem = match (&args.truth, shape.model()) {
        (None, _) => problem,
        (Some(path), Model::Asymmetric) => {
            let (left, right) = read_pair(path, n1, n2, "truth")?;
            let rank = left.columns;
            let pairs = left.values.chunks(n1 * rank).zip(right.values.chunks(n2 * rank));
            let truths = pairs.map(|(l, r)| Truth::from_pair(n1, n2, rank, l.to_vec(), r.to_vec()));
            problem.with_truths(truths.collect::<Result<_>>()?)?
        }
        (Some(path), Model::Signed) => {
            let (factor, signature) = read_signed_factor(path, n1, "truth")?;
            let truths = factor.values.chunks(n1 * factor.columns);
            let truths = truths.map(|x| Truth::from_signed_factor(n1, signature, x.to_vec()));
            problem.with_truths(truths.collect::<Result<_>>()?)?
        }
        (Some(path), _) => {
            let array = read_factor(path, n1, "truth")?;
            let truths = array.values.chunks(n1 * array.columns);
            let truths = truths.map(|x| Truth::from_factor(n1, array.columns, x.to_vec()));
            problem.with_truths(truths.collect::<Result<_>>()?)?
        }
    };
    match &args.truth_matrix {
        None => Ok(problem),
        Some(path) => {
            let matrix =
                if shape.is_symmetric() { read_truth_matrix(path, n1)? } else { read_rectangular_truth(path, n1, n2)? };
            problem.with_truth(Truth::from_matrix_of(shape, matrix)?)
        }
    }
}

/// Adds the start. Scales and seeds are on the trials.
pub fn with_start(args: &Args, settings: Settings, shape: Shape) -> Result<Settings> {
    let Some(path) = &args.init else { return Ok(settings.init(Init::Automatic { seed: 0 })) };
    let given = if shape.is_symmetric() {
        let array = read_factor(path, shape.rows(), "init")?;
        Factors::symmetric(array.batch, shape.rows(), array.columns, array.values)?
    } else {
        let (left, right) = read_pair(path, shape.rows(), shape.columns(), "init")?;
        Factors::pair(left.batch, shape, left.columns, left.values, right.values)?
    };
    Ok(settings.init(Init::Given(given)))
}
