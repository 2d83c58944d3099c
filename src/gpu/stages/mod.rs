//! The stages behind a gradient: kernels and buffers of those that a recipe has.

mod modules;

use crate::error::Result;
use crate::gpu::buffers::{Storage, read, real_words};
use crate::gpu::device::Device;
use crate::gpu::frame::Frame;
use crate::gpu::pipelines::{Access, Compiler, Kernel, Read, Write};
use crate::gpu::program::Program;
use crate::gpu::resources::{Buffers, count, part};
use crate::gpu::shaders::Module;
use crate::memory::{Part, Place, product};
use crate::methods::{Polyak, Recipe, Stage, Tuning};

pub(super) use modules::{StageModules, measurements_file};

/// Rows of a factor whose products a workgroup adds up.
pub(super) const GRAM_ROWS: usize = 1024;
/// Parts that a sum over measurements or entries is made in.
const PARTS: usize = 64;
/// Powers of decays that are on the device at a time, of all trials.
const POWERS: usize = 1 << 14;

/// What an iteration is of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    /// Of the gradient; all measurements where there is none.
    pub(super) group: Option<usize>,
    /// Whether the step is Polyak's.
    pub(super) polyak: bool,
}

/// Whether some stage needs E.
fn needs_energy(recipe: &Recipe) -> bool {
    recipe.residual_damping || recipe.polyak != Polyak::Never
}

impl Frame {
    /// Shares that the rows of the longest factor make.
    fn gram_shares(&self) -> usize {
        self.n1.max(self.n2).div_ceil(GRAM_ROWS)
    }
}

/// A kernel with the operands that it always has.
struct Step {
    kernel: Kernel,
    operands: wgpu::BindGroup,
}

/// Numbers of the trials and sums in parts; buffers of other than gradient descent.
struct Sums {
    /// (batch, 4)
    tuning: Storage,
    /// (slots, [`PARTS`]) each
    energies: Storage,
    slopes: Storage,
    /// (slots, [`PARTS`], 2)
    lengths: Storage,
}

struct Preconditioner {
    /// (slots, sides, shares, k, k)
    shares: Storage,
    /// (slots, sides, k, k)
    triangles: Storage,
    /// (slots, sides, 4)
    dampings: Storage,
    /// (batch, n, k)
    scaled: Storage,
    /// (batch)
    raised: Storage,
    /// (batch) zeros: the ridge is in the direction.
    nothing: Storage,
}

struct Momentum {
    /// (batch, n, k)
    previous: Storage,
    /// (batch) each
    since: Storage,
    betas: Storage,
    /// With the trials' own steps, and with those that `taken` holds.
    accelerate: [Step; 2],
    restart: Step,
    extrapolate: Step,
}

/// Of steps that decay.
struct Pace {
    /// (iterations, batch)
    powers: Storage,
    /// The next row of it.
    turn: Storage,
    decays: Vec<f64>,
    step: Step,
}

pub(super) struct Stages {
    frame: Frame,
    guarded: bool,
    sums: Option<Sums>,
    preconditioner: Option<Preconditioner>,
    energy: Option<Step>,
    /// gram, cholesky, precondition
    precondition: Option<[Step; 3]>,
    /// slope, polyak
    polyak: Option<[Step; 2]>,
    momentum: Option<Momentum>,
    /// With the trials' own steps, and with those that `taken` holds.
    descend: [Step; 2],
    pace: Option<Pace>,
    pace_module: Module,
}

/// Numbers of the buffers, those of a word, and bytes of uniforms.
fn counts(frame: &Frame) -> (Vec<(usize, usize)>, usize, u64) {
    let Frame { n, k, batch, recipe, .. } = *frame;
    let sides = count(&[batch, frame.sides(), k, k]);
    let (mut reals, mut words) = (Vec::new(), 0);
    if has_sums(&recipe) {
        reals.extend([(1, 4 * batch), (4, PARTS * batch)]);
    }
    if recipe.precondition {
        let shares = count(&[sides, frame.gram_shares()]);
        reals.extend([(1, shares), (1, sides), (4, frame.sides() * batch), (1, count(&[batch, n, k])), (1, batch)]);
        words += batch;
    }
    if recipe.accelerate {
        reals.extend([(1, count(&[batch, n, k])), (1, batch)]);
        words += batch;
    }
    let uniforms = recipe.minibatches.map_or(0, |groups| product(&[groups.count, 512]));
    (reals, words, uniforms)
}

fn has_sums(recipe: &Recipe) -> bool {
    recipe.precondition || recipe.accelerate || needs_energy(recipe)
}

/// What [`Stages::new`] takes, and the groups of measurements.
pub(super) fn memory(frame: &Frame) -> Option<Part> {
    let (reals, words, uniforms) = counts(frame);
    let numbers = part(frame, "", &reals).bytes;
    let bytes = numbers.saturating_add(product(&[words, 4])).saturating_add(uniforms);
    (bytes > 0).then(|| Part::new("state of the method", Place::Device, bytes))
}

/// Compiles steps whose operands are known.
struct Maker<'a> {
    device: &'a Device,
    compiler: &'a Compiler,
}

impl Maker<'_> {
    fn step(&self, module: &Module, operands: &[(&Storage, Access)]) -> Step {
        let (buffers, access): (Vec<&Storage>, Vec<Access>) = operands.iter().copied().unzip();
        let kernel = self.compiler.step(module, module.name, &access);
        Step { operands: kernel.bind(self.device, &buffers), kernel }
    }

    /// The same kernel with each of two buffers as its first operand.
    fn either(&self, module: &Module, first: [&Storage; 2], others: &[(&Storage, Access)]) -> [Step; 2] {
        let kernel = self.compiler.step(module, module.name, &with(first[0], others).1);
        first.map(|first| Step { operands: kernel.bind(self.device, &with(first, others).0), kernel: kernel.clone() })
    }
}

fn with<'b>(first: &'b Storage, others: &[(&'b Storage, Access)]) -> (Vec<&'b Storage>, Vec<Access>) {
    [(first, Read)].into_iter().chain(others.iter().copied()).unzip()
}

impl Stages {
    /// `means` are those of centred residuals.
    ///
    /// # Errors
    /// [`crate::Error::Device`] where memory runs out.
    pub(super) fn new(
        device: &Device,
        frame: &Frame,
        modules: &StageModules,
        b: &Buffers,
        means: Option<&Storage>,
        guarded: bool,
    ) -> Result<Self> {
        let Frame { n, k, batch, recipe, .. } = *frame;
        let (compiler, grouped) = (Compiler::new(device, 1), Compiler::new(device, 0));
        let make = Maker { device, compiler: &compiler };
        let real = real_words(frame.precision);
        let output = |label, count| Storage::new(device, label, count, real, guarded);
        let words = |label, count| Storage::new(device, label, count, 1, guarded);
        let (factor, sides) = (count(&[batch, n, k]), count(&[batch, frame.sides()]));
        let sums = match has_sums(&recipe) {
            false => None,
            true => Some(Sums {
                tuning: Storage::new(device, "tuning", 4 * batch, real, false)?,
                energies: output("energies", PARTS * batch)?,
                slopes: output("slopes", PARTS * batch)?,
                lengths: output("lengths", 2 * PARTS * batch)?,
            }),
        };
        let preconditioner = match recipe.precondition {
            false => None,
            true => Some(Preconditioner {
                nothing: Storage::new(device, "no ridge", batch, real, false)?,
                shares: output("shares of Gram matrices", count(&[sides, frame.gram_shares(), k, k]))?,
                triangles: output("triangles", count(&[sides, k, k]))?,
                dampings: output("dampings", 4 * sides)?,
                scaled: output("preconditioned direction", factor)?,
                raised: words("raised dampings", batch)?,
            }),
        };
        let direction = preconditioner.as_ref().map_or(&b.direction, |own| &own.scaled);
        let energy = modules.energy.as_ref().zip(sums.as_ref()).map(|(module, sums)| {
            // What is not centred reads no mean.
            let means = means.unwrap_or(&sums.tuning);
            let access = [Read, Read, Read, Write];
            let kernel = match recipe.minibatches {
                Some(_) => grouped.kernel(&grouped.module(module), module.name, 0, &access, true),
                None => compiler.step(module, module.name, &access),
            };
            Step { operands: kernel.bind(device, &[&b.residual, &b.weight, means, &sums.energies]), kernel }
        });
        let precondition = modules.precondition.as_ref().zip(sums.as_ref().zip(preconditioner.as_ref()));
        let precondition = precondition.map(|([gram, cholesky, precondition], (sums, own))| {
            let Preconditioner { shares, triangles, dampings, scaled, raised, .. } = own;
            let numbers = [(shares, Read), (&sums.tuning, Read), (&sums.energies, Read)];
            let ridge = [(&b.step, Read), (&b.shrink, Read)];
            let solved = [(triangles, Read), (dampings, Read), (&b.direction, Read), (&b.factor, Read)];
            [
                make.step(gram, &[(&b.centre, Read), (&b.factor, Read), (shares, Write)]),
                make.step(cholesky, &[&numbers[..], &ridge, &[(triangles, Write), (dampings, Write)]].concat()),
                make.step(precondition, &[&solved[..], &[(scaled, Write), (raised, Write)]].concat()),
            ]
        });
        let polyak = modules.polyak.as_ref().zip(sums.as_ref()).map(|([slope, polyak], sums)| {
            let Sums { tuning, energies, slopes, lengths } = sums;
            let numbers = [(tuning, Read), (energies, Read), (slopes, Read), (lengths, Read)];
            let vectors = [(&b.direction, Read), (direction, Read), (&b.centre, Read), (&b.factor, Read)];
            [
                make.step(slope, &[&vectors[..], &[(slopes, Write), (lengths, Write)]].concat()),
                make.step(polyak, &[&numbers[..], &[(&b.taken, Write), (&b.step, Write)]].concat()),
            ]
        });
        let steps = [&b.step, &b.taken];
        let shrink = preconditioner.as_ref().map_or(&b.shrink, |own| &own.nothing);
        let momentum = match modules.accelerate.as_ref().zip(sums.as_ref()) {
            None => None,
            Some(([accelerate, restart, extrapolate], sums)) => {
                let previous = output("previous factor", factor)?;
                let (since, betas) = (words("iterations since a restart", batch)?, output("betas", batch)?);
                let moved = [(shrink, Read), (direction, Read), (&previous, Read)];
                let moved = [&moved[..], &[(&b.factor, Write), (&sums.slopes, Write)]].concat();
                Some(Momentum {
                    accelerate: make.either(accelerate, steps, &moved),
                    restart: make.step(restart, &[(&sums.slopes, Read), (&since, Write), (&betas, Write)]),
                    extrapolate: make.step(extrapolate, &[(&betas, Read), (&previous, Write), (&b.factor, Write)]),
                    previous,
                    since,
                    betas,
                })
            }
        };
        let moved = [(shrink, Read), (direction, Read), (&b.factor, Write)];
        let descend = make.either(&modules.update, steps, &moved);
        let (frame, pace_module) = (*frame, modules.pace.clone());
        let stages = Self {
            frame,
            guarded,
            sums,
            preconditioner,
            energy,
            precondition,
            polyak,
            momentum,
            descend,
            pace: None,
            pace_module,
        };
        Ok(stages)
    }

    /// Dispatches of one iteration at most, behind the gradient.
    pub(super) fn dispatches(&self) -> usize {
        let one = |present: bool, dispatches: usize| if present { dispatches } else { 0 };
        one(self.energy.is_some(), 1)
            + one(self.precondition.is_some(), 3)
            + one(self.polyak.is_some(), 2)
            + one(self.pace.is_some(), 1)
            + if self.momentum.is_some() { 3 } else { 1 }
    }

    /// What iterations write and read within themselves.
    pub(super) fn scratch(&self) -> Vec<&Storage> {
        let mut all = Vec::new();
        all.extend(self.sums.iter().flat_map(|s| [&s.energies, &s.slopes, &s.lengths]));
        all.extend(self.preconditioner.iter().flat_map(|p| [&p.shares, &p.triangles, &p.dampings, &p.scaled]));
        all.extend(self.momentum.iter().map(|m| &m.betas));
        all
    }

    /// What they hand on to each other.
    pub(super) fn state(&self) -> Vec<&Storage> {
        let mut all = Vec::new();
        all.extend(self.preconditioner.iter().map(|p| &p.raised));
        all.extend(self.momentum.iter().flat_map(|m| [&m.previous, &m.since]));
        all
    }

    /// Brings the tuning of all trials; λ has not been raised yet.
    pub(super) fn set_tuning(&mut self, device: &Device, buffers: &Buffers, tuning: &[Tuning]) -> Result<()> {
        if let Some(sums) = &self.sums {
            let numbers = tuning.iter().flat_map(|t| [t.damping, t.damping_factor, t.optimal, t.polyak_scale]);
            sums.tuning.write_rounded(device, &numbers.collect::<Vec<_>>());
        }
        if let Some(own) = &self.preconditioner {
            write_zeros(device, &own.raised);
        }
        let decays: Vec<f64> = tuning.iter().map(|t| t.decay).collect();
        self.pace = match decays.iter().any(|decay| *decay != 1.0) {
            false => None,
            true => Some(self.pace(device, buffers, decays)?),
        };
        self.forget(device, buffers)
    }

    fn pace(&self, device: &Device, b: &Buffers, decays: Vec<f64>) -> Result<Pace> {
        let (batch, real) = (self.frame.batch, real_words(self.frame.precision));
        let rows = (POWERS / batch).max(1);
        let powers = Storage::new(device, "powers of decays", count(&[rows, batch]), real, false)?;
        let turn = Storage::new(device, "row of powers", 1, 1, self.guarded)?;
        let compiler = Compiler::new(device, 1);
        let operands = [(&b.step, Read), (&powers, Read), (&turn, Write), (&b.taken, Write)];
        let step = Maker { device, compiler: &compiler }.step(&self.pace_module, &operands);
        Ok(Pace { powers, turn, decays, step })
    }

    /// Whether steps have to be prepared.
    pub(super) fn decays(&self) -> bool {
        self.pace.is_some()
    }

    /// Iterations whose steps can be prepared at a time.
    pub(super) fn ahead(&self) -> usize {
        self.pace.as_ref().map_or(usize::MAX, |pace| pace.powers.numbers() / self.frame.batch)
    }

    /// Prepares the steps of these iterations, for what is submitted next: a row for each whose step is not Polyak's.
    pub(super) fn prepare(&self, device: &Device, first: usize, iterations: usize) {
        let Some(pace) = &self.pace else { return };
        let powers = (first..first + iterations)
            .filter(|t| !self.frame.recipe.is_polyak(*t))
            .flat_map(|t| pace.decays.iter().map(move |decay| decay.powi(i32::try_from(t).unwrap_or(i32::MAX))));
        pace.powers.write_rounded(device, &powers.collect::<Vec<_>>());
        write_zeros(device, &pace.turn);
    }

    /// Nothing is remembered of other factors than the current one.
    pub(super) fn forget(&self, device: &Device, buffers: &Buffers) -> Result<()> {
        let Some(momentum) = &self.momentum else { return Ok(()) };
        write_zeros(device, &momentum.since);
        let mut encoder = device.raw().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let bytes = momentum.previous.words as u64 * 4;
        encoder.copy_buffer_to_buffer(&buffers.factor.buffer, 0, &momentum.previous.buffer, 0, bytes);
        device.queue().submit([encoder.finish()]);
        Ok(())
    }

    /// Iterations of each trial in which λ was raised.
    pub(super) fn raised(&self, device: &Device) -> Result<Vec<usize>> {
        let Some(own) = &self.preconditioner else { return Ok(vec![0; self.frame.batch]) };
        Ok(read(device, &own.raised.buffer, own.raised.words)?.into_iter().map(|count| count as usize).collect())
    }

    /// U of [`Stage::Accelerate`], laid out as the factors are.
    pub(super) fn previous(&self) -> Option<&Storage> {
        self.momentum.as_ref().map(|momentum| &momentum.previous)
    }

    pub(super) fn since(&self, device: &Device) -> Result<Option<Vec<usize>>> {
        let Some(Momentum { since, .. }) = &self.momentum else { return Ok(None) };
        Ok(Some(read(device, &since.buffer, since.words)?.into_iter().map(|j| j as usize).collect()))
    }

    /// Counters as they were, where the recipe has them.
    pub(super) fn restore(&self, device: &Device, since: &[usize], raised: &[usize]) {
        let write = |storage: &Storage, counts: &[usize]| {
            let words: Vec<u32> = counts.iter().map(|&count| count as u32).collect();
            device.queue().write_buffer(&storage.buffer, 0, bytemuck::cast_slice(&words));
        };
        if let Some(momentum) = &self.momentum {
            write(&momentum.since, since);
        }
        if let Some(own) = &self.preconditioner {
            write(&own.raised, raised);
        }
    }

    /// One stage behind the gradient for the `count` trials in the slots.
    pub(super) fn run(
        &self,
        program: &Program,
        pass: &mut wgpu::ComputePass<'_>,
        count: usize,
        stage: Stage,
        turn: Turn,
    ) -> Result<()> {
        let Frame { n, n1, n2, k, .. } = self.frame;
        let sides = self.frame.sides();
        let mut run =
            |step: &Step, workgroups: &[usize]| program.dispatch(pass, &step.kernel, &step.operands, None, workgroups);
        let entries = [count, (n * k).div_ceil(256)];
        match stage {
            Stage::Gradient => Ok(()),
            Stage::Energy => self.energy.as_ref().map_or(Ok(()), |step| {
                program.dispatch(pass, &step.kernel, &step.operands, program.span(turn.group), &[count, PARTS])
            }),
            Stage::Precondition => {
                let Some([gram, cholesky, precondition]) = &self.precondition else { return Ok(()) };
                let blocks = k.div_ceil(16);
                run(gram, &[count, sides, self.frame.gram_shares(), blocks, blocks])?;
                run(cholesky, &[count, sides])?;
                let rows = n1.div_ceil(16) + if sides == 2 { n2.div_ceil(16) } else { 0 };
                run(precondition, &[count, rows])
            }
            Stage::Polyak => {
                let Some([slope, polyak]) = &self.polyak else { return Ok(()) };
                run(slope, &[count, PARTS])?;
                run(polyak, &[count])
            }
            Stage::Descend | Stage::Accelerate => {
                if let Some(pace) = self.pace.as_ref().filter(|_| !turn.polyak) {
                    run(&pace.step, &[1])?;
                }
                let taken = usize::from(turn.polyak || self.pace.is_some());
                let Some(momentum) = self.momentum.as_ref().filter(|_| stage == Stage::Accelerate) else {
                    return run(&self.descend[taken], &entries);
                };
                run(&momentum.accelerate[taken], &[count, PARTS])?;
                run(&momentum.restart, &[count])?;
                run(&momentum.extrapolate, &entries)
            }
        }
    }
}

fn write_zeros(device: &Device, storage: &Storage) {
    device.queue().write_buffer(&storage.buffer, 0, bytemuck::cast_slice(&vec![0_u32; storage.words]));
}
