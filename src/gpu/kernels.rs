//! The kernels of a tape with all that their dispatches bind, without a device: what tests and tools see.

use std::ops::Range;

use crate::engine::Options;
use crate::engine::options::Checks;
use crate::error::Result;
use crate::gpu::blueprint::{Blueprint, Form, Stage, Subject};
use crate::gpu::call::{Call, Grid, Third};
use crate::gpu::choice::{THIN, form_of};
use crate::gpu::device::Abilities;
use crate::gpu::frame::Frame;
use crate::gpu::pass::lists::{Listed, Lists};
use crate::gpu::pass::nonzeros::Domain;
use crate::gpu::pass::patterns::Patterns;
use crate::gpu::pass::strings::Strings;
use crate::gpu::pass::thin_modules::{VectorSizes, stored_in, widest};
use crate::gpu::pipelines::fold_at;
use crate::gpu::text::{Module, Texts};
use crate::gpu::upload::uploaded_words;
use crate::gpu::variant::{Extent, TWO_KERNEL, Variant};
use crate::operators::{GpuForm, GpuThin, Operator};
use crate::tape::{Minibatches, Program};

/// What a dispatch binds in group 2.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ThirdGroup {
    None,
    /// Rows of one of these ranges or of a part of it, and the struct `Panel`.
    Rows {
        /// Words of a row, or `None` where rows are generated.
        row_words: Option<usize>,
        /// All measurements, or those of each group.
        ranges: Vec<Range<usize>>,
    },
    /// Lists of so many words each, and the struct `Panel`.
    Lists {
        /// Words of each list, in the order of the bindings.
        words: Vec<usize>,
        /// The struct behind them.
        panel: [usize; 3],
    },
    /// The struct `Group`: the measurements of one of these groups.
    Groups(Vec<Range<usize>>),
}

/// A kernel of a tape, compiled without a device by tests and tools.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct TapeKernel {
    /// Name of the kernel variant.
    pub variant: String,
    /// Module of the kernel.
    pub module: Module,
    /// Entry of the kernel in its module.
    pub entry: &'static str,
    /// Workgroups for all trials and all measurements.
    pub workgroups: u64,
    /// Trials, and slots per trial.
    pub slots: [usize; 2],
    /// Binding number of the first operand.
    pub first: u32,
    /// Words of each operand.
    pub operands: Vec<usize>,
    /// What group 2 holds.
    pub third: ThirdGroup,
    grid: Grid,
    /// Measurements of the operator, which are the most rows of a panel.
    measurements: usize,
}

impl TapeKernel {
    /// Extents of the dispatch for so many active trials, over all measurements, where a dimension has at most `most`
    /// workgroups.
    pub fn extents(&self, trials: usize, most: u64) -> Option<[u32; 3]> {
        fold_at(most, self.grid.workgroups(trials, self.measurements))
    }
}

/// A blueprint with what its calls bind in group 2.
struct Plans {
    variant: String,
    blueprint: Blueprint,
    /// The groups that calls name by number.
    fixed: Vec<ThirdGroup>,
    /// Words of a row of the panels.
    row_words: Option<usize>,
}

impl Plans {
    fn kernel(&self, stage: &Stage, call: &Call, batch: usize, measurements: usize) -> TapeKernel {
        let of_groups = |groups: Minibatches| (0..groups.count).map(|at| groups.range(at, measurements)).collect();
        let ranges = stage.group.map_or_else(|| std::iter::once(0..measurements).collect(), of_groups);
        let words = |&(buffer, _): &(usize, _)| {
            let planned = &self.blueprint.plan.buffers[buffer];
            planned.numbers.max(1) * planned.number_words
        };
        TapeKernel {
            variant: self.variant.clone(),
            module: (*call.module).clone(),
            entry: call.entry,
            workgroups: call.grid.workgroups(batch, measurements),
            slots: [batch, call.lanes],
            first: call.first,
            operands: call.operands.iter().map(words).collect(),
            third: match call.third {
                Third::None => ThirdGroup::None,
                Third::Fixed(at) => self.fixed[at].clone(),
                Third::Panel => ThirdGroup::Rows { row_words: self.row_words, ranges },
                Third::Turn => ThirdGroup::Groups(ranges),
            },
            grid: call.grid,
            measurements,
        }
    }
}

/// Group 2 of every call over nonzeros, in the order of [`Domain`].
fn of_lists(lists: &Lists, number_words: usize) -> Vec<ThirdGroup> {
    let list = |heads: usize, listed: &Listed, panel| {
        let all = [heads, 2 * listed.places.len(), number_words * listed.values.len()];
        ThirdGroup::Lists { words: all.map(uploaded_words).to_vec(), panel }
    };
    let forward = lists.forward.iter();
    let mut all: Vec<ThirdGroup> =
        forward.map(|of| list(of.offsets.len(), &of.listed, [of.first, of.rows, of.long])).collect();
    for of in &lists.gather {
        let pieces = [&of.short, &of.long].map(Vec::len);
        all.extend(pieces.map(|pieces| list(4 * pieces, &of.listed, [0, pieces, 0])));
    }
    all
}

/// Group 2 of every panel of strings.
fn of_strings(strings: &Strings) -> Vec<ThirdGroup> {
    let of = |(at, panel): (usize, &crate::gpu::pass::strings::StringPanel)| ThirdGroup::Lists {
        words: [4 * panel.groups.len(), 2 * panel.strings.len()].map(uploaded_words).to_vec(),
        panel: [panel.first, panel.groups.len(), usize::from(at == 0)],
    };
    strings.panels.iter().enumerate().map(of).collect()
}

/// Group 2 of every panel of patterns.
fn of_patterns(patterns: &Patterns, number_words: usize) -> Vec<ThirdGroup> {
    let first = patterns.panels.first().map_or(0, |panel| panel.start);
    let of = |panel: &Range<usize>| {
        let all = [panel.len() << patterns.sizes.bits, 1 << patterns.sizes.turn_bits];
        ThirdGroup::Lists {
            words: all.map(|numbers| uploaded_words(2 * number_words * numbers)).to_vec(),
            panel: [panel.start - first, panel.len(), usize::from(panel.start == first)],
        }
    };
    patterns.panels.iter().map(of).collect()
}

/// Blueprints of all variants that [`crate::gpu::load()`] could choose on an adapter with every feature, without a device.
fn plans(operator: &dyn Operator, program: &Program, batch: usize, options: &Options) -> Result<Vec<Plans>> {
    let texts = Texts::new(&options.mutations, options.checks.unwrap_or(Checks::Off));
    let (precision, readable) = (options.precision, options.readable);
    let subject = Subject { program, operator, batch, precision, readable };
    let thin = |form: Form<'_>, fixed| {
        let blueprint = Blueprint::new(&texts, subject, form)?;
        Ok(vec![Plans { variant: THIN.to_owned(), blueprint, fixed, row_words: None }])
    };
    let frame = Frame::new(operator, 1, batch, precision);
    match form_of(operator)? {
        GpuForm::Rows(source) => {
            let plan = source.plan(widest(precision));
            let extent = Extent::new(operator.domain().dimension(), operator.measurements(), batch, precision);
            let abilities = Abilities { threads: 1024, subgroup: true, software: false };
            let row_words = plan.made().is_none().then(|| plan.row_words());
            let of = |variant: Variant| {
                let blueprint = Blueprint::new(&texts, subject, Form::Rows(&plan, variant))?;
                Ok(Plans { variant: variant.to_string(), blueprint, fixed: Vec::new(), row_words })
            };
            Variant::allowed(&extent, &abilities).into_iter().map(of).collect()
        }
        GpuForm::Thin(GpuThin::Vectors(data)) => {
            let sizes = VectorSizes::new(frame, data.vectors(), stored_in(data, precision));
            let all = 0..operator.measurements();
            let fixed = vec![ThirdGroup::Rows { row_words: Some(sizes.row_words), ranges: vec![all] }];
            thin(Form::Vectors(sizes, &[operator.measurements()]), fixed)
        }
        GpuForm::Thin(GpuThin::Nonzeros(data)) => {
            let lists = Lists::new(&frame, data, usize::MAX, usize::MAX)?;
            let fixed = of_lists(&lists, crate::gpu::buffers::real_words(precision));
            thin(Form::Nonzeros(&Domain::new(&lists, data.all_ones(), None)), fixed)
        }
        GpuForm::Thin(GpuThin::Strings(data)) => {
            let strings = Strings::new(&frame, data, usize::MAX, usize::MAX)?;
            thin(Form::Strings(strings.sizes, &strings.groups()), of_strings(&strings))
        }
        GpuForm::Thin(GpuThin::Patterns(data)) => {
            let patterns = Patterns::new(&frame, data, usize::MAX, usize::MAX)?;
            let fixed = of_patterns(&patterns, crate::gpu::buffers::real_words(precision));
            thin(Form::Patterns(patterns.sizes, &patterns.counts()), fixed)
        }
    }
}

/// Kernels of all these blueprints, in the order of execution.
///
/// # Errors
/// Those of [`crate::gpu::load()`].
#[doc(hidden)]
pub fn tape_kernels(
    operator: &dyn Operator,
    program: &Program,
    batch: usize,
    options: &Options,
) -> Result<Vec<TapeKernel>> {
    let rows = operator.measurements();
    let of = |plans: Plans| {
        let of_stage = |stage| {
            let calls = Stage::calls(stage).into_iter();
            calls.map(|call| plans.kernel(stage, call, batch, rows)).collect::<Vec<_>>()
        };
        plans.blueprint.stages().flat_map(of_stage).collect::<Vec<_>>()
    };
    Ok(plans(operator, program, batch, options)?.into_iter().flat_map(of).collect())
}

/// Number of dispatches of an iteration, with data in one panel and the variant that every operator has.
///
/// # Errors
/// Those of [`crate::gpu::load()`].
#[doc(hidden)]
pub fn tape_dispatches(operator: &dyn Operator, program: &Program, batch: usize, iteration: usize) -> Result<usize> {
    let subject = Subject { program, operator, batch, precision: Default::default(), readable: false };
    if let GpuForm::Rows(source) = form_of(operator)? {
        let plan = source.plan(crate::operators::Storage::F32);
        let blueprint = Blueprint::new(&Texts::new(&[], Checks::Off), subject, Form::Rows(&plan, TWO_KERNEL))?;
        return Ok(blueprint.dispatches(program, iteration, 1));
    }
    let all = plans(operator, program, batch, &Options::default())?;
    Ok(all.first().map_or(0, |plans| plans.blueprint.dispatches(program, iteration, 1)))
}
