//! Ranks that share the measurements: threads stand for processes, the engine is the same.

use std::ops::ControlFlow;
use std::sync::Arc;

use lowrank::internals::laws::{ENGINE_LAWS, Held, Place};
use lowrank::internals::operators::REGISTRY;
use lowrank::internals::team::outcomes;
use lowrank::operators::{Dense, Entries, Operator, Pauli, RankOne, Seeded, Sparse};
use lowrank::problem::{Domain, synthetic};
use lowrank::team::{Member, Team, Threads};
use lowrank::{Backend, Init, Method, Precision, Problem, Settings, Solution, Solver, Status, Stop};

use crate::says::says;

/// What each rank gives.
fn on_ranks<R: Send>(ranks: usize, run: impl Fn(Arc<dyn Team>) -> R + Sync) -> Vec<R> {
    let run = &run;
    std::thread::scope(|scope| {
        let team = Threads::team(ranks).into_iter().map(|rank| scope.spawn(move || run(Arc::new(rank))));
        let team: Vec<_> = team.collect();
        team.into_iter().map(|rank| rank.join().unwrap()).collect()
    })
}

fn member(team: Arc<dyn Team>, parts: Option<usize>, own: Backend) -> Backend {
    Backend::Team(Member::new(team, parts).unwrap(), Box::new(own))
}

/// One gradient and one step of ranks are those of the definition, within the bound that is computed from the data, for every operator.
#[test]
fn every_operator_obeys_the_laws_on_every_number_of_ranks() {
    // That of declared bytes is about what one rank reads.
    let laws: Vec<_> = ENGINE_LAWS.iter().filter(|law| law.name != "declared bytes").collect();
    let shapes = [(Domain::symmetric(3), 257), (Domain::symmetric(17), 131), (Domain::rectangular(17, 16), 61)];
    let mut held = 0;
    for registration in REGISTRY {
        for (domain, m) in shapes {
            let Some(domain) = (registration.domain)(domain) else { continue };
            for (ranks, parts, precision, own) in [
                (1, None, Precision::F32, Backend::Cpu),
                (2, Some(5), Precision::F64, Backend::Cpu),
                (3, None, Precision::F32, Backend::Cpu),
                (4, Some(4), Precision::F64, Backend::Reference),
            ] {
                for law in laws.iter().filter(|law| law.concerns(domain)) {
                    let make =
                        if law.name == "exact on integers" { registration.integers } else { registration.random };
                    let outcomes = on_ranks(ranks, |team| {
                        let operator = make(domain, m, 11).unwrap();
                        let place = Place::new("ranks", member(team, parts, own.clone()), precision);
                        law.check(&*operator, &place)
                    });
                    for (rank, outcome) in outcomes.into_iter().enumerate() {
                        let what = format!("{} {domain}, {}: rank {rank} of {ranks}", registration.name, law.name);
                        held += usize::from(outcome.unwrap_or_else(|why| panic!("{what}: {why}")) == Held::Holds);
                    }
                }
            }
        }
    }
    assert!(held > 1000, "{held}");
}

/// A random problem of each operator that is easy to recover.
fn problems() -> Vec<(&'static str, Problem, Settings)> {
    let settings = |k: usize| {
        let init = Init::SmallRandom { scale: 1e-4, seed: 2 };
        Settings::new(Method::prec_gd())
            .search_rank(k)
            .init(init)
            .stop(Stop::default().relative_error(1e-4).max_iterations(400))
    };
    let psd = |n: usize| synthetic::psd(n).rank(2).condition_number(1.5).seed(5).build().unwrap();
    let pair = || synthetic::asymmetric(14, 11).rank(2).condition_number(1.5).seed(5).build().unwrap();
    let n = Domain::symmetric(16);
    let measured = |operator: Arc<dyn Operator>| Problem::measure(operator, psd(16)).unwrap();
    let of_pair = |operator: Arc<dyn Operator>| Problem::measure(operator, pair()).unwrap();
    vec![
        ("dense", measured(Arc::new(Dense::gaussian(n, 500, 3).unwrap())), settings(4)),
        ("seeded", measured(Arc::new(Seeded::new(n, 500, 3).unwrap())), settings(4)),
        ("rademacher", measured(Arc::new(Seeded::rademacher(n, 500, 3).unwrap())), settings(4)),
        ("rank_one", measured(Arc::new(RankOne::gaussian(n, 700, 3).unwrap())), settings(4)),
        ("sparse", measured(Arc::new(Sparse::random(n, 700, 8, 3).unwrap())), settings(4)),
        ("entries", of_pair(Arc::new(Entries::uniform(Domain::rectangular(14, 11), 700, 3).unwrap())), settings(2)),
        ("dense pair", of_pair(Arc::new(Dense::gaussian(Domain::rectangular(14, 11), 700, 3).unwrap())), settings(4)),
        (
            "complex",
            Problem::measure(
                Pauli::random(4, 180, 3).unwrap(),
                synthetic::hermitian(16).rank(2).seed(5).build().unwrap(),
            )
            .unwrap(),
            settings(4),
        ),
        (
            "complex pair",
            Problem::measure(
                Dense::gaussian(Domain::complex_rectangular(8, 6), 500, 3).unwrap(),
                synthetic::complex(8, 6).rank(2).seed(5).build().unwrap(),
            )
            .unwrap(),
            settings(2),
        ),
        (
            "signed",
            Problem::measure(
                Dense::gaussian(Domain::symmetric(16), 900, 3).unwrap(),
                synthetic::signed(16, (1, 1)).seed(5).build().unwrap(),
            )
            .unwrap(),
            settings(4).model(lowrank::Model::signed(2, 2)),
        ),
    ]
}

fn solved(problem: &Problem, settings: &Settings, backend: Backend) -> Solution {
    Solver::new(problem.clone(), settings.clone(), backend).unwrap().solve().unwrap()
}

fn bits(solution: &Solution) -> Vec<u64> {
    let numbers = solution
        .trials
        .iter()
        .flat_map(|t| t.left().as_slice().iter().chain(t.right().as_slice()).copied().collect::<Vec<_>>());
    numbers.map(f64::to_bits).collect()
}

#[test]
fn solves_are_the_same_bits_for_any_number_of_ranks_and_as_good_as_one_process() {
    for (name, problem, settings) in problems() {
        for precision in [Precision::F32, Precision::F64] {
            let settings = settings.clone().precision(precision);
            let alone = solved(&problem, &settings, Backend::Cpu);
            assert_eq!(alone.best().status, Status::Converged, "{name}");
            let mut first = None;
            for ranks in 1..=4 {
                let all = on_ranks(ranks, |team| solved(&problem, &settings, member(team, Some(7), Backend::Cpu)));
                for found in &all {
                    assert_eq!(found.best().status, Status::Converged, "{name}, {ranks} ranks");
                    let apart = found.best().iterations.abs_diff(alone.best().iterations);
                    assert!(apart <= 10, "{name}: {} and {}", found.best().iterations, alone.best().iterations);
                    let wanted = first.get_or_insert_with(|| bits(found));
                    assert!(bits(found) == *wanted, "{name}: {ranks} ranks give other bits");
                }
            }
        }
    }
}

#[test]
fn a_fixed_trace_is_kept_by_ranks_or_refused() {
    let (_, problem, settings) = problems().swap_remove(0);
    let settings = settings.init(Init::Automatic { seed: 0 }).stop(Stop::default().max_iterations(40));
    let settings = settings.precision(Precision::F64).fixed_trace(1.0);
    let kept = settings.clone().method(Method::momentum());
    for found in on_ranks(3, |team| solved(&problem, &kept, member(team, None, Backend::Cpu))) {
        let trace: f64 = found.best().left().as_slice().iter().map(|v| v * v).sum();
        assert!((trace - 1.0).abs() < 1e-12, "{trace}");
    }
    let refused = on_ranks(2, |team| {
        let new = Solver::new(problem.clone(), settings.clone(), member(team, None, Backend::Cpu));
        new.err().expect("a refusal").to_string()
    });
    assert!(refused.iter().all(|why| says(why, "fixed_trace") && says(why, "momentum")), "{refused:?}");
}

#[test]
fn rules_on_the_host_and_mixed_precision_run_around_ranks() {
    let (_, problem, settings) = problems().swap_remove(0);
    for (settings, target) in [
        (settings.clone().method(Method::cg()), 1e-4),
        (settings.clone().method(Method::lbfgs()), 1e-4),
        (settings.clone().method(Method::gd_polyak()), 1e-4),
        (settings.clone().precision(Precision::Mixed), 1e-11),
    ] {
        let settings = settings.stop(Stop::default().relative_error(target).max_iterations(1500));
        let mut first = None;
        for ranks in [1, 3] {
            for found in on_ranks(ranks, |team| solved(&problem, &settings, member(team, None, Backend::Cpu))) {
                assert_eq!(found.best().status, Status::Converged, "{ranks} ranks");
                assert!(bits(&found) == *first.get_or_insert_with(|| bits(&found)));
            }
        }
    }
    let sgd = settings.method(Method::sgd());
    let refused = on_ranks(2, |team| Solver::new(problem.clone(), sgd.clone(), member(team, None, Backend::Cpu)).err());
    assert!(refused.iter().all(|error| says(&error.as_ref().unwrap().to_string(), "minibatches")));
}

/// A function on the host sees the rows of all ranks, and their thin rows stay where they are.
#[test]
fn gauss_newton_reads_rows_of_all_ranks() {
    let stop = Stop::default().relative_error(1e-5).max_iterations(60);
    let of = ["dense", "seeded", "rademacher", "dense pair", "signed"];
    for (name, problem, settings) in problems().into_iter().filter(|(name, ..)| of.contains(name)) {
        for precision in [Precision::F32, Precision::F64] {
            let settings = settings.clone().method(Method::gauss_newton()).init(Init::default()).stop(stop);
            let settings = settings.precision(precision);
            let alone = solved(&problem, &settings, Backend::Cpu);
            assert_eq!(alone.best().status, Status::Converged, "{name}");
            let mut first = None;
            for (ranks, own) in [(1, Backend::Cpu), (2, Backend::Cpu), (3, Backend::Cpu), (4, Backend::Reference)] {
                // In double precision the sequential engine gives other bits.
                let is_other = matches!(own, Backend::Reference);
                let all = on_ranks(ranks, |team| solved(&problem, &settings, member(team, Some(7), own.clone())));
                for found in &all {
                    assert_eq!(found.best().status, Status::Converged, "{name}, {ranks} ranks");
                    let apart = found.best().iterations.abs_diff(alone.best().iterations);
                    assert!(apart <= 3, "{name}: {} and {}", found.best().iterations, alone.best().iterations);
                    let wanted = first.get_or_insert_with(|| bits(found));
                    assert!(is_other || bits(found) == *wanted, "{name}: {ranks} ranks give other bits");
                }
                assert!(all.iter().all(|found| bits(found) == bits(&all[0])), "{name}: ranks differ");
            }
        }
    }
    let (_, problem, settings) = problems().swap_remove(3);
    let settings = settings.method(Method::gauss_newton()).init(Init::default());
    for error in
        on_ranks(2, |team| Solver::new(problem.clone(), settings.clone(), member(team, None, Backend::Cpu)).err())
    {
        assert!(says(&error.unwrap().to_string(), "centred"));
    }
    let (_, problem, _) = problems().swap_remove(0);
    let chosen = Settings::default().search_rank(4).stop(stop);
    for (all, method) in [(true, "gauss-newton"), (false, "pursuit")] {
        let own = |team| Backend::Team(Member::new(team, None).unwrap().all_on_host(all), Box::new(Backend::Cpu));
        for found in on_ranks(2, |team| solved(&problem, &chosen, own(team))) {
            assert!(crate::notes(&found, &[method]), "{:?}", found.notices);
            assert_eq!(found.best().status, Status::Converged);
        }
    }
}

#[test]
fn what_is_moved_is_counted_and_said() {
    let (_, problem, settings) = problems().swap_remove(0);
    let settings = settings.precision(Precision::F32);
    for (ranks, nodes) in [(1, 0), (2, 1), (3, 2), (4, 1)] {
        let all = on_ranks(ranks, |team| solved(&problem, &settings, member(team, None, Backend::Cpu)));
        let team = all[0].engine.team.clone().unwrap();
        assert_eq!((team.ranks, team.parts), (ranks, 12));
        // A node: n·k numbers of 4 bytes.
        assert_eq!(team.bytes_per_gradient, nodes * 16 * 4 * 4, "{ranks} ranks");
        let gradients = all[0].best().iterations as u64 + 1;
        assert!(ranks == 1 || team.bytes_sent > gradients * team.bytes_per_gradient);
        assert!(all.iter().map(|one| one.engine.team.as_ref().unwrap().measurements).sum::<usize>() == 500);
    }
}

#[test]
fn ranks_on_different_backends_solve_one_problem() {
    let (_, problem, settings) = problems().swap_remove(3);
    let all = on_ranks(2, |team| {
        let own = if team.rank() == 0 { Backend::Cpu } else { Backend::Reference };
        solved(&problem, &settings, member(team, None, own))
    });
    assert!(all.iter().all(|found| found.best().status == Status::Converged && bits(found) == bits(&all[0])));
}

/// Only one rank is interrupted; all of them stop, at the same iteration.
#[test]
fn ranks_stop_together() {
    let (_, problem, settings) = problems().swap_remove(0);
    let settings = settings.stop(Stop::default().max_iterations(400));
    let all = on_ranks(3, |team| {
        let last = team.rank() == 2;
        let mut solver = Solver::new(problem.clone(), settings.clone(), member(team, None, Backend::Cpu)).unwrap();
        let stop = |asked| if asked { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        solver.solve_with(|progress| stop(last && progress.iteration >= 30)).unwrap()
    });
    let ends: Vec<_> = all.iter().map(|found| (found.best().status, found.best().iterations)).collect();
    assert_eq!(ends, [(Status::Interrupted, 30); 3]);
}

#[test]
fn a_rank_that_ends_is_an_error_on_the_others_and_failures_are_told() {
    let (_, problem, settings) = problems().swap_remove(0);
    let errors = on_ranks(3, |team| {
        if team.rank() == 1 {
            return None;
        }
        let solver = Solver::new(problem.clone(), settings.clone(), member(team, None, Backend::Cpu));
        solver.unwrap().solve().err().map(|error| error.to_string())
    });
    assert!([0, 2].iter().all(|&rank| says(errors[rank].as_ref().unwrap(), "rank 1")), "{errors:?}");
    let told = on_ranks(3, |team| outcomes(&*team, team.rank() == 2).unwrap());
    assert_eq!(told, vec![vec![false, false, true]; 3]);
    let error = Member::new(Arc::new(Threads::team(3).remove(0)), Some(2)).unwrap_err();
    assert!(says(&error.to_string(), "parts"));
}

/// Ranks that were given different problems are found out before they go on.
#[test]
fn ranks_that_drift_apart_are_an_error() {
    let (_, problem, settings) = problems().swap_remove(0);
    let errors = on_ranks(2, |team| {
        let seed = team.rank() as u64;
        let settings = settings.clone().init(Init::SmallRandom { scale: 1e-4, seed });
        let solver = Solver::new(problem.clone(), settings, member(team, None, Backend::Cpu));
        solver.unwrap().solve().err().map(|error| error.to_string())
    });
    assert!(errors.iter().all(|error| error.as_ref().is_some_and(|error| says(error, "rank"))), "{errors:?}");
}
