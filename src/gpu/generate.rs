//! WGSL of elementwise units over the same vectors.

mod text;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use crate::engine::Precision;
use crate::error::Result;
use crate::gpu::call::{Call, Fill, Grid, Many, Third};
use crate::gpu::compiled::{Access, Read, Write};
use crate::gpu::fuse::{Class, Task, Thing, Unit};
use crate::gpu::registers::{PARTS, Registers};
use crate::gpu::text::{
    File, GRID, SCALAR, Texts, arithmetic, constant, file, limits, loss_functions, measurements_file,
};
use crate::operators::Loss;
use crate::tape::{BlockSize, Bound, Expression, LabelNoise, MeasuredClip, Op, Scalar, noise};

use text::elementwise_text;

const HASH: File = file!("lib/hash.wgsl");
const CLIP: File = file!("lib/clip.wgsl");
const LABEL_NOISE: File = file!("lib/label_noise.wgsl");

/// Context of the generated text beside the unit.
pub(super) struct Context<'a> {
    pub(super) texts: &'a Texts<'a>,
    pub(super) precision: Precision,
    pub(super) loss: Loss,
    pub(super) centred: bool,
    /// Register of the weights.
    pub(super) weights: usize,
}

/// Buffers bound by a text: first those read, then those written.
#[derive(Default)]
pub(super) struct Bindings {
    of: BTreeMap<usize, bool>,
}

impl Bindings {
    pub(super) fn add(&mut self, buffer: usize, writes: bool) {
        *self.of.entry(buffer).or_default() |= writes;
    }

    pub(super) fn ordered(&self) -> Vec<(usize, Access)> {
        let of = |writes: bool| self.of.iter().filter(move |(_, w)| **w == writes).map(|(buffer, _)| *buffer);
        of(false).map(|buffer| (buffer, Read)).chain(of(true).map(|buffer| (buffer, Write))).collect()
    }

    /// Text of the bindings. `pairs` hold two numbers each.
    pub(super) fn text(&self, pairs: &BTreeSet<usize>) -> String {
        let mut text = "@group(0) @binding(0) var<storage, read> slots: array<u32>;\n".to_owned();
        for (at, (buffer, access)) in self.ordered().into_iter().enumerate() {
            let access = if access == Write { "read_write" } else { "read" };
            let of = if pairs.contains(&buffer) { "vec2<real>" } else { "real" };
            text.push_str(&format!("@group(1) @binding({at}) var<storage, {access}> b{buffer}: array<{of}>;\n"));
        }
        text
    }
}

/// WGSL for a scalar of `trial`.
pub(super) fn scalar_text(registers: &Registers, scalar: Scalar) -> String {
    match registers.find(scalar) {
        Some(place) => format!("b{}[{}]", place.buffer, place.base()),
        None => "real(0.0)".to_owned(),
    }
}

/// Operation applied to a sum, entry by entry.
enum Then {
    /// Change of sign where the condition holds.
    Signed(String),
    /// Multiplication by this text.
    Times(String),
    /// Negative numbers become 0; not a number stays, so that a divergence shows.
    AboveZero,
}

/// An elementwise unit while its text is written.
struct Entries<'a> {
    registers: &'a Registers,
    bindings: Bindings,
    /// Lines before the loop over entries.
    before: Vec<String>,
    body: Vec<String>,
    /// Local variable of each register.
    current: HashMap<usize, String>,
    changed: BTreeSet<usize>,
    coefficients: HashMap<String, String>,
    names: usize,
    /// Local variables with their sums.
    sums: Vec<(String, usize)>,
    sign: Option<String>,
}

impl Entries<'_> {
    fn name(&mut self) -> String {
        self.names += 1;
        format!("v{}", self.names)
    }

    fn value(&mut self, register: usize) -> String {
        if let Some(name) = self.current.get(&register) {
            return name.clone();
        }
        let name = self.name();
        if let Some(place) = self.registers.at(register) {
            self.bindings.add(place.buffer, false);
            self.body.push(format!("let {name} = b{}[{} + entry];", place.buffer, place.base()));
        }
        self.current.insert(register, name.clone());
        name
    }

    fn coefficient(&mut self, expression: &Expression) -> String {
        expression.reads(&mut |_| self.bindings.add(self.registers.scalars, false));
        let text = expression.wgsl(&|scalar| scalar_text(self.registers, scalar));
        if let Some(name) = self.coefficients.get(&text) {
            return name.clone();
        }
        let name = format!("c{}", self.coefficients.len());
        self.before.push(format!("let {name} = {text};"));
        self.coefficients.insert(text, name.clone());
        name
    }

    /// Writes Σ cⱼxⱼ, the operation on the sum, and the condition.
    fn combine(&mut self, out: usize, terms: &[(Expression, usize)], then: Option<Then>, only: Option<Scalar>) {
        let mut sum: Option<String> = None;
        for (c, x) in terms {
            let x = self.value(*x);
            sum = Some(match (c, sum) {
                (Expression::Number(1.0), None) => x,
                (Expression::Number(-1.0), None) => format!("(-{x})"),
                (Expression::Number(1.0), Some(sum)) => format!("({sum} + {x})"),
                (Expression::Number(-1.0), Some(sum)) => format!("({sum} - {x})"),
                (c, None) => format!("({} * {x})", self.coefficient(c)),
                (c, Some(sum)) => format!("fma({}, {x}, {sum})", self.coefficient(c)),
            });
        }
        let sum = sum.unwrap_or_else(|| "real(0.0)".to_owned());
        let mut name = self.name();
        self.body.push(format!("let {name} = {sum};"));
        if let Some(then) = then {
            let next = self.name();
            self.body.push(match then {
                Then::Signed(negative) => format!("let {next} = select({name}, -{name}, {negative});"),
                Then::Times(factor) => format!("let {next} = {name} * {factor};"),
                Then::AboveZero => format!("let {next} = select({name}, real(0.0), {name} < real(0.0));"),
            });
            name = next;
        }
        if let Some(only) = only {
            let condition = self.coefficient(&Expression::Scalar(only));
            let (old, next) = (self.value(out), self.name());
            self.body.push(format!("let {next} = select({old}, {name}, {condition} != 0.0);"));
            name = next;
        }
        self.current.insert(out, name);
        self.changed.insert(out);
    }

    /// Writes min(max(x, lower), upper).
    fn clip(&mut self, op: &MeasuredClip) {
        let mut name = self.value(op.x.index());
        for (function, bound) in [("at_least", &op.lower), ("at_most", &op.upper)] {
            let Some(bound) = bound else { continue };
            let bound = match bound {
                Bound::All(formula) => self.coefficient(formula),
                Bound::Each(register) => self.value(register.index()),
            };
            let next = self.name();
            self.body.push(format!("let {next} = {function}({name}, {bound});"));
            name = next;
        }
        self.current.insert(op.out.index(), name);
        self.changed.insert(op.out.index());
    }

    /// Writes base + σ·ξ.
    fn label_noise(&mut self, op: &LabelNoise) {
        let [deviation, stream, turn] =
            [op.deviation, op.stream, op.turn].map(|scalar| self.coefficient(&Expression::Scalar(scalar)));
        let (base, name) = (self.value(op.base.index()), self.name());
        // Scalars in double precision become integers by way of f32, which holds these.
        let noise = format!("label_noise(u32(f32({stream})), u32(f32({turn})), entry)");
        self.body.push(format!("let {name} = fma({deviation}, {noise}, {base});"));
        self.current.insert(op.out.index(), name);
        self.changed.insert(op.out.index());
    }

    fn sum(&mut self, sum: usize, term: impl Fn(&str) -> String) {
        let name = format!("sum_{}", self.sums.len());
        self.body.push(term(&name));
        self.sums.push((name, sum));
    }

    /// Condition that an entry lies in a column whose sign changes.
    fn negative(&mut self, blocks: &[BlockSize], positive: usize) -> String {
        if self.sign.is_none() {
            let (mut end, mut text) = (0, String::from("0u"));
            // Column of the entry in its block. Blocks run from the last one on; each holds entries before its end.
            let mut ends = Vec::new();
            for block in blocks {
                ends.push((end, end + block.len(), block.columns));
                end += block.len();
            }
            for (begin, end, columns) in ends.into_iter().rev() {
                let column = format!("(entry - {begin}u) % {columns}u");
                text = if text == "0u" { column } else { format!("select({text}, {column}, entry < {end}u)") };
            }
            self.body.push(format!("let column = {text};"));
            self.sign = Some("column".into());
        }
        format!("column >= {positive}u")
    }

    /// Loads the means that the unit needs; returns the buffers of their sums.
    fn means(&mut self, unit: &Unit<'_>, means: &HashMap<usize, usize>) -> BTreeSet<usize> {
        let mut pairs = BTreeSet::new();
        for thing in unit.reads().collect::<BTreeSet<_>>() {
            if let Thing::Means(of) = thing {
                let buffer = means[&of];
                pairs.insert(buffer);
                self.bindings.add(buffer, false);
                self.before.push(mean_text(buffer, &format!("mean_{of}")));
            }
        }
        pairs
    }

    /// Writes the text of every op.
    fn take(&mut self, context: &Context<'_>, unit: &Unit<'_>, blocks: &[BlockSize]) {
        let about = |of: usize, name: String| {
            if context.centred { format!("({name} - mean_{of})") } else { name }
        };
        for job in &unit.jobs {
            let Task::Op(op) = job.task else { continue };
            match op {
                Op::Combine(op) => {
                    let terms: Vec<_> = op.terms.iter().map(|(c, x)| (c.clone(), x.index())).collect();
                    let signed = op.positive.map(|positive| self.negative(blocks, positive));
                    let then = signed.map(Then::Signed).or(op.nonnegative.then_some(Then::AboveZero));
                    self.combine(op.out.index(), &terms, then, op.only);
                }
                Op::MeasuredCombine(op) => {
                    let terms: Vec<_> = op.terms.iter().map(|(c, x)| (c.clone(), x.index())).collect();
                    let times = op.times.map(|times| Then::Times(self.value(times.index())));
                    self.combine(op.out.index(), &terms, times, op.only);
                }
                Op::MeasuredClip(op) => self.clip(op),
                Op::LabelNoise(op) => self.label_noise(op),
                Op::Dot { out, a, b } => {
                    let (a, b) = (self.value(a.index()), self.value(b.index()));
                    self.sum(out.index(), |sum| format!("{sum} = fma({a}, {b}, {sum});"));
                }
                Op::MeasuredDot { out, a, b } => {
                    let w = self.value(context.weights);
                    let of_a = about(a.index(), self.value(a.index()));
                    let of_b = about(b.index(), self.value(b.index()));
                    self.sum(out.index(), |sum| {
                        format!("if ({w} != 0.0) {{\n            {sum} = fma({w} * {of_a}, {of_b}, {sum});\n        }}")
                    });
                }
                Op::Energy { out, residual, .. } => {
                    let w = self.value(context.weights);
                    let e = about(residual.index(), self.value(residual.index()));
                    self.sum(out.index(), |sum| {
                        format!("if ({w} != 0.0) {{\n            {sum} = fma({w}, rho({e}), {sum});\n        }}")
                    });
                }
                _ => {}
            }
        }
    }

    /// Writes the changed registers; returns their fills for tests.
    fn write(&mut self, unit: &Unit<'_>) -> Vec<Fill> {
        let mut fills = Vec::new();
        let read: BTreeSet<usize> =
            unit.reads().filter_map(|t| if let Thing::Register(of) = t { Some(of) } else { None }).collect();
        for register in self.changed.clone() {
            let Some(place) = self.registers.at(register) else { continue };
            self.bindings.add(place.buffer, true);
            let value = self.current[&register].clone();
            self.body.push(format!("b{}[{} + entry] = {value};", place.buffer, place.base()));
            if place.stride == place.len && !read.contains(&register) {
                fills.push(Fill {
                    buffer: place.buffer,
                    first: place.offset,
                    numbers: self.registers.batch * place.len,
                });
            }
        }
        if !self.sums.is_empty() {
            self.bindings.add(self.registers.parts, true);
        }
        for (_, sum) in &self.sums {
            let each = self.registers.batch * PARTS;
            fills.push(Fill { buffer: self.registers.parts, first: self.registers.part(*sum) * each, numbers: each });
        }
        fills
    }
}

fn mean_text(buffer: usize, name: &str) -> String {
    format!(
        "var {name}: real = 0.0;
    if (thread < 64u) {{
        halves[thread] = b{buffer}[trial * 64u + thread];
    }}
    workgroupBarrier();
    for (var width = 32u; width > 0u; width = width / 2u) {{
        if (thread < width) {{
            halves[thread] += halves[thread + width];
        }}
        workgroupBarrier();
    }}
    if (halves[0].y > 0.0) {{
        {name} = halves[0].x / halves[0].y;
    }}
    workgroupBarrier();"
    )
}

/// Call of an elementwise unit. `means` are the buffers of the vectors whose means it needs.
///
/// # Errors
/// [`crate::Error::Invalid`] for a mutation that does not apply.
pub(super) fn elementwise(
    context: &Context<'_>,
    registers: &Registers,
    unit: &Unit<'_>,
    means: &HashMap<usize, usize>,
) -> Result<(Call, Vec<Fill>)> {
    let mut entries = Entries {
        registers,
        bindings: Bindings::default(),
        before: Vec::new(),
        body: Vec::new(),
        current: HashMap::new(),
        changed: BTreeSet::new(),
        coefficients: HashMap::new(),
        names: 0,
        sums: Vec::new(),
        sign: None,
    };
    let (name, path, size, blocks, group) = match &unit.class {
        Class::Factors(blocks) => {
            ("elementwise", "generated/elementwise", blocks.iter().map(|b| b.len()).sum(), &blocks[..], None)
        }
        Class::Measured(group) => ("measured", "generated/measured", registers.measurements, &[][..], group.as_ref()),
        Class::Scalars | Class::Alone => ("elementwise", "generated/elementwise", 0, &[][..], None),
    };
    let pairs = entries.means(unit, means);
    entries.take(context, unit, blocks);
    let fills = entries.write(unit);
    let sums = entries.sums.len();
    let text = elementwise_text(&entries, name, size, &pairs, registers);
    let mut prelude =
        arithmetic(context.precision) + &limits(context.precision) + &loss_functions(context.loss, context.precision);
    prelude.push_str(&constant("M", registers.measurements));
    let measured = measurements_file(group.is_some());
    let mut files = vec![GRID, SCALAR];
    if matches!(unit.class, Class::Measured(_)) {
        files.push(measured);
    }
    if unit.jobs.iter().any(|job| matches!(job.task, Task::Op(Op::MeasuredClip(_)))) {
        files.push(CLIP);
    }
    if unit.jobs.iter().any(|job| matches!(job.task, Task::Op(Op::LabelNoise(_)))) {
        let [first, second] = noise::seed_words();
        prelude.push_str(&format!(
            "const SEED0 = {first}u;\nconst SEED1 = {second}u;\nconst NORMAL = {:?};\n",
            noise::NORMAL
        ));
        files.extend([HASH, LABEL_NOISE]);
    }
    let files: Vec<(&str, &str)> = files.into_iter().chain([(path, text.as_str())]).collect();
    let module = Rc::new(context.texts.compose(name, prelude, &files, str::to_owned)?);
    let fixed = if sums > 0 { PARTS } else { size.div_ceil(256) };
    let grid = Grid::new(Many::Slots { lanes: 1 }, fixed);
    let call = Call::step(&module, name, &entries.bindings.ordered(), grid);
    Ok((if group.is_some() { call.with(Third::Turn) } else { call }, fills))
}
