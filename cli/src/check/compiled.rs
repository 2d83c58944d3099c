//! What the check says about an adapter's compiler: compile times, and which runtime checks kernels need.

use std::io::Write;

use lowrank::Result;
use lowrank::internals::engine::Checks;
use lowrank::internals::laws::Place;

use crate::said;

/// Modules whose compile times are shown.
const SHOWN: usize = 8;

/// Reports compile times, and records the fewest runtime checks with which all laws hold where the present ones fail.
pub fn report(out: &mut impl Write, places: &[Place], failures: &[usize]) -> Result<()> {
    let mut seen: Vec<&str> = Vec::new();
    for place in places {
        let Some(device) = place.device().filter(|device| !seen.contains(&device.name())) else { continue };
        seen.push(device.name());
        let times = device.compile_times();
        let (kernels, total) = times
            .iter()
            .fold((0, 0.0), |(kernels, total), time| (kernels + time.kernels, total + time.total.as_secs_f64()));
        said(writeln!(out, "{}: {kernels} kernels compiled in {total:.1} s", device.name()))?;
        for time in times.iter().take(SHOWN) {
            let (total, longest) = (time.total.as_secs_f64() * 1e3, time.longest.as_secs_f64() * 1e3);
            let (module, kernels) = (time.module, time.kernels);
            said(writeln!(
                out,
                "  {module:<24} {:>8.1} ms a kernel, {longest:>8.1} ms at most, {kernels} kernels",
                total / kernels.max(1) as f64
            ))?;
        }
        let outcomes = comparable(places, failures, device.name());
        let Some(present) = place.checks().filter(|_| place.options.checks.is_none()) else { continue };
        if let Some(checks) = decided(present, &outcomes) {
            said(match place.keep_checks(checks) {
                Ok(()) => writeln!(out, "  laws fail with the checks '{present}': later runs on it have '{checks}'"),
                Err(why) => {
                    writeln!(out, "  laws fail with the checks '{present}': set LOWRANK_GPU_CHECKS={checks} ({why})")
                }
            })?;
        }
    }
    Ok(())
}

/// Failures by runtime checks, at places of the adapter that exist with each of them.
fn comparable(places: &[Place], failures: &[usize], adapter: &str) -> Vec<(Checks, usize)> {
    let of = |place: &Place| place.checks().filter(|_| place.device().is_some_and(|device| device.name() == adapter));
    let alike = |one: &Place, other: &Place| {
        let key = |place: &Place| (place.precision, place.variant.clone(), place.options.panel_bytes);
        key(one) == key(other)
    };
    let everywhere = |place: &Place| {
        Checks::ALL.iter().all(|checks| places.iter().any(|other| of(other) == Some(*checks) && alike(place, other)))
    };
    let some = places.iter().zip(failures).filter(|(place, _)| everywhere(place));
    some.filter_map(|(place, failures)| Some((of(place)?, *failures))).collect()
}

/// The fewest runtime checks with which no law failed, where laws fail with the present ones and hold with others.
fn decided(present: Checks, outcomes: &[(Checks, usize)]) -> Option<Checks> {
    let failures = |checks: Checks| {
        let of: Vec<usize> = outcomes.iter().filter(|(of, _)| *of == checks).map(|(_, failures)| *failures).collect();
        (!of.is_empty()).then(|| of.into_iter().sum::<usize>())
    };
    if failures(present) == Some(0) {
        return None;
    }
    [Checks::Off, Checks::Loops, Checks::All]
        .into_iter()
        .find(|checks| *checks != present && failures(*checks) == Some(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fewest_checks_that_hold_are_kept() {
        use Checks::{All, Loops, Off};
        assert_eq!(decided(Off, &[(Off, 0), (Off, 0), (Loops, 0), (All, 0)]), None);
        assert_eq!(decided(Off, &[(Off, 0), (Off, 2), (Loops, 0), (All, 0)]), Some(Loops));
        assert_eq!(decided(Off, &[(Off, 1), (Loops, 3), (All, 0)]), Some(All));
        assert_eq!(decided(Loops, &[(Off, 0), (Loops, 3), (All, 0)]), Some(Off));
        // A fault of something else.
        assert_eq!(decided(Off, &[(Off, 1), (Loops, 1), (All, 1)]), None);
        assert_eq!(decided(Off, &[(Off, 1)]), None);
    }
}
