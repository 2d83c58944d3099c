//! The diagnostics of a run against what is known of the paper's setting.

use lowrank::diagnostics::{Phase, PhaseProxy, Phases};
use lowrank::operators::Dense;
use lowrank::problem::synthetic;
use lowrank::{Backend, Init, Method, Precision, Problem, Schedule, Settings, Solution, Solver, Stop};

fn run(n: usize, rank: usize, condition_number: f64, scale: f64, k: usize, seed: u64, iterations: usize) -> Solution {
    let truth = synthetic::psd(n).rank(rank).condition_number(condition_number).seed(seed).build().unwrap();
    let operator = Dense::gaussian(truth.domain(), 10 * n * rank, seed + 50).unwrap();
    let settings = Settings::new(Method::gd())
        .search_rank(k)
        .step_size(0.25)
        .init(Init::SmallRandom { scale, seed: seed + 90 })
        .observe(Schedule::Every(1))
        .precision(Precision::F64)
        .diagnose(true)
        .stop(Stop::default().max_iterations(iterations).stall_window(None));
    Solver::new(Problem::measure(operator, truth).unwrap(), settings, Backend::Cpu).unwrap().solve().unwrap()
}

/// n = 60, r* = 3: angles fall, rise to a plateau; t_* hardly depends on α, t_1 does.
#[test]
fn the_curves_have_the_papers_shape() {
    for seed in [3, 11] {
        let solution = run(60, 3, 1.0, 1e-6, 20, seed, 200);
        let phases = solution.best().phases.clone().unwrap();
        let (star, one, power) = (phases.t_star.unwrap(), phases.t_1.unwrap(), phases.t_power.unwrap());
        assert!(star < one && star < power, "{phases:?}");
        assert!(phases.noise_at_t_1.unwrap() < 0.1, "{phases:?}");
        let at = |t: usize| solution.trace[t].diagnosis.unwrap();
        // The power iteration and the run agree before t_power.
        for t in [1, star, power - 1] {
            let d = at(t);
            assert!(d.power_distance.unwrap() <= 0.1);
            assert!((d.angle_spectral.unwrap() - d.power_angle_spectral.unwrap()).abs() < 0.1, "t = {t}: {d:?}");
        }
        let lowest = (0..=one).map(|t| at(t).angle_spectral.unwrap()).fold(1.0, f64::min);
        let end = at(200);
        assert!(lowest < 0.02, "angle(L, L_t) falls: {lowest}");
        assert!(end.angle_spectral.unwrap() > 0.15, "and rises again: {end:?}");
        assert!(end.angle_truth.unwrap() < 1e-3 && end.sigma_rank > 0.99, "{end:?}");
        // The plateau of angle(L, L_t) at the end is angle(L, X).
        assert_eq!(solution.trace[200].diagnosis.unwrap().phase.numeral(), "III");
        assert_eq!(at(0).phase.numeral(), "I");
    }
}

/// Growth of t_1 per decade of α: ln 10/ln(1 + μλ_{r*}(P)), about 10.4 here; t_* stays.
#[test]
fn alignment_does_not_depend_on_the_scale_and_growth_does() {
    for condition_number in [1.0, 1.4] {
        let times: Vec<(usize, usize)> = [1e-4, 1e-6, 1e-8]
            .into_iter()
            .map(|scale| run(60, 3, condition_number, scale, 20, 5, 400).best().phases.clone().unwrap())
            .map(|p| (p.t_star.unwrap(), p.t_1.unwrap()))
            .collect();
        let stars: Vec<usize> = times.iter().map(|t| t.0).collect();
        assert!(stars.iter().max().unwrap() - stars.iter().min().unwrap() <= 2, "{times:?}");
        let growth = |a: usize, b: usize| (times[b].1 - times[a].1) as f64;
        assert!((growth(0, 1) / growth(1, 2) - 1.0).abs() < 0.15, "{times:?}");
        if condition_number == 1.0 {
            assert!((growth(0, 2) / 4.0 - 10.4).abs() < 1.5, "{times:?}");
        }
    }
}

#[test]
fn a_large_start_has_no_spectral_phase_and_says_why() {
    let solution = run(40, 2, 1.0, 0.5, 20, 1, 60);
    let phases = solution.best().phases.clone().unwrap();
    assert_eq!(phases.t_star, None, "{phases:?}");
    assert!(phases.reasons.iter().any(|r| r.starts_with("t_star")), "{phases:?}");
}

#[test]
fn surplus_directions_and_narrow_factors_are_told_apart() {
    let exact = run(30, 2, 2.0, 1e-4, 2, 1, 10);
    assert!(exact.trace.iter().all(|r| r.diagnosis.unwrap().sigma_next.is_none()));
    let narrow = run(30, 2, 2.0, 1e-4, 1, 1, 10);
    let d = narrow.trace[5].diagnosis.unwrap();
    assert!(d.angle_truth.is_none() && d.signal_min == 0.0, "{d:?}");
}

/// The same problem with and without its truth, observed every `every` iterations: true times, proxy, and the rows'
/// phases in the second run.
fn with_and_without(
    (n, rank, k): (usize, usize, usize),
    condition_number: f64,
    scale: f64,
    seed: u64,
    every: usize,
) -> (Phases, PhaseProxy, Vec<(usize, Option<Phase>)>) {
    let truth = synthetic::psd(n).rank(rank).condition_number(condition_number).seed(seed).build().unwrap();
    let operator = Dense::gaussian(truth.domain(), 10 * n * rank, seed + 50).unwrap();
    let operator = std::sync::Arc::new(operator);
    let known = Problem::measure(operator.clone(), truth).unwrap();
    let unknown = Problem::new(operator, known.observations(0).unwrap().to_vec()).unwrap();
    let settings = Settings::new(Method::gd())
        .search_rank(k)
        .step_size(0.25)
        .init(Init::SmallRandom { scale, seed: seed + 90 })
        .observe(Schedule::Every(every))
        .diagnose(true)
        .stop(Stop::default().max_iterations(if condition_number > 1.0 { 420 } else { 200 }).stall_window(None));
    let solve = |problem| Solver::new(problem, settings.clone(), Backend::Cpu).unwrap().solve().unwrap();
    let (with, without) = (solve(known), solve(unknown));
    assert!(with.best().phases_proxy.is_none() && with.trace.iter().all(|r| r.phase_proxy.is_none()));
    assert!(without.best().phases.is_none() && without.trace.iter().all(|r| r.diagnosis.is_none()));
    let rows = without.trace.iter().map(|r| (r.iteration, r.phase_proxy)).collect();
    (with.best().phases.clone().unwrap(), without.best().phases_proxy.clone().unwrap(), rows)
}

/// Seeds that were not used to choose the thresholds. t_1 within one iteration; t_* within five where the directions grow
/// together and there is a surplus, and not given where there is no true one.
#[test]
fn the_proxy_agrees_with_the_truth() {
    for (seed, n, rank) in [(31, 40, 2), (32, 50, 2), (33, 45, 3), (34, 60, 3)] {
        for condition_number in [1.0, 2.0] {
            for k in [rank, 2 * rank, n] {
                let case = format!("seed {seed}, n = {n}, r* = {rank}, κ = {condition_number}, k = {k}");
                let (phases, proxy, rows) = with_and_without((n, rank, k), condition_number, 1e-5, seed, 1);
                let (one, guess) = (phases.t_1.unwrap(), proxy.t_1.unwrap_or_else(|| panic!("{case}: {proxy:?}")));
                assert!(one.abs_diff(guess) <= 1 && proxy.group == Some(rank), "{case}: {phases:?} {proxy:?}");
                let lag = proxy.recognised_at.unwrap() - one;
                assert!(lag <= if condition_number > 1.0 { 60 } else { 15 }, "{case}: {proxy:?}");
                match (condition_number == 1.0 && k > rank, proxy.t_star) {
                    (true, Some(star)) => {
                        assert!(star.abs_diff(phases.t_star.unwrap()) <= 5, "{case}: {phases:?} {proxy:?}")
                    }
                    (true, None) => panic!("{case}: {proxy:?}"),
                    (false, star) => assert_eq!(star, None, "{case}: {phases:?} {proxy:?}"),
                }
                for (t, phase) in rows {
                    assert_eq!(phase, proxy.phase(t), "{case}, t = {t}");
                    assert_eq!(phase == Some(Phase::Refinement), t >= guess, "{case}, t = {t}");
                }
            }
        }
    }
}

/// At every tenth iteration, the default, t_1 is off by one observation at most.
#[test]
fn the_proxy_sees_as_far_as_the_observations() {
    for (seed, condition_number) in [(41, 1.0), (42, 2.0)] {
        let (phases, proxy, _) = with_and_without((40, 2, 12), condition_number, 1e-4, seed, 10);
        assert!(phases.t_1.unwrap().abs_diff(proxy.t_1.unwrap()) <= 10, "{phases:?} {proxy:?}");
    }
}

#[test]
fn the_proxy_is_silent_where_it_cannot_tell() {
    // Too large a start; fewer columns than the rank.
    for (sizes, scale) in [((40, 2, 20), 0.5), ((40, 3, 2), 1e-5)] {
        let (_, proxy, rows) = with_and_without(sizes, 1.0, scale, 51, 1);
        assert_eq!((proxy.t_1, proxy.t_star, proxy.reasons.len()), (None, None, 2), "{proxy:?}");
        assert!(rows.iter().all(|(_, phase)| *phase != Some(Phase::Refinement)));
    }
}
