//! Shader text as plain data: files, generated text, and the constants that specialise both. No device is needed, so
//! tests can validate every module without one.

use std::cell::RefCell;

use crate::engine::Precision;
use crate::engine::options::{Checks, Mutation};
use crate::error::{Error, Result};
use crate::operators::Loss;

/// A shader file: its path under `shaders/` and its text.
pub(super) type File = (&'static str, &'static str);

macro_rules! file {
    ($path:literal) => {
        ($path, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders/", $path)))
    };
}
pub(super) use file;

pub(super) const CANARY: File = file!("device/canary.wgsl");
pub(super) const GRID: File = file!("lib/grid.wgsl");
const ALL_MEASUREMENTS: File = file!("lib/all_measurements.wgsl");
const GROUP: File = file!("lib/group.wgsl");
/// Functions of formulas.
pub(super) const SCALAR: File = file!("lib/scalar.wgsl");

/// One WGSL module, ready to compile.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct Module {
    pub name: &'static str,
    /// Paths of its files under `shaders/`.
    pub files: Vec<String>,
    pub text: String,
    /// Runtime checks that the translator adds.
    pub checks: Checks,
}

/// Composer of modules, with the mutations of their files.
pub(super) struct Texts<'a> {
    mutations: &'a [Mutation],
    checks: Checks,
    applied: RefCell<Vec<bool>>,
}

impl<'a> Texts<'a> {
    /// A composer of modules with these runtime checks, or with all of them where a mutation may leave a buffer.
    pub(super) fn new(mutations: &'a [Mutation], checks: Checks) -> Self {
        let checks = if mutations.is_empty() { checks } else { Checks::All };
        Self { mutations, checks, applied: RefCell::new(vec![false; mutations.len()]) }
    }

    /// Composes a prelude and files in order, applies the mutations of those files, then `unroll`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a mutation whose text is missing or occurs more than once.
    pub(super) fn compose(
        &self,
        name: &'static str,
        prelude: String,
        files: &[(&str, &str)],
        unroll: impl Fn(&str) -> String,
    ) -> Result<Module> {
        let mut module = Module { name, files: Vec::new(), text: prelude, checks: self.checks };
        for (path, text) in files {
            module.text.push_str(&unroll(&self.mutated(path, text)?));
            module.files.push((*path).to_owned());
        }
        Ok(module)
    }

    fn mutated(&self, path: &str, text: &str) -> Result<String> {
        let mut text = text.to_owned();
        for (index, mutation) in self.mutations.iter().enumerate().filter(|(_, mutation)| mutation.file == path) {
            let count = text.matches(mutation.find).count();
            if count == 0 && path.starts_with("generated/") {
                continue;
            }
            if count != 1 {
                return Err(mutation_error(mutation, &format!("the text occurs {count} times")));
            }
            text = text.replace(mutation.find, mutation.replace);
            self.applied.borrow_mut()[index] = true;
        }
        Ok(text)
    }

    /// Requires that every mutation changed something: otherwise its test would pass without testing anything.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a mutation that changed nothing.
    pub(super) fn require_applied(&self) -> Result<()> {
        let applied = self.applied.borrow();
        match self.mutations.iter().zip(applied.iter()).find(|(_, applied)| !**applied) {
            Some((mutation, _)) => Err(mutation_error(mutation, "no module contains this file")),
            None => Ok(()),
        }
    }
}

fn mutation_error(mutation: &Mutation, found: &str) -> Error {
    Error::invalid(
        "mutations",
        format!("{found}: '{}' in {}", mutation.find, mutation.file),
        "a text that occurs exactly once in a file in use",
        "update the mutation to the shader",
    )
}

/// Prelude line of an integer constant.
pub(super) fn constant(name: &str, value: usize) -> String {
    format!("const {name}: u32 = {value}u;\n")
}

/// Prelude line of a positive real constant: the nearest number of the arithmetic to `value`.
pub(super) fn real_constant(name: &str, value: f64, precision: Precision) -> String {
    let value = match precision {
        Precision::F32 | Precision::Mixed => f64::from((value as f32).clamp(f32::MIN_POSITIVE, f32::MAX)),
        Precision::F64 => value.clamp(f64::MIN_POSITIVE, f64::MAX),
    };
    format!("const {name}: real = {value:?};\n")
}

/// Definition of `real`, at the head of every module.
pub(super) fn arithmetic(precision: Precision) -> String {
    let real = match precision {
        Precision::F32 | Precision::Mixed => "f32",
        Precision::F64 => "f64",
    };
    format!("alias real = {real};\n")
}

/// Constants of the arithmetic: its unit roundoff, and the range in which roots and quotients have a full significand.
pub(super) fn limits(precision: Precision) -> String {
    let (largest, smallest, unit) = match precision {
        Precision::F32 | Precision::Mixed => (f64::from(f32::MAX), 2f64.powi(-100), Precision::F32.unit_roundoff()),
        Precision::F64 => (f64::MAX, 2f64.powi(-960), Precision::F64.unit_roundoff()),
    };
    [("UNIT", unit), ("LARGEST", largest), ("SMALLEST", smallest)]
        .into_iter()
        .map(|(name, value)| real_constant(name, value, precision))
        .collect()
}

/// Functions ρ′ and ρ.
pub(super) fn loss_functions(loss: Loss, precision: Precision) -> String {
    let (constants, influence, rho) = match loss {
        Loss::Square => (String::new(), "e", "0.5 * e * e"),
        Loss::L1 => (String::new(), "sign(e)", "abs(e)"),
        Loss::Huber { delta } => (
            real_constant("DELTA", delta, precision),
            "clamp(e, -DELTA, DELTA)",
            "select(DELTA * (abs(e) - 0.5 * DELTA), 0.5 * e * e, abs(e) <= DELTA)",
        ),
    };
    format!(
        "{constants}fn influence(e: real) -> real {{\n    return {influence};\n}}\n\
         fn rho(e: real) -> real {{\n    return {rho};\n}}\n"
    )
}

/// File that selects the measurements of sums.
pub(super) fn measurements_file(grouped: bool) -> File {
    if grouped { GROUP } else { ALL_MEASUREMENTS }
}
