//! Small tapes: each op alone, and iterations like those of methods.

use std::sync::Arc;

use lowrank::internals::tape::Program;
use lowrank::operators::Loss;
use lowrank::problem::Domain;
use lowrank::tape::{
    Adjoint, BlockSize, Blocks, Bound, Initial, Lane, Measured, Minibatches, Recorded, Register, Tape, When, finite,
    greatest, least, least_of_quartic, less, root, select,
};

pub type Record = fn(&mut Tape);

pub struct Recipe {
    pub name: &'static str,
    pub record: Record,
    pub loss: Loss,
    pub centred: bool,
    pub ridge: bool,
}

const fn plain(name: &'static str, record: Record) -> Recipe {
    Recipe { name, record, loss: Loss::Square, centred: false, ridge: false }
}

fn number(value: f64) -> lowrank::tape::Expression {
    value.into()
}

fn gd(t: &mut Tape) {
    let u = t.iterate();
    let (e, g) = t.gradient(u);
    t.observe(e);
    let step = t.step();
    t.combine_into(u, [(number(1.0), u), (-step, g)]);
}

fn decaying(t: &mut Tape) {
    let (u, base, decay) = (t.iterate(), t.step(), t.parameter("decay"));
    let now = t.keep_scalar("step", Initial::Parameter(base));
    let (e, g) = t.gradient(u);
    t.observe(e);
    t.set(now, now * decay);
    t.combine_into(u, [(number(1.0), u), (-now, g)]);
}

/// Label noise and gradients at displaced points.
fn perturbed(t: &mut Tape) {
    t.add_label_noise();
    t.sharpen();
    gd(t);
}

/// Residuals with a least value each, a vector in a box of each trial, and one clipped in place.
fn bounded(t: &mut Tape) {
    t.bound_residuals();
    let u = t.iterate();
    let (e, g) = t.gradient(u);
    t.observe(e);
    let (dual, half, box_size) = (t.keep_measured("dual"), t.keep_measured("half"), t.parameter("box"));
    t.measured_combine(dual, [(number(1.0), dual), (number(2.0), e)]);
    t.measured_clip(dual, dual, Some(Bound::All(-box_size)), Some(Bound::All(box_size * 1.0)));
    t.measured_clip(half, e, None, Some(Bound::Each(dual)));
    let size = t.energy(half);
    let step = t.step();
    let short = t.formula(step / (size * 0.01 + 1.0));
    t.combine_into(u, [(number(1.0), u), (-short, g)]);
}

/// The same without a quotient.
fn exact_bounded(t: &mut Tape) {
    t.bound_residuals();
    let u = t.iterate();
    let (e, g) = t.gradient(u);
    t.observe(e);
    let dual = t.keep_measured("dual");
    t.measured_combine(dual, [(number(1.0), dual), (number(1.0), e)]);
    t.measured_clip(dual, dual, Some(Bound::All(number(-2.0))), Some(Bound::All(number(3.0))));
    let step = t.step();
    t.combine_into(u, [(number(1.0), u), (-step, g)]);
}

/// Residuals of groups with a least value each.
fn bounded_minibatches(t: &mut Tape) {
    t.bound_residuals();
    minibatches(t);
}

/// Residuals at three points in one pass, beside an adjoint that waits for it.
fn points(t: &mut Tape) {
    let (u, dual) = (t.iterate(), t.keep_measured("dual"));
    let g = t.adjoint_beside(dual, u);
    let twice = t.combine([(number(2.0), u)]);
    let half = t.combine([(number(0.5), u)]);
    let e = t.residuals(&[u, twice, half]);
    t.measured_combine(dual, [(number(0.5), dual), (number(1.0), e[1]), (number(-1.0), e[2])]);
    let energy = t.energy(e[0]);
    let step = t.step();
    let short = t.formula(step / (energy * 0.01 + 1.0));
    t.combine_into(u, [(number(0.5), u), (-short, g)]);
}

fn momentum(t: &mut Tape) {
    let (y, previous) = (t.iterate(), t.keep("previous", Initial::Iterate));
    let since = t.keep_scalar("since", Initial::Number(0.0));
    let (e, g) = t.gradient(y);
    t.observe(e);
    let step = t.step();
    let next = t.combine([(number(1.0), y), (-step, g)]);
    let moved = t.combine([(number(1.0), next), (number(-1.0), previous)]);
    let slope = t.dot(g, moved);
    t.set(since, select(less(number(0.0), slope), 0.0, since));
    let beta = t.formula(since / (since + 3.0));
    t.set(since, since + 1.0);
    t.combine_into(y, [(number(1.0), next), (number(1.0) * beta, moved)]);
    t.assign(previous, next);
}

fn polyak(t: &mut Tape) {
    let u = t.iterate();
    let (e, g) = t.gradient(u);
    t.observe(e);
    let energy = t.energy(e);
    let steep = t.dot(g, g);
    let whole = t.whole(u);
    let long = t.dot(whole, whole);
    let share = t.share();
    let step = t.formula(least((energy * share) / steep, root(long / steep) * 0.5) * 0.1);
    t.combine_into(u, [(number(1.0), u), (-step, g)]);
}

fn preconditioned(t: &mut Tape) {
    let (u, factor) = (t.iterate(), t.parameter("damping_factor"));
    let (e, g) = t.gradient(u);
    t.observe(e);
    let energy = t.energy(e);
    let x = t.precondition(g, u, factor * root(energy * 2.0) + 0.01).expect("partners");
    let step = t.step();
    t.combine_into(u, [(number(1.0), u), (-step, x)]);
}

/// λ is what rounding asks for.
fn undamped(t: &mut Tape) {
    let u = t.iterate();
    let (e, g) = t.gradient(u);
    t.observe(e);
    let x = t.precondition(g, u, 0.0).expect("partners");
    let step = t.step();
    t.combine_into(u, [(number(1.0), u), (-step * 0.01, x)]);
}

fn exact(t: &mut Tape) {
    let u = t.iterate();
    let (e, g) = t.gradient(u);
    t.observe(e);
    let d = t.combine([(number(-1.0), g)]);
    let (b, a) = t.along(u, d).expect("degree two");
    let (eb, bb, ea, ab, aa) =
        (t.measured_dot(e, b), t.measured_dot(b, b), t.measured_dot(e, a), t.measured_dot(a, b), t.measured_dot(a, a));
    let step = t.formula(least_of_quartic([eb * 1.0, bb * 0.5 + ea * 1.0, ab * 1.0, aa * 0.5]));
    t.combine_into(u, [(number(1.0), u), (step * 1.0, d)]);
}

fn minibatches(t: &mut Tape) {
    let (u, groups) = (t.iterate(), Minibatches::new(4, 5));
    let (e, g) = t.gradient_of(u, Some(groups));
    let energy = t.energy_of(e, Some(groups));
    let step = t.step();
    let scaled = t.formula(step / (energy * 0.01 + 1.0));
    t.combine_into(u, [(number(1.0), u), (-scaled, g)]);
}

fn vectors(t: &mut Tape) {
    let (u, y) = (t.iterate(), t.target());
    let (dual, best, product) = (t.keep_measured("dual"), t.keep_measured("best"), t.keep_measured("product"));
    let (e, g) = t.gradient(u);
    t.observe(e);
    t.measured_product(product, e, y);
    t.measured_combine(dual, [(number(0.5), dual), (number(1.0), e), (number(-0.25), y)]);
    let energy = t.energy(e);
    let size = t.measured_dot(dual, e);
    let better = t.formula(less(energy, size * 2.0));
    t.measured_assign_if(better, best, dual);
    let step = t.step();
    t.combine_into(u, [(number(1.0), u), (-step, g)]);
}

fn conditions(t: &mut Tape) {
    let (u, kept) = (t.iterate(), t.keep("kept", Initial::Iterate));
    let turn = t.keep_scalar("turn", Initial::Number(0.5));
    let (e, g) = t.gradient(u);
    t.observe(e);
    let condition = t.parameter("condition");
    t.assign_if(condition, kept, g);
    t.when(When::Later, |t| t.combine_into(kept, [(number(0.5), kept)]));
    t.when(When::Every { period: 2, phase: 1 }, |t| t.set(turn, turn * 3.0));
    let both = t.formula(greatest(finite(condition), turn) + condition / 0.0);
    t.combine_into(u, [(both * 0.5, u)]);
}

fn products(t: &mut Tape) {
    let u = t.iterate();
    let sizes = t.sizes(u).to_vec();
    let k = sizes[0].columns;
    let small = t.blocks_of("small", vec![BlockSize::new(k, k), BlockSize::new(k, 2), BlockSize::new(2, k)]);
    let wide = t.blocks_of("wide", vec![BlockSize::new(k, sizes[0].rows)]);
    let (e, g) = t.gradient(u);
    t.observe(e);
    t.product(small.block(0), (u.block(0), true), (g.block(0), false));
    t.combine_into(small, [(number(0.125), small)]);
    t.product(wide.block(0), (small.block(0), true), (g.block(0), true));
    let other = t.blocks("other");
    t.combine_into(other, [(number(1.0), u)]);
    t.product(other.block(0), (wide.block(0), true), (small.block(0), true));
    let size = t.dot(other, other);
    let scale = t.formula(root(size) + 1.0);
    t.combine_into(u, [(number(0.5), u), (number(1.0) / scale, other)]);
}

fn host(t: &mut Tape) {
    let u = t.iterate();
    let counter = t.keep_scalar("counter", Initial::Number(2.0));
    let still = t.keep_scalar("still", Initial::Number(0.75));
    let (e, g) = t.gradient(u);
    t.observe(e);
    let half = t.blocks("half");
    t.on_host(
        "half",
        [Register::from(g), counter.into()],
        [Register::from(half), counter.into(), still.into()],
        |inputs, outputs| {
            outputs[0] = inputs[0].numbers().iter().map(|x| x * 0.5).collect::<Vec<f64>>().into();
            outputs[1] = vec![inputs[1].number(0) + 1.0].into();
            // Nothing is left for the third: its register keeps its number.
            Ok(())
        },
    );
    let step = t.step();
    let step = t.formula(step * still);
    t.combine_into(u, [(number(1.0), u), (-step, half)]);
}

/// Sums that nothing adds, and one that a vector is multiplied with.
fn sums(t: &mut Tape) {
    let u = t.iterate();
    let (e, g) = t.gradient(u);
    t.observe(e);
    let (length, _unread) = (t.dot(u, u), t.dot(u, g));
    t.energy(e);
    t.combine_into(u, [(number(0.001) * length, u)]);
}

/// A pass of lanes with and without what is subtracted, one with an adjoint, and nothing that leads.
fn lanes(t: &mut Tape) {
    let (u, g, e, v) = two_lanes(t);
    let (inner, size) = (t.measured_dot(v, e), t.measured_dot(v, v));
    let step = t.step();
    let own = t.formula(step * (inner / size + 0.5));
    t.combine_into(u, [(number(1.0), u), (-own, g)]);
}

/// The same without a quotient.
fn exact_lanes(t: &mut Tape) {
    let (u, g, e, v) = two_lanes(t);
    t.measured_dot(v, e);
    let step = t.step();
    t.combine_into(u, [(number(1.0), u), (-step, g)]);
}

fn two_lanes(t: &mut Tape) -> (Blocks, Blocks, Measured, Measured) {
    let u = t.iterate();
    let (y, g) = (t.target(), t.blocks("gradient"));
    let last = t.sizes(u).len() - 1;
    let twice = t.combine([(number(2.0), u)]);
    let (e, v) = (t.measured("e"), t.measured("v"));
    let products = products_with(t, u, g, Adjoint::of_loss());
    let residual = Lane::measure(u.block(0), u.block(last), Some(y), e).adjoint(products);
    t.pass(vec![residual, Lane::measure(twice.block(0), u.block(last), None, v)], None);
    (u, g, e, v)
}

/// Products with the adjoint of a vector, for the iterate's blocks.
fn products_with(t: &mut Tape, u: Blocks, out: Blocks, adjoint: Adjoint) -> Adjoint {
    let last = t.sizes(u).len() - 1;
    let left = adjoint.left(u.block(last), out.block(0));
    if last == 1 { left.right(u.block(0), out.block(1)) } else { left }
}

/// The adjoint of a vector that no measurement made: a kept one, and afterwards the next.
fn given(t: &mut Tape) {
    let (u, y) = (t.iterate(), t.target());
    let (dual, g) = (t.keep_measured("dual"), t.blocks("product"));
    let (e, _) = t.gradient(u);
    t.observe(e);
    t.measured_combine(dual, [(number(0.5), dual), (number(1.0), e), (number(0.25), y)]);
    let products = products_with(t, u, g, Adjoint::plain());
    t.pass(vec![Lane::given(dual).adjoint(products)], None);
    let step = t.step();
    t.combine_into(u, [(number(1.0), u), (-step, g)]);
}

/// The same beside a measurement, two of them, and one that nothing is made of.
fn given_beside(t: &mut Tape) {
    let (u, y, e) = (t.iterate(), t.target(), t.measured("e"));
    let dual = t.keep_measured("dual");
    let [first, second, third] = ["first", "second", "third"].map(|name| t.blocks(name));
    let [of_first, of_second, of_third] =
        [first, second, third].map(|out| products_with(t, u, out, Adjoint::of_loss()));
    let last = t.sizes(u).len() - 1;
    let lanes = vec![
        Lane::given(dual).adjoint(of_second),
        Lane::measure(u.block(0), u.block(last), Some(y), e).adjoint(of_first),
        Lane::given(y),
        Lane::given(y).adjoint(of_third),
    ];
    t.pass(lanes, None);
    t.measured_combine(dual, [(number(0.5), dual), (number(1.0), e)]);
    let step = t.step();
    t.combine_into(u, [(number(1.0), u), (-step, first), (-step * 0.5, second), (step * 0.25, third)]);
}

/// Gᵀ W alone.
fn one_side(t: &mut Tape) {
    let (u, y, e) = (t.iterate(), t.target(), t.measured("e"));
    let last = t.sizes(u).len() - 1;
    let g = t.blocks("product");
    let products = Adjoint::of_loss().right(u.block(0), g.block(last));
    t.pass(vec![Lane::measure(u.block(0), u.block(last), Some(y), e).adjoint(products)], None);
    let step = t.step();
    t.combine_into(u, [(number(1.0), u), (-step, g)]);
}

pub fn recipes() -> Vec<Recipe> {
    let named = |name: &'static str, recipe: Recipe| Recipe { name, ..recipe };
    vec![
        plain("gd", gd),
        named("gd with ridge", Recipe { ridge: true, ..plain("", gd) }),
        named("gd around a centre", Recipe { centred: true, ..plain("", gd) }),
        named("gd, l1", Recipe { loss: Loss::L1, ..plain("", gd) }),
        plain("decaying", decaying),
        plain("perturbed", perturbed),
        plain("bounded", bounded),
        plain("exact bounded", exact_bounded),
        plain("bounded minibatches", bounded_minibatches),
        plain("points", points),
        plain("momentum", momentum),
        plain("polyak", polyak),
        named("polyak around a centre", Recipe { centred: true, ..plain("", polyak) }),
        named("polyak, huber", Recipe { loss: Loss::Huber { delta: 0.5 }, ..plain("", polyak) }),
        plain("preconditioned", preconditioned),
        plain("undamped", undamped),
        plain("exact step", exact),
        plain("minibatches", minibatches),
        plain("vectors", vectors),
        plain("conditions", conditions),
        plain("products", products),
        plain("host", host),
        plain("sums", sums),
        plain("lanes", lanes),
        plain("exact lanes", exact_lanes),
        plain("given", given),
        plain("given beside", given_beside),
        plain("one side", one_side),
    ]
}

pub fn recipe(name: &str) -> Recipe {
    recipes().into_iter().find(|recipe| recipe.name == name).expect("a recipe")
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Model {
    Psd,
    Signed,
    Asymmetric,
}

pub const MODELS: [Model; 3] = [Model::Psd, Model::Signed, Model::Asymmetric];

impl Model {
    pub fn shape(self, n: usize) -> Domain {
        match self {
            Self::Psd => Domain::symmetric(n),
            Self::Signed => Domain::symmetric(n),
            Self::Asymmetric => Domain::rectangular(n, n + 4),
        }
    }

    pub fn recorded(self, k: usize) -> Arc<dyn Recorded> {
        match self {
            Self::Psd => lowrank::Model::psd().recorded(),
            Self::Signed => lowrank::Model::signed(k - k / 2, k / 2).recorded(),
            Self::Asymmetric => lowrank::Model::asymmetric().recorded(),
        }
    }
}

pub fn record(recipe: &Recipe, model: Model, shape: Domain, k: usize) -> Program {
    let mut tape = Tape::new(model.recorded(k), shape, k, recipe.loss, recipe.centred, recipe.ridge);
    (recipe.record)(&mut tape);
    tape.finish()
}
