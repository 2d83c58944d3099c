//! Kernel variants: the division of a gradient into kernels, the variants that fit a problem and an adapter, and their
//! names.
//!
//! A name is `strategy[/details][/splitsN][+subgroup]`, for instance `two-kernel`, `one-pass/256x2` (threads × rows in
//! flight) or `tiled/8` (numbers per thread in one direction). A name without details takes the defaults of the size.

use std::fmt;
use std::str::FromStr;

use crate::engine::{Precision, unknown_variant};
use crate::error::{Error, Result};
use crate::gpu::buffers::real_words;
use crate::gpu::device::Abilities;

/// Strategies for e = A(Z) − y and A*(w∘e).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strategy {
    /// `forward` and `adjoint_apply`, panel by panel.
    TwoKernel,
    /// One kernel: a workgroup takes whole rows, first for the dot product, then again from cache into register sums.
    OnePass,
    /// One kernel like `OnePass`, with the row kept in registers.
    RowResident,
    /// Matrix-matrix kernels for batches.
    Tiled,
}
use Strategy::{OnePass, RowResident, Tiled, TwoKernel};

impl Strategy {
    const ALL: [Self; 4] = [TwoKernel, OnePass, RowResident, Tiled];

    fn word(self) -> &'static str {
        match self {
            TwoKernel => "two-kernel",
            OnePass => "one-pass",
            RowResident => "row-resident",
            Tiled => "tiled",
        }
    }

    /// Whether a workgroup owns rows.
    pub(super) fn owns_rows(self) -> bool {
        matches!(self, OnePass | RowResident)
    }
}

/// Properties of the problem that decide which variants fit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    pub p: usize,
    pub m: usize,
    pub batch: usize,
    pub precision: Precision,
}

impl Extent {
    pub(super) fn new(p: usize, m: usize, batch: usize, precision: Precision) -> Self {
        Self { p, m, batch, precision }
    }
}

/// A strategy with all its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Variant {
    pub strategy: Strategy,
    /// Threads of a workgroup that owns rows.
    pub threads: usize,
    /// Rows in flight; for `tiled`, numbers per thread in one direction.
    pub rows: usize,
    /// Partial sums, where they differ from the default of the size.
    pub splits: Option<usize>,
    pub subgroup: bool,
}

pub(super) const TWO_KERNEL: Variant =
    Variant { strategy: TwoKernel, threads: 256, rows: 1, splits: None, subgroup: false };
/// Workgroup memory that core WebGPU guarantees.
const WORKGROUP_BYTES: usize = 16 << 10;
/// Least bytes of measurement data for which variants are timed.
const WORTH_TIMING: u64 = 4 << 20;
/// Most trials of a small problem on a software adapter for which rows are read once.
const UNTIMED_BATCH: usize = 8;

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { strategy, threads, rows, splits, subgroup } = self;
        f.write_str(strategy.word())?;
        match strategy {
            TwoKernel => {}
            OnePass | RowResident => write!(f, "/{threads}x{rows}")?,
            Tiled => write!(f, "/{rows}")?,
        }
        if let Some(splits) = splits {
            write!(f, "/splits{splits}")?;
        }
        f.write_str(if *subgroup { "+subgroup" } else { "" })
    }
}

impl Variant {
    /// Numbers of 32 bits that a thread keeps in registers over a row.
    fn registers(&self, extent: &Extent) -> usize {
        let quads = extent.p.div_ceil(4).div_ceil(self.threads);
        let kept = if self.strategy == RowResident { 1 + self.rows } else { 1 };
        4 * quads * kept * real_words(extent.precision)
    }

    /// The reason why this variant does not fit the problem on this adapter, if any.
    fn obstacle(&self, extent: &Extent, abilities: &Abilities) -> Option<String> {
        let Self { strategy, threads, rows, splits, subgroup } = *self;
        if splits.is_some_and(|splits| splits > extent.m.min(4096)) {
            return Some(format!("there are {} measurements: at most {} splits", extent.m, extent.m.min(4096)));
        }
        if subgroup && !(strategy.owns_rows() && abilities.subgroup) {
            return Some("subgroup operations: the strategy or the adapter has none".into());
        }
        match strategy {
            TwoKernel => None,
            Tiled => (![4, 8].contains(&rows)).then(|| format!("'tiled/{rows}': only tiled/4 and tiled/8 exist")),
            OnePass | RowResident => {
                if !threads.is_power_of_two() || !(64..=1024).contains(&threads) || !(1..=8).contains(&rows) {
                    return Some("64, 128, 256, 512 or 1024 threads and 1 to 8 rows are possible".into());
                }
                if threads > abilities.threads {
                    return Some(format!("the adapter runs at most {} threads per workgroup", abilities.threads));
                }
                // Without subgroup operations 16 threads add up each row.
                if !subgroup && 16 * rows > threads {
                    return Some(format!("{threads} threads add up at most {} rows", threads / 16));
                }
                let bytes = 4 * real_words(extent.precision) * rows * (threads + 18);
                if bytes > WORKGROUP_BYTES {
                    return Some(format!("{bytes} bytes of workgroup memory; the limit is {WORKGROUP_BYTES}"));
                }
                // The threads of a workgroup share 65 536 registers, some of which hold addresses and the like.
                let most = match threads {
                    ..=256 => 176,
                    512 => 96,
                    _ => 40,
                };
                let needed = self.registers(extent);
                let what =
                    format!("rows of {} numbers need {needed} registers per thread; the limit is {most}", extent.p);
                (needed > most).then_some(what)
            }
        }
    }

    /// The strategy with default numbers for the size, if any fit.
    fn default_of(strategy: Strategy, extent: &Extent, abilities: &Abilities) -> Option<Self> {
        let rows = match strategy {
            OnePass => 2,
            Tiled => 4,
            TwoKernel | RowResident => 1,
        };
        let quads = extent.p.div_ceil(4);
        // 256 threads where each has at least two quads of a row, fewer for shorter rows, more for longer ones.
        let threads = [256, 128].into_iter().find(|threads| quads >= 2 * threads).unwrap_or(64);
        [threads, 512, 1024]
            .into_iter()
            .map(|threads| Self {
                strategy,
                threads: if strategy.owns_rows() { threads } else { 256 },
                rows,
                ..TWO_KERNEL
            })
            .find(|variant| variant.obstacle(extent, abilities).is_none())
    }

    /// All variants that may be requested.
    pub(super) fn allowed(extent: &Extent, abilities: &Abilities) -> Vec<Self> {
        let defaults = Strategy::ALL.into_iter().filter_map(|s| Self::default_of(s, extent, abilities));
        let mut allowed: Vec<Self> = Vec::new();
        for variant in defaults {
            let more = match variant.strategy {
                TwoKernel => vec![],
                OnePass => vec![(1, variant.rows), (1, 4), (2, variant.rows)],
                RowResident => vec![(1, 2), (2, 1), (2, 2)],
                Tiled => vec![(1, 8)],
            };
            let more = more.into_iter().map(|(wider, rows)| Self { threads: variant.threads * wider, rows, ..variant });
            for variant in [variant].into_iter().chain(more) {
                for subgroup in [false, true] {
                    let variant = Self { subgroup, ..variant };
                    if variant.obstacle(extent, abilities).is_none() && !allowed.contains(&variant) {
                        allowed.push(variant);
                    }
                }
            }
        }
        allowed
    }

    /// Names that may be requested: strategies, then exact variants.
    pub(super) fn names(extent: &Extent, abilities: &Abilities) -> Vec<String> {
        let allowed = Self::allowed(extent, abilities);
        let default =
            |v: &&Self| Self::default_of(v.strategy, extent, abilities) == Some(Self { subgroup: false, ..**v });
        let short = allowed.iter().filter(default).map(|v| {
            let subgroup = if v.subgroup { "+subgroup" } else { "" };
            format!("{}{subgroup}", v.strategy.word())
        });
        let exact = allowed.iter().filter(|v| v.strategy != TwoKernel).map(ToString::to_string);
        short.chain(exact).collect()
    }

    /// The variant of that name, in the form of [`crate::engine::EngineInfo::variant`] or shorter.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the known names, or with the reason why it does not fit.
    pub(super) fn forced(name: &str, operator: &str, extent: &Extent, abilities: &Abilities) -> Result<Self> {
        let short = name.strip_prefix(operator).and_then(|rest| rest.strip_prefix('/')).unwrap_or(name);
        let allowed = || Self::names(extent, abilities);
        let refuse =
            |allowed: Vec<String>| Err(unknown_variant(name, &allowed.iter().map(String::as_str).collect::<Vec<_>>()));
        let Ok(Name { strategy, details, splits, subgroup }) = short.parse() else { return refuse(allowed()) };
        let default = Self::default_of(strategy, extent, abilities);
        // Where no default fits, the smallest variant gives the reason.
        let base = default.unwrap_or(Self { strategy, threads: abilities.threads, ..TWO_KERNEL });
        let (threads, rows) = details.unwrap_or((base.threads, base.rows));
        let threads = if strategy.owns_rows() { threads } else { 256 };
        let variant = Self { strategy, threads, rows, splits, subgroup };
        match variant.obstacle(extent, abilities) {
            None => Ok(variant),
            Some(why) => {
                let fix = "pick one of these, or leave it out and the engine chooses";
                Err(Error::invalid("variant", format!("'{name}' ({why})"), allowed().join(", "), fix))
            }
        }
    }

    /// The variant of problems that are too small to time. On a software adapter, which runs the threads of a workgroup one
    /// after the other, rows that are read once take a quarter to three quarters of the time at n = 11 to 60, the least with one
    /// trial.
    fn untimed(extent: &Extent, abilities: &Abilities) -> Self {
        let owns_rows = abilities.software && extent.batch <= UNTIMED_BATCH;
        let one_pass = owns_rows.then(|| Self::default_of(OnePass, extent, abilities)).flatten();
        one_pass.unwrap_or(TWO_KERNEL)
    }

    /// The variants worth timing on the problem, the safe choice first.
    pub(super) fn candidates(extent: &Extent, abilities: &Abilities, bytes: u64) -> Vec<Self> {
        if bytes < WORTH_TIMING {
            return vec![Self::untimed(extent, abilities)];
        }
        let mut all = Self::allowed(extent, abilities);
        // Kernels that own rows read them once for every trial; tiles are for batches.
        all.retain(|variant| match variant.strategy {
            TwoKernel => true,
            OnePass | RowResident => extent.batch <= 4,
            Tiled => extent.batch > if variant.rows == 4 { 1 } else { 4 },
        });
        if abilities.software {
            // A software adapter takes tenths of a second to compile a kernel and gains little from choice.
            let strategies = Strategy::ALL.into_iter();
            let first = strategies.filter_map(|s| all.iter().copied().find(|variant| variant.strategy == s));
            return first.collect();
        }
        // With subgroup operations available, only one variant goes without, in case the driver is slow at them.
        let has = |strategy| all.iter().any(|v| v.strategy == strategy && v.subgroup);
        let plain =
            |v: &Self| v.subgroup || !has(v.strategy) || Self::default_of(v.strategy, extent, abilities) == Some(*v);
        all.iter().copied().filter(plain).collect()
    }
}

/// A name, split into its parts.
struct Name {
    strategy: Strategy,
    details: Option<(usize, usize)>,
    splits: Option<usize>,
    subgroup: bool,
}

impl FromStr for Name {
    type Err = ();

    fn from_str(name: &str) -> std::result::Result<Self, ()> {
        let (name, subgroup) = name.strip_suffix("+subgroup").map_or((name, false), |name| (name, true));
        let mut pieces = name.split('/');
        let word = pieces.next().unwrap_or_default();
        let strategy = Strategy::ALL.into_iter().find(|strategy| strategy.word() == word).ok_or(())?;
        let mut parsed = Self { strategy, details: None, splits: None, subgroup };
        let number = |text: &str| text.parse().ok().filter(|number| *number > 0).ok_or(());
        for piece in pieces {
            if let Some(splits) = piece.strip_prefix("splits") {
                parsed.splits = Some(number(splits)?);
            } else if let Some(tile) = piece.strip_prefix("tile") {
                // The tile is part of the reported name; it follows from the batch and changes no bit.
                number(tile)?;
            } else if let Some((threads, rows)) = piece.split_once('x').filter(|_| strategy.owns_rows()) {
                parsed.details = Some((number(threads)?, number(rows)?));
            } else if strategy == Tiled {
                parsed.details = Some((256, number(piece)?));
            } else {
                return Err(());
            }
        }
        Ok(parsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DESKTOP: Abilities = Abilities { threads: 1024, subgroup: true, software: false };

    fn extent(n: usize, batch: usize) -> Extent {
        Extent { p: n * (n + 1) / 2, m: 10_000, batch, precision: Precision::F32 }
    }

    #[test]
    fn every_allowed_variant_is_found_by_its_name() {
        for n in [1, 20, 50, 100, 200, 300, 500] {
            for batch in [1, 64] {
                for variant in Variant::allowed(&extent(n, batch), &DESKTOP) {
                    let name = variant.to_string();
                    assert_eq!(Variant::forced(&name, "dense", &extent(n, batch), &DESKTOP).unwrap(), variant);
                    let long = format!("dense/{name}");
                    assert_eq!(Variant::forced(&long, "dense", &extent(n, batch), &DESKTOP).unwrap(), variant);
                }
            }
        }
    }

    #[test]
    fn refusals_say_why_and_what_there_is() {
        let portable = Abilities { threads: 256, subgroup: false, software: false };
        let refused = |name: &str, n: usize| {
            Variant::forced(name, "dense", &extent(n, 1), &portable).expect_err(name).to_string()
        };
        let all = refused("three-kernel", 50);
        assert!(
            ["two-kernel", "one-pass", "row-resident", "tiled", "one-pass/"].iter().all(|word| all.contains(word)),
            "{all}"
        );
        assert!(refused("one-pass/256", 50).contains("one-pass/256x2"));
        assert!(refused("tiled/5", 50).contains("tiled/8"));
        assert!(refused("row-resident", 500).contains("registers"));
        assert!(!refused("nonsense", 500).contains("row-resident"));
        assert!(refused("one-pass+subgroup", 50).contains("adapter"));
        assert!(refused("one-pass/512x1", 50).contains("256"));
        assert!(refused("one-pass/64x8", 50).contains("4 rows"));
        assert!(refused("one-pass/splits20000", 50).contains("splits"));
    }

    #[test]
    fn candidates_are_few_and_fit_the_batch() {
        for (n, batch) in [(50, 1), (200, 1), (200, 4), (200, 64), (1000, 1)] {
            let found = Variant::candidates(&extent(n, batch), &DESKTOP, 1 << 30);
            assert!((1..=10).contains(&found.len()), "{found:?}");
            assert_eq!(found[0], TWO_KERNEL);
        }
        let has = |n, batch, strategy| {
            Variant::candidates(&extent(n, batch), &DESKTOP, 1 << 30).iter().any(|v| v.strategy == strategy)
        };
        assert!(
            has(200, 1, RowResident)
                && has(200, 1, OnePass)
                && !has(200, 1, Tiled)
                && has(400, 2, Tiled)
                && has(200, 64, Tiled)
        );
        assert!(has(300, 1, OnePass) && !has(300, 1, RowResident) && !has(400, 1, OnePass));
        assert_eq!(Variant::candidates(&extent(200, 1), &DESKTOP, 1000), [TWO_KERNEL]);
        let software = Abilities { software: true, ..DESKTOP };
        let small = |batch| Variant::candidates(&extent(200, batch), &software, 1000);
        assert!(small(3).len() == 1 && small(3)[0].strategy == OnePass && small(20) == [TWO_KERNEL]);
    }
}
