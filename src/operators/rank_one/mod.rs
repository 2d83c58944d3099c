//! `rank_one`: Aᵢ = Σ_q a_iq a_iqᵀ or Σ_q a_iq b_iqᵀ, from their vectors. No matrix is ever formed.
//!
//! One vector per measurement is quadratic sensing, phase retrieval, covariance sketching: ⟨a aᵀ, Z⟩ = aᵀZa. Several
//! vectors add up. Two vectors are complex phase retrieval in real numbers: for a = u + iv and x = p + iq:
//!
//! ```text
//! |aᴴx|² = (uᵀp + vᵀq)² + (uᵀq − vᵀp)² = c₁ᵀZc₁ + c₂ᵀZc₂,   Z = z zᵀ,   z = (p; q),   c₁ = (u; v),   c₂ = (−v; u)
//! ```
//!
//! This is the real form of complex vectors: on [`Domain::hermitian`] an operator holds c₁ and c₂ of every a, and Z is a
//! complex matrix ([`RankOne::complex_lift`] makes c₁ and c₂).
//!
//! **Centred residuals.** The a aᵀ have the mean I (for a ~ N(0, I)), and A*A maps Z to 2Z + tr(Z)·I. The second part
//! grows the wrong directions: plain descent stalls near a relative error of 1e-2. About their means the measurements
//! are isotropic, Var aᵀZa = 2‖Z‖_F². The default is therefore the loss of centred residuals, Σ(eᵢ − ē)², with s =
//! 1/(2qm); [`RankOne::centred`] turns it off. a bᵀ needs no centring: E⟨abᵀ, Z⟩² = ‖Z‖_F², s = 1/(qm).
//!
//! An iteration reads every vector once and takes 6 (plain: 4, a bᵀ: 8) times m·q·n·k operations.

mod kernel;
mod load;
pub(crate) mod open;
mod reference;

use std::ops::Range;
use std::sync::Arc;

use rand::RngExt;
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::memory::{Location, Memory, Part, product};
use crate::operators::dense::Normalization;
use crate::operators::{Acceleration, Cost, GpuForm, GpuThin, GpuVectors, Operator, Storage};
use crate::problem::random::{Purpose, normal, stream};
use crate::problem::{Domain, Factors};
use crate::real::Real;

pub use load::{OpenVectors, VectorsFile};

/// (m, q, n) numbers.
enum Vectors {
    F32(Vec<f32>),
    F64(Vec<f64>),
}

impl Vectors {
    fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::F64(values) => values.len(),
        }
    }

    fn storage(&self) -> Storage {
        match self {
            Self::F32(_) => Storage::F32,
            Self::F64(_) => Storage::F64,
        }
    }

    fn slice(&self, numbers: Range<usize>) -> Self {
        match self {
            Self::F32(values) => Self::F32(values[numbers].to_vec()),
            Self::F64(values) => Self::F64(values[numbers].to_vec()),
        }
    }

    fn get(&self, at: usize) -> f64 {
        match self {
            Self::F32(values) => f64::from(values[at]),
            Self::F64(values) => values[at],
        }
    }

    /// Mean of the squares.
    fn variance(&self) -> f64 {
        let sum: f64 = match self {
            Self::F32(values) => {
                values.par_chunks(1 << 16).map(|v| v.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>()).sum()
            }
            Self::F64(values) => values.par_chunks(1 << 16).map(|v| v.iter().map(|v| v * v).sum::<f64>()).sum(),
        };
        sum / self.len().max(1) as f64
    }
}

/// Sums of outer products, one sum per measurement.
pub struct RankOne {
    domain: Domain,
    measurements: usize,
    /// Number q of outer products per measurement.
    products: usize,
    /// a, (m, q, n1)
    left: Vectors,
    /// b, (m, q, n2), for rectangular domains
    right: Option<Vectors>,
    normalization: f64,
    centred: bool,
    /// Whether the vectors have independent entries of mean 0 and equal variance, and s fits them.
    gaussian: bool,
}

impl RankOne {
    /// The Gaussian ensemble of vectors with independent N(0, 1) entries: Aᵢ = a aᵀ with centred residuals for
    /// symmetric domains, a bᵀ for asymmetric ones. Each vector comes from its own ChaCha8 stream of `seed` and is held
    /// in f32.
    ///
    /// # Errors
    /// [`Error::Invalid`] for m = 0 or an empty domain, [`Error::Memory`] for more vectors than fit in memory.
    pub fn gaussian(domain: Domain, measurements: usize, seed: u64) -> Result<Self> {
        Self::gaussian_sums(domain, measurements, 1, seed)
    }

    /// The Gaussian ensemble of [`RankOne::gaussian`] with sums of `products` outer products.
    ///
    /// # Errors
    /// Those of [`RankOne::gaussian`]; [`Error::Invalid`] for `products` = 0.
    pub fn gaussian_sums(domain: Domain, measurements: usize, products: usize, seed: u64) -> Result<Self> {
        let own = products;
        let products = if domain.is_complex() { products.saturating_mul(2) } else { products };
        require_room(domain, measurements, products, Storage::F32)?;
        let draw = |side: u64, n: usize| {
            let mut values = vec![0.0_f32; measurements * products * n];
            values.par_chunks_mut(products * n).enumerate().for_each(|(i, row)| {
                let mut rng = stream(seed, Purpose::Operator, 2 * i as u64 + side);
                for vectors in row.chunks_mut(products / own * n) {
                    let (vector, turned) = vectors.split_at_mut(n);
                    vector.iter_mut().for_each(|v| *v = normal(&mut rng) as f32);
                    turn(vector, turned);
                }
            });
            Vectors::F32(values)
        };
        let right = (!domain.is_symmetric()).then(|| draw(1, domain.columns()));
        let mut made = Self::checked(domain, products, draw(0, domain.rows()), right)?;
        made.gaussian = true;
        Ok(made)
    }

    /// An operator from own vectors, (m, q, n1) and for rectangular domains (m, q, n2), row-major, kept in their own
    /// type. s is that of vectors with entries of variance 1, see [`RankOne::with_normalization`].
    ///
    /// # Errors
    /// [`Error::Invalid`] for lengths that do not match, no measurement, NaN or infinite entries, and for a second set
    /// on a symmetric domain or a missing one on an asymmetric domain.
    pub fn from_vectors<T: Real>(domain: Domain, products: usize, left: &[T], right: Option<&[T]>) -> Result<Self> {
        for (name, values) in [("vectors", Some(left)), ("vectors_right", right)] {
            let values = values.unwrap_or_default();
            if let Some(at) = values.iter().position(|v| !v.to_f64().is_finite()) {
                let found = format!("{} at position {at}", values[at].to_f64());
                return Err(Error::invalid(name, found, "finite numbers", "correct or remove that measurement"));
            }
        }
        Self::checked(domain, products, kept(left), right.map(kept))
    }

    fn checked(domain: Domain, products: usize, left: Vectors, right: Option<Vectors>) -> Result<Self> {
        domain.validate()?;
        match (&right, domain.is_symmetric()) {
            (Some(_), true) => {
                let fix = "use the model asymmetric, or leave the second vectors out";
                return Err(Error::invalid("vectors_right", "vectors", "no second vectors for a symmetric model", fix));
            }
            (None, false) => {
                let fix = "pass b of the products a·bᵀ, or use the model psd for a·aᵀ";
                return Err(Error::invalid("vectors_right", "none", "vectors for the model asymmetric", fix));
            }
            _ => {}
        }
        let width = products.saturating_mul(domain.rows());
        let measurements = left.len().checked_div(width).unwrap_or(0);
        if measurements == 0 || left.len() != measurements * width {
            return Err(Error::invalid(
                "vectors",
                format!("{} numbers", left.len()),
                format!(
                    "a positive multiple of {width}: {products} vectors of {} numbers per measurement",
                    domain.rows()
                ),
                "pass one row per measurement",
            ));
        }
        let wanted = measurements * products * domain.columns();
        if let Some(found) = right.as_ref().map(Vectors::len).filter(|found| *found != wanted) {
            return Err(Error::invalid(
                "vectors_right",
                format!("{found} numbers"),
                format!("{wanted} = {measurements}·{products}·{}, to match the left vectors", domain.columns()),
                "pass equally many vectors on both sides",
            ));
        }
        let centred = domain.is_symmetric();
        let mut made =
            Self { domain, measurements, products, left, right, normalization: 1.0, centred, gaussian: false };
        let (usual, implied) = (made.usual_normalization(), made.implied_normalization());
        let agree = Normalization::is_usual(1, implied / usual) || !implied.is_finite();
        made.normalization = if agree { usual } else { implied };
        Ok(made)
    }

    /// Vectors c₁ = (u; v) and c₂ = (−v; u) of complex vectors a = u + iv, given as (m, n) pairs (u, v): (m, 2, 2n)
    /// vectors for [`Domain::hermitian`], or for a real unknown of size 2n.
    pub fn complex_lift<T: Real>(n: usize, vectors: &[(T, T)]) -> Vec<T> {
        let mut out = Vec::with_capacity(4 * vectors.len());
        for a in vectors.chunks(n.max(1)) {
            out.extend(a.iter().map(|a| a.0));
            out.extend(a.iter().map(|a| a.1));
            out.extend(a.iter().map(|a| -a.1));
            out.extend(a.iter().map(|a| a.0));
        }
        out
    }

    /// Chooses centred residuals, the default for a aᵀ, or plain ones.
    ///
    /// # Errors
    /// [`Error::Invalid`] for centred a bᵀ: its mean is zero.
    pub fn centred(mut self, centred: bool) -> Result<Self> {
        if centred && !self.domain.is_symmetric() {
            let fix = "leave it out: the mean of a·bᵀ is zero";
            return Err(Error::invalid("centred", "a·bᵀ", "measurements a·aᵀ of a symmetric model", fix));
        }
        self.centred = centred;
        Ok(self)
    }

    /// Replaces the normalisation s.
    ///
    /// # Errors
    /// [`Error::Invalid`] unless 0 < s < ∞.
    pub fn with_normalization(mut self, s: f64) -> Result<Self> {
        if !(s.is_finite() && s > 0.0) {
            return Err(Error::invalid("normalization", s, "a positive finite number", "pass s, or 'auto'"));
        }
        self.normalization = s;
        Ok(self)
    }

    /// The s implied by the vectors if their entries are independent: 1/(2qmv²) or 1/(qmv_a v_b), where v are the mean
    /// squares of the entries.
    pub fn implied_normalization(&self) -> f64 {
        let v = self.left.variance();
        let w = self.right.as_ref().map_or(v, Vectors::variance);
        1.0 / (self.scale() * self.measurements as f64 * v * w)
    }

    /// The implied s for entries of variance 1.
    pub(crate) fn usual_normalization(&self) -> f64 {
        1.0 / (self.scale() * self.measurements as f64)
    }

    /// E⟨Aᵢ, Z⟩² (about its mean) over ‖Z‖² for entries of variance 1.
    fn scale(&self) -> f64 {
        let of_one = if self.domain.is_symmetric() { 2.0 } else { 1.0 };
        of_one * self.products as f64
    }

    /// Number q of outer products per measurement.
    pub fn products(&self) -> usize {
        self.products
    }

    /// Vectors with entries in {−1, 0, 1} and plain residuals, for the laws.
    pub(crate) fn small_integers(domain: Domain, measurements: usize, products: usize, seed: u64) -> Result<Self> {
        let turns = if domain.is_complex() { 2 } else { 1 };
        let draw = |side: u64, n: usize| -> Vec<f32> {
            let mut rng = stream(seed, Purpose::Laws, side);
            let mut values = vec![0.0; measurements * products * turns * n];
            for vectors in values.chunks_mut(turns * n) {
                let (vector, turned) = vectors.split_at_mut(n);
                vector.iter_mut().for_each(|v| *v = rng.random_range(-1_i8..=1).into());
                turn(vector, turned);
            }
            values
        };
        let products = products * turns;
        let right = (!domain.is_symmetric()).then(|| draw(1, domain.columns()));
        Self::from_vectors(domain, products, &draw(0, domain.rows()), right.as_deref())?.centred(false)
    }
}

/// Writes i·a = (−v; u) of a = (u; v) where there is room for it, as for complex vectors.
fn turn(vector: &[f32], turned: &mut [f32]) {
    let (u, v) = vector.split_at(vector.len() / 2);
    turned.iter_mut().zip(v.iter().map(|v| -v).chain(u.iter().copied())).for_each(|(out, v)| *out = v);
}

fn kept<T: Real>(values: &[T]) -> Vectors {
    match size_of::<T>() {
        4 => Vectors::F32(values.iter().map(|v| v.to_f64() as f32).collect()),
        _ => Vectors::F64(values.iter().map(|v| v.to_f64()).collect()),
    }
}

fn require_room(domain: Domain, measurements: usize, products: usize, storage: Storage) -> Result<()> {
    domain.validate()?;
    if products == 0 || measurements == 0 {
        let name = if products == 0 { "products" } else { "measurements" };
        return Err(Error::invalid(name, 0, "at least 1", "pass at least one"));
    }
    let sides = domain.rows() + if domain.is_symmetric() { 0 } else { domain.columns() };
    let bytes = product(&[measurements, products, sides, storage.bytes()]);
    let what = format!("{measurements} measurements of {products} x {sides} numbers in {storage}");
    let memory = Memory { parts: vec![Part::new(what, Location::Host, bytes)] };
    memory.require("measurements", "Lower their number or the size n")
}

impl Operator for RankOne {
    fn name(&self) -> &str {
        "rank_one"
    }

    fn domain(&self) -> Domain {
        self.domain
    }

    fn measurements(&self) -> usize {
        self.measurements
    }

    fn normalization(&self) -> f64 {
        self.normalization
    }

    fn shards(&self) -> usize {
        // As for dense: about 2¹⁸ numbers per shard and at most 16 shards, because each has its own accumulators.
        let numbers = self.left.len() + self.right.as_ref().map_or(0, Vectors::len);
        (numbers >> 18).clamp(1, 16).min(self.measurements)
    }

    fn shard_range(&self, shard: usize) -> Range<usize> {
        let shards = self.shards();
        self.measurements * shard / shards..self.measurements * (shard + 1) / shards
    }

    fn sensing_matrix(&self, i: usize) -> Vec<f64> {
        reference::sensing_matrix(self, i)
    }

    fn forward(&self, shard: usize, point: &Factors, out: &mut [f64]) {
        reference::forward(self, shard, point, out);
    }

    fn adjoint_apply(&self, shard: usize, residual: &[f64], applied: &Factors, out: &mut [f64]) {
        reference::adjoint_apply(self, shard, residual, applied, out);
    }

    fn adjoint_apply_transposed(&self, shard: usize, residual: &[f64], applied: &Factors, out: &mut [f64]) {
        reference::adjoint_apply_transposed(self, shard, residual, applied, out);
    }

    fn cost(&self, batch: usize, search_rank: usize) -> Cost {
        let bytes = |vectors: &Vectors| vectors.len() as f64 * vectors.storage().bytes() as f64;
        let products = (batch * search_rank) as f64;
        // Thin products and their sums, a multiplication and an addition each; also sums over wᵢAᵢ where centred.
        let left = self.left.len() as f64 * if self.centred { 6.0 } else { 4.0 };
        let right = self.right.as_ref().map_or(0.0, |right| 4.0 * right.len() as f64);
        Cost { bytes: bytes(&self.left) + self.right.as_ref().map_or(0.0, bytes), flops: products * (left + right) }
    }

    fn stored_in(&self) -> Option<Storage> {
        Some(self.left.storage())
    }

    fn memory(&self) -> Vec<Part> {
        let part = |name: &str, vectors: &Vectors| {
            let bytes = product(&[vectors.len(), vectors.storage().bytes()]);
            Part::new(format!("{name} in {}", vectors.storage()), Location::Host, bytes)
        };
        let left = part("vectors", &self.left);
        std::iter::once(left).chain(self.right.as_ref().map(|right| part("right vectors", right))).collect()
    }

    /// Copies the vectors.
    fn slice(&self, measurements: Range<usize>) -> Option<Arc<dyn Operator>> {
        let of = |vectors: &Vectors, n: usize| {
            vectors.slice(measurements.start * self.products * n..measurements.end * self.products * n)
        };
        let left = of(&self.left, self.domain.rows());
        let right = self.right.as_ref().map(|right| of(right, self.domain.columns()));
        let made = Self::checked(self.domain, self.products, left, right).and_then(|made| made.centred(false));
        Some(Arc::new(made.ok()?))
    }

    fn is_isotropic(&self) -> bool {
        self.gaussian && (self.centred || !self.domain.is_symmetric())
    }

    fn is_centred(&self) -> bool {
        self.centred
    }

    fn accelerate(&self) -> Acceleration<'_> {
        Acceleration::default().kernels(self, self).gpu(GpuForm::Thin(GpuThin::Vectors(self)))
    }
}

impl GpuVectors for RankOne {
    fn vectors(&self) -> usize {
        self.products
    }

    fn storage(&self) -> Storage {
        self.left.storage()
    }

    fn write(&self, i: usize, out: &mut [f64]) {
        let (left, right) = out.split_at_mut(self.products * self.domain.rows());
        for (vectors, out) in [(Some(&self.left), left), (self.right.as_ref(), right)] {
            let start = i * out.len();
            for (at, out) in out.iter_mut().enumerate() {
                *out = vectors.map_or(0.0, |vectors| vectors.get(start + at));
            }
        }
    }
}
