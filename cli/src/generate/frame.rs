//! The frame of every generated problem: flags, files, their description, and the command that solves it.

use std::io::Write;
use std::path::PathBuf;

use lowrank::internals::io::OutputFile;
use lowrank::internals::options::Request;
use lowrank::io::write_npy_f64;
use lowrank::operators::{Layout, Operator, Storage};
use lowrank::options::OptionCard;
use lowrank::problem::Truth;
use lowrank::{Problem, Result};
use serde_json::{Map, Value, json};

use super::{invalid, refused, truth};
use crate::outputs::{Opened, Output, argv, json};
use crate::{Ending, said};

/// Seeds of a problem.
#[derive(Clone, Copy)]
pub struct Seeds {
    pub truth: u64,
    pub operator: u64,
    pub noise: u64,
}

/// A problem as the flags describe it.
pub struct Wanted {
    pub request: Request,
    /// Word of the operator.
    pub operator: &'static str,
    out: PathBuf,
    /// Word of the model.
    pub model: String,
    pub measurements: usize,
    pub condition_number: f64,
    pub noise_std: f64,
    /// Whether matrices are written in full.
    pub full: bool,
    pub storage: Storage,
    pub seeds: Seeds,
    pub truth: Truth,
}

impl Wanted {
    pub fn new(request: Request, (operator, complex): (&'static str, bool), out: PathBuf) -> Result<Self> {
        let storage = request.word("storage")?.unwrap_or_default();
        let seed = request.one("seed")?.unwrap_or(0);
        let of = |name: &str| Ok(request.one::<u64>(name)?.unwrap_or(seed));
        let seeds = Seeds { truth: of("truth_seed")?, operator: of("operator_seed")?, noise: of("noise_seed")? };
        let condition_number = request.one("condition_number")?.unwrap_or(1.0);
        let truth = truth::build(&request, condition_number, seeds.truth, complex)?;
        let symmetric = truth.domain().is_symmetric();
        let full = match request.word::<Layout>("layout")? {
            Some(Layout::Packed) if complex => return Err(invalid("layout", "packed", "full for complex matrices")),
            None => complex || !symmetric,
            Some(Layout::Full) => true,
            Some(_) if symmetric => false,
            Some(_) => return Err(invalid("layout", "packed", "full for matrices that are not symmetric")),
        };
        // Before the matrices are drawn, which can take long.
        let noise_std = request.one("noise_std")?.unwrap_or(0.0);
        if !(noise_std >= 0.0 && f64::is_finite(noise_std)) {
            return Err(refused("noise_std", noise_std, "a finite number of at least 0", "leave it out for none"));
        }
        let missing = || refused("measurements", "nothing", "a whole number of at least 1", "say how many to write");
        let measurements = request.one("measurements")?.ok_or_else(missing)?;
        let model = request.text("model").unwrap_or("psd").to_owned();
        Ok(Self {
            request,
            operator,
            out,
            model,
            measurements,
            condition_number,
            noise_std,
            full,
            storage,
            seeds,
            truth,
        })
    }

    /// The path of a file.
    pub fn at(&self, name: &str) -> String {
        self.out.join(name).display().to_string()
    }

    /// The problem of an operator, with noise.
    pub fn observed(&self, operator: impl Operator + 'static, truth: Truth) -> Result<Problem> {
        Problem::measure(operator, truth)?.with_noise(self.noise_std, self.seeds.noise)
    }

    /// `packed` or `full`.
    pub fn layout(&self) -> &'static str {
        if self.full { "full" } else { "packed" }
    }
}

/// Writes a file of measurements, which has this number among them.
pub type WriteMeasurements = Box<dyn Fn(usize, &mut OutputFile) -> std::io::Result<()>>;

/// A problem that was made.
pub struct Made {
    pub problem: Problem,
    pub write: WriteMeasurements,
    /// What `problem.json` says beside what it says of every problem.
    pub described: Value,
    /// What the files of measurements hold.
    pub measured: String,
    /// What y.npy holds.
    pub observed: String,
    /// Flags of `solve` that name the measurements, and further ones.
    pub flags: (String, String),
}

/// How problems of some operators are made.
pub struct Generator {
    /// Words of the operators.
    pub operators: &'static [&'static str],
    /// Options that belong to these operators alone.
    pub options: &'static [OptionCard],
    /// The model that `solve` takes for such measurements without being told.
    pub usual_model: &'static str,
    /// Whether its matrices are complex.
    pub complex: fn(&Request) -> bool,
    /// Whether observations have a file of their own.
    pub has_observations: bool,
    /// Names of the files of measurements. Refuses what cannot be made.
    pub files: fn(&Wanted) -> Result<Vec<&'static str>>,
    pub make: fn(&Wanted) -> Result<Made>,
}

/// A problem for the writers of its further files.
struct Finished {
    problem: Problem,
    report: Value,
}

const FILES: &[Output<Finished>] = &[
    Output {
        name: "y.npy",
        write: |file, of| {
            let y = of.problem.observations(0).unwrap_or_default();
            write_npy_f64(file, &[y.len()], y)
        },
    },
    Output { name: truth::FACTOR, write: |file, of| truth::write(file, of.problem.truth(0)) },
    Output { name: truth::FACTORS, write: |file, of| truth::write(file, of.problem.truth(0)) },
    Output { name: DESCRIPTION, write: |file, of| json(file, &of.report) },
];

const DESCRIPTION: &str = "problem.json";

impl Generator {
    /// Makes a problem and writes it.
    pub fn run(&self, wanted: &Wanted) -> Result<Ending> {
        let names = (self.files)(wanted)?;
        let truth_name = truth::file_name(&wanted.truth);
        let has = |name: &str| name == truth_name || name == DESCRIPTION || (name == "y.npy" && self.has_observations);
        // All files are open before the measurements are drawn, which can take long.
        let create = |name: &&str| OutputFile::create(wanted.at(name));
        let measurements = names.iter().map(create).collect::<Result<Vec<_>>>()?;
        let further = FILES.iter().filter(|output| has(output.name));
        let further = Opened::at(further.map(|output| (output, wanted.at(output.name).into())))?;

        let Made { problem, write, described, measured, observed, flags } = (self.make)(wanted)?;
        for (at, mut file) in measurements.into_iter().enumerate() {
            let written = write(at, &mut file);
            file.check(written)?;
            file.finish()?;
        }
        let report = report(wanted, &problem, described);
        further.write(&mut Finished { problem, report })?;

        let mut lines = Vec::new();
        if !names.is_empty() {
            let paths: Vec<String> = names.iter().map(|name| wanted.at(name)).collect();
            lines.push(format!("{}  {measured}", paths.join(", ")));
        }
        if self.has_observations {
            let (noise, seed) = (wanted.noise_std, wanted.seeds.noise);
            lines.push(format!("{}  {observed}, noise {noise} (seed {seed})", wanted.at("y.npy")));
        }
        let rank = wanted.truth.rank().unwrap_or(0);
        let (kappa, seed) = (wanted.condition_number, wanted.seeds.truth);
        lines.push(format!("{}  truth of rank {rank}, condition number {kappa} (seed {seed})", wanted.at(truth_name)));
        lines.push(wanted.at(DESCRIPTION));
        let mut out = std::io::stdout().lock();
        said(writeln!(out, "{}\n\nsolve it with\n  {}", lines.join("\n"), self.solve(wanted, &flags)))?;
        Ok(Ending::Done)
    }

    /// The command that solves a problem.
    fn solve(&self, wanted: &Wanted, (source, more): &(String, String)) -> String {
        let mut words = vec![format!("lowrank solve {source}")];
        if self.has_observations {
            words.push(format!("--observations {}", wanted.at("y.npy")));
        }
        words.push(format!("--truth {}", wanted.at(truth::file_name(&wanted.truth))));
        words.extend((wanted.model != self.usual_model).then(|| format!("--model {}", wanted.model)));
        for name in ["signature", "depth"] {
            words.extend(wanted.request.text(name).map(|text| format!("--{name} {text}")));
        }
        words.extend(Some(more.clone()).filter(|more| !more.is_empty()));
        words.join(" ")
    }
}

/// What `problem.json` says.
fn report(wanted: &Wanted, problem: &Problem, described: Value) -> Value {
    let (operator, Seeds { truth, operator: of, noise }) = (problem.operator(), wanted.seeds);
    let domain = operator.domain();
    let Value::Object(mut all) = json!({
        "operator": wanted.operator, "model": wanted.model, "shape": [domain.rows(), domain.columns()],
        "rank": wanted.truth.rank(), "signature": wanted.request.text("signature"),
        "measurements": operator.measurements(), "condition_number": wanted.condition_number,
        "noise_std": wanted.noise_std, "normalization": operator.normalization(),
        "seeds": { "truth": truth, "operator": of, "noise": noise },
        "version": env!("CARGO_PKG_VERSION"), "argv": argv(),
    }) else {
        return described;
    };
    if let Some(n) = wanted.request.one::<usize>("n").ok().flatten() {
        all.insert("n".into(), n.into());
    }
    all.extend(described.as_object().cloned().unwrap_or_else(Map::new));
    Value::Object(all)
}
