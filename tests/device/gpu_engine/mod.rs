//! The GPU engine against the definition of the operator, and its own laws: panels, batches, repetition, freezing.
//! Without an adapter the trials are reported as ignored, or fail where `LOWRANK_REQUIRE_GPU=1`.

mod case;
mod refusals;
mod streaming;

use std::sync::Arc;

use case::{Case, Outcome, Stream, check_evaluation, check_gradient, check_step, same, within};
use libtest_mimic::{Failed, Trial};
use lowrank::Precision;
use lowrank::gpu::Device;
use lowrank::internals::gpu::{Options, variants};
use lowrank::operators::{Dense, Layout, Operator};
use lowrank::problem::{Domain, Factors};
use refusals::{by_name, host_only, idle_driver, lost, wrong_sizes, wrong_variant};
use streaming::{running_out_streams, streams, streams_from_a_file, streams_other_types, streams_what_was_chosen};

type Test = fn(&Device) -> Outcome;

pub fn trials() -> Vec<libtest_mimic::Trial> {
    let tests: &[(&str, Test)] = &[
        ("agrees_with_the_definition_n1", |device| agrees(device, 1)),
        ("agrees_with_the_definition_n2", |device| agrees(device, 2)),
        ("agrees_with_the_definition_n17", |device| agrees(device, 17)),
        ("agrees_with_the_definition_n61", |device| agrees(device, 61)),
        ("more_measurements_than_a_grid_dimension", many_measurements),
        ("exact_on_integers", exact_on_integers),
        ("every_variant_agrees_with_the_definition", every_variant),
        ("panels_change_nothing", |device| panels_change_nothing(device, "two-kernel")),
        ("panels_change_nothing_one_pass", |device| panels_change_nothing(device, "one-pass/64x4")),
        ("panels_change_nothing_row_resident", |device| panels_change_nothing(device, "row-resident/128x2")),
        ("panels_change_nothing_tiled", |device| panels_change_nothing(device, "tiled")),
        ("a_batch_is_its_singles", |device| a_batch_is_its_singles(device, "two-kernel", &[2, 3, 8, 9])),
        ("a_batch_is_its_singles_one_pass", |device| a_batch_is_its_singles(device, "one-pass", &[3])),
        ("a_batch_is_its_singles_row_resident", |device| a_batch_is_its_singles(device, "row-resident", &[3])),
        ("a_batch_is_its_singles_tiled", |device| a_batch_is_its_singles(device, "tiled", &[9, 33])),
        ("numbers_of_a_variant_do_not_change_bits", same_bits),
        ("a_large_problem_is_timed", timed),
        ("a_wrong_variant_is_refused", wrong_variant),
        ("streams_two_kernel", |device| streams(device, "two-kernel", 1)),
        ("streams_two_kernel_batch", |device| streams(device, "two-kernel", 8)),
        ("streams_one_pass", |device| streams(device, "one-pass", 1)),
        ("streams_one_pass_batch", |device| streams(device, "one-pass", 8)),
        ("streams_row_resident", |device| streams(device, "row-resident", 1)),
        ("streams_tiled", |device| streams(device, "tiled", 1)),
        ("streams_tiled_batch", |device| streams(device, "tiled", 8)),
        ("streams_other_types", streams_other_types),
        ("streams_from_a_file", streams_from_a_file),
        ("streams_what_was_chosen", streams_what_was_chosen),
        ("running_out_streams", running_out_streams),
        ("repeats_bit_for_bit", repeats),
        ("kernels_are_compiled_once", compiled_once),
        ("a_frozen_trial_keeps_its_bits", |device| frozen(device, "two-kernel")),
        ("a_frozen_trial_keeps_its_bits_one_pass", |device| frozen(device, "one-pass")),
        ("a_frozen_trial_keeps_its_bits_tiled", |device| frozen(device, "tiled")),
        ("five_iterations_are_five_times_one", five),
        ("watching_changes_nothing", watching),
        ("reading_leaves_the_factors_alone", reading_is_pure),
        ("weights_leave_measurements_out", weights),
        ("a_step_is_the_formula", one_step),
        ("wrong_sizes_are_refused", wrong_sizes),
        ("a_driver_that_carries_out_nothing_is_refused", idle_driver),
        ("an_operator_without_a_shader_is_refused", host_only),
        ("a_lost_device_is_an_error", lost),
        ("adapters_are_found_by_name", by_name),
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
    trials.collect()
}

fn agrees(device: &Device, n: usize) -> Outcome {
    for (m, k, batch) in [(1, 1, 1), (1, 3, 3), (3, n + 2, 1), (3, 1, 3), (257, 3, 1), (257, n + 2, 3), (33, 17, 9)] {
        let case = Case::new(n, m, k, batch);
        check_gradient(&case, device, &Options::default(), &case.factors, &case.factors)?;
        let (pair, applied) = case.pair();
        check_gradient(&case, device, &Options::default(), &pair, &applied)?;
    }
    Ok(())
}

fn many_measurements(device: &Device) -> Outcome {
    let case = Case::new(2, 65_537, 2, 2);
    check_gradient(&case, device, &Options::default(), &case.factors, &case.factors)
}

fn exact_on_integers(device: &Device) -> Outcome {
    for (n, m, k, batch) in [(1, 1, 1, 1), (17, 257, 3, 3), (61, 97, 5, 8)] {
        let mut case = Case::new(n, m, k, batch);
        let integers = |values: Vec<f64>| values.into_iter().map(|v| (2.0 * v).round()).collect::<Vec<f64>>();
        let mut stream = Stream(4);
        let rows = integers(stream.take(m * n * (n + 1) / 2));
        case.operator = Arc::new(Dense::from_rows(Domain::symmetric(n), Layout::Packed, &rows)?);
        let size = batch * n * k;
        case.factors = Factors::single(batch, n, k, integers(stream.take(size)))?;
        case.target = integers(case.target);
        case.weights = integers(case.weights);
        let domain = case.operator.domain();
        let pair = Factors::pair(batch, domain, k, integers(stream.take(size)), integers(stream.take(size)))?;
        for point in [&case.factors, &pair] {
            let found = case.evaluator(device, Options::default(), point)?.evaluate(point, &case.factors)?;
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

/// Every variant that the size allows: workgroups of 64 to 1024 threads, one to four rows in flight.
fn every_variant(device: &Device) -> Outcome {
    for (n, m) in [(61, 131), (90, 40)] {
        let case = Case::new(n, m, 3, 2);
        let names = variants(device, case.operator.as_ref(), 2, Precision::F32)?;
        if !["two-kernel", "one-pass", "row-resident", "tiled"].iter().all(|word| names.iter().any(|n| n == word)) {
            return Err(format!("a strategy is missing: {names:?}").into());
        }
        for name in names {
            let case = Case::new(n, m, 3, 2).forced(&name);
            let mut engine = case.load(device, Options::default())?;
            check_gradient(&case, device, &Options::default(), &case.factors, &case.factors)?;
            // What is reported loads the same kernels again.
            let reported = engine.info().variant.clone();
            if !reported.starts_with("dense/") {
                return Err(reported.into());
            }
            let again = Case::new(n, m, 3, 2).forced(&reported);
            let mut again = again.load(device, Options::default())?;
            let (found, expected) = (again.residual()?, engine.residual()?);
            same(&format!("{reported} for {name}"), &found, &expected)?;
            if again.info() != engine.info() {
                return Err(format!("{name}: {:?} is not {:?}", again.info(), engine.info()).into());
            }
        }
    }
    Ok(())
}

/// Rows in flight and the sizes of tiles are about speed: a trial's sums are added in the same order.
fn same_bits(device: &Device) -> Outcome {
    let run = |variant: &str| -> Result<Vec<f64>, Failed> {
        let case = Case::new(37, 203, 3, 3).forced(variant);
        let mut engine = case.load(device, Options::default())?;
        engine.run(3)?;
        Ok(engine.factors()?)
    };
    for [one, other] in [
        ["one-pass/128x1", "one-pass/128x3"],
        ["one-pass/64x2", "row-resident/64x1"],
        ["row-resident/256x1", "row-resident/256x4"],
        ["tiled/4", "tiled/8"],
    ] {
        same(other, &run(one)?, &run(other)?)?;
    }
    Ok(())
}

/// Enough data to be worth it: the choice and its times are reported, and a run goes on with the winner.
fn timed(device: &Device) -> Outcome {
    let case = Case::new(61, 700, 2, 1);
    let options = Options { panel_bytes: Some(1 << 20), retune: true, ..Options::default() };
    let engine = case.load(device, options.clone())?;
    check_gradient(&case, device, &options, &case.factors, &case.factors)?;
    let info = engine.info();
    let chosen = info.variant.strip_prefix("dense/").ok_or("no operator in the name")?;
    let positive = info.candidates.iter().all(|candidate| candidate.milliseconds > 0.0);
    if info.candidates.len() < 3 || !positive || !info.candidates.iter().any(|c| c.variant == chosen) {
        return Err(format!("{chosen} out of {:?}", info.candidates).into());
    }
    if Case::new(5, 7, 2, 2).load(device, Options::default())?.info().candidates.is_empty() {
        Ok(())
    } else {
        Err("a small problem was timed".into())
    }
}

fn panels_change_nothing(device: &Device, variant: &str) -> Outcome {
    // 61·62/2 = 1891 numbers, padded to 1920 words a row.
    let case = Case::new(61, 257, 3, 3).forced(variant);
    let evaluator = |panel_bytes| case.evaluator(device, Options { panel_bytes, ..Options::default() }, &case.factors);
    let expected = evaluator(None)?.evaluate(&case.factors, &case.factors)?;
    for (panel_bytes, panels) in [(1, 257), (7 * 1920 * 4, 37), (1 << 30, 1)] {
        let mut engine = evaluator(Some(panel_bytes))?;
        if engine.running.info().panels != panels {
            return Err(format!("{} panels instead of {panels}", engine.running.info().panels).into());
        }
        check_evaluation(&case, &mut engine, &case.factors, &case.factors)?;
        // A split adds its rows in the same order whatever the panels are.
        let found = engine.evaluate(&case.factors, &case.factors)?;
        same("residual", &found.residual, &expected.residual)?;
        same("left", &found.left, &expected.left)?;
    }
    Ok(())
}

fn a_batch_is_its_singles(device: &Device, variant: &str, batches: &[usize]) -> Outcome {
    for &batch in batches {
        let case = Case::new(17, 129, 3, batch).forced(variant);
        let mut engine = case.load(device, Options::default())?;
        engine.run(3)?;
        let (residuals, factors) = (engine.residual()?, engine.factors()?);
        for trial in 0..batch {
            let mut alone = case.single(trial).load(device, Options::default())?;
            alone.run(3)?;
            same("residual", &residuals[trial * 129..(trial + 1) * 129], &alone.residual()?)?;
            same("factor", &factors[trial * 51..(trial + 1) * 51], &alone.factors()?)?;
        }
    }
    Ok(())
}

fn repeats(device: &Device) -> Outcome {
    let case = Case::new(17, 129, 3, 2);
    let run = || -> Result<Vec<f64>, Failed> {
        let mut engine = case.load(device, Options::default())?;
        engine.run(7)?;
        Ok(engine.factors()?)
    };
    same("factors", &run()?, &run()?)
}

/// A second engine of the same sizes compiles nothing; one of other sizes compiles its own.
fn compiled_once(_: &Device) -> Outcome {
    // A device of its own: other tests compile on the shared one.
    let device = &Device::open(None)?;
    let mut counts = Vec::new();
    for n in [17, 17, 19] {
        Case::new(n, 129, 3, 2).load(device, Options::default())?.run(1)?;
        counts.push(device.kernels());
    }
    if counts[0] > 0 && counts[1] == counts[0] && counts[2] > counts[1] {
        return Ok(());
    }
    Err(format!("kernels after each engine: {counts:?}").into())
}

fn frozen(device: &Device, variant: &str) -> Outcome {
    let case = Case::new(17, 129, 3, 9).forced(variant);
    let mut engine = case.load(device, Options::default())?;
    engine.run(1)?;
    let before = engine.factors()?;
    let active: Vec<bool> = (0..9).map(|trial| trial % 4 == 1).collect();
    engine.set_active(&active)?;
    engine.run(2)?;
    let after = engine.factors()?;
    let mut all = case.load(device, Options::default())?;
    all.run(3)?;
    let expected = all.factors()?;
    for (trial, &active) in active.iter().enumerate() {
        let source = if active { &expected } else { &before };
        let own = trial * 51..(trial + 1) * 51;
        same("factor", &after[own.clone()], &source[own])?;
    }
    engine.set_active(&[false; 9])?;
    engine.run(2)?;
    engine.residual()?;
    same("all frozen", &engine.factors()?, &after)
}

fn five(device: &Device) -> Outcome {
    let case = Case::new(17, 129, 3, 2);
    let mut at_once = case.load(device, Options::default())?;
    at_once.run(5)?;
    let mut one_by_one = case.load(device, Options::default())?;
    for _ in 0..5 {
        one_by_one.run(1)?;
    }
    same("factors", &at_once.factors()?, &one_by_one.factors()?)
}

fn watching(device: &Device) -> Outcome {
    let case = Case::new(17, 129, 3, 2);
    let mut unseen = case.load(device, Options::default())?;
    unseen.run(4)?;
    let mut watched = case.load(device, Options::default())?;
    watched.residual()?;
    watched.run(1)?;
    watched.residual()?;
    // Another engine on the same device.
    case.evaluator(device, Options::default(), &case.factors)?.evaluate(&case.factors, &case.factors)?;
    watched.run(2)?;
    let first = watched.residual()?;
    same("residuals", &watched.residual()?, &first)?;
    watched.set_active(&[true, true])?;
    watched.run(1)?;
    same("factors", &watched.factors()?, &unseen.factors()?)?;
    // New observations make a gradient stale.
    watched.residual()?;
    for engine in [&mut watched, &mut unseen] {
        engine.put("observations", &[0.0; 2 * 129])?;
        engine.put("weights", &[1.0; 2 * 129])?;
    }
    watched.run(1)?;
    unseen.run(1)?;
    same("new observations", &watched.factors()?, &unseen.factors()?)
}

fn reading_is_pure(device: &Device) -> Outcome {
    let case = Case::new(17, 129, 3, 2);
    let mut engine = case.load(device, Options::default())?;
    engine.set_active(&[true, false])?;
    engine.residual()?;
    same("factors", &engine.factors()?, case.factors.left_data())?;
    engine.run(1)?;
    same("frozen factor", &engine.factors()?[51..], case.factors.left(1).as_slice())
}

fn weights(device: &Device) -> Outcome {
    let mut case = Case::new(17, 129, 3, 2);
    for (at, weight) in case.weights.iter_mut().enumerate() {
        *weight = f64::from(u8::from(at % 129 < 64));
    }
    let mut engine = case.evaluator(device, Options::default(), &case.factors)?;
    let kept = engine.evaluate(&case.factors, &case.factors)?;
    check_evaluation(&case, &mut engine, &case.factors, &case.factors)?;
    for (at, target) in case.target.iter_mut().enumerate() {
        *target = if at % 129 < 64 { *target } else { 1000.0 };
    }
    engine.observe(&case.target, &case.weights)?;
    let changed = engine.evaluate(&case.factors, &case.factors)?;
    check_evaluation(&case, &mut engine, &case.factors, &case.factors)?;
    same("left", &changed.left, &kept.left)
}

fn one_step(device: &Device) -> Outcome {
    let case = Case::new(17, 129, 19, 3);
    check_step(&case, device, &[true, false, true])
}
