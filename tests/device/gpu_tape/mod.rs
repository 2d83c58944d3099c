//! Tapes on graphics adapters: one iteration and some more against a plain evaluation in f64, and the engine's own laws.

mod hosts;
mod mutations;
mod plain;
mod programs;

use std::sync::Arc;

use libtest_mimic::{Failed, Trial};
use lowrank::Precision;
use lowrank::gpu::Device;
use lowrank::internals::engine::{Engine, Load};
use lowrank::internals::gpu::{Checks, Options, load as load_on, tape_dispatches};
use lowrank::internals::tape::{Kind, Program, Role};
use lowrank::operators::{Dense, Entries, Layout, Operator, RankOne, Seeded};

use crate::thin::ThinOperator;
use plain::Plain;
use programs::{MODELS, Model, Recipe, recipe, recipes, record};

pub type Outcome = Result<(), Failed>;

/// Reproducible numbers in [-1, 1) that f32 holds exactly.
pub struct Stream(pub u64);

impl Stream {
    pub fn number(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from((self.0 >> 48) as u16) / 32_768.0 - 1.0
    }

    pub fn take(&mut self, count: usize) -> Vec<f64> {
        (0..count).map(|_| self.number()).collect()
    }
}

/// A problem, its tape, and the numbers of its inputs and of the iterate.
pub struct Case {
    pub operator: Arc<dyn Operator>,
    pub program: Arc<Program>,
    recipe: Recipe,
    pub batch: usize,
    variant: Option<String>,
    inputs: Vec<(usize, Vec<f64>)>,
    pub integers: bool,
}

/// Kind of operator, and a kernel variant behind a colon.
fn operator(named: &str, model: Model, n: usize, m: usize) -> Arc<dyn Operator> {
    let shape = model.shape(n);
    match named.split(':').next().unwrap_or_default() {
        "dense" => Arc::new(Dense::gaussian(shape, m, 3).unwrap()),
        "seeded" => Arc::new(Seeded::new(shape, m, 3).unwrap()),
        "rank-one" => Arc::new(RankOne::gaussian(shape, m, 3).unwrap()),
        "entries" => Arc::new(Entries::uniform(shape, m.min(n * n / 2), 3).unwrap()),
        "rank-one-centred" => Arc::new(RankOne::gaussian(shape, m, 3).unwrap().centred(shape.is_symmetric()).unwrap()),
        "centred" => Arc::new(ThinOperator::vectors(shape, m, 2, 3, false).centred()),
        "nonzeros" => Arc::new(ThinOperator::nonzeros(shape, m, 70, 3, false)),
        "integers" => {
            let rows: Vec<f64> = Stream(5).take(m * shape.dimension()).iter().map(|v| (2.9 * v).trunc()).collect();
            let layout = if shape.is_symmetric() { Layout::Packed } else { Layout::Full };
            Arc::new(Dense::from_rows(shape, layout, &rows).unwrap())
        }
        other => panic!("{other}"),
    }
}

impl Case {
    pub fn new(named: &str, model: Model, recipe: Recipe, [n, m, k, batch]: [usize; 4]) -> Self {
        let operator = operator(named, model, n, m);
        let program = Arc::new(record(&recipe, model, operator.domain(), k));
        let variant = named.split_once(':').map(|(_, variant)| variant.to_owned());
        let integers = named == "integers";
        let mut case = Self { operator, program, recipe, batch, variant, inputs: Vec::new(), integers };
        case.inputs = case.numbers();
        case
    }

    fn numbers(&self) -> Vec<(usize, Vec<f64>)> {
        let m = self.operator.measurements();
        let mut stream = Stream(11);
        let sum: f64 = (0..m).map(|i| self.operator.sensing_matrix(i).iter().map(|v| v * v).sum::<f64>()).sum();
        let scale = 0.2 * self.operator.domain().rows() as f64 / sum.max(1.0);
        let mut inputs = Vec::new();
        for (index, register) in self.program.registers().iter().enumerate() {
            let wanted = register.role == Role::Input || index == self.program.iterate().index();
            let count = self.batch * register.kind.len(m);
            if !wanted {
                continue;
            }
            let draws = stream.take(count);
            let round = |v: &f64| if self.integers { (2.9 * v).trunc() } else { *v };
            let of = |f: &dyn Fn(&f64) -> f64| draws.iter().map(f).collect::<Vec<f64>>();
            inputs.push((
                index,
                match (register.name.as_str(), &register.kind) {
                    ("weights", _) if self.integers => of(&|v| f64::from(u8::from(*v > -0.5))),
                    // Some are 0.
                    ("weights", _) => of(&|v| if *v < -0.8 { 0.0 } else { v.abs() }),
                    ("step_size", _) if self.integers => of(&|_| 0.25),
                    ("step_size", _) => of(&|v| f64::from((scale * (1.0 + v.abs())) as f32)),
                    ("condition", _) => (0..self.batch).map(|trial| (trial % 2) as f64).collect(),
                    ("label_noise_until", _) => of(&|_| 100.0),
                    ("noise_stream", _) => (0..self.batch).map(|trial| (5 * trial + 3) as f64).collect(),
                    ("ridge", _) => of(&|v| v.abs()),
                    ("decay", _) => of(&|v| 0.5 + 0.25 * v.abs()),
                    (_, Kind::Scalar) => of(&|v| 0.5 * v.abs()),
                    _ => of(&round),
                },
            ));
        }
        inputs
    }

    /// Trial `trial` alone.
    fn single(&self, trial: usize, model: Model, k: usize) -> Self {
        let recipe = recipe(self.recipe.name);
        let program = Arc::new(record(&recipe, model, self.operator.domain(), k));
        let of = |(index, values): &(usize, Vec<f64>)| {
            let len = values.len() / self.batch;
            (*index, values[trial * len..(trial + 1) * len].to_vec())
        };
        let inputs = self.inputs.iter().map(of).collect();
        let (operator, variant) = (Arc::clone(&self.operator), self.variant.clone());
        Self { operator, program, recipe, batch: 1, variant, inputs, integers: self.integers }
    }

    /// In paranoid mode.
    pub fn load(&self, device: &Device, options: &Options) -> Result<Box<dyn Engine>, lowrank::Error> {
        self.load_as(device, &Options { paranoid: true, ..options.clone() })
    }

    fn load_as(&self, device: &Device, options: &Options) -> Result<Box<dyn Engine>, lowrank::Error> {
        let (operator, program) = (self.operator.clone(), self.program.clone());
        let load = Load { operator, program, increments: None, batch: self.batch, variant: self.variant.clone() };
        let mut engine = load_on(device, &load, options)?;
        self.fill(engine.as_mut())?;
        Ok(engine)
    }

    fn fill(&self, engine: &mut dyn Engine) -> Result<(), lowrank::Error> {
        for (index, values) in &self.inputs {
            engine.write(self.register(*index), values)?;
        }
        Ok(())
    }

    fn register(&self, index: usize) -> lowrank::tape::Register {
        self.handles()[index]
    }

    /// The residual that observers see.
    fn residual(&self) -> Option<lowrank::tape::Register> {
        self.program.find("residual without noise").or_else(|| self.program.find("residual"))
    }

    fn handles(&self) -> Vec<lowrank::tape::Register> {
        // Handles are numbered in order; names repeat.
        self.program.all().map(|(register, _)| register).collect()
    }

    pub fn plain(&self, precision: Precision) -> Plain<'_> {
        let unit = if precision == Precision::F64 { precision } else { Precision::F32 }.unit_roundoff();
        let operator = self.operator.as_ref();
        let mut plain = Plain::new(operator, &self.program, self.recipe.loss, self.batch, unit);
        for (index, values) in &self.inputs {
            plain.write(self.register(*index), values);
        }
        plain.begin();
        plain
    }
}

pub fn near(what: &str, found: &[f64], expected: &[f64], tolerance: f64) -> Outcome {
    if found.len() != expected.len() {
        return Err(format!("{what}: {} numbers instead of {}", found.len(), expected.len()).into());
    }
    let scale = expected.iter().fold(0.0_f64, |all, v| all.max(v.abs())).max(1e-30);
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (found - expected).abs();
        if error.is_nan() || error > tolerance * scale {
            return Err(format!("{what}[{at}]: {found}, expected {expected} within {:e}", tolerance * scale).into());
        }
    }
    Ok(())
}

pub fn same(what: &str, found: &[f64], expected: &[f64]) -> Outcome {
    match found.iter().zip(expected).position(|(a, b)| a.to_bits() != b.to_bits()) {
        _ if found.len() != expected.len() => Err(format!("{what}: lengths differ").into()),
        Some(at) => Err(format!("{what}[{at}]: {} is not {} bit for bit", found[at], expected[at]).into()),
        None => Ok(()),
    }
}

/// Every register that an iteration touches, after one iteration and after two more.
pub fn agrees(case: &Case, device: &Device, options: &Options) -> Outcome {
    let (mut engine, mut plain) = (case.load(device, options)?, case.plain(options.precision));
    let tolerance = match options.precision {
        Precision::F64 => 1e-10,
        _ if case.integers => 0.0,
        _ => 2e-4,
    };
    let led = ["minibatches", "bounded minibatches", "points", "lanes", "exact lanes", "given beside", "one side"];
    let leads = !led.contains(&case.recipe.name);
    let leading = case.residual().filter(|_| leads);
    let next = |engine: &mut dyn Engine, plain: &Plain<'_>, label: &str| -> Outcome {
        let Some(residual) = leading else { return Ok(()) };
        let mut next = plain.clone();
        next.run(1);
        near(label, &engine.read(residual)?, &next.values[residual.index()], tolerance)
    };
    next(engine.as_mut(), &plain, "the first residual")?;
    let course: &[usize] = if case.integers { &[1] } else { &[1, 2] };
    for (round, iterations) in course.iter().enumerate() {
        engine.run(*iterations)?;
        plain.run(*iterations);
        for (index, register) in case.program.registers().iter().enumerate() {
            let kept = matches!(register.role, Role::Kept(_));
            // Reading that carries out the next head.
            if !(kept || options.readable) || register.name.starts_with("residual") {
                continue;
            }
            let label = format!(
                "{} on {} ({:?}), '{}' {index}, round {round}",
                case.recipe.name,
                case.operator.name(),
                case.variant,
                register.name
            );
            let found = engine.read(case.register(index))?;
            near(&label, &found, &plain.values[index], tolerance)?;
        }
        // Later numbers have more digits than f32.
        if !case.integers {
            next(engine.as_mut(), &plain, &format!("{}: the next residual, round {round}", case.recipe.name))?;
        }
    }
    Ok(())
}

const OPERATORS: &[&str] = &[
    "dense:two-kernel",
    "dense:one-pass",
    "dense:row-resident",
    "dense:tiled",
    "seeded",
    "rank-one",
    "entries",
    "centred",
    "nonzeros",
];

/// One of each kind of pass.
const REPEATING: &[&str] = &["dense:two-kernel", "dense:tiled", "centred", "entries"];

/// Every model in both precisions. What is readable alternates, from model to model, operator to operator and recipe to recipe.
fn recipe_on(device: &Device, (turn, named): (usize, &str), name: &str) -> Outcome {
    for (at, model) in MODELS.into_iter().enumerate() {
        let even = (turn + at).is_multiple_of(2);
        let turns = [(Precision::F32, even), (Precision::F64, !even)];
        for (precision, readable) in turns.into_iter().filter(|(p, _)| device.require(*p).is_ok()) {
            let case = Case::new(named, model, recipe(name), [11, 60, 3, 3]);
            let options = Options { precision, readable, ..Options::default() };
            agrees(&case, device, &options)
                .map_err(|e| format!("{model:?} {precision:?} readable {readable}: {}", e.message().unwrap_or("?")))?;
        }
    }
    Ok(())
}

/// What goes with centred residuals and around a centre.
fn allowed(named: &str, recipe: &Recipe) -> bool {
    !["centred", "rank-one", "rank-one-centred"].contains(&named) || !["gd, l1", "polyak, huber"].contains(&recipe.name)
}

fn all_kept(case: &Case, engine: &mut dyn Engine) -> Result<Vec<f64>, lowrank::Error> {
    let mut all = Vec::new();
    for (index, register) in case.program.registers().iter().enumerate() {
        if matches!(register.role, Role::Kept(_)) {
            all.extend(engine.read(case.register(index))?);
        }
    }
    Ok(all)
}

/// The same bits again, in single trials, in tiny panels, in steps, and in many iterations at once: of every other model, and of
/// the other ones on the next operator and for the next recipe. One run is paranoid, one op at a time; those that it is compared with are not.
fn repeats(device: &Device, (turn, named): (usize, &str), name: &str) -> Outcome {
    for model in MODELS.into_iter().skip(turn % 2).step_by(2) {
        let k = 3;
        let case = Case::new(named, model, recipe(name), [11, 60, k, 3]);
        let run = |case: &Case, options: &Options, course: &[usize]| -> Result<Vec<f64>, lowrank::Error> {
            let mut engine = case.load_as(device, options)?;
            course.iter().try_for_each(|n| engine.run(*n))?;
            all_kept(case, engine.as_mut())
        };
        let options = Options::default();
        let paranoid = Options { paranoid: true, ..options.clone() };
        let once = run(&case, &paranoid, &[5])?;
        same("again", &run(&case, &options, &[5])?, &once)?;
        same("in steps", &run(&case, &options, &[1, 3, 1])?, &once)?;
        // A software adapter computes the same numbers in both; others may fuse other operations.
        if device.is_software() {
            let checks = if device.checks() == Checks::Off { Checks::All } else { Checks::Off };
            same("other checks", &run(&case, &Options { checks: Some(checks), ..options.clone() }, &[5])?, &once)?;
        }
        let tiny = Options { panel_bytes: Some(7 * 1024), ..paranoid };
        same("tiny panels", &run(&case, &tiny, &[5])?, &once)?;
        let parts: Vec<Vec<f64>> =
            (0..3).map(|trial| run(&case.single(trial, model, k), &options, &[5])).collect::<Result<_, _>>()?;
        let mut at = 0;
        let mut from = 0;
        for (index, register) in case.program.registers().iter().enumerate() {
            let _ = index;
            if matches!(register.role, Role::Kept(_)) {
                let len = register.kind.len(case.operator.measurements());
                for (trial, part) in parts.iter().enumerate() {
                    let found = &once[at + trial * len..at + (trial + 1) * len];
                    same(&format!("'{}' of trial {trial} alone", register.name), found, &part[from..from + len])?;
                }
                at += 3 * len;
                from += len;
            }
        }
    }
    Ok(())
}

/// A frozen trial keeps every register; one that wakes up goes on from there.
fn freezes(device: &Device, named: &str, name: &str) -> Outcome {
    let case = Case::new(named, Model::Psd, recipe(name), [11, 60, 3, 3]);
    let mut engine = case.load(device, &Options { readable: true, ..Options::default() })?;
    engine.run(1)?;
    let residual = case.residual();
    if let Some(residual) = residual {
        engine.read(residual)?;
    }
    engine.set_active(&[true, false, true])?;
    let read = |engine: &mut dyn Engine| -> Result<Vec<Vec<f64>>, lowrank::Error> {
        (0..case.program.registers().len())
            .filter(|index| Some(case.register(*index)) != residual)
            .map(|index| engine.read(case.register(index)))
            .collect()
    };
    let before = read(engine.as_mut())?;
    let mut plain = case.plain(Precision::F32);
    plain.run(1);
    plain.active = vec![true, false, true];
    engine.run(2)?;
    plain.run(2);
    let after = read(engine.as_mut())?;
    for (before, after) in before.iter().zip(&after) {
        let len = before.len() / 3;
        same("a frozen trial", &after[len..2 * len], &before[len..2 * len])?;
    }
    engine.set_active(&[true; 3])?;
    engine.run(1)?;
    plain.active = vec![true; 3];
    plain.run(1);
    let iterate = case.program.iterate();
    near("after waking up", &engine.read(iterate.into())?, &plain.values[iterate.index()], 2e-4)
}

/// Small integers are exact.
fn exact(device: &Device) -> Outcome {
    for variant in ["", ":two-kernel", ":one-pass", ":row-resident", ":tiled"] {
        for model in [Model::Psd, Model::Asymmetric] {
            for name in ["gd", "products", "vectors", "sums", "exact lanes", "exact bounded", "given", "given beside"] {
                let mut case = Case::new("integers", model, recipe(name), [4, 20, 2, 2]);
                case.variant = variant.strip_prefix(':').map(str::to_owned);
                // Quotients and roots round: what comes before them is exact.
                case.integers = !["products", "sums"].contains(&name);
                agrees(&case, device, &Options { readable: true, ..Options::default() })?;
            }
        }
    }
    Ok(())
}

/// What an iteration takes.
fn dispatches() -> Outcome {
    let expected = [
        ("gd", 6, 0),
        ("gd with ridge", 6, 0),
        ("decaying", 7, 0),
        ("momentum", 8, 0),
        ("polyak", 9, 0),
        ("preconditioned", 10, 0),
        ("minibatches", 8, 0),
    ];
    for (name, rows, _) in expected {
        let case = Case::new("dense", Model::Psd, recipe(name), [11, 60, 3, 3]);
        let found = tape_dispatches(case.operator.as_ref(), &case.program, 3, 1)?;
        if found != rows {
            return Err(format!("{name}: {found} dispatches an iteration, not {rows}").into());
        }
    }
    let around = Case::new("dense", Model::Signed, recipe("gd"), [11, 60, 3, 3]);
    match tape_dispatches(around.operator.as_ref(), &around.program, 3, 1)? {
        7 => Ok(()),
        found => Err(format!("signed columns: {found} dispatches").into()),
    }
}

/// Streamed panels give what resident ones give.
fn streams(device: &Device) -> Outcome {
    for name in ["gd", "exact step", "minibatches", "host", "given", "bounded"] {
        let case = Case::new("dense", Model::Psd, recipe(name), [11, 400, 3, 2]);
        let run = |options: &Options| -> Result<(Vec<f64>, usize), lowrank::Error> {
            let mut engine = case.load(device, options)?;
            engine.run(3)?;
            let streamed = engine.info().streamed_panels;
            Ok((all_kept(&case, engine.as_mut())?, streamed))
        };
        let (all, _) = run(&Options::default())?;
        let bytes = {
            let engine = case.load(device, &Options::default())?;
            engine.info().memory.bytes(lowrank::memory::Location::Device) - 400 * 512
        };
        let (part, streamed) = run(&Options { memory_bytes: Some(bytes + 100 * 512), ..Options::default() })?;
        same(name, &part, &all)?;
        if streamed == 0 {
            return Err("nothing was streamed".into());
        }
    }
    Ok(())
}

/// Two factors over symmetric matrices.
fn two_over_symmetric(device: &Device) -> Outcome {
    for named in ["dense", "rank-one", "entries", "dense:tiled"] {
        let operator = operator(named, Model::Psd, 9, 40);
        let recipe = recipe("gd");
        let program = Arc::new(record(&recipe, Model::Asymmetric, operator.domain(), 2));
        let variant = named.split_once(':').map(|(_, variant)| variant.to_owned());
        let mut case = Case { operator, program, recipe, batch: 2, variant, inputs: Vec::new(), integers: false };
        case.inputs = case.numbers();
        agrees(&case, device, &Options::default())?;
    }
    Ok(())
}

const TUNED: &str = "variants timed once are found again";

/// What is timed is kept in a folder, which the variable says: in a process of its own.
fn tuned(device: &Device) -> Outcome {
    if std::env::var("LOWRANK_CACHE").is_ok_and(|folder| folder == "off") {
        let folder = tempfile::tempdir()?;
        let mut own = std::process::Command::new(std::env::current_exe()?);
        let status = own.arg(TUNED).env("LOWRANK_CACHE", folder.path()).stdout(std::process::Stdio::null()).status()?;
        return if status.success() { Ok(()) } else { Err("the choice was not kept".into()) };
    }
    let case = Case::new("dense", Model::Psd, recipe("gd"), [60, 1000, 2, 2]);
    let timed = |retune: bool| -> Result<(usize, String), lowrank::Error> {
        let engine = case.load(device, &Options { retune, ..Options::default() })?;
        Ok((engine.info().candidates.len(), engine.info().variant.clone()))
    };
    let (first, again, anew) = (timed(false)?, timed(false)?, timed(true)?);
    if first.0 < 2 || again != (0, first.1.clone()) || anew.0 != first.0 {
        return Err(format!("{first:?}, then {again:?}, then {anew:?}").into());
    }
    agrees(&case, device, &Options::default())
}

pub fn trials() -> Vec<libtest_mimic::Trial> {
    if std::env::var_os("LOWRANK_CACHE").is_none() {
        // SAFETY: there is one thread yet.
        unsafe { std::env::set_var("LOWRANK_CACHE", "off") };
    }
    let mut trials = vec![Trial::test("dispatches of an iteration", dispatches)];
    trials.extend(hosts::trials());
    for device in crate::common::devices() {
        let mut test = |name: String, run: Box<dyn Fn(&Device) -> Outcome + Send>| {
            let own = device.clone();
            trials.push(Trial::test(format!("{name} [{}]", device.name()), move || run(&crate::common::own(&own))));
        };
        for (turn, recipe) in recipes().into_iter().enumerate() {
            let name = recipe.name;
            let met = |operators: &'static [&'static str]| (turn..).zip(operators.iter().copied());
            for at in met(OPERATORS).filter(|(_, named)| allowed(named, &recipe)) {
                test(format!("{name} on {}", at.1), Box::new(move |device| recipe_on(device, at, name)));
            }
            for at in met(REPEATING).filter(|(_, named)| allowed(named, &recipe)) {
                let named = at.1;
                test(format!("{name} repeats on {named}"), Box::new(move |device| repeats(device, at, name)));
                test(format!("{name} freezes on {named}"), Box::new(move |device| freezes(device, named, name)));
            }
        }
        test("integers are exact".into(), Box::new(exact));
        test("streamed panels".into(), Box::new(streams));
        test("two factors over symmetric matrices".into(), Box::new(two_over_symmetric));
        test(TUNED.into(), Box::new(tuned));
        trials.extend(mutations::trials(&device));
    }
    trials.extend(crate::common::missing_adapter("gpu_tape"));
    trials
}
