//! The GPU engine against the definition of the operator, and its own laws: panels, batches, repetition, freezing.
//! Without an adapter the trials are reported as ignored, or fail where `LOWRANK_REQUIRE_GPU=1`.

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use lowrank::engine::{Engine, Evaluation, Load};
use lowrank::gpu::{Device, Mutation, Options, load};
use lowrank::methods::Stage;
use lowrank::operators::{Dense, GradientOutput, GradientRequest, Layout, Loss, Operator};
use lowrank::problem::{Factors, Shape};

type Outcome = Result<(), Failed>;

const RECIPE: &[Stage] = &[Stage::Gradient, Stage::Descend];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let tests: &[(&str, fn(&Device) -> Outcome)] = &[
        ("agrees_with_the_definition_n1", |device| agrees(device, 1)),
        ("agrees_with_the_definition_n2", |device| agrees(device, 2)),
        ("agrees_with_the_definition_n17", |device| agrees(device, 17)),
        ("agrees_with_the_definition_n61", |device| agrees(device, 61)),
        ("more_measurements_than_a_grid_dimension", many_measurements),
        ("exact_on_integers", exact_on_integers),
        ("panels_change_nothing", panels_change_nothing),
        ("a_batch_is_its_singles", a_batch_is_its_singles),
        ("repeats_bit_for_bit", repeats),
        ("a_frozen_trial_keeps_its_bits", frozen),
        ("advance_five_is_five_times_advance_one", five),
        ("watching_changes_nothing", watching),
        ("evaluate_leaves_the_factors_alone", evaluate_is_pure),
        ("weights_leave_measurements_out", weights),
        ("a_step_is_the_formula", one_step),
        ("wrong_sizes_are_refused", wrong_sizes),
        ("broken_kernels_are_seen", mutations),
    ];
    let device = Device::open(None);
    let required = std::env::var("LOWRANK_REQUIRE_GPU").is_ok_and(|value| value == "1");
    let trials = tests.iter().map(|&(name, test)| {
        let (name, missing) = match &device {
            Ok(device) => (format!("{name} [{}]", device.name()), false),
            Err(_) => (format!("{name} [no adapter]"), true),
        };
        let device = device.as_ref().map(Device::clone).map_err(ToString::to_string);
        Trial::test(name, move || test(&device?)).with_ignored_flag(missing && !required)
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

/// Reproducible numbers in [-1, 1) that f32 holds exactly.
struct Stream(u64);

impl Stream {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from((self.0 >> 48) as u16) / 32_768.0 - 1.0
    }

    fn take(&mut self, count: usize) -> Vec<f64> {
        (0..count).map(|_| self.next()).collect()
    }
}

/// A problem and the numbers to run it with.
struct Case {
    operator: Arc<Dense>,
    k: usize,
    batch: usize,
    factors: Factors,
    target: Vec<f64>,
    weights: Vec<f64>,
    steps: Vec<f64>,
}

impl Case {
    fn new(n: usize, m: usize, k: usize, batch: usize) -> Self {
        let mut stream = Stream(9);
        Self {
            operator: Arc::new(Dense::gaussian(Shape::psd(n), m, 3).expect("a small operator")),
            k,
            batch,
            factors: Factors::symmetric(batch, n, k, stream.take(batch * n * k)).expect("sizes"),
            target: stream.take(batch * m),
            weights: stream.take(batch * m).into_iter().map(f64::abs).collect(),
            steps: stream.take(batch).into_iter().map(|s| s.abs() / (8 * m * n) as f64).collect(),
        }
    }

    /// Trial `trial` alone.
    fn single(&self, trial: usize) -> Self {
        let (n, m) = (self.operator.shape().rows(), self.operator.measurements());
        let rows = trial * m..(trial + 1) * m;
        Self {
            operator: Arc::clone(&self.operator),
            k: self.k,
            batch: 1,
            factors: Factors::symmetric(1, n, self.k, self.factors.left(trial).as_slice().to_vec()).expect("sizes"),
            target: self.target[rows.clone()].to_vec(),
            weights: self.weights[rows].to_vec(),
            steps: vec![self.steps[trial]],
        }
    }

    /// Loaded, in paranoid mode.
    fn load(&self, device: &Device, options: Options) -> Result<Box<dyn Engine>, lowrank::Error> {
        let problem = Load { operator: self.operator.clone(), recipe: RECIPE, batch: self.batch, search_rank: self.k };
        let mut engine = load(device, &problem, &Options { paranoid: true, ..options })?;
        engine.set_observations(&self.target, &self.weights)?;
        engine.set_steps(&self.steps)?;
        engine.set_factors(&self.factors)?;
        Ok(engine)
    }

    /// A true pair (L, R) and another factor V.
    fn pair(&self) -> (Factors, Factors) {
        let (shape, mut stream) = (self.operator.shape(), Stream(77));
        let size = self.batch * shape.rows() * self.k;
        let pair = Factors::pair(self.batch, shape, self.k, stream.take(size), stream.take(size)).expect("sizes");
        (pair, Factors::symmetric(self.batch, shape.rows(), self.k, stream.take(size)).expect("sizes"))
    }

    /// The gradient as the operator's own f64 functions give it.
    fn expected(&self, point: &Factors, applied: &Factors) -> Evaluation {
        gradient(self.operator.as_ref(), point, applied, &self.target, &self.weights)
    }

    /// Bounds on the rounding errors of `residual` and `left` in f32, from the data: u·(number of roundings) times
    /// the sums of absolute values, and the residual's own error carried through the adjoint.
    fn bounds(&self, point: &Factors, applied: &Factors, expected: &Evaluation) -> Evaluation {
        let (n, m, k) = (self.operator.shape().rows(), self.operator.measurements(), self.k);
        let p = self.operator.shape().dimension();
        let rows: Vec<f64> = (0..m).flat_map(|i| self.operator.packed_row(i)).map(f64::abs).collect();
        let magnitude = Dense::from_rows(Shape::psd(n), Layout::Packed, &rows).expect("the same sizes");
        let (point, applied) = (absolute(point), absolute(applied));
        let unit = f64::from(f32::EPSILON) / 2.0;
        let depth = (k + p.div_ceil(256) + 16) as f64 * unit;
        let plus: Vec<f64> = self.target.iter().map(|y| -y.abs()).collect();
        let sums = gradient(&magnitude, &point, &applied, &plus, &vec![0.0; plus.len()]).residual;
        let residual: Vec<f64> = sums.iter().map(|sum| depth * sum).collect();
        let deep = (m + n + 70) as f64 * unit;
        // Σ_i w_i·(Δe_i + deep·|e_i|)·|A_i||V|, with the adjoint of |A| applied to that.
        let shifted: Vec<f64> = expected
            .residual
            .iter()
            .zip(&residual)
            .map(|(e, error)| 1.01 * (error + deep * (e.abs() + error)))
            .collect();
        let mut left = vec![0.0; self.batch * n * k];
        for shard in 0..magnitude.shards() {
            let range = magnitude.shard_range(shard);
            let r: Vec<f64> = (0..self.batch)
                .flat_map(|b| range.clone().map(move |i| b * m + i))
                .map(|at| self.weights[at].abs() * shifted[at])
                .collect();
            magnitude.adjoint_apply(shard, &r, &applied, &mut left);
        }
        Evaluation { residual, left, right: Vec::new() }
    }
}

fn absolute(factors: &Factors) -> Factors {
    let shape = Shape::psd(factors.rows());
    let abs = |data: &[f64]| data.iter().map(|v| v.abs()).collect::<Vec<f64>>();
    let (left, right) = (abs(factors.left_data()), abs(factors.right_data()));
    Factors::pair(factors.batch(), shape, factors.search_rank(), left, right).expect("sizes")
}

/// All shards of the operator's own gradient, in f64.
fn gradient(
    operator: &dyn Operator,
    point: &Factors,
    applied: &Factors,
    target: &[f64],
    weights: &[f64],
) -> Evaluation {
    let (batch, m) = (point.batch(), operator.measurements());
    let mut residual = vec![0.0; batch * m];
    let mut left = vec![0.0; batch * point.rows() * point.search_rank()];
    for shard in 0..operator.shards() {
        let range = operator.shard_range(shard);
        let pick = |all: &[f64]| -> Vec<f64> {
            (0..batch).flat_map(|b| all[b * m + range.start..b * m + range.end].to_vec()).collect()
        };
        let (target, weights) = (pick(target), pick(weights));
        let mut part = vec![0.0; target.len()];
        let request = GradientRequest { point, applied, target: &target, weights: Some(&weights), loss: Loss::Square };
        let mut loss = vec![0.0; batch];
        operator.gradient(
            shard,
            &request,
            &mut GradientOutput { loss: &mut loss, left: &mut left, right: None, residual: Some(&mut part) },
        );
        for (b, part) in part.chunks(range.len()).enumerate() {
            residual[b * m + range.start..b * m + range.end].copy_from_slice(part);
        }
    }
    Evaluation { residual, left, right: Vec::new() }
}

fn within(what: &str, found: &[f64], expected: &[f64], bound: &[f64]) -> Outcome {
    if found.len() != expected.len() {
        return Err(format!("{what}: {} numbers instead of {}", found.len(), expected.len()).into());
    }
    for (at, ((found, expected), bound)) in found.iter().zip(expected).zip(bound).enumerate() {
        // Not `>`: a NaN fails.
        let error = (found - expected).abs();
        if !(error <= *bound) {
            return Err(format!("{what}[{at}]: {found}, expected {expected} within {bound:e}").into());
        }
    }
    Ok(())
}

fn same(what: &str, found: &[f64], expected: &[f64]) -> Outcome {
    let differ = |(a, b): (&f64, &f64)| a.to_bits() != b.to_bits();
    match found.iter().zip(expected).position(differ) {
        _ if found.len() != expected.len() => Err(format!("{what}: lengths differ").into()),
        Some(at) => Err(format!("{what}[{at}]: {} is not {} bit for bit", found[at], expected[at]).into()),
        None => Ok(()),
    }
}

fn check_gradient(case: &Case, engine: &mut dyn Engine, point: &Factors, applied: &Factors) -> Outcome {
    let found = engine.evaluate(point, applied)?;
    let expected = case.expected(point, applied);
    let bounds = case.bounds(point, applied, &expected);
    let label = format!(
        "n {} m {} k {} batch {}",
        case.operator.shape().rows(),
        case.operator.measurements(),
        case.k,
        case.batch
    );
    within(&format!("residual, {label}"), &found.residual, &expected.residual, &bounds.residual)?;
    within(&format!("left, {label}"), &found.left, &expected.left, &bounds.left)?;
    if found.right.is_empty() { Ok(()) } else { Err("a symmetric model has no right gradient".into()) }
}

fn agrees(device: &Device, n: usize) -> Outcome {
    for (m, k, batch) in [(1, 1, 1), (1, 3, 3), (3, n + 2, 1), (3, 1, 3), (257, 3, 1), (257, n + 2, 3), (33, 17, 9)] {
        let case = Case::new(n, m, k, batch);
        let mut engine = case.load(device, Options::default())?;
        check_gradient(&case, engine.as_mut(), &case.factors, &case.factors)?;
        let (pair, applied) = case.pair();
        check_gradient(&case, engine.as_mut(), &pair, &applied)?;
    }
    Ok(())
}

fn many_measurements(device: &Device) -> Outcome {
    let case = Case::new(2, 65_537, 2, 2);
    let mut engine = case.load(device, Options::default())?;
    check_gradient(&case, engine.as_mut(), &case.factors, &case.factors)
}

fn exact_on_integers(device: &Device) -> Outcome {
    for (n, m, k, batch) in [(1, 1, 1, 1), (17, 257, 3, 3), (61, 97, 5, 8)] {
        let mut case = Case::new(n, m, k, batch);
        let integers = |values: Vec<f64>| values.into_iter().map(|v| (2.0 * v).round()).collect::<Vec<f64>>();
        let mut stream = Stream(4);
        let rows = integers(stream.take(m * n * (n + 1) / 2));
        case.operator = Arc::new(Dense::from_rows(Shape::psd(n), Layout::Packed, &rows)?);
        let size = batch * n * k;
        case.factors = Factors::symmetric(batch, n, k, integers(stream.take(size)))?;
        case.target = integers(case.target);
        case.weights = integers(case.weights);
        let shape = case.operator.shape();
        let pair = Factors::pair(batch, shape, k, integers(stream.take(size)), integers(stream.take(size)))?;
        let mut engine = case.load(device, Options::default())?;
        for point in [&case.factors, &pair] {
            let found = engine.evaluate(point, &case.factors)?;
            let expected = case.expected(point, &case.factors);
            let largest = expected.left.iter().fold(0.0_f64, |all, v| all.max(v.abs()));
            assert!(largest < f64::from(1 << 24), "the case is too large to be exact");
            // == and not bits: the sign of a zero may differ.
            within("residual", &found.residual, &expected.residual, &vec![0.0; batch * m])?;
            within("left", &found.left, &expected.left, &vec![0.0; size])?;
        }
    }
    Ok(())
}

fn panels_change_nothing(device: &Device) -> Outcome {
    // 61·62/2 = 1891 numbers, padded to 1920 words a row.
    let case = Case::new(61, 257, 3, 3);
    let mut whole = case.load(device, Options::default())?;
    let expected = whole.evaluate(&case.factors, &case.factors)?;
    for (panel_bytes, panels) in [(1, 257), (7 * 1920 * 4, 37), (1 << 30, 1)] {
        let mut engine = case.load(device, Options { panel_bytes: Some(panel_bytes), ..Options::default() })?;
        if engine.info().panels != panels {
            return Err(format!("{} panels instead of {panels}", engine.info().panels).into());
        }
        check_gradient(&case, engine.as_mut(), &case.factors, &case.factors)?;
        // A split adds its rows in the same order whatever the panels are.
        let found = engine.evaluate(&case.factors, &case.factors)?;
        same("residual", &found.residual, &expected.residual)?;
        same("left", &found.left, &expected.left)?;
    }
    Ok(())
}

fn a_batch_is_its_singles(device: &Device) -> Outcome {
    for batch in [2, 3, 8, 9] {
        let case = Case::new(17, 129, 3, batch);
        let mut engine = case.load(device, Options::default())?;
        engine.advance(3)?;
        let (residuals, factors) = (engine.residuals()?, engine.factors()?);
        for trial in 0..batch {
            let mut alone = case.single(trial).load(device, Options::default())?;
            alone.advance(3)?;
            same("residual", &residuals[trial * 129..(trial + 1) * 129], &alone.residuals()?)?;
            same("factor", factors.left(trial).as_slice(), alone.factors()?.left_data())?;
        }
    }
    Ok(())
}

fn repeats(device: &Device) -> Outcome {
    let case = Case::new(17, 129, 3, 2);
    let run = || -> Result<Factors, Failed> {
        let mut engine = case.load(device, Options::default())?;
        engine.advance(7)?;
        Ok(engine.factors()?)
    };
    same("factors", run()?.left_data(), run()?.left_data())
}

fn frozen(device: &Device) -> Outcome {
    let case = Case::new(17, 129, 3, 9);
    let mut engine = case.load(device, Options::default())?;
    engine.advance(1)?;
    let before = engine.factors()?;
    let active: Vec<bool> = (0..9).map(|trial| trial % 4 == 1).collect();
    engine.set_active(&active)?;
    engine.advance(2)?;
    let after = engine.factors()?;
    let mut all = case.load(device, Options::default())?;
    all.advance(3)?;
    let expected = all.factors()?;
    for (trial, &active) in active.iter().enumerate() {
        let source = if active { &expected } else { &before };
        same("factor", after.left(trial).as_slice(), source.left(trial).as_slice())?;
    }
    engine.set_active(&[false; 9])?;
    engine.advance(2)?;
    engine.residuals()?;
    same("all frozen", engine.factors()?.left_data(), after.left_data())
}

fn five(device: &Device) -> Outcome {
    let case = Case::new(17, 129, 3, 2);
    let mut at_once = case.load(device, Options::default())?;
    at_once.advance(5)?;
    let mut one_by_one = case.load(device, Options::default())?;
    for _ in 0..5 {
        one_by_one.advance(1)?;
    }
    same("factors", at_once.factors()?.left_data(), one_by_one.factors()?.left_data())
}

fn watching(device: &Device) -> Outcome {
    let case = Case::new(17, 129, 3, 2);
    let mut unseen = case.load(device, Options::default())?;
    unseen.advance(4)?;
    let mut watched = case.load(device, Options::default())?;
    watched.residuals()?;
    watched.advance(1)?;
    watched.residuals()?;
    watched.evaluate(&case.factors, &case.factors)?;
    watched.advance(2)?;
    let first = watched.residuals()?;
    same("residuals", &watched.residuals()?, &first)?;
    watched.set_active(&[true, true])?;
    watched.advance(1)?;
    same("factors", watched.factors()?.left_data(), unseen.factors()?.left_data())?;
    // New observations make a gradient stale.
    watched.residuals()?;
    watched.set_observations(&vec![0.0; 2 * 129], &vec![1.0; 2 * 129])?;
    unseen.set_observations(&vec![0.0; 2 * 129], &vec![1.0; 2 * 129])?;
    watched.advance(1)?;
    unseen.advance(1)?;
    same("new observations", watched.factors()?.left_data(), unseen.factors()?.left_data())
}

fn evaluate_is_pure(device: &Device) -> Outcome {
    let case = Case::new(17, 129, 3, 2);
    let mut engine = case.load(device, Options::default())?;
    engine.set_active(&[true, false])?;
    let (pair, applied) = case.pair();
    check_gradient(&case, engine.as_mut(), &pair, &applied)?;
    same("factors", engine.factors()?.left_data(), case.factors.left_data())?;
    engine.advance(1)?;
    same("frozen factor", engine.factors()?.left(1).as_slice(), case.factors.left(1).as_slice())
}

fn weights(device: &Device) -> Outcome {
    let mut case = Case::new(17, 129, 3, 2);
    for (at, weight) in case.weights.iter_mut().enumerate() {
        *weight = f64::from(u8::from(at % 129 < 64));
    }
    let mut engine = case.load(device, Options::default())?;
    let kept = engine.evaluate(&case.factors, &case.factors)?;
    check_gradient(&case, engine.as_mut(), &case.factors, &case.factors)?;
    for (at, target) in case.target.iter_mut().enumerate() {
        *target = if at % 129 < 64 { *target } else { 1000.0 };
    }
    engine.set_observations(&case.target, &case.weights)?;
    let changed = engine.evaluate(&case.factors, &case.factors)?;
    check_gradient(&case, engine.as_mut(), &case.factors, &case.factors)?;
    same("left", &changed.left, &kept.left)
}

fn one_step(device: &Device) -> Outcome {
    let case = Case::new(17, 129, 19, 3);
    check_step(&case, case.load(device, Options::default())?.as_mut())
}

/// One iteration from the case's factors is U − step·D with D as `evaluate` gives it.
fn check_step(case: &Case, engine: &mut dyn Engine) -> Outcome {
    let gradient = engine.evaluate(&case.factors, &case.factors)?;
    engine.advance(1)?;
    let old = case.factors.left_data();
    let step = |at: usize| f64::from(case.steps[at / (old.len() / case.batch)] as f32);
    let expected: Vec<f64> = (0..old.len()).map(|at| old[at] - step(at) * gradient.left[at]).collect();
    // A product and a difference, each rounded once.
    let bound: Vec<f64> = (0..old.len())
        .map(|at| f64::from(f32::EPSILON) * (old[at].abs() + 2.0 * (step(at) * gradient.left[at]).abs()))
        .collect();
    within("factor", engine.factors()?.left_data(), &expected, &bound)
}

fn wrong_sizes(device: &Device) -> Outcome {
    let case = Case::new(5, 7, 2, 2);
    let mut engine = case.load(device, Options::default())?;
    let refused = [
        engine.set_factors(&Factors::symmetric(1, 5, 2, vec![0.0; 10])?).is_err(),
        engine.set_factors(&case.pair().0).is_err(),
        engine.set_steps(&[1.0]).is_err(),
        engine.set_observations(&[0.0; 13], &[0.0; 14]).is_err(),
        engine.set_active(&[true]).is_err(),
        engine.evaluate(&case.factors, &Factors::symmetric(2, 5, 1, vec![0.0; 10])?).is_err(),
        Case::new(5, 7, 0, 1).load(device, Options::default()).is_err(),
        Case::new(5, 7, 1, 0).load(device, Options::default()).is_err(),
    ];
    match refused.iter().position(|refused| !refused) {
        Some(at) => Err(format!("call {at} was accepted").into()),
        None => Ok(()),
    }
}

/// Each kernel broken in a way that happens, and each must be seen.
const MUTATIONS: &[(&str, &str, &str)] = &[
    ("operators/dense.wgsl", "var q = thread; q < P;", "var q = thread; q + 256u < P;"),
    (
        "operators/dense.wgsl",
        "residual_out[at] = lane_get(sum, thread) - observed[at]",
        "residual_out[at] = lane_get(sum, thread)",
    ),
    ("operators/dense.wgsl", "if (panel.overwrite == 0u)", "if (panel.overwrite == 2u)"),
    ("operators/dense.wgsl", "lane_with(r, l, weight[source] * residual[source])", "lane_with(r, l, residual[source])"),
    ("operators/dense.wgsl", "if (q < P) {", "if (q + 1u < P) {"),
    (
        "operators/dense.wgsl",
        "min(256u, ceil_div(panel.rows - begin, SPLITS))",
        "min(256u, (panel.rows - begin) / SPLITS)",
    ),
    ("lib/workgroup_sum.wgsl", "width > 0u", "width > 1u"),
    ("lib/packed.wgsl", "(b - a)", "(b - a) % 7u"),
    ("step/outer_product.wgsl", "2.0 * direct", "direct"),
    ("step/outer_product.wgsl", "first < K", "first + 16u < K"),
    ("step/outer_product.wgsl", "if (i <= j && j < N)", "if (i < j && j < N)"),
    ("step/reduce.wgsl", "split < SPLITS", "split + 1u < SPLITS"),
    ("step/reduce.wgsl", "if (at >= size)", "if (at + 1u >= size)"),
    ("step/reduce.wgsl", "if (at >= size)", "if (at >= size + 1u)"),
    ("step/gradient_product.wgsl", "first < N", "first + 16u < N"),
    ("step/gradient_product.wgsl", "if (i < N && c < K)", "if (i < N && c < K - 1u)"),
    ("step/update.wgsl", "entry >= N * K", "entry >= N * K - 1u"),
    ("step/update.wgsl", "step_sizes[trial]", "step_sizes[0]"),
    ("step/update.wgsl", "index % blocks", "(index + 1u) % blocks"),
];

fn mutations(device: &Device) -> Outcome {
    // 19 columns: more than one block; 61 rows: 1891 packed numbers, not a multiple of 256; several splits and panels.
    let case = Case::new(61, 97, 19, 3);
    for &(file, find, replace) in MUTATIONS {
        let mutations = vec![Mutation { file, find, replace }];
        let options = Options { panel_bytes: Some(40 * 1920 * 4), mutations, ..Options::default() };
        let mut engine = case.load(device, options)?;
        let gradient = check_gradient(&case, engine.as_mut(), &case.factors, &case.factors);
        if gradient.and_then(|()| check_step(&case, engine.as_mut())).is_ok() {
            return Err(format!("{file}: '{find}' -> '{replace}' was not seen").into());
        }
    }
    let absent = vec![Mutation { file: "step/update.wgsl", find: "no such text", replace: "" }];
    match case.load(device, Options { mutations: absent, ..Options::default() }) {
        Err(lowrank::Error::Invalid { .. }) => Ok(()),
        _ => Err("a mutation that patches nothing must be an error".into()),
    }
}
