//! Operators whose GPU data are thin, defined by their matrices alone: what the kernels are compared with shares nothing
//! with them.
#![allow(dead_code)]

use lowrank::operators::{Acceleration, GpuForm, GpuNonzeros, GpuThin, GpuVectors, Operator, Storage};
use lowrank::problem::{Domain, Factors};

/// Numbers that f32 holds exactly: in [-1, 1), or of {−1, 0, 1}.
fn numbers(count: usize, seed: u64, integers: bool) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as u32
    };
    let number =
        |v: u32| if integers { f64::from(v >> 8) % 3.0 - 1.0 } else { f64::from(v) / f64::from(1 << 23) - 1.0 };
    (0..count).map(|_| number(next())).collect()
}

pub enum Data {
    /// (m, q·(n1 + n2)), or (m, q·n) for one factor.
    Vectors { q: usize, values: Vec<f64>, storage: Storage },
    /// (i, a, b, v)
    Nonzeros { list: Vec<(usize, usize, usize, f64)>, ones: bool },
}

pub struct ThinOperator {
    pub domain: Domain,
    pub m: usize,
    pub data: Data,
    pub centred: bool,
}

impl ThinOperator {
    pub fn vectors(domain: Domain, m: usize, q: usize, seed: u64, integers: bool) -> Self {
        let n = if domain.is_symmetric() { domain.rows() } else { domain.rows() + domain.columns() };
        let values = numbers(m * q * n, seed, integers);
        Self { domain, m, data: Data::Vectors { q, values, storage: Storage::F32 }, centred: false }
    }

    /// Lengths of rows and of measurements run from none to hundreds.
    pub fn nonzeros(domain: Domain, m: usize, each: usize, seed: u64, integers: bool) -> Self {
        let draws = numbers(3 * m * each, seed, false);
        let values = numbers(m * each, seed + 1, integers);
        let place = |draw: f64, size: usize| (((draw + 1.0) / 2.0).powi(3) * size as f64) as usize;
        let mut list = Vec::new();
        for i in 0..m {
            // Measurement 1 has most, measurement 2 has none.
            let count = match i {
                1 => each,
                3 => each / 2,
                2 => 0,
                _ => 1 + i % each.min(4),
            };
            for j in 0..count {
                let at = i * each + j;
                list.push((
                    i,
                    place(draws[3 * at], domain.rows()),
                    place(draws[3 * at + 1], domain.columns()),
                    values[at],
                ));
            }
        }
        if integers {
            // Even ones: what stands beside the diagonal of a symmetric matrix is half of them.
            list.iter_mut().for_each(|nonzero: &mut (usize, usize, usize, f64)| nonzero.3 *= 2.0);
        }
        Self { domain, m, data: Data::Nonzeros { list, ones: false }, centred: false }
    }

    /// One entry each, all ones.
    pub fn entries(domain: Domain, m: usize, seed: u64) -> Self {
        let draws = numbers(2 * m, seed, false);
        let place = |draw: f64, size: usize| (((draw + 1.0) / 2.0).powi(3) * size as f64) as usize;
        let list = (0..m)
            .map(|i| (i, place(draws[2 * i], domain.rows()), place(draws[2 * i + 1], domain.columns()), 1.0))
            .collect();
        Self { domain, m, data: Data::Nonzeros { list, ones: true }, centred: false }
    }

    pub fn stored(mut self, to: Storage) -> Self {
        if let Data::Vectors { storage, .. } = &mut self.data {
            *storage = to;
        }
        self
    }

    pub fn centred(self) -> Self {
        Self { centred: true, ..self }
    }

    fn product(&self, i: usize, view: impl Fn(usize, usize) -> f64) -> f64 {
        let (a, n2) = (self.sensing_matrix(i), self.domain.columns());
        a.iter().enumerate().filter(|(_, v)| **v != 0.0).map(|(at, v)| v * view(at / n2, at % n2)).sum()
    }
}

impl Operator for ThinOperator {
    fn name(&self) -> &str {
        "thin-test"
    }

    fn domain(&self) -> Domain {
        self.domain
    }

    fn measurements(&self) -> usize {
        self.m
    }

    fn normalization(&self) -> f64 {
        1.0 / self.m as f64
    }

    fn sensing_matrix(&self, i: usize) -> Vec<f64> {
        let (n1, n2) = (self.domain.rows(), self.domain.columns());
        let symmetric = self.domain.is_symmetric();
        let mut full = vec![0.0; n1 * n2];
        match &self.data {
            Data::Vectors { q, values, .. } => {
                let n = if symmetric { n1 } else { n1 + n2 };
                let row = &values[i * q * n..(i + 1) * q * n];
                for j in 0..*q {
                    let a = &row[j * n1..(j + 1) * n1];
                    let b = if symmetric { a } else { &row[q * n1 + j * n2..q * n1 + (j + 1) * n2] };
                    for (at, out) in full.iter_mut().enumerate() {
                        *out += a[at / n2] * b[at % n2];
                    }
                }
            }
            Data::Nonzeros { list, .. } => {
                for &(_, a, b, v) in list.iter().filter(|nonzero| nonzero.0 == i) {
                    let v = if symmetric { 0.5 * v } else { v };
                    full[a * n2 + b] += v;
                    if symmetric {
                        full[b * n2 + a] += v;
                    }
                }
            }
        }
        full
    }

    fn forward(&self, _shard: usize, point: &Factors, out: &mut [f64]) {
        for (trial, out) in out.chunks_mut(self.m).enumerate() {
            let (l, r) = (point.left(trial), point.right(trial));
            for (i, out) in out.iter_mut().enumerate() {
                *out = self.product(i, |j, l2| l.row(j).iter().zip(r.row(l2)).map(|(a, b)| a * b).sum());
            }
        }
    }

    fn adjoint_apply(&self, _shard: usize, residual: &[f64], applied: &Factors, out: &mut [f64]) {
        let (n1, n2, k) = (self.domain.rows(), self.domain.columns(), applied.search_rank());
        for (trial, residual) in residual.chunks(self.m).enumerate() {
            for (i, r) in residual.iter().enumerate() {
                for (at, a) in self.sensing_matrix(i).iter().enumerate() {
                    for c in 0..k {
                        out[(trial * n1 + at / n2) * k + c] += r * a * applied.right(trial).row(at % n2)[c];
                    }
                }
            }
        }
    }

    fn adjoint_apply_transposed(&self, _shard: usize, residual: &[f64], applied: &Factors, out: &mut [f64]) {
        let (n2, k) = (self.domain.columns(), applied.search_rank());
        for (trial, residual) in residual.chunks(self.m).enumerate() {
            for (i, r) in residual.iter().enumerate() {
                for (at, a) in self.sensing_matrix(i).iter().enumerate() {
                    for c in 0..k {
                        out[(trial * n2 + at % n2) * k + c] += r * a * applied.left(trial).row(at / n2)[c];
                    }
                }
            }
        }
    }

    fn cost(&self, _batch: usize, _search_rank: usize) -> lowrank::operators::Cost {
        let bytes = match &self.data {
            Data::Vectors { values, storage, .. } => values.len() * storage.bytes(),
            Data::Nonzeros { list, ones } => {
                let listing = 8 + if *ones { 0 } else { 4 };
                list.len() * listing * 3
            }
        };
        lowrank::operators::Cost::new(bytes as f64, 0.0)
    }

    fn stored_in(&self) -> Option<Storage> {
        match &self.data {
            Data::Vectors { storage, .. } => Some(*storage),
            Data::Nonzeros { .. } => None,
        }
    }

    fn is_centred(&self) -> bool {
        self.centred
    }

    fn accelerate(&self) -> Acceleration<'_> {
        Acceleration::default().gpu(GpuForm::Thin(match &self.data {
            Data::Vectors { .. } => GpuThin::Vectors(self),
            Data::Nonzeros { .. } => GpuThin::Nonzeros(self),
        }))
    }
}

impl GpuVectors for ThinOperator {
    fn vectors(&self) -> usize {
        let Data::Vectors { q, .. } = &self.data else { return 0 };
        *q
    }

    fn storage(&self) -> Storage {
        self.stored_in().unwrap_or(Storage::F32)
    }

    fn write(&self, i: usize, out: &mut [f64]) {
        let Data::Vectors { values, .. } = &self.data else { return };
        out.copy_from_slice(&values[i * out.len()..(i + 1) * out.len()]);
    }
}

impl GpuNonzeros for ThinOperator {
    fn count(&self) -> usize {
        let Data::Nonzeros { list, .. } = &self.data else { return 0 };
        list.len()
    }

    fn all_ones(&self) -> bool {
        matches!(self.data, Data::Nonzeros { ones: true, .. })
    }

    fn visit(&self, each: &mut dyn FnMut(usize, usize, usize, f64)) {
        let Data::Nonzeros { list, .. } = &self.data else { return };
        list.iter().for_each(|&(i, a, b, v)| each(i, a, b, v));
    }
}
