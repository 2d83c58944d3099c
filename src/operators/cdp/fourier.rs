//! Discrete Fourier transforms over any number of axes.

use std::f64::consts::TAU;
use std::ops::Range;
use std::sync::Arc;

use faer::c64;
use rustfft::num_complex::Complex;
use rustfft::{Fft, FftNum, FftPlanner};

/// Lines across an array that are transformed together, and numbers between them. A cache line of the array holds numbers of several
/// lines; with the padding, lines of a power of two do not fall into the same sets of the cache.
const LINES: usize = 16;
const PADDING: usize = 4;

/// F or its adjoint Fᴴ.
#[derive(Clone, Copy)]
pub(super) enum Direction {
    Forward,
    Adjoint,
}

/// The length of an axis and its transforms in both directions.
struct Axis<T: FftNum> {
    n: usize,
    plans: [Arc<dyn Fft<T>>; 2],
}

/// The transform F of arrays of a shape, row-major, without a factor, and its adjoint Fᴴ.
///
/// It is taken in two steps: slabs, which lie along the first axis, and then lines across them.
pub(super) struct Fourier<T: FftNum> {
    shape: Vec<usize>,
    /// At least two; the first is of length 1 for arrays with one axis.
    axes: Vec<Axis<T>>,
}

/// Working memory of transforms.
pub(super) struct Scratch<T> {
    plan: Vec<Complex<T>>,
    lines: Vec<Complex<T>>,
}

impl<T> Default for Scratch<T> {
    fn default() -> Self {
        Self { plan: Vec::new(), lines: Vec::new() }
    }
}

impl<T: FftNum> Axis<T> {
    /// Numbers from one gathered line to the next.
    fn length(&self) -> usize {
        self.n + PADDING
    }

    fn transform(&self, x: &mut [Complex<T>], direction: Direction, scratch: &mut Vec<Complex<T>>) {
        let plan = &self.plans[direction as usize];
        scratch.resize(scratch.len().max(plan.get_inplace_scratch_len()), zero());
        plan.process_with_scratch(x, scratch);
    }

    fn transform_lines(&self, lines: &mut [Complex<T>], direction: Direction, scratch: &mut Vec<Complex<T>>) {
        if self.n > 1 {
            lines.chunks_mut(self.length()).for_each(|line| self.transform(&mut line[..self.n], direction, scratch));
        }
    }

    /// Copies neighbouring lines across an array to one after the other.
    fn gather(&self, x: &[Complex<T>], some: &Range<usize>, lines: &mut [Complex<T>]) {
        let length = self.length();
        for (i, row) in x.chunks(x.len() / self.n).enumerate() {
            row[some.clone()].iter().enumerate().for_each(|(line, v)| lines[line * length + i] = *v);
        }
    }

    /// Copies them back.
    fn scatter(&self, lines: &[Complex<T>], some: &Range<usize>, x: &mut [Complex<T>]) {
        let length = self.length();
        for (i, row) in x.chunks_mut(x.len() / self.n).enumerate() {
            row[some.clone()].iter_mut().enumerate().for_each(|(line, v)| *v = lines[line * length + i]);
        }
    }

    fn across(&self, x: &mut [Complex<T>], direction: Direction, scratch: &mut Scratch<T>) {
        if self.n == 1 {
            return;
        }
        let Scratch { plan, lines } = scratch;
        lines.resize(lines.len().max(LINES * self.length()), zero());
        for some in lots(x.len() / self.n) {
            let lines = &mut lines[..some.len() * self.length()];
            self.gather(x, &some, lines);
            self.transform_lines(lines, direction, plan);
            self.scatter(lines, &some, x);
        }
    }
}

fn zero<T: FftNum>() -> Complex<T> {
    Complex::new(T::zero(), T::zero())
}

/// Neighbouring lines that are taken at once.
fn lots(lines: usize) -> impl Iterator<Item = Range<usize>> {
    (0..lines).step_by(LINES).map(move |first| first..lines.min(first + LINES))
}

fn along<T: FftNum>(axes: &[Axis<T>], x: &mut [Complex<T>], direction: Direction, scratch: &mut Scratch<T>) {
    match axes {
        [] => {}
        [only] => only.transform(x, direction, &mut scratch.plan),
        [first, others @ ..] => {
            x.chunks_mut(x.len() / first.n).for_each(|slab| along(others, slab, direction, scratch));
            first.across(x, direction, scratch);
        }
    }
}

impl<T: FftNum> Fourier<T> {
    pub(super) fn new(shape: &[usize]) -> Self {
        let mut planner = FftPlanner::new();
        let mut axis = |n: &usize| Axis { n: *n, plans: [planner.plan_fft_forward(*n), planner.plan_fft_inverse(*n)] };
        let one = [1].iter().filter(|_| shape.len() < 2);
        Self { shape: shape.to_vec(), axes: one.chain(shape).map(&mut axis).collect() }
    }

    pub(super) fn shape(&self) -> &[usize] {
        &self.shape
    }

    pub(super) fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Numbers of a slab.
    pub(super) fn slab_len(&self) -> usize {
        self.len() / self.axes[0].n
    }

    /// Transforms a slab along its axes.
    pub(super) fn slab(&self, x: &mut [Complex<T>], direction: Direction, scratch: &mut Scratch<T>) {
        along(&self.axes[1..], x, direction, scratch);
    }

    /// Transforms an array along its first axis, across the slabs.
    pub(super) fn across(&self, x: &mut [Complex<T>], direction: Direction, scratch: &mut Scratch<T>) {
        self.axes[0].across(x, direction, scratch);
    }
}

impl Fourier<f64> {
    /// Entry (i, j) of F, exact for axes of length 1 and 2.
    pub(super) fn entry(&self, mut i: usize, mut j: usize) -> c64 {
        let mut entry = c64::new(1.0, 0.0);
        for n in self.shape.iter().rev() {
            let turns = (i % n) * (j % n) % n;
            entry *= match (4 * turns) as f64 / *n as f64 {
                0.0 => c64::new(1.0, 0.0),
                1.0 => c64::new(0.0, -1.0),
                2.0 => c64::new(-1.0, 0.0),
                3.0 => c64::new(0.0, 1.0),
                quarters => c64::from_polar(1.0, -TAU * quarters / 4.0),
            };
            (i, j) = (i / n, j / n);
        }
        entry
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transforms_are_their_matrices_and_adjoints() {
        for shape in [vec![1], vec![6], vec![3, 4], vec![3, 20], vec![2, 2, 2], vec![2, 5, 9]] {
            let fourier = Fourier::new(&shape);
            let n = fourier.len();
            let x: Vec<c64> = (0..n).map(|i| c64::new((i as f64 * 1.3).sin(), (i as f64 * 0.7).cos())).collect();
            let (mut forward, mut adjoint) = (x.clone(), x.clone());
            let mut scratch = Scratch::default();
            for (x, direction) in [(&mut forward, Direction::Forward), (&mut adjoint, Direction::Adjoint)] {
                x.chunks_mut(fourier.slab_len()).for_each(|slab| fourier.slab(slab, direction, &mut scratch));
                fourier.across(x, direction, &mut scratch);
            }
            for i in 0..n {
                let sum = |of: &dyn Fn(usize) -> c64| (0..n).map(|j| of(j) * x[j]).sum::<c64>();
                assert!((forward[i] - sum(&|j| fourier.entry(i, j))).norm() < 1e-12, "{shape:?}");
                assert!((adjoint[i] - sum(&|j| fourier.entry(j, i).conj())).norm() < 1e-12, "{shape:?}");
            }
        }
    }
}
