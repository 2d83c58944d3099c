//! Patterns in single or double precision: what the definition does one after the other, and a gradient that transforms once less.

use std::ops::Range;

use faer::c64;
use rayon::prelude::*;
use rustfft::FftNum;
use rustfft::num_complex::Complex;

use super::fourier::Fourier;
use super::{CodedDiffraction, PARTS};
use crate::operators::kernel::ReferenceKernel;
use crate::operators::{HostKernel, Loss, Pair, PassSchedule, TrialPass};
use crate::real::Real;

/// A precision of transforms.
pub(super) trait Number: Real + FftNum {
    fn fourier(of: &CodedDiffraction) -> &Fourier<Self>;
}

impl Number for f32 {
    fn fourier(of: &CodedDiffraction) -> &Fourier<Self> {
        &of.single
    }
}

impl Number for f64 {
    fn fourier(of: &CodedDiffraction) -> &Fourier<Self> {
        &of.fourier
    }
}

/// A pattern with a measurement, and its pixels that are measured.
pub(super) type Seen = (usize, Range<usize>);

/// Columns of a factor in its real form, row-major.
#[derive(Clone, Copy)]
pub(super) struct Columns<'a, T> {
    pub(super) numbers: &'a [T],
    pub(super) count: usize,
}

/// Working memory of one thread.
pub(super) struct Work<T> {
    a: Vec<Complex<T>>,
    b: Vec<Complex<T>>,
    scratch: Vec<Complex<T>>,
    /// w·ρ′(e) of a pattern.
    r: Vec<T>,
}

impl<T> Default for Work<T> {
    fn default() -> Self {
        Self { a: Vec::new(), b: Vec::new(), scratch: Vec::new(), r: Vec::new() }
    }
}

/// The number that all of them are.
fn constant<T: Real>(numbers: &[T]) -> Option<T> {
    numbers.first().copied().filter(|first| numbers.iter().all(|number| number == first))
}

/// Two traits of a number have a `from_f64`.
fn rounded<T: Real>(value: f64) -> T {
    T::from_f64(value)
}

fn mask<T: Number>(d: c64) -> Complex<T> {
    Complex::new(rounded(d.re), rounded(d.im))
}

impl CodedDiffraction {
    /// F(d_l ∘ v) of a column v.
    fn transformed<T: Number>(
        &self,
        l: usize,
        v: Columns<'_, T>,
        column: usize,
        out: &mut [Complex<T>],
        scratch: &mut Vec<Complex<T>>,
    ) {
        let (n, k) = (self.size(), v.count);
        let (real, imaginary) = v.numbers.split_at(n * k);
        let numbers = real.chunks_exact(k).zip(imaginary.chunks_exact(k));
        for ((out, d), (x, y)) in out.iter_mut().zip(&self.masks[l * n..(l + 1) * n]).zip(numbers) {
            *out = mask::<T>(*d) * Complex::new(x[column], y[column]);
        }
        T::fourier(self).forward(out, scratch);
    }

    /// Adds conj(d_l) ∘ Fᴴ(r ∘ a) to a column of a gradient; r is 0 on pixels that are not measured.
    fn add_back<T: Number>(
        &self,
        (l, pixels): &Seen,
        residual: &[T],
        (a, scratch): (&mut [Complex<T>], &mut Vec<Complex<T>>),
        (column, k): (usize, usize),
        sum: &mut [T],
    ) {
        let (n, zero) = (self.size(), Complex::new(T::ZERO, T::ZERO));
        a[..pixels.start].fill(zero);
        a[pixels.end..].fill(zero);
        a[pixels.clone()].iter_mut().zip(residual).for_each(|(a, r)| *a = Complex::new(a.re * *r, a.im * *r));
        T::fourier(self).adjoint(a, scratch);
        let (real, imaginary) = sum.split_at_mut(n * k);
        let sums = real.chunks_exact_mut(k).zip(imaginary.chunks_exact_mut(k));
        for ((real, imaginary), (a, d)) in sums.zip(a.iter().zip(&self.masks[l * n..(l + 1) * n])) {
            let back = mask::<T>(d.conj()) * *a;
            real[column] += back.re;
            imaginary[column] += back.im;
        }
    }

    /// Intensities of the measured pixels of a pattern.
    pub(super) fn pattern<T: Number>(
        &self,
        (l, pixels): &Seen,
        (left, right): (Columns<'_, T>, Columns<'_, T>),
        single: bool,
        work: &mut Work<T>,
        out: &mut [T],
    ) {
        let (n, zero) = (self.size(), Complex::new(T::ZERO, T::ZERO));
        let Work { a, b, scratch, .. } = work;
        a.resize(n.max(a.len()), zero);
        b.resize(if single { b.len() } else { n.max(b.len()) }, zero);
        out.fill(T::ZERO);
        for column in 0..left.count {
            self.transformed(*l, left, column, &mut a[..n], scratch);
            if !single {
                self.transformed(*l, right, column, &mut b[..n], scratch);
            }
            let other = if single { &*a } else { &*b };
            let pairs = a[pixels.clone()].iter().zip(&other[pixels.clone()]);
            out.iter_mut().zip(pairs).for_each(|(out, (a, b))| *out += a.re * b.re + a.im * b.im);
        }
    }

    /// Adds conj(d_l) ∘ Fᴴ(r ∘ F(d_l ∘ V)) to a gradient in its real form.
    pub(super) fn add_pattern<T: Number>(
        &self,
        part: &Seen,
        residual: &[T],
        v: Columns<'_, T>,
        work: &mut Work<T>,
        sum: &mut [T],
    ) {
        let (n, k, (l, pixels)) = (self.size(), v.count, part);
        if let Some(r) = constant(residual).filter(|_| pixels.len() == n) {
            // FᴴF = n·I, as for the weights of centred residuals.
            let d = &self.masks[l * n..(l + 1) * n];
            let (sums, rows) = (sum.chunks_exact_mut(k), v.numbers.chunks_exact(k));
            for ((sum, v), d) in sums.zip(rows).zip(d.iter().chain(d)) {
                let size: T = rounded(n as f64 * r.to_f64() * d.norm_sqr());
                sum.iter_mut().zip(v).for_each(|(sum, v)| *sum += size * *v);
            }
            return;
        }
        let Work { a, scratch, .. } = work;
        a.resize(n.max(a.len()), Complex::new(T::ZERO, T::ZERO));
        for column in 0..k {
            self.transformed(*l, v, column, &mut a[..n], scratch);
            self.add_back(part, residual, (&mut a[..n], scratch), (column, k), sum);
        }
    }

    /// Residuals of a pattern, and its part of a gradient at the point itself, for which transforms are kept.
    fn gradient_at_point<T: Number>(
        &self,
        part: &Seen,
        point: Columns<'_, T>,
        (target, weights, loss): (&[T], &[T], Loss),
        work: &mut Work<T>,
        (residual, sum): (&mut [T], &mut [T]),
    ) {
        let (n, k, (l, pixels)) = (self.size(), point.count, part);
        let Work { a, scratch, r, .. } = work;
        a.resize((n * k).max(a.len()), Complex::new(T::ZERO, T::ZERO));
        residual.fill(T::ZERO);
        for (column, a) in a.chunks_mut(n).take(k).enumerate() {
            self.transformed(*l, point, column, a, scratch);
            residual.iter_mut().zip(&a[pixels.clone()]).for_each(|(e, a)| *e += a.re * a.re + a.im * a.im);
        }
        residual.iter_mut().zip(target).for_each(|(e, target)| *e -= *target);
        r.clear();
        r.extend(residual.iter().zip(weights).map(|(e, w)| *w * loss.derivative(*e)));
        for (column, a) in a.chunks_mut(n).take(k).enumerate() {
            self.add_back(part, r, (a, scratch), (column, k), sum);
        }
    }
}

/// A pass of one trial over all patterns.
struct Gradient<'a, T> {
    of: &'a CodedDiffraction,
    ends: (Columns<'a, T>, Columns<'a, T>),
    single: bool,
    /// V, and W where the gradient has two factors.
    applied: Vec<Columns<'a, T>>,
    /// Whether V is the point, so that its transforms serve twice.
    own: bool,
    loss: Loss,
}

impl<T: Number> Gradient<'_, T> {
    /// Residuals of one pattern, and its part of the accumulator.
    fn part(&self, part: &Seen, given: (&[T], &[T]), work: &mut Work<T>, residual: &mut [T], accumulator: &mut [T]) {
        let (target, weights) = given;
        let length = self.applied.iter().map(|v| v.numbers.len()).sum();
        let (sums, centring) = accumulator.split_at_mut(length);
        if self.own {
            self.of.gradient_at_point(part, self.ends.0, (target, weights, self.loss), work, (residual, sums));
        } else {
            self.of.pattern(part, self.ends, self.single, work, residual);
            residual.iter_mut().zip(target).for_each(|(e, target)| *e -= *target);
            let mut r = std::mem::take(&mut work.r);
            r.clear();
            r.extend(residual.iter().zip(weights).map(|(e, w)| *w * self.loss.derivative(*e)));
            let mut rest = sums;
            for v in &self.applied {
                let (own, others) = rest.split_at_mut(v.numbers.len());
                self.of.add_pattern(part, &r, *v, work, own);
                rest = others;
            }
            work.r = r;
        }
        let Some((means, ends)) = centring.split_last_chunk_mut::<2>() else {
            return;
        };
        let mut rest = means;
        for v in &self.applied {
            let (own, others) = rest.split_at_mut(v.numbers.len());
            self.of.add_pattern(part, weights, *v, work, own);
            rest = others;
        }
        let sum: f64 = weights.iter().zip(&*residual).map(|(w, e)| w.to_f64() * e.to_f64()).sum();
        ends[0] += rounded(sum);
        ends[1] += rounded(weights.iter().map(|w| w.to_f64()).sum());
    }
}

impl<T: Number> HostKernel<T> for CodedDiffraction {
    fn point_len(&self, search_rank: usize) -> usize {
        HostKernel::<T>::point_len(&ReferenceKernel::new(self), search_rank)
    }

    fn prepare(&self, point: Pair<'_, T>, scratch: &mut [T], out: &mut [T]) {
        ReferenceKernel::new(self).prepare(point, scratch, out);
    }

    fn accumulator_len(&self, search_rank: usize, factors: usize) -> usize {
        HostKernel::<T>::accumulator_len(&ReferenceKernel::new(self), search_rank, factors)
    }

    /// The sums and the kept transforms of each thread.
    fn pass_len(&self, search_rank: usize, factors: usize) -> usize {
        let sums = HostKernel::<T>::accumulator_len(self, search_rank, factors);
        let transforms = 2 * self.size() * search_rank.max(2);
        rayon::current_num_threads().saturating_mul(sums.saturating_add(transforms))
    }

    /// Patterns run in parallel inside, in `PARTS` parts whose sums are added in order.
    fn pass(&self, _schedule: PassSchedule, _shard: usize, loss: Loss, trials: &mut [TrialPass<'_, T>]) {
        let each = |trial: &mut TrialPass<'_, T>| self.pass_of(loss, trial);
        if trials.len() > 1 { trials.par_iter_mut().for_each(each) } else { trials.iter_mut().for_each(each) }
    }

    fn measure(&self, _schedule: PassSchedule, _shard: usize, trials: &mut [TrialPass<'_, T>]) {
        trials.par_iter_mut().for_each(|trial| {
            let (ends, single) = self.ends(trial.point, trial.applied.search_rank);
            let all: Vec<(Seen, &[T], &mut [T])> = self.cut(trial.target, trial.residual);
            all.into_par_iter().for_each_init(Work::default, |work, (part, target, residual)| {
                self.pattern(&part, ends, single, work, residual);
                residual.iter_mut().zip(target).for_each(|(e, target)| *e -= *target);
            });
        });
    }

    fn finish(
        &self,
        accumulator: &[T],
        scratch: &mut [T],
        applied: Pair<'_, T>,
        left: &mut [T],
        right: Option<&mut [T]>,
    ) {
        ReferenceKernel::new(self).finish(accumulator, scratch, applied, left, right);
    }
}

impl CodedDiffraction {
    /// L and R of a prepared point, and whether they are the same.
    fn ends<'a, T: Number>(&self, point: &'a [T], k: usize) -> ((Columns<'a, T>, Columns<'a, T>), bool) {
        let (pair, single) = point.split_at(point.len() - 1);
        let (left, right) = pair.split_at(pair.len() / 2);
        let of = |numbers| Columns { numbers, count: k };
        ((of(left), of(right)), single[0] != T::ZERO)
    }

    /// Patterns with the numbers of their measurements.
    fn cut<'a, T>(&self, given: &'a [T], residual: &'a mut [T]) -> Vec<(Seen, &'a [T], &'a mut [T])> {
        let (mut given, mut residual, mut out) = (given, residual, Vec::new());
        for part in self.parts() {
            let ((own, others), (e, rest)) = (given.split_at(part.1.len()), residual.split_at_mut(part.1.len()));
            out.push((part, own, e));
            (given, residual) = (others, rest);
        }
        out
    }

    fn pass_of<T: Number>(&self, loss: Loss, trial: &mut TrialPass<'_, T>) {
        let k = trial.applied.search_rank;
        let (ends, single) = self.ends(trial.point, k);
        let of = |numbers| Columns { numbers, count: k };
        let two = trial.accumulator.len() != HostKernel::<T>::accumulator_len(self, k, 1);
        let applied: Vec<Columns<'_, T>> =
            std::iter::once(trial.applied.right).chain(two.then_some(trial.applied.left)).map(of).collect();
        let own = single && !two && applied[0].numbers == ends.0.numbers;
        let gradient = Gradient { of: self, ends, single, applied, own, loss };
        let mut all = self.cut(trial.target, trial.residual);
        let length = trial.accumulator.len();
        let (first, weights, each) = (self.measured.start, trial.weights, all.len().div_ceil(PARTS).max(1));
        // As many parts at a time as there are threads, so that no more sums are held. They are added in the order of the parts.
        for parts in all.chunks_mut(each * rayon::current_num_threads()) {
            let sum = |parts: &mut [(Seen, &[T], &mut [T])]| {
                let (mut sum, mut work) = (vec![T::ZERO; length], Work::default());
                for (part, target, residual) in parts {
                    let at = part.0 * self.size() + part.1.start - first;
                    gradient.part(part, (target, &weights[at..at + residual.len()]), &mut work, residual, &mut sum);
                }
                sum
            };
            let sums: Vec<Vec<T>> = parts.par_chunks_mut(each).map(sum).collect();
            for sum in sums {
                trial.accumulator.iter_mut().zip(sum).for_each(|(out, v)| *out += v);
            }
        }
    }
}
