//! Shader text of the stages behind a gradient.

use crate::engine::Precision;
use crate::error::Result;
use crate::gpu::frame::{Frame, constant, real_constant};
use crate::gpu::shaders::{File, GRID, Module, Mutation, compose, file};
use crate::gpu::stages::{GRAM_ROWS, needs_energy};
use crate::methods::Polyak;

const ALL_MEASUREMENTS: File = file!("lib/all_measurements.wgsl");
const GROUP: File = file!("lib/group.wgsl");
const UPDATE: File = file!("step/update.wgsl");
const ENERGY: File = file!("step/energy.wgsl");
const GRAM: File = file!("step/gram.wgsl");
const CHOLESKY: File = file!("step/cholesky.wgsl");
const PRECONDITION: File = file!("step/precondition.wgsl");
const SLOPE: File = file!("step/slope.wgsl");
const POLYAK: File = file!("step/polyak.wgsl");
const ACCELERATE: File = file!("step/accelerate.wgsl");
const RESTART: File = file!("step/restart.wgsl");
const EXTRAPOLATE: File = file!("step/extrapolate.wgsl");
const PACE: File = file!("step/pace.wgsl");

/// What says which measurements a gradient is of.
pub(in crate::gpu) fn measurements_file(frame: &Frame) -> File {
    if frame.recipe.minibatches.is_some() { GROUP } else { ALL_MEASUREMENTS }
}

/// The modules of the stages that a recipe has.
pub(in crate::gpu) struct StageModules {
    pub update: Module,
    pub energy: Option<Module>,
    /// gram, cholesky, precondition
    pub precondition: Option<[Module; 3]>,
    /// slope, polyak
    pub polyak: Option<[Module; 2]>,
    /// accelerate, restart, extrapolate
    pub accelerate: Option<[Module; 3]>,
    /// Compiled where a step decays, which is known with the tuning.
    pub pace: Module,
}

impl StageModules {
    pub(in crate::gpu) fn new(frame: &Frame, mutations: &[Mutation]) -> Result<Self> {
        let recipe = &frame.recipe;
        let prelude = prelude(frame);
        let step = |name, files: &[File]| compose(name, prelude.clone(), files, str::to_owned, mutations);
        let wanted = |wanted: bool, name, file| wanted.then(|| step(name, &[GRID, file])).transpose();
        let (scales, polyak) = (recipe.precondition, recipe.polyak != Polyak::Never);
        let three = |modules: [Option<Module>; 3]| match modules {
            [Some(a), Some(b), Some(c)] => Some([a, b, c]),
            _ => None,
        };
        Ok(Self {
            update: compose("update", frame.prelude(true), &[GRID, UPDATE], str::to_owned, mutations)?,
            energy: needs_energy(recipe)
                .then(|| step("energy", &[GRID, measurements_file(frame), ENERGY]))
                .transpose()?,
            precondition: three([
                wanted(scales, "gram", GRAM)?,
                wanted(scales, "cholesky", CHOLESKY)?,
                wanted(scales, "precondition", PRECONDITION)?,
            ]),
            polyak: wanted(polyak, "slope", SLOPE)?.zip(wanted(polyak, "polyak", POLYAK)?).map(|(a, b)| [a, b]),
            accelerate: three([
                wanted(recipe.accelerate, "accelerate", ACCELERATE)?,
                wanted(recipe.accelerate, "restart", RESTART)?,
                wanted(recipe.accelerate, "extrapolate", EXTRAPOLATE)?,
            ]),
            pace: step("pace", &[GRID, PACE])?,
        })
    }

    pub(in crate::gpu) fn all(&self) -> Vec<&Module> {
        let Self { update, energy, precondition, polyak, accelerate, pace } = self;
        let mut all = vec![update, pace];
        all.extend(energy);
        all.extend(precondition.iter().flatten());
        all.extend(polyak.iter().flatten());
        all.extend(accelerate.iter().flatten());
        all
    }
}

/// Constants at the head of every one of them.
fn prelude(frame: &Frame) -> String {
    let (recipe, precision) = (&frame.recipe, frame.precision);
    let mut text = frame.prelude(true);
    let sizes = [("SIDES", frame.sides()), ("GRAM_ROWS", GRAM_ROWS), ("GRAM_SHARES", frame.gram_shares())];
    sizes.into_iter().for_each(|(name, value)| text.push_str(&constant(name, value)));
    let first = recipe.polyak == Polyak::First;
    let flags = [("RESIDUAL_DAMPING", recipe.residual_damping), ("CENTRED", frame.centred), ("POLYAK_FIRST", first)];
    flags.into_iter().for_each(|(name, flag)| text.push_str(&format!("const {name}: bool = {flag};\n")));
    // Numbers from SMALLEST on have roots and quotients with a full significand.
    let (largest, smallest) = match precision {
        Precision::F32 | Precision::Mixed => (f64::from(f32::MAX), 2f64.powi(-100)),
        Precision::F64 => (f64::MAX, 2f64.powi(-960)),
    };
    let unit = match precision {
        Precision::Mixed => Precision::F32.unit_roundoff(),
        other => other.unit_roundoff(),
    };
    let numbers =
        [("UNIT", unit), ("LARGEST", largest), ("SMALLEST", smallest), ("GRADIENT_SCALE", recipe.gradient_scale())];
    numbers.into_iter().for_each(|(name, value)| text.push_str(&real_constant(name, value, precision)));
    text
}
