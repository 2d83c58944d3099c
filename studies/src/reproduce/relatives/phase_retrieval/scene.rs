//! A picture drawn by code, and its recovery from coded diffraction patterns.

use std::f64::consts::TAU;
use std::ops::ControlFlow;

use faer::c64;

use super::recovery::{Probes, backend_of, defaults};
use super::signal::{aligned, distance, leading, size, to_factor};
use crate::reproduce::relatives::tasks::Tick;
use crate::reproduce::relatives::{MeasuredCurve, Rerun};
use lowrank::operators::CodedDiffraction;
use lowrank::problem::{Domain, Truth};
use lowrank::solver::Schedule;
use lowrank::{Backend, Problem, Result, Solver};

/// Numbers of patterns.
pub(super) const PATTERNS: [usize; 2] = [6, 12];
/// Errors below which an iterate is shown, beside the start and the result.
const SHOWN: [f64; 3] = [0.3, 0.1, 0.03];
/// Size of an iterate, relative to the picture, below which it is next to zero.
const FAINT: f64 = 1e-2;
/// Largest phase of the picture.
pub(super) const DEEPEST: f64 = 2.0;

/// Returns the side of the picture.
pub(super) fn side(s: &Rerun) -> usize {
    if s.n < 64 { 32 } else { 64 }
}

/// The grey level at (u, v) of the unit square, v downwards: a ramp, a bright disc, a ring, bars, a line, and the letter L.
fn grey(u: f64, v: f64) -> f64 {
    let from = |a: f64, b: f64| ((u - a).powi(2) + (v - b).powi(2)).sqrt();
    let within = |u0: f64, u1: f64, v0: f64, v1: f64| (u0..u1).contains(&u) && (v0..v1).contains(&v);
    if from(0.28, 0.28) < 0.17 {
        // A disc lit from the upper left.
        1.0 - 1.5 * from(0.22, 0.22)
    } else if (from(0.72, 0.28) - 0.15).abs() < 0.035 {
        0.9
    } else if within(0.6, 0.68, 0.56, 0.9) || within(0.6, 0.84, 0.82, 0.9) {
        1.0
    } else if within(0.1, 0.46, 0.56, 0.9) {
        if (v * 16.0).rem_euclid(2.0) < 1.0 { 0.75 } else { 0.12 }
    } else if (u + v - 1.86).abs() < 0.03 {
        0.08
    } else {
        0.2 + 0.3 * v
    }
}

/// The phase at (u, v), as of a sample that is thick in its middle.
fn phase(u: f64, v: f64) -> f64 {
    let square = (u - 0.5).powi(2) + (v - 0.5).powi(2);
    let ripple = 1.0 + 0.25 * (TAU * 3.0 * u).cos();
    DEEPEST * (-square / 0.09).exp() * ripple / 1.25
}

/// Returns the picture, row by row: a grey level and a phase for each pixel.
pub(super) fn picture(side: usize) -> Vec<c64> {
    let at = |i: usize| (i as f64 + 0.5) / side as f64;
    let pixel = |i: usize| {
        let (u, v) = (at(i % side), at(i / side));
        c64::from_polar(grey(u, v), phase(u, v))
    };
    (0..side * side).map(pixel).collect()
}

/// Turns a picture into points (real part, imaginary part), row by row.
fn frame(group: &str, name: &str, label: impl Into<String>, z: &[c64]) -> MeasuredCurve {
    MeasuredCurve::new(group, name, label, z.iter().map(|v| (v.re, v.im)).collect())
}

/// Recovers the picture from so many patterns: the frames of group `picture-l`, and the course of the error.
fn recover(s: &Rerun, patterns: usize, backend: Backend, go: &mut Tick<'_>) -> Result<Vec<MeasuredCurve>> {
    let (side, group) = (side(s), format!("picture-{patterns}"));
    let x = picture(side);
    let truth = Truth::from_factor_on(Domain::hermitian(x.len()), 1, to_factor(&x))?;
    let operator = CodedDiffraction::random(&[side, side], patterns * x.len(), s.seed)?;
    let problem = Problem::measure(operator, truth)?;
    let mut solver = Solver::new(problem, defaults(s).observe(Schedule::Every(1)), backend)?;
    let (mut curves, mut course) = (vec![frame(&group, "truth", "the picture", &x)], Vec::new());
    let mut shown = SHOWN.iter();
    let mut next = f64::INFINITY;
    let solution = solver.solve_with(|progress| {
        let z = leading(progress.factors.left(0));
        // Before the first step the columns are directions, next to the zero matrix.
        if progress.is_choice || size(&z) < FAINT * size(&x) {
            return ControlFlow::Continue(());
        }
        let (t, error) = (progress.iteration, distance(&z, &x));
        course.push((t as f64, error.max(f64::EPSILON)));
        if error <= next {
            let name = if curves.len() == 1 { "start".into() } else { format!("iterate-{t}") };
            curves.push(frame(&group, &name, format!("iteration {t}, error {error:.2}"), &aligned(&z, &x)));
            next = shown.find(|limit| **limit < error).copied().unwrap_or(0.0);
        }
        go(0.0)
    })?;
    let z = leading(solution.best().left());
    let error = distance(&z, &x);
    let label = format!("result, error {error:.0e}");
    curves.push(frame(&group, "result", label, &aligned(&z, &x)));
    let label = format!("{patterns} patterns");
    curves.push(MeasuredCurve::new("picture-course", &format!("patterns-{patterns}"), label.clone(), course));
    let name = format!("patterns-{patterns}");
    curves.push(MeasuredCurve::new("picture-error", &name, label, vec![(patterns as f64, error)]));
    Ok(curves)
}

/// Recovers the picture from each number of patterns.
pub(super) fn pictures(s: &Rerun, backend: &Backend, tick: &mut Tick<'_>) -> Result<Vec<MeasuredCurve>> {
    let (mut curves, mut stopped) = (Vec::new(), false);
    for (at, patterns) in PATTERNS.into_iter().enumerate() {
        let backend = backend_of(Probes::Coded, backend);
        let done = at as f64 / PATTERNS.len() as f64;
        curves.extend(recover(s, patterns, backend, &mut |_| {
            let flow = tick(done);
            stopped |= flow.is_break();
            flow
        })?);
        if stopped {
            return Ok(Vec::new());
        }
    }
    Ok(curves)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_has_grey_levels_and_phases_at_any_size() {
        for side in [16, 32, 64] {
            let picture = picture(side);
            assert_eq!(picture.len(), side * side);
            assert!(picture.iter().all(|v| v.norm() > 0.05 && v.norm() <= 1.0 && (0.0..=DEEPEST).contains(&v.arg())));
            // The disc is bright in its middle, and the middle is thick.
            let at = |u: f64, v: f64| picture[(v * side as f64) as usize * side + (u * side as f64) as usize];
            assert!(at(0.23, 0.23).norm() > 0.9 && at(0.5, 0.5).arg() > at(0.05, 0.05).arg() + 1.0);
        }
    }
}
