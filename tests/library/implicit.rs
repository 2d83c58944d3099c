//! A weight of unobserved entries: the loss of the whole matrix from the given entries and Gram matrices.

use lowrank::internals::{Purpose, normals};
use lowrank::methods::StepRule;
use lowrank::operators::entries::Implicit;
use lowrank::operators::{Entries, Loss, Operator};
use lowrank::problem::{Block, Domain, Factors};
use lowrank::{Backend, Error, Init, Method, Model, Precision, Problem, Settings, Solver, Stop, TrialSolution};

use crate::assert_invalid;

const SHAPE: (usize, usize) = (12, 9);
const RIDGE: f64 = 1.5;
const ALPHA: f64 = 3.0;

/// Confidences c = 1 + α·count and preferences p of every entry; a third of them have a count.
fn confidences() -> (Vec<f64>, Vec<f64>) {
    let count = |at: usize| if (at * 7 + at / 5).is_multiple_of(3) { (1 + at % 4) as f64 } else { 0.0 };
    let counts: Vec<f64> = (0..SHAPE.0 * SHAPE.1).map(count).collect();
    (counts.iter().map(|n| 1.0 + ALPHA * n).collect(), counts.iter().map(|n| f64::from(u8::from(*n > 0.0))).collect())
}

/// The entries with a count, with the weights c − 1 and the targets c/(c − 1).
fn sparse() -> Problem {
    let (c, _) = confidences();
    let seen: Vec<usize> = (0..c.len()).filter(|at| c[*at] > 1.0).collect();
    let (rows, columns): (Vec<_>, Vec<_>) = seen.iter().map(|at| (at / SHAPE.1, at % SHAPE.1)).unzip();
    let operator = Entries::new(Domain::rectangular(SHAPE.0, SHAPE.1), &rows, &columns).unwrap();
    let targets: Vec<f64> = seen.iter().map(|at| c[*at] / (c[*at] - 1.0)).collect();
    let weights: Vec<f64> = seen.iter().map(|at| c[*at] - 1.0).collect();
    Problem::new(operator, targets).unwrap().with_weights(weights).unwrap()
}

/// All entries with the weights c and the targets p.
fn whole() -> Problem {
    let (c, p) = confidences();
    let (rows, columns): (Vec<_>, Vec<_>) = (0..c.len()).map(|at| (at / SHAPE.1, at % SHAPE.1)).unzip();
    let operator = Entries::new(Domain::rectangular(SHAPE.0, SHAPE.1), &rows, &columns).unwrap();
    Problem::new(operator, p).unwrap().with_weights(c).unwrap()
}

/// ½Σ c(Z − p)² + (ridge/2)(‖L‖² + ‖R‖²).
fn objective(l: &[f64], r: &[f64], k: usize) -> f64 {
    let (c, p) = confidences();
    let z = |at: usize| (0..k).map(|j| l[at / SHAPE.1 * k + j] * r[at % SHAPE.1 * k + j]).sum::<f64>();
    let fit: f64 = (0..c.len()).map(|at| c[at] * (z(at) - p[at]).powi(2)).sum();
    0.5 * fit + 0.5 * RIDGE * l.iter().chain(r).map(|v| v * v).sum::<f64>()
}

fn start(k: usize) -> (Vec<f64>, Vec<f64>) {
    let wave = |count: usize, pace: f64| (0..count).map(|at| (pace * at as f64 + 0.3).sin()).collect();
    (wave(SHAPE.0 * k, 1.7), wave(SHAPE.1 * k, 2.3))
}

fn settings(method: impl Into<Method>) -> Settings {
    Settings::new(method).ridge(RIDGE).unobserved_weight(1.0).precision(Precision::F64)
}

fn solve(problem: Problem, settings: Settings) -> TrialSolution {
    Solver::new(problem, settings, Backend::Cpu).unwrap().solve().unwrap().trials.remove(0)
}

fn refused(problem: Problem, settings: Settings) -> Error {
    Solver::new(problem, settings, Backend::Cpu).err().unwrap()
}

/// The factors after one iteration from a start.
fn after_one(settings: Settings, (l, r): (&[f64], &[f64]), k: usize) -> TrialSolution {
    let blocks = vec![Block::new(SHAPE.0, k, l.to_vec()), Block::new(SHAPE.1, k, r.to_vec())];
    let given = Init::Given(Factors::of_blocks(1, blocks).unwrap());
    solve(sparse(), settings.init(given).stop(Stop::default().max_iterations(1)))
}

#[test]
fn an_exact_step_is_the_least_along_its_line() {
    let k = 3;
    let (l, r) = start(k);
    let found = after_one(settings(Method::gd().step_rule(StepRule::Exact)), (&l, &r), k);
    let at = |share: f64| {
        let point =
            |from: &[f64], to: &[f64]| from.iter().zip(to).map(|(a, b)| a + share * (b - a)).collect::<Vec<_>>();
        objective(&point(&l, found.left().as_slice()), &point(&r, found.right().as_slice()), k)
    };
    let (slope, fall) = ((at(1.0 + 1e-5) - at(1.0 - 1e-5)) / 2e-5, at(0.0) - at(1.0));
    assert!(fall > 0.0 && slope.abs() < 1e-7 * fall, "{slope:e} after a fall of {fall}");
}

#[test]
fn the_gradient_is_that_of_the_whole_matrix() {
    let (k, step) = (2, 1e-3);
    let (l, r) = start(k);
    let found = after_one(settings(Method::gd()).step_size(step), (&l, &r), k);
    // f = (s/w̄)·J with the mean w̄ of the weights.
    let problem = sparse();
    let weights = problem.weights().unwrap();
    let scale = problem.operator().normalization() * weights.len() as f64 / weights.iter().sum::<f64>();
    let h = 1e-5;
    let at = |block: usize, i: usize, change: f64| {
        let (mut l, mut r) = (l.clone(), r.clone());
        (if block == 0 { &mut l } else { &mut r })[i] += change;
        objective(&l, &r, k)
    };
    for (block, (before, after)) in [(&l, found.left()), (&r, found.right())].into_iter().enumerate() {
        for (i, (before, after)) in before.iter().zip(after.as_slice()).enumerate() {
            let slope = (at(block, i, h) - at(block, i, -h)) / (2.0 * h);
            approx::assert_relative_eq!((before - after) / step, scale * slope, max_relative = 1e-6, epsilon = 1e-6);
        }
    }
}

#[test]
fn every_method_solves_the_dense_weighted_problem() {
    let k = SHAPE.1;
    let (c, _) = confidences();
    let ridge = RIDGE * c.len() as f64 / c.iter().sum::<f64>();
    let stop = Stop::default().max_iterations(20_000).stall_window(None);
    let dense = Settings::new(Method::lbfgs()).ridge(ridge).precision(Precision::F64).search_rank(k).stop(stop);
    let expected = solve(whole(), dense);
    assert!(expected.estimated_rank < k, "{:?}", expected.singular_values);
    let (rank, expected) = (expected.estimated_rank, expected.to_dense());
    let methods: [Method; 8] = [
        Method::cg().into(),
        Method::cg().step_rule(StepRule::Armijo).into(),
        Method::lbfgs().into(),
        Method::gd().step_rule(StepRule::Exact).into(),
        Method::gd().step_rule(StepRule::Armijo).into(),
        Method::prec_gd().step_rule(StepRule::Exact).into(),
        Method::alt_scaled_gd().step_rule(StepRule::Exact).into(),
        Method::alt_scaled_gd().step_rule(StepRule::Armijo).into(),
    ];
    for method in methods {
        // Pseudo-inverses of Gram matrices need columns that do not vanish.
        let k = if method.word() == "alt-scaled-gd" { rank } else { k };
        let found = solve(sparse(), settings(method.clone()).search_rank(k).stop(stop)).to_dense();
        let worst = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(worst < 1e-6, "{method}: {worst:e}");
    }
}

#[test]
fn what_has_no_place_for_it_is_refused() {
    let base = || Settings::default().unobserved_weight(1.0);
    for method in [Method::pursuit().into(), Method::sgd().into(), Method::from(Method::scaled_gd())] {
        let message = refused(sparse(), base().method(method)).to_string();
        assert!(message.contains("cg, lbfgs") || message.contains("cg") && message.contains("lbfgs"), "{message}");
    }
    let robust = refused(sparse(), base().loss(Loss::L1));
    assert_invalid(&robust, "loss", &["l1"], &["square"]);
    assert_invalid(&refused(sparse(), base().precision(Precision::Mixed)), "precision", &["mixed"], &["f32"]);
    for weight in [-1.0, f64::NAN, f64::INFINITY] {
        assert_invalid(&refused(sparse(), base().unobserved_weight(weight)), "unobserved_weight", &[], &["0"]);
    }
    let symmetric = Entries::new(Domain::symmetric(4), &[0, 1, 2], &[1, 2, 3]).unwrap();
    let message = refused(Problem::new(symmetric, [1.0; 3]).unwrap(), base().model(Model::psd())).to_string();
    assert!(message.contains("psd") && message.contains("asymmetric"), "{message}");
}

#[test]
fn equal_weights_count_as_given() {
    // Of weights that are all the same the scale still matters, beside the unobserved entries.
    let small = |weight: f64| {
        let operator = Entries::new(Domain::rectangular(3, 2), &[0, 1], &[0, 1]).unwrap();
        let problem = Problem::new(operator, [1.0; 2]).unwrap().with_weights([weight; 2]).unwrap();
        let settings = Settings::default().unobserved_weight(1.0).precision(Precision::F64).search_rank(2);
        solve(problem, settings).entries(&[(0, 0), (1, 1), (2, 0)])
    };
    for weight in [1.0, 3.0] {
        // The entry minimises w(z − 1)² + z².
        let (found, wanted) = (small(weight), weight / (weight + 1.0));
        for (found, wanted) in found.into_iter().zip([wanted, wanted, 0.0]) {
            approx::assert_abs_diff_eq!(found, wanted, epsilon = 1e-6);
        }
    }
}

/// Counts of a matrix whose preferences are of rank 3, with popular and unpopular columns: each row has the entries of its
/// highest scores. Positions and counts.
fn events(n1: usize, n2: usize, per_row: usize) -> (Vec<usize>, Vec<usize>, Vec<f64>) {
    let rank = 3;
    let of = |seed, count| normals(seed, Purpose::Init, 1.0, count);
    let (l, r, noise) = (of(1, n1 * rank), of(2, n2 * rank), of(3, n1 * n2));
    let popularity = |column: usize| -0.8 * (1.0 + (column * 7 % n2) as f64).ln();
    let score = |row: usize, column: usize| {
        let taste: f64 = (0..rank).map(|j| l[row * rank + j] * r[column * rank + j]).sum();
        taste + popularity(column) + 0.5 * noise[row * n2 + column]
    };
    let (mut rows, mut columns) = (Vec::new(), Vec::new());
    for row in 0..n1 {
        let mut order: Vec<usize> = (0..n2).collect();
        order.sort_by(|a, b| score(row, *b).total_cmp(&score(row, *a)));
        rows.extend([row].repeat(per_row));
        columns.extend_from_slice(&order[..per_row]);
    }
    let counts = (0..rows.len()).map(|at| (1 + at % 3) as f64).collect();
    (rows, columns, counts)
}

#[test]
fn held_out_events_are_ranked_above_their_popularity() {
    let (n1, n2) = (200, 150);
    let (rows, columns, counts) = events(n1, n2, 20);
    let of = Implicit::new(5.0).unwrap().confidences(&counts).unwrap();
    let operator = Entries::new(Domain::rectangular(n1, n2), &rows, &columns).unwrap();
    let problem = Problem::new(operator, of.targets).unwrap().with_weights(of.weights).unwrap();
    let settings = Settings::default().unobserved_weight(Implicit::UNOBSERVED_WEIGHT);
    let settings = settings.ridge(20.0).search_rank(6).holdout(0.1, 1);
    let mut solver = Solver::new(problem, settings, Backend::Cpu).unwrap();
    assert_eq!(solver.method().word(), "cg");
    let found = solver.solve().unwrap().trials.remove(0);
    let whole = found.preference.unwrap();
    let (ranking, popularity) = (whole.ranking.unwrap(), whole.popularity.unwrap());
    assert!(ranking.auc > 0.9 && ranking.auc > popularity.auc + 0.1, "{whole:?}");
    assert!(ranking.recall_at_20 > 1.3 * popularity.recall_at_20, "{whole:?}");
    assert!(found.doubt.is_none());
    // The loss over the whole matrix, with held-out entries among the unobserved.
    let held = lowrank::solver::Holdout::new(0.1, 1).measurements(rows.len()).unwrap();
    let mut squares: f64 = found.to_dense().iter().map(|z| z * z).sum();
    for i in (0..rows.len()).filter(|i| held.binary_search(i).is_err()) {
        let (z, c) = (found.entries(&[(rows[i], columns[i])])[0], 1.0 + 5.0 * counts[i]);
        squares += c * (z - 1.0).powi(2) - z * z;
    }
    approx::assert_relative_eq!(whole.loss, 0.5 * squares, max_relative = 1e-10);
}

#[test]
fn a_fit_that_popularity_surpasses_is_doubted() {
    let (n1, n2) = (60, 50);
    let (rows, columns, counts) = events(n1, n2, 8);
    let of = Implicit::new(5.0).unwrap().confidences(&counts).unwrap();
    let operator = Entries::new(Domain::rectangular(n1, n2), &rows, &columns).unwrap();
    let problem = Problem::new(operator, of.targets).unwrap().with_weights(of.weights).unwrap();
    // Descent has hardly left its random start.
    let early = Stop::default().max_iterations(1);
    let settings = Settings::new(Method::gd()).unobserved_weight(1.0).holdout(0.2, 1).stop(early);
    let doubt = solve(problem, settings).doubt.unwrap();
    assert!(doubt.contains("popularity") && doubt.contains("AUC"), "{doubt}");
}
