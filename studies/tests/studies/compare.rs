//! Comparisons: several methods on one problem, one after the other.

use std::ops::ControlFlow;

use lowrank::methods::StepRule;
use lowrank::operators::Dense;
use lowrank::problem::{Factors, synthetic};
use lowrank::{Backend, Error, Init, Method, Precision, Problem, Schedule, Settings, Status, Stop, Trial};
use lowrank_studies::compare::{Contender, Metric, Start, compare};

use crate::says::{assert_says, says};

const N: usize = 12;

/// A psd problem of rank 2 with κ(M) = 9, on which preconditioning pays.
fn problem() -> Problem {
    let truth = synthetic::psd(N).rank(2).condition_number(3.0).seed(3).build().unwrap();
    let operator = Dense::gaussian(truth.domain(), 140, 4).unwrap();
    Problem::measure(operator, truth).unwrap()
}

/// The same without its truth.
fn without_truth() -> Problem {
    let known = problem();
    Problem::batch(known.operator().clone(), vec![known.observations(0).unwrap().to_vec()]).unwrap()
}

fn settings(method: impl Into<Method>) -> Settings {
    Settings::new(method)
        .search_rank(4)
        .precision(Precision::F64)
        .observe(Schedule::Every(1))
        .stop(Stop::default().max_iterations(2500).stall_window(None))
}

fn named<const COUNT: usize>(words: [&str; COUNT]) -> [Method; COUNT] {
    words.map(|word| Method::from_word(word).unwrap())
}

fn contenders(methods: &[Method]) -> Vec<Contender> {
    methods.iter().map(|method| Contender::new(method.word(), settings(method.clone()))).collect()
}

fn going(_: &lowrank_studies::compare::CompareProgress<'_>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

#[test]
fn levels_are_reached_in_order_and_the_faster_methods_first() {
    let methods = named(["gd", "prec-gd", "cg"]);
    for backend in [Backend::Cpu, Backend::Reference] {
        let found = compare(&problem(), contenders(&methods), &backend, going).unwrap();
        assert_eq!((found.metric, found.absent.len(), found.interrupted), (Metric::RelativeError, 0, false));
        let [gd, prec, cg] = &found.entries[..] else { panic!("three entries") };
        for entry in &found.entries {
            let to = |level| entry.iterations_to(0, level).unwrap();
            assert!(0 < to(1e-1) && to(1e-1) <= to(1e-2) && to(1e-2) <= to(1e-3), "{}", entry.label);
            let (half, milli) = (entry.seconds_to(0, 0.5).unwrap(), entry.seconds_to(0, 1e-3).unwrap());
            assert!(0.0 < half && half <= milli, "{}: {half} {milli}", entry.label);
            assert_eq!(entry.median_iterations_to(1e-3), Some(to(1e-3) as f64));
            assert_eq!((entry.reached(0, 1e-30), entry.median_seconds_to(1e-30)), (None, None));
            // The observation that reached it did, and the one before it had not.
            let points = entry.points();
            let at = points.iter().position(|p| p.iteration == to(1e-3)).unwrap();
            assert!(points[at].error.unwrap() <= 1e-3 && points[at - 1].error.unwrap() > 1e-3);
            assert_eq!(entry.start, Start::Random);
            assert!(entry.seconds_per_iteration().unwrap() > 0.0);
        }
        let milli = |entry: &lowrank_studies::compare::Entry| entry.iterations_to(0, 1e-3).unwrap();
        assert!(milli(cg) < milli(prec) && milli(prec) < milli(gd), "{} {} {}", milli(cg), milli(prec), milli(gd));
        assert!(cg.final_error().unwrap() < 1e-10 && prec.final_error().unwrap() < 1e-10);
        assert_eq!([gd.passes, prec.passes, cg.passes], [1.0, 1.0, 1.0]);
        assert_eq!((gd.step_rule, cg.step_rule), (StepRule::Constant, StepRule::Exact));
    }
}

#[test]
fn contenders_begin_at_the_same_factors_and_run_one_after_the_other() {
    let methods = named(["gd", "scaled-gd", "lbfgs", "riemannian"]);
    let mut starts: Vec<Factors> = Vec::new();
    let mut order: Vec<usize> = Vec::new();
    let found = compare(&problem(), contenders(&methods), &Backend::Cpu, |running| {
        if running.progress.iteration == 0 {
            starts.push(running.progress.factors.clone());
        }
        order.push(running.index);
        assert_eq!((running.count, running.label), (4, methods[running.index].word()));
        going(running)
    })
    .unwrap();
    assert!(order.is_sorted());
    assert_eq!(starts.len(), 4);
    assert!(starts[0] == starts[1] && starts[0] == starts[2] && starts[0] != starts[3]);
    let words: Vec<Start> = found.entries.iter().map(|entry| entry.start).collect();
    assert_eq!(words, [Start::Random, Start::Random, Start::Random, Start::Spectral]);
    let notices = found.notices();
    assert!(notices.iter().any(|n| n.starts_with("gd: ") && says(n, "step_size")), "{notices:?}");
    assert!(notices.iter().any(|n| n.starts_with("riemannian: ") && says(n, "spectral")), "{notices:?}");
    // A start that is given is everyone's.
    let given =
        |method: &Method| Contender::new(method.word(), settings(method.clone()).init(Init::Given(starts[0].clone())));
    let found = compare(&problem(), methods.iter().map(given).collect(), &Backend::Cpu, going).unwrap();
    assert!(found.entries.iter().all(|entry| entry.start == Start::Given));
}

#[test]
fn what_cannot_run_is_listed_and_ends_nothing() {
    let methods = named(["alt-scaled-gd", "gd"]);
    let found = compare(&problem(), contenders(&methods), &Backend::Cpu, going).unwrap();
    let [absent] = &found.absent[..] else { panic!("{:?}", found.absent) };
    assert_eq!((absent.position, absent.label.as_str(), absent.method.word()), (0, "alt-scaled-gd", "alt-scaled-gd"));
    assert_says(&absent.reason, &["alternate"]);
    assert_eq!((found.entries.len(), found.entries[0].position), (1, 1));

    let alone = compare(&problem(), contenders(&methods[..1]), &Backend::Cpu, going);
    assert!(matches!(alone, Err(Error::Unsupported { .. })), "{alone:?}");
    let wrong = Contender::new("gd", settings(Method::gd()).search_rank(0));
    let both = compare(&problem(), vec![contenders(&methods).remove(0), wrong], &Backend::Cpu, going);
    let text = both.unwrap_err().to_string();
    assert_says(&text, &["alternate", "search_rank"]);
    assert!(compare(&problem(), Vec::new(), &Backend::Cpu, going).is_err());
    let twice = contenders(&named(["cg", "cg"]));
    assert_says(&compare(&problem(), twice, &Backend::Cpu, going).unwrap_err().to_string(), &["'cg'"]);
}

#[test]
fn without_a_truth_held_out_measurements_tell_the_error_and_else_the_residual() {
    let methods = named(["prec-gd", "cg"]);
    let held = |method: &Method| Contender::new(method.word(), settings(method.clone()).holdout(0.1, 5));
    let found = compare(&without_truth(), methods.iter().map(held).collect(), &Backend::Cpu, going).unwrap();
    assert_eq!(found.metric, Metric::HeldOutError);
    // Of nearly zero it is 1, and of the iterate that is returned what the solution says.
    for entry in &found.entries {
        let points = entry.points();
        assert!((points[0].error.unwrap() - 1.0).abs() < 1e-3, "{:?}", points[0]);
        assert_eq!(entry.final_error(), entry.solution.trials[0].estimated_relative_error);
        let kept = points.iter().find(|p| p.iteration == entry.solution.trials[0].kept_iteration).unwrap();
        let (a, b) = (kept.error.unwrap(), entry.final_error().unwrap());
        assert!((a - b).abs() <= 1e-9 * b, "{a} {b}");
        assert!(entry.iterations_to(0, 1e-3).is_some(), "{}", entry.label);
    }
    let found = compare(&without_truth(), contenders(&methods), &Backend::Cpu, going).unwrap();
    assert_eq!(found.metric, Metric::RelativeResidual);
    assert_eq!(found.entries[0].final_error(), Some(found.entries[0].solution.trials[0].relative_residual));
}

#[test]
fn medians_are_over_trials_and_interruptions_keep_what_is_there() {
    let trials: Vec<Trial> = (1..=3).map(|seed| Trial::default().seed(seed)).collect();
    let of = |method: &Method| Contender::new(method.word(), settings(method.clone()).trials(trials.clone()));
    let methods = named(["prec-gd", "cg", "lbfgs"]);
    let found = compare(&problem(), methods.iter().map(of).collect(), &Backend::Cpu, |running| {
        let late = running.index == 1 && running.progress.iteration == 4;
        if late { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })
    .unwrap();
    let (prec, cg) = (&found.entries[0], &found.entries[1]);
    let mut each: Vec<usize> = (0..3).map(|trial| prec.iterations_to(trial, 1e-3).unwrap()).collect();
    each.sort_unstable();
    assert_eq!(prec.median_iterations_to(1e-3), Some(each[1] as f64));
    let curve = prec.median_curve();
    let at = curve.iter().find(|(_, _, error)| *error <= 1e-3).unwrap().0;
    assert_eq!(at, each[1]);
    assert!(found.interrupted);
    assert_eq!((cg.statuses(), cg.iterations()), (vec![(Status::Interrupted, 3)], Some(4.0)));
    assert_eq!(found.absent.len(), 1);
    assert!(found.absent[0].label == "lbfgs" && found.absent[0].reason.contains("interrupted"));
}
