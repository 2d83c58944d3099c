//! `pauli`: Aᵢ = a Pauli string on q qubits, as in quantum state tomography. No number of size n² is stored, n = 2^q.
//!
//! The string with masks x and z has in row a one entry, (−i)^c (−1)^(z·a) at column a⊕x, with c letters Y. For all
//! strings with the same x,
//!
//! ```text
//! tr(P U Uᴴ) = Re (−i)^c Σ_a (−1)^(z·a) h_x(a),          h_x(a) = Σ_k conj(U_ak) U_(a⊕x)k
//! (G V)_a    = Σ_x φ_x(a) V_(a⊕x),                        φ_x(a) = Σ_z r_(x,z) (−i)^c (−1)^(z·a)
//! ```
//!
//! Both sums over z are Walsh–Hadamard transforms of length n. So the values of all 4^q strings cost n²(k + q), where one
//! string after the other costs n³k.
//!
//! The strings are orthogonal, tr(P Q) = n for P = Q and 0 otherwise: m of them, drawn at random, have s = n/m.

mod counts;
mod gpu;
pub(crate) mod open;
mod settings;
mod strings;
mod sums;

use std::ops::Range;
use std::sync::Arc;

use rand::RngExt;
use rand_distr::{Binomial, Distribution};
use rayon::prelude::*;
use rustc_hash::FxHashMap;

use crate::error::{Error, Result};
use crate::memory::{Location, Memory, Part, product};
use crate::operators::{Acceleration, Cost, GpuForm, GpuThin, Operator};
use crate::problem::random::{Purpose, stream};
use crate::problem::{Domain, Factors};
use crate::simd::{Arithmetic, InstructionSet, Stored, Task, Widen};

use sums::{LANES, Pair, Permuted, Rows, columns_in_use};

pub use counts::{Bases, Counts, Expectations};
pub use settings::Setting;
pub(crate) use strings::MOST_QUBITS;
pub use strings::PauliString;

/// Parts of a sum over all flips, which are added in order on any number of threads.
const PARTS: usize = 16;

/// One string of a group: its signs and its measurement.
#[derive(Clone, Copy)]
struct Term {
    z: u32,
    measurement: u32,
}

impl Term {
    /// Number of letters Y mod 4 of a string with these flips.
    fn turns(self, x: u32) -> u32 {
        (x & self.z).count_ones() % 4
    }
}

/// The flips of a group, and its terms.
type Group = (u32, Range<usize>);

/// Expectation values of Pauli strings.
pub struct Pauli {
    qubits: usize,
    strings: Vec<PauliString>,
    /// Strings by their flips.
    groups: Vec<Group>,
    terms: Vec<Term>,
    normalization: f64,
}

impl Pauli {
    /// The operator of these strings, all on the same number of qubits. s = n/m, as for strings drawn at random.
    ///
    /// # Errors
    /// [`Error::Invalid`] for no string, and for strings on different numbers of qubits; [`Error::Memory`].
    pub fn new(strings: Vec<PauliString>) -> Result<Self> {
        let Some(first) = strings.first() else {
            return Err(Error::invalid("pauli", "no strings", "at least 1", "pass at least one string"));
        };
        let qubits = first.qubits();
        if let Some((at, other)) = strings.iter().enumerate().find(|(_, string)| string.qubits() != qubits) {
            let found = format!("{other} in string {at} on {} qubits", other.qubits());
            let allowed = format!("strings on {qubits} qubits, like the first");
            return Err(Error::invalid("pauli", found, allowed, "write as many letters in each string"));
        }
        let m = u32::try_from(strings.len()).map_err(|_| {
            Error::invalid("pauli", format!("{} strings", strings.len()), "at most 2³²", "pass fewer strings")
        })?;
        let bytes = product(&[strings.len(), size_of::<Term>() + 2 * size_of::<u32>()]);
        Memory::of_host([("the groups of Pauli strings", bytes)]).require("pauli", "Pass fewer strings")?;
        let mut order: Vec<u32> = (0..m).collect();
        order.sort_by_key(|&i| (strings[i as usize].flips(), i));
        let mut groups: Vec<Group> = Vec::new();
        for (at, &i) in order.iter().enumerate() {
            let x = strings[i as usize].flips();
            match groups.last_mut() {
                Some((flips, range)) if *flips == x => range.end = at + 1,
                _ => groups.push((x, at..at + 1)),
            }
        }
        let term = |i: u32| Term { z: strings[i as usize].signs(), measurement: i };
        let terms = order.into_iter().map(term).collect();
        let normalization = (1_u64 << qubits) as f64 / f64::from(m);
        Ok(Self { qubits, strings, groups, terms, normalization })
    }

    /// m different strings on q qubits in random order, each with the same probability. The first m of a larger draw are
    /// the draw of m with the same seed.
    ///
    /// # Errors
    /// [`Error::Invalid`] for m = 0 or m > 4^q, and for no qubit or more than 15.
    pub fn random(qubits: usize, measurements: usize, seed: u64) -> Result<Self> {
        let all = PauliString::of_index(qubits, 0).map(|_| 1_u64 << (2 * qubits))?;
        if measurements == 0 || measurements as u64 > all {
            let allowed = format!("1 to 4^{qubits} = {all}, since strings are drawn once");
            return Err(Error::invalid("measurements", measurements, allowed, "ask for fewer, or more qubits"));
        }
        // Fisher–Yates with the moved indices only.
        let mut moved: FxHashMap<u64, u64> = FxHashMap::default();
        let mut rng = stream(seed, Purpose::Operator, 0);
        let draw = |i: u64| {
            let j = rng.random_range(i..all);
            let (own, other) = (moved.get(&i).copied().unwrap_or(i), moved.get(&j).copied().unwrap_or(j));
            moved.insert(j, own);
            PauliString::of_index(qubits, other)
        };
        Self::new((0..measurements as u64).map(draw).collect::<Result<_>>()?)
    }

    /// All 4^q strings, in the order of their indices.
    ///
    /// # Errors
    /// [`Error::Invalid`] for no qubit or more than 15; [`Error::Memory`].
    pub fn all(qubits: usize) -> Result<Self> {
        PauliString::of_index(qubits, 0)?;
        let count = 1_u64 << (2 * qubits);
        let bytes = product(&[count as usize, size_of::<PauliString>() + size_of::<Term>() + 4]);
        Memory::of_host([("all Pauli strings", bytes)]).require("pauli", "Draw some of the strings")?;
        Self::new((0..count).map(|index| PauliString::of_index(qubits, index)).collect::<Result<_>>()?)
    }

    /// Replaces the normalisation s.
    ///
    /// # Errors
    /// [`Error::Invalid`] unless 0 < s < ∞.
    pub fn with_normalization(mut self, s: f64) -> Result<Self> {
        if !(s.is_finite() && s > 0.0) {
            return Err(Error::invalid("normalization", s, "a positive finite number", "pass s, or leave it out"));
        }
        self.normalization = s;
        Ok(self)
    }

    /// Number of qubits q.
    pub fn qubits(&self) -> usize {
        self.qubits
    }

    /// The strings, one for each measurement.
    pub fn strings(&self) -> &[PauliString] {
        &self.strings
    }

    fn size(&self) -> usize {
        1 << self.qubits
    }

    /// The values of a group, in the order of its terms.
    #[inline(always)]
    fn values<A: Arithmetic<f64>>(
        &self,
        simd: A,
        (x, range): &Group,
        (l, r): (&Rows, &Permuted),
        h: &mut Pair,
        out: &mut Vec<f64>,
    ) {
        h.products(simd, *x, l, r);
        h.transform(simd);
        out.extend(self.terms[range.clone()].iter().map(|term| {
            let (block, lane) = (term.z as usize / LANES, term.z as usize % LANES);
            // Re (−i)^c w
            match term.turns(*x) {
                0 => h.real[block][lane],
                1 => h.imaginary[block][lane],
                2 => -h.real[block][lane],
                _ => -h.imaginary[block][lane],
            }
        }));
    }

    /// φ of a group.
    #[inline(always)]
    fn coefficients<A: Arithmetic<f64>>(&self, simd: A, (x, range): &Group, residual: &[f64], phi: &mut Pair) {
        phi.clear();
        for term in &self.terms[range.clone()] {
            let r = residual[term.measurement as usize];
            let (block, lane) = (term.z as usize / LANES, term.z as usize % LANES);
            match term.turns(*x) {
                0 => phi.real[block][lane] += r,
                1 => phi.imaginary[block][lane] -= r,
                2 => phi.real[block][lane] -= r,
                _ => phi.imaginary[block][lane] += r,
            }
        }
        phi.transform(simd);
    }

    /// Groups for one task each.
    fn parts(&self) -> rayon::slice::Chunks<'_, Group> {
        self.groups.par_chunks(self.groups.len().div_ceil(PARTS))
    }
}

/// The domain of a case of that size: the Hermitian matrices of the largest power of two up to it, at least 2.
pub(crate) fn domain(of: Domain) -> Option<Domain> {
    let qubits = (of.order().max(2).ilog2() as usize).min(MOST_QUBITS);
    of.is_symmetric().then(|| Domain::hermitian(1 << qubits))
}

/// The number of qubits of a domain.
///
/// # Errors
/// [`Error::Invalid`] for real matrices, and for a size that is no power of two.
fn qubits_of(domain: Domain) -> Result<usize> {
    let n = domain.order();
    if domain.is_complex() && n.is_power_of_two() && n > 1 {
        return Ok(n.ilog2() as usize);
    }
    let fix = "q qubits have matrices of 2^q rows";
    Err(Error::invalid("n", domain, "the complex matrices of a power of two, 2 or more", fix))
}

/// Strings of a domain, each drawn once, see [`Pauli::random`].
pub(crate) fn on(domain: Domain, measurements: usize, seed: u64) -> Result<Pauli> {
    Pauli::random(qubits_of(domain)?, measurements, seed)
}

/// Strings of a domain in any number, with repetitions, for the laws.
pub(crate) fn repeated(domain: Domain, measurements: usize, seed: u64) -> Result<Pauli> {
    let qubits = qubits_of(domain)?;
    let mut rng = stream(seed, Purpose::Operator, 0);
    let draw = |_| PauliString::of_index(qubits, rng.random_range(0..1_u64 << (2 * qubits)));
    Pauli::new((0..measurements).map(draw).collect::<Result<_>>()?)
}

/// Means of `shots` outcomes ±1 for each expectation value, as a quantum computer returns them: outcome 1 has the probability
/// (1 + v)/2. Values beyond ±1 count as ±1.
///
/// # Errors
/// [`Error::Invalid`] for no shots.
pub fn with_shots(values: &[f64], shots: u64, seed: u64) -> Result<Vec<f64>> {
    if shots == 0 {
        return Err(Error::invalid("shots", 0, "at least 1", "leave it out for exact expectation values"));
    }
    let mut rng = stream(seed, Purpose::Noise, 0);
    let mean = |v: &f64| {
        let chance = (0.5 * (1.0 + v)).clamp(0.0, 1.0);
        let ones = Binomial::new(shots, chance).map_or(0, |outcomes| outcomes.sample(&mut rng));
        2.0 * ones as f64 / shots as f64 - 1.0
    };
    Ok(values.iter().map(mean).collect())
}

/// (−1)^(z·a)
fn sign(z: u32, a: usize) -> f64 {
    if (z as usize & a).count_ones().is_multiple_of(2) { 1.0 } else { -1.0 }
}

/// The values of groups, in the order of their terms.
struct Values<'a> {
    pauli: &'a Pauli,
    groups: &'a [Group],
    factors: (&'a Rows, &'a Permuted),
}

impl Task<f64, f64> for Values<'_> {
    type Output = Vec<f64>;

    #[inline(always)]
    fn run<A: Widen<f64, f64>>(self, simd: A) -> Vec<f64> {
        let (mut h, mut values) = (Pair::new(self.pauli.size()), Vec::new());
        for group in self.groups {
            self.pauli.values(simd, group, self.factors, &mut h, &mut values);
        }
        values
    }
}

/// Σ r P V over groups.
struct Gradient<'a> {
    pauli: &'a Pauli,
    groups: &'a [Group],
    residual: &'a [f64],
    v: &'a Permuted,
    columns: usize,
}

impl Task<f64, f64> for Gradient<'_> {
    type Output = Rows;

    #[inline(always)]
    fn run<A: Widen<f64, f64>>(self, simd: A) -> Rows {
        let n = self.pauli.size();
        let (mut phi, mut sums) = (Pair::new(n), Rows::zeros(n, self.columns));
        for group in self.groups {
            self.pauli.coefficients(simd, group, self.residual, &mut phi);
            phi.add(simd, group.0, self.v, &mut sums);
        }
        sums
    }
}

impl Operator for Pauli {
    fn name(&self) -> &str {
        "pauli"
    }

    fn domain(&self) -> Domain {
        Domain::hermitian(self.size())
    }

    fn measurements(&self) -> usize {
        self.strings.len()
    }

    fn normalization(&self) -> f64 {
        self.normalization
    }

    fn sensing_matrix(&self, i: usize) -> Vec<f64> {
        let (n, string) = (self.size(), self.strings[i]);
        let mut out = vec![0.0; 4 * n * n];
        for a in 0..n {
            let b = a ^ string.flips() as usize;
            let sign = sign(string.signs(), a);
            let (real, imaginary) = match string.turns() % 4 {
                0 => (sign, 0.0),
                1 => (0.0, -sign),
                2 => (-sign, 0.0),
                _ => (0.0, sign),
            };
            out[a * 2 * n + b] = real;
            out[(n + a) * 2 * n + n + b] = real;
            out[(n + a) * 2 * n + b] = imaginary;
            out[a * 2 * n + n + b] = -imaginary;
        }
        out
    }

    /// Groups run in parallel inside: a shard of the measurements would hold a part of every group and repeat the sums that
    /// its strings share.
    fn forward(&self, _shard: usize, point: &Factors, out: &mut [f64]) {
        let (n, set) = (self.size(), InstructionSet::best());
        out.par_chunks_mut(self.strings.len()).enumerate().for_each(|(trial, out)| {
            let columns = columns_in_use(point.left(trial));
            let (l, r) = (Rows::new(n, point.left(trial), &columns), Permuted::new(n, point.right(trial), &columns));
            let part = |groups| f64::run(set, Values { pauli: self, groups, factors: (&l, &r) });
            let values: Vec<Vec<f64>> = self.parts().map(part).collect();
            for (term, value) in self.terms.iter().zip(values.into_iter().flatten()) {
                out[term.measurement as usize] = value;
            }
        });
    }

    fn adjoint_apply(&self, _shard: usize, residual: &[f64], applied: &Factors, out: &mut [f64]) {
        let (n, m, set) = (self.size(), self.strings.len(), InstructionSet::best());
        let size = out.len() / applied.batch().max(1);
        out.par_chunks_mut(size.max(1)).zip(residual.par_chunks(m)).enumerate().for_each(|(trial, (out, residual))| {
            let v = applied.right(trial);
            let (width, columns) = (v.columns(), columns_in_use(v));
            let v = Permuted::new(n, v, &columns);
            let part =
                |groups| f64::run(set, Gradient { pauli: self, groups, residual, v: &v, columns: columns.len() });
            let parts: Vec<Rows> = self.parts().map(part).collect();
            parts.iter().for_each(|part| part.add_to(out, &columns, width));
        });
    }

    fn cost(&self, batch: usize, search_rank: usize) -> Cost {
        let (n, groups, m) = (self.size() as f64, self.groups.len() as f64, self.strings.len() as f64);
        // A group takes two sums of 8 operations a number and two pairs of transforms.
        let flops = groups * n * (16.0 * search_rank as f64 + 4.0 * self.qubits as f64);
        Cost { bytes: m * size_of::<Term>() as f64, flops: flops * batch as f64 }
    }

    fn memory(&self) -> Vec<Part> {
        let bytes = product(&[self.strings.len(), size_of::<PauliString>() + size_of::<Term>()]);
        vec![Part::new("Pauli strings", Location::Host, bytes)]
    }

    fn slice(&self, measurements: Range<usize>) -> Option<Arc<dyn Operator>> {
        Some(Arc::new(Self::new(self.strings.get(measurements)?.to_vec()).ok()?))
    }

    fn is_isotropic(&self) -> bool {
        true
    }

    fn accelerate(&self) -> Acceleration<'_> {
        Acceleration::default().gpu(GpuForm::Thin(GpuThin::Strings(self)))
    }
}
