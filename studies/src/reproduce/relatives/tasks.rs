//! Curves that a study measures itself, where its results are not runs of the solver.

use std::ops::ControlFlow;

use super::Rerun;
use lowrank::engine::Precision;
use lowrank::{Error, Result};

/// Points (x, y) that a study measured itself.
#[derive(Clone, Debug, PartialEq)]
pub struct MeasuredCurve {
    /// Group of curves: which experiment they belong to.
    pub group: String,
    /// Name in CSV files and claims, unique within the group.
    pub name: String,
    /// Legend: method and parameters in words.
    pub label: String,
    pub points: Vec<(f64, f64)>,
}

impl MeasuredCurve {
    pub(super) fn new(group: &str, name: &str, label: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self { group: group.into(), name: name.into(), label: label.into(), points }
    }

    /// Returns y of the last point.
    pub fn last(&self) -> Option<f64> {
        self.points.last().map(|point| point.1)
    }

    /// Returns x of the first point whose y is at most `target`.
    pub fn reached(&self, target: f64) -> Option<f64> {
        self.points.iter().find(|point| point.1 <= target).map(|point| point.0)
    }
}

/// Takes the finished share of a task, from 0 to 1, and says whether to go on.
pub(super) type Tick<'a> = dyn FnMut(f64) -> ControlFlow<()> + 'a;

/// Work of a task.
type Measure<'a> = dyn FnOnce(&mut Tick<'_>) -> Result<Vec<MeasuredCurve>> + 'a;

/// One stage of the measuring. Its curves are dropped if the observer stopped it.
pub(super) struct Task<'a> {
    pub name: String,
    /// Expected share of the study's work, in the unit of the study's heats if it has any.
    pub work: f64,
    pub measure: Box<Measure<'a>>,
}

impl<'a> Task<'a> {
    pub(super) fn new(
        name: impl Into<String>,
        work: f64,
        measure: impl FnOnce(&mut Tick<'_>) -> Result<Vec<MeasuredCurve>> + 'a,
    ) -> Self {
        Self { name: name.into(), work, measure: Box::new(measure) }
    }
}

/// Refuses other precisions than double, in which the studies measure.
pub(super) fn require_double(settings: &Rerun) -> Result<()> {
    if settings.precision == Precision::F64 {
        return Ok(());
    }
    let allowed = format!("f64 for {}, which computes without the solver", settings.study.word());
    Err(Error::invalid("precision", settings.precision.name(), allowed, "leave it out"))
}

/// Returns the curves of a group, in the order in which they were measured.
pub(super) fn group<'a>(curves: &'a [MeasuredCurve], name: &str) -> Vec<&'a MeasuredCurve> {
    curves.iter().filter(|curve| curve.group == name).collect()
}

/// Returns one curve of a group.
pub(super) fn curve<'a>(curves: &'a [MeasuredCurve], group: &str, name: &str) -> Option<&'a MeasuredCurve> {
    curves.iter().find(|curve| curve.group == group && curve.name == name)
}
