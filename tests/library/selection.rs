//! Cross-validation: the rank and the ridge that it chooses, and what a fold is for a trial.

use std::ops::ControlFlow;

use lowrank::operators::{Dense, Entries, Loss, Operator};
use lowrank::problem::{Domain, Truth, synthetic};
use lowrank::selection::{CrossValidation, Selection};
use lowrank::solver::Fold;
use lowrank::{Backend, Init, Method, Model, Problem, Settings, Solution, Solver, Stop, Trial};

use crate::assert_invalid;

/// Observations of a truth with noise of a share of their root mean square.
fn observed(operator: impl Operator + 'static, truth: Truth, noise: f64, seed: u64) -> Problem {
    let problem = Problem::measure(operator, truth).unwrap();
    let y = problem.observations(0).unwrap();
    let size = (y.iter().map(|y| y * y).sum::<f64>() / y.len() as f64).sqrt();
    problem.with_noise(noise * size, seed).unwrap()
}

fn entries(rank: usize, noise: f64, seed: u64) -> Problem {
    let truth = synthetic::asymmetric(60, 45).rank(rank).seed(seed).build().unwrap();
    let operator = Entries::distinct(Domain::rectangular(60, 45), 1500, seed + 1).unwrap();
    observed(operator, truth, noise, seed + 2)
}

fn dense(noise: f64, seed: u64) -> Problem {
    let truth = synthetic::psd(14).rank(2).seed(seed).build().unwrap();
    observed(Dense::gaussian(truth.domain(), 180, seed + 1).unwrap(), truth, noise, seed + 2)
}

fn chosen(of: CrossValidation, problem: &Problem, settings: &Settings) -> Selection {
    let go_on = |_: &lowrank::Progress<'_>| ControlFlow::Continue(());
    of.choose(problem, settings, &Backend::Cpu, go_on).unwrap().unwrap()
}

fn solved(problem: Problem, settings: Settings) -> Solution {
    Solver::new(problem, settings, Backend::Cpu).unwrap().solve().unwrap()
}

#[test]
fn the_true_rank_is_chosen_with_and_without_noise() {
    for noise in [0.0, 0.1] {
        for seed in [1, 40] {
            for (problem, rank) in [(entries(3, noise, seed), 3), (dense(noise, seed), 2)] {
                let found = chosen(CrossValidation::new().search_rank(), &problem, &Settings::default());
                assert_eq!(found.search_rank, rank, "noise {noise}, seed {seed}: {found:#?}");
                assert_eq!((found.folds, found.ridge, found.has_ridges()), (5, 0.0, false));
                let solution = solved(problem, found.settings(Settings::default()));
                let best = solution.best();
                assert_eq!(best.parameters.search_rank, rank);
                assert!(best.relative_error.unwrap() < if noise == 0.0 { 1e-4 } else { 0.1 });
            }
        }
    }
}

#[test]
fn folds_with_too_few_measurements_choose_nothing() {
    // As many entries as degrees of freedom, and fewer of them outside a fold.
    let truth = synthetic::asymmetric(30, 25).rank(4).seed(3).build().unwrap();
    let operator = Entries::distinct(Domain::rectangular(30, 25), 210, 4).unwrap();
    let problem = observed(operator, truth, 0.1, 5);
    let found = chosen(CrossValidation::new().search_rank(), &problem, &Settings::default());
    assert!(!found.predicts, "{found:#?}");
    assert_eq!(found.settings(Settings::default()), Settings::default());
    assert!(found.notices()[0].contains("too few"), "{:?}", found.notices());
}

#[test]
fn a_descent_with_a_fixed_number_of_columns_is_judged_without_early_stops() {
    // Twice the columns fit the noise in the end; the best iterate on the way would hide it.
    let problem = entries(2, 0.3, 5);
    let settings = Settings::new(Method::cg()).stop(Stop::default().max_iterations(300));
    let found = chosen(CrossValidation::new().search_ranks([1, 2, 4, 8]), &problem, &settings);
    assert_eq!(found.search_rank, 2, "{found:#?}");
    let of = |k: usize| found.candidates.iter().find(|of| of.search_rank == k).unwrap().rmse.unwrap();
    assert!(of(8) > 1.2 * of(2), "{found:#?}");
}

#[test]
fn a_fold_is_held_out_and_chooses_no_iterate() {
    let problem = entries(2, 0.3, 6);
    let settings = Settings::new(Method::cg()).search_rank(8).stop(Stop::default().max_iterations(200));
    let fold = |index| Trial::default().fold(Fold::new(index, 4, 3));
    let both = solved(problem.clone(), settings.clone().trials([fold(0), fold(1)]));
    for (index, trial) in both.trials.iter().enumerate() {
        assert_eq!((trial.parameters.holdout_rows, trial.kept_iteration), (375, trial.iterations));
        // Alone as in the batch.
        let alone = solved(problem.clone(), settings.clone().trials([fold(index)]));
        assert_eq!(alone.trials[0].digest(), trial.digest());
        assert_eq!(alone.trials[0].holdout_rmse(), trial.holdout_rmse());
    }
    assert_ne!(both.trials[0].digest(), both.trials[1].digest());
    let held = solved(problem.clone(), settings.clone().holdout(0.25, 3));
    assert!(held.trials[0].kept_iteration < held.trials[0].iterations, "the noise is fitted late");
    // What is held out before is in no fold.
    let parts = solved(problem, settings.holdout(0.2, 1).trials([fold(0)]));
    assert_eq!(parts.trials[0].parameters.holdout_rows, 300 + 1200 / 4);
}

#[test]
fn a_ridge_is_chosen_for_noise_and_none_without() {
    let short = || Settings::default().stop(Stop::default().max_iterations(60));
    let settings = short().search_rank(10);
    let noisy = entries(3, 0.8, 9);
    let found = chosen(CrossValidation::new().ridge(), &noisy, &settings);
    assert!(found.ridge > 0.0 && found.has_ridges() && found.search_rank == 10, "{found:#?}");
    let error = |settings: Settings| solved(noisy.clone(), settings).best().relative_error.unwrap();
    let (with, without) = (error(found.settings(settings.clone())), error(settings.clone().without_tuning()));
    assert!(with < without, "{with} with the ridge, {without} without");
    let found = chosen(CrossValidation::new().ridge(), &entries(2, 0.0, 9), &settings);
    assert_eq!(found.ridge, 0.0, "{found:#?}");
    let found = chosen(CrossValidation::new().ridge().search_rank().folds(2), &noisy, &short());
    assert!(found.ridge > 0.0 && found.candidates.len() > 20, "{found:#?}");
}

#[test]
fn what_cannot_be_chosen_is_refused_by_its_name() {
    let problem = dense(0.1, 2);
    let go_on = |_: &lowrank::Progress<'_>| ControlFlow::Continue(());
    let refused = |of: CrossValidation, settings: Settings, name: &str, found: &str, allowed: &str| {
        let error = of.choose(&problem, &settings, &Backend::Cpu, go_on).unwrap_err();
        assert_invalid(&error, name, &[found], &[allowed]);
    };
    let rank = || CrossValidation::new().search_rank();
    refused(CrossValidation::new(), Settings::default(), "ridge", "nothing", "both");
    refused(rank(), Settings::default().loss(Loss::L1), "search_rank", "l1", "square");
    refused(rank(), Settings::default().model(Model::signed(1, 1)), "search_rank", "signed", "free");
    refused(rank(), Settings::default().trials([Trial::default(); 2]), "search_rank", "2 trials", "one trial");
    refused(rank().folds(1), Settings::default(), "folds", "of 1", "2 folds");
    refused(rank().folds(181), Settings::default(), "folds", "180 measurements", "2 folds");
    refused(CrossValidation::new().search_ranks([]), Settings::default(), "search_rank", "empty", "one candidate");
    refused(CrossValidation::new().ridges([-1.0]), Settings::default(), "ridge", "-1", "at least 0");
    let start = solved(problem.clone(), Settings::default().search_rank(3));
    let u = start.best().left().as_slice().to_vec();
    let given = Init::Given(lowrank::problem::Factors::single(1, 14, 3, u).unwrap());
    refused(rank(), Settings::default().init(given), "search_rank", "given start", "fixed");
    let stop = |_: &lowrank::Progress<'_>| ControlFlow::Break(());
    assert_eq!(rank().choose(&problem, &Settings::default(), &Backend::Cpu, stop).unwrap(), None);
}
