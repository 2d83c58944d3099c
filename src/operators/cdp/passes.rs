//! Patterns in single or double precision: what the definition does one after the other, and a gradient that transforms once less.

use std::ops::Range;

use rayon::prelude::*;
use rustfft::num_complex::Complex;

use super::columns::{CHUNK, Columns, Number, add_columns, add_in_order};
use super::fourier::{Direction, Scratch};
use super::{CodedDiffraction, PARTS};
use crate::operators::kernel::ReferenceKernel;
use crate::operators::{HostKernel, Loss, Pair, PassSchedule, TrialPass};
use crate::real::Real;

/// A pattern with a measurement, and its pixels that are measured.
pub(super) type Seen = (usize, Range<usize>);

/// Working memory of one thread.
pub(super) struct Work<T> {
    a: Vec<Complex<T>>,
    b: Vec<Complex<T>>,
    scratch: Scratch<T>,
    /// w·ρ′(e) of a pattern.
    r: Vec<T>,
}

impl<T> Default for Work<T> {
    fn default() -> Self {
        Self { a: Vec::new(), b: Vec::new(), scratch: Scratch::default(), r: Vec::new() }
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

impl CodedDiffraction {
    fn mask<T: Number>(&self, l: usize) -> &[Complex<T>] {
        let n = self.size();
        &T::masks(self)[l * n..(l + 1) * n]
    }

    /// F(d_l ∘ v).
    fn transformed<T: Number>(&self, l: usize, v: &[Complex<T>], out: &mut [Complex<T>], scratch: &mut Scratch<T>) {
        let (fourier, length) = (T::fourier(self), T::fourier(self).slab_len());
        let given = self.mask::<T>(l).chunks(length).zip(v.chunks(length));
        for (slab, (mask, v)) in out.chunks_mut(length).zip(given) {
            slab.iter_mut().zip(mask.iter().zip(v)).for_each(|(out, (d, v))| *out = *d * *v);
            fourier.slab(slab, Direction::Forward, scratch);
        }
        fourier.across(out, Direction::Forward, scratch);
    }

    /// Adds conj(d_l) ∘ Fᴴ(r ∘ a) to a column of a gradient; r is 0 on pixels that are not measured.
    fn add_back<T: Number>(
        &self,
        (l, pixels): &Seen,
        residual: &[T],
        (a, scratch): (&mut [Complex<T>], &mut Scratch<T>),
        sum: &mut [Complex<T>],
    ) {
        let (fourier, length) = (T::fourier(self), T::fourier(self).slab_len());
        let zero = Complex::new(T::ZERO, T::ZERO);
        a[..pixels.start].fill(zero);
        a[pixels.end..].fill(zero);
        a[pixels.clone()].iter_mut().zip(residual).for_each(|(a, r)| *a = Complex::new(a.re * *r, a.im * *r));
        fourier.across(a, Direction::Adjoint, scratch);
        let given = self.mask::<T>(*l).chunks(length).zip(a.chunks_mut(length));
        for (sum, (mask, slab)) in sum.chunks_mut(length).zip(given) {
            fourier.slab(slab, Direction::Adjoint, scratch);
            sum.iter_mut().zip(mask.iter().zip(slab)).for_each(|(sum, (d, a))| *sum = *sum + d.conj() * *a);
        }
    }

    /// Intensities of the measured pixels of a pattern: those of L, or Re of those of L and R.
    pub(super) fn pattern<T: Number>(
        &self,
        (l, pixels): &Seen,
        (left, right): (&Columns<T>, Option<&Columns<T>>),
        work: &mut Work<T>,
        out: &mut [T],
    ) {
        let (n, zero) = (self.size(), Complex::new(T::ZERO, T::ZERO));
        let Work { a, b, scratch, .. } = work;
        a.resize(n.max(a.len()), zero);
        b.resize(if right.is_some() { n.max(b.len()) } else { b.len() }, zero);
        out.fill(T::ZERO);
        for (j, v) in left.iter().enumerate() {
            self.transformed(*l, v, &mut a[..n], scratch);
            if let Some(v) = right.and_then(|right| right.iter().nth(j)) {
                self.transformed(*l, v, &mut b[..n], scratch);
            }
            let other = if right.is_some() { &*b } else { &*a };
            let pairs = a[pixels.clone()].iter().zip(&other[pixels.clone()]);
            out.iter_mut().zip(pairs).for_each(|(out, (a, b))| *out += a.re * b.re + a.im * b.im);
        }
    }

    /// Adds conj(d_l) ∘ Fᴴ(r ∘ F(d_l ∘ V)) to the columns of a gradient.
    pub(super) fn add_pattern<T: Number>(
        &self,
        part: &Seen,
        residual: &[T],
        v: &Columns<T>,
        work: &mut Work<T>,
        sum: &mut [Complex<T>],
    ) {
        let (n, (l, pixels)) = (self.size(), part);
        let columns = sum.chunks_exact_mut(n).zip(v.iter());
        if let Some(r) = constant(residual).filter(|_| pixels.len() == n) {
            // FᴴF = n·I, as for the weights of centred residuals.
            let scale: T = rounded(n as f64 * r.to_f64());
            for (sum, v) in columns {
                for ((sum, v), d) in sum.iter_mut().zip(v).zip(self.mask::<T>(*l)) {
                    let size = scale * (d.re * d.re + d.im * d.im);
                    *sum = *sum + Complex::new(size * v.re, size * v.im);
                }
            }
            return;
        }
        let Work { a, scratch, .. } = work;
        a.resize(n.max(a.len()), Complex::new(T::ZERO, T::ZERO));
        for (sum, v) in columns {
            self.transformed(*l, v, &mut a[..n], scratch);
            self.add_back(part, residual, (&mut a[..n], scratch), sum);
        }
    }

    /// Residuals of a pattern, and its part of a gradient at the point itself, for which transforms are kept.
    fn gradient_at_point<T: Number>(
        &self,
        part: &Seen,
        point: &Columns<T>,
        (target, weights, loss): (&[T], &[T], Loss),
        work: &mut Work<T>,
        (residual, sum): (&mut [T], &mut [Complex<T>]),
    ) {
        let (n, (l, pixels)) = (self.size(), part);
        let Work { a, scratch, r, .. } = work;
        a.resize(point.len().max(a.len()), Complex::new(T::ZERO, T::ZERO));
        residual.fill(T::ZERO);
        for (v, a) in point.iter().zip(a.chunks_mut(n)) {
            self.transformed(*l, v, a, scratch);
            residual.iter_mut().zip(&a[pixels.clone()]).for_each(|(e, a)| *e += a.re * a.re + a.im * a.im);
        }
        residual.iter_mut().zip(target).for_each(|(e, target)| *e -= *target);
        r.clear();
        r.extend(residual.iter().zip(weights).map(|(e, w)| *w * loss.derivative(*e)));
        for (sum, a) in sum.chunks_exact_mut(n).zip(a.chunks_mut(n)) {
            self.add_back(part, r, (a, scratch), sum);
        }
    }
}

/// Σ w·e and Σ w, in eight sums side by side.
fn weighted<T: Real>(weights: &[T], e: &[T]) -> (f64, f64) {
    let (mut sums, mut totals) = ([0.0; 8], [0.0; 8]);
    for (weights, e) in weights.chunks(8).zip(e.chunks(8)) {
        for (at, (w, e)) in weights.iter().zip(e).enumerate() {
            sums[at] += w.to_f64() * e.to_f64();
            totals[at] += w.to_f64();
        }
    }
    (sums.iter().sum(), totals.iter().sum())
}

/// A pass of one trial over all patterns.
struct Gradient<'a, T> {
    of: &'a CodedDiffraction,
    left: Columns<T>,
    right: Option<Columns<T>>,
    /// V, and W where the gradient has two factors; none where V is the point, so that its transforms serve twice.
    others: Vec<Columns<T>>,
    centred: bool,
    /// Patterns with n times their weight, where each is measured whole with one weight: FᴴF = n·I.
    flat: Option<Vec<(usize, T)>>,
    loss: Loss,
}

/// What some patterns add to an accumulator.
struct Sums<T> {
    columns: Vec<Complex<T>>,
    /// Those of the weights in the place of residuals, and Σ w·e and Σ w.
    means: Vec<Complex<T>>,
    ends: [T; 2],
}

impl<T: Real> Sums<T> {
    fn clear(&mut self) {
        let zero = Complex::new(T::ZERO, T::ZERO);
        self.columns.fill(zero);
        self.means.fill(zero);
        self.ends = [T::ZERO; 2];
    }
}

impl<T: Number> Gradient<'_, T> {
    fn applied(&self) -> &[Columns<T>] {
        if self.others.is_empty() { std::slice::from_ref(&self.left) } else { &self.others }
    }

    fn zero(&self) -> Sums<T> {
        let length: usize = self.applied().iter().map(Columns::len).sum();
        let zero = Complex::new(T::ZERO, T::ZERO);
        let means = if self.centred && self.flat.is_none() { vec![zero; length] } else { Vec::new() };
        Sums { columns: vec![zero; length], means, ends: [T::ZERO; 2] }
    }

    /// The sums of the weights in the place of residuals, all at once where each pattern has one weight.
    fn flat_means(&self, flat: &[(usize, T)]) -> Vec<Complex<T>> {
        let n = self.of.size();
        let mut sizes = vec![T::ZERO; n];
        sizes.par_chunks_mut(CHUNK).enumerate().for_each(|(at, sizes)| {
            for (l, scale) in flat {
                let masks = &self.of.mask::<T>(*l)[at * CHUNK..];
                sizes.iter_mut().zip(masks).for_each(|(size, d)| *size += *scale * (d.re * d.re + d.im * d.im));
            }
        });
        let mut means = Vec::new();
        for v in self.applied().iter().flat_map(Columns::iter) {
            means.extend(v.iter().zip(&sizes).map(|(v, size)| Complex::new(*size * v.re, *size * v.im)));
        }
        means
    }

    fn add(&self, part: &Seen, residual: &[T], work: &mut Work<T>, sums: &mut [Complex<T>]) {
        let mut rest = sums;
        for v in self.applied() {
            let (own, others) = rest.split_at_mut(v.len());
            self.of.add_pattern(part, residual, v, work, own);
            rest = others;
        }
    }

    /// Residuals of one pattern, and its part of the sums.
    fn part(&self, part: &Seen, given: (&[T], &[T]), work: &mut Work<T>, residual: &mut [T], sums: &mut Sums<T>) {
        let (target, weights) = given;
        if self.others.is_empty() {
            let given = (target, weights, self.loss);
            self.of.gradient_at_point(part, &self.left, given, work, (residual, &mut sums.columns));
        } else {
            self.of.pattern(part, (&self.left, self.right.as_ref()), work, residual);
            residual.iter_mut().zip(target).for_each(|(e, target)| *e -= *target);
            let mut r = std::mem::take(&mut work.r);
            r.clear();
            r.extend(residual.iter().zip(weights).map(|(e, w)| *w * self.loss.derivative(*e)));
            self.add(part, &r, work, &mut sums.columns);
            work.r = r;
        }
        if !self.centred {
            return;
        }
        if self.flat.is_none() {
            self.add(part, weights, work, &mut sums.means);
        }
        let (sum, total) = weighted(weights, residual);
        sums.ends[0] += rounded(sum);
        sums.ends[1] += rounded(total);
    }

    /// Adds a sum to the accumulator of the trial: gradients, then their means and both ends.
    fn finish(&self, sums: &Sums<T>, accumulator: &mut [T]) {
        let mut rest = accumulator;
        for all in [&sums.columns, &sums.means] {
            let mut columns = all.as_slice();
            for v in self.applied().iter().take_while(|_| !all.is_empty()) {
                let ((own, others), (out, after)) = (columns.split_at(v.len()), rest.split_at_mut(2 * v.len()));
                add_columns(own, self.of.size(), out);
                (columns, rest) = (others, after);
            }
        }
        rest.iter_mut().zip(sums.ends).for_each(|(out, end)| *out += end);
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

    /// The sums and the kept transforms of each thread, the sums of all, and the columns of points and of what is applied.
    fn pass_len(&self, search_rank: usize, factors: usize) -> usize {
        let sums = HostKernel::<T>::accumulator_len(self, search_rank, factors);
        let columns = self.size().saturating_mul(search_rank.max(2)).saturating_mul(2);
        let each = sums.saturating_add(columns);
        rayon::current_num_threads().saturating_mul(each).saturating_add(sums).saturating_add(columns.saturating_mul(4))
    }

    /// Patterns run in parallel inside, in `PARTS` parts whose sums are added in order.
    fn pass(&self, _schedule: PassSchedule, _shard: usize, loss: Loss, trials: &mut [TrialPass<'_, T>]) {
        let each = |trial: &mut TrialPass<'_, T>| self.pass_of(loss, trial);
        if trials.len() > 1 { trials.par_iter_mut().for_each(each) } else { trials.iter_mut().for_each(each) }
    }

    fn measure(&self, _schedule: PassSchedule, _shard: usize, trials: &mut [TrialPass<'_, T>]) {
        trials.par_iter_mut().for_each(|trial| {
            let (left, right) = ends(trial.point, trial.applied.search_rank);
            let all: Vec<(Seen, &[T], &mut [T])> = self.cut(trial.target, trial.residual);
            all.into_par_iter().for_each_init(Work::default, |work, (part, target, residual)| {
                self.pattern(&part, (&left, right.as_ref()), work, residual);
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

/// L and R of a prepared point, R where it is not L.
fn ends<T: Number>(point: &[T], k: usize) -> (Columns<T>, Option<Columns<T>>) {
    let (pair, single) = point.split_at(point.len() - 1);
    let (left, right) = pair.split_at(pair.len() / 2);
    (Columns::of(left, k), (single[0] == T::ZERO).then(|| Columns::of(right, k)))
}

impl CodedDiffraction {
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

    fn gradient<T: Number>(&self, loss: Loss, trial: &TrialPass<'_, T>) -> Gradient<'_, T> {
        let (k, length) = (trial.applied.search_rank, trial.accumulator.len());
        let (left, right) = ends(trial.point, k);
        let factors = [1, 2].map(|factors| HostKernel::<T>::accumulator_len(self, k, factors));
        let two = length == factors[1];
        let own = right.is_none() && !two && trial.applied.right == &trial.point[..2 * left.len()];
        let numbers = [(!own).then_some(trial.applied.right), two.then_some(trial.applied.left)];
        let others = numbers.into_iter().flatten().map(|v| Columns::of(v, k)).collect();
        let mut gradient = Gradient { of: self, left, right, others, centred: false, flat: None, loss };
        let first = self.measured.start;
        let flat = |(l, pixels): Seen| {
            let at = l * self.size() + pixels.start - first;
            let weight = constant(&trial.weights[at..at + pixels.len()]).filter(|_| pixels.len() == self.size())?;
            Some((l, rounded(self.size() as f64 * weight.to_f64())))
        };
        gradient.centred = length > 2 * gradient.applied().iter().map(Columns::len).sum::<usize>();
        if gradient.centred {
            gradient.flat = self.parts().collect::<Vec<_>>().into_par_iter().map(flat).collect();
        }
        gradient
    }

    fn pass_of<T: Number>(&self, loss: Loss, trial: &mut TrialPass<'_, T>) {
        let gradient = self.gradient(loss, trial);
        let mut all = self.cut(trial.target, trial.residual);
        let (first, weights, each) = (self.measured.start, trial.weights, all.len().div_ceil(PARTS).max(1));
        let mut total = gradient.zero();
        if let Some(flat) = &gradient.flat {
            total.means = gradient.flat_means(flat);
        }
        let threads = rayon::current_num_threads().min(PARTS);
        let mut slots: Vec<(Sums<T>, Work<T>)> = (0..threads).map(|_| (gradient.zero(), Work::default())).collect();
        // As many parts at a time as there are slots. They are added in the order of the parts.
        for parts in all.chunks_mut(each * threads) {
            let used = parts.len().div_ceil(each);
            slots[..used].par_iter_mut().zip(parts.par_chunks_mut(each)).for_each(|((sums, work), parts)| {
                sums.clear();
                for (part, target, residual) in parts {
                    let at = part.0 * self.size() + part.1.start - first;
                    gradient.part(part, (target, &weights[at..at + residual.len()]), work, residual, sums);
                }
            });
            let sums: Vec<&Sums<T>> = slots[..used].iter().map(|(sums, _)| sums).collect();
            add_in_order(&mut total.columns, &sums.iter().map(|sums| &*sums.columns).collect::<Vec<_>>());
            if gradient.flat.is_none() {
                add_in_order(&mut total.means, &sums.iter().map(|sums| &*sums.means).collect::<Vec<_>>());
            }
            let ends = sums.iter().flat_map(|sums| sums.ends.iter().enumerate());
            ends.for_each(|(at, end)| total.ends[at] += *end);
        }
        gradient.finish(&total, trial.accumulator);
    }
}
