//! What a dispatch gives to a kernel: extents, lengths of bindings, the struct of group 2, and what lists hold.

use std::collections::HashMap;

use super::domain::{Interval, Kind};
use super::facts::Facts;
use super::terms::{Id, Op, Terms};

/// What a dispatch gives to a kernel.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// Name of the module.
    pub module: String,
    /// Workgroups in each dimension, least and most over the numbers of active trials.
    pub extents: Vec<Interval>,
    /// Most slots.
    pub slots: i64,
    /// Words of the storage bindings by group and number.
    pub words: HashMap<(u32, u32), i64>,
    /// Fields of the uniform struct.
    pub uniform: Vec<Interval>,
    /// Constants of the module.
    pub constants: HashMap<String, i64>,
    /// Elements of the storage bindings by name.
    pub elements: HashMap<String, i64>,
}

impl World {
    fn constant(&self, name: &str) -> i64 {
        *self.constants.get(name).unwrap_or_else(|| panic!("{} has no constant {name}", self.module))
    }

    fn elements(&self, name: &str) -> i64 {
        *self.elements.get(name).unwrap_or_else(|| panic!("{} has no binding {name}", self.module))
    }

    fn uniform(&self, field: usize) -> i64 {
        self.uniform.get(field).map_or(0, |field| field.high)
    }
}

/// What the numbers of a list are, with the largest of them.
enum Content {
    UpTo(fn(&World) -> i64),
    /// The first numbers of the list are up to one bound, those behind them up to another: (how many, bound, bound).
    Led(fn(&World) -> [i64; 3]),
    /// Up to a bound, plus 2³⁰ times 0, 1, 2 or 3.
    Tagged(fn(&World) -> i64),
    /// Up to a bound, or 2³² − 1.
    OrAll(fn(&World) -> i64),
}

/// A promise of the host about numbers that serve as indices.
pub struct Contract {
    binding: &'static str,
    /// Start of the module's name.
    module: &'static str,
    /// Field of an element that is a vector.
    field: u32,
    content: Content,
    /// Where the host keeps it, and the test that it does.
    pub host: &'static str,
}

const LISTS: &str = "src/gpu/pass/lists.rs: numbers_of_lists_stay_within_what_they_point_at";
const STRINGS: &str = "src/gpu/pass/strings.rs: numbers_of_strings_stay_within_what_they_point_at";
const SLOTS: &str = "src/gpu/dispatch.rs: slots_are_below_their_number";

/// All promises. Real numbers are never indices, and numbers of other lists can be anything.
pub const CONTRACTS: &[Contract] = &[
    // slots[0] is the number of active slots, the rest their numbers; without active trials nothing is dispatched.
    entry("slots", "", 0, Content::Led(|w| [1, w.slots, w.slots - 1]), SLOTS),
    entry(
        "offsets",
        "nonzeros forward",
        0,
        Content::Led(|w| [w.uniform(1) + 1, w.elements("places"), w.uniform(1) - 1]),
        LISTS,
    ),
    entry("places", "nonzeros forward", 0, Content::UpTo(|w| w.constant("N") - 1), LISTS),
    entry("places", "nonzeros forward", 1, Content::UpTo(|w| w.constant("N") - 1), LISTS),
    entry("places", "nonzeros gather", 0, Content::UpTo(|w| w.constant("M") - 1), LISTS),
    entry("places", "nonzeros gather", 1, Content::UpTo(|w| w.constant("N") - 1), LISTS),
    entry("pieces", "nonzeros gather", 0, Content::UpTo(|w| w.constant("N") - 1), LISTS),
    entry("pieces", "nonzeros gather", 1, Content::UpTo(|w| w.elements("places")), LISTS),
    entry("pieces", "nonzeros gather", 2, Content::UpTo(|w| w.elements("places")), LISTS),
    entry("pieces", "nonzeros gather", 3, Content::OrAll(|w| w.constant("PARTIALS") - 1), LISTS),
    entry("spans", "combine", 0, Content::UpTo(|w| w.constant("N") - 1), LISTS),
    entry("spans", "combine", 1, Content::UpTo(|w| w.constant("PARTIALS")), LISTS),
    entry("spans", "combine", 2, Content::UpTo(|w| w.constant("PARTIALS")), LISTS),
    entry("groups", "strings", 0, Content::UpTo(|w| w.constant("STATES") - 1), STRINGS),
    entry("groups", "strings", 1, Content::UpTo(|w| w.elements("strings")), STRINGS),
    entry("groups", "strings", 2, Content::UpTo(|w| w.elements("strings")), STRINGS),
    entry("strings", "strings", 0, Content::Tagged(|w| w.constant("STATES") - 1), STRINGS),
    entry("strings", "strings", 1, Content::UpTo(|w| w.constant("M") - 1), STRINGS),
];

const fn entry(
    binding: &'static str,
    module: &'static str,
    field: u32,
    content: Content,
    host: &'static str,
) -> Contract {
    Contract { binding, module, field, content, host }
}

/// The number at `index` of a list, or in a field of its element there.
pub fn number_of(world: &World, terms: &Terms, facts: &Facts, binding: &str, index: Id, field: u32, kind: Kind) -> Id {
    let found =
        CONTRACTS.iter().find(|of| of.binding == binding && of.field == field && world.module.starts_with(of.module));
    let Some(contract) = found.filter(|_| kind == Kind::U32) else { return terms.any(kind.all(), kind) };
    let up_to = |bound: i64| terms.any(Interval::new(0, bound.max(0)), kind);
    match contract.content {
        Content::UpTo(bound) => up_to(bound(world)),
        Content::Led(of) => {
            let ([count, lead, rest], at) = (of(world), facts.range(terms, index));
            let (of_lead, of_rest) = (at.low < count, at.high >= count);
            // There are workgroups, so there is a slot.
            let low = i64::from(binding == "slots" && !of_rest);
            let bound = if of_lead { lead } else { 0 }.max(if of_rest { rest } else { 0 });
            terms.any(Interval::new(low, bound), kind)
        }
        Content::Tagged(bound) => {
            let tag = terms.any(Interval::new(0, 3), kind);
            let high = terms.of(Op::Mul, tag, terms.known(1 << 30, kind));
            terms.of(Op::Add, high, up_to(bound(world)))
        }
        Content::OrAll(bound) => {
            let all = terms.known(kind.all().high, kind);
            let bound = bound(world);
            if bound < 0 {
                return all;
            }
            let is_all = terms.any(Kind::Bool.all(), Kind::Bool);
            terms.choose(is_all, all, up_to(bound))
        }
    }
}
