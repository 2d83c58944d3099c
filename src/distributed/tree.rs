//! What ranks add: a tree over the parts of the measurements, and the nodes in it.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::operators::Loss;
use crate::real::Real;

/// The m measurements in P parts.
#[derive(Clone, Copy)]
pub(super) struct Cut {
    pub(super) measurements: usize,
    pub(super) parts: usize,
    pub(super) ranks: usize,
}

impl Cut {
    /// The parts of a rank.
    pub(super) fn of_rank(self, rank: usize) -> Range<usize> {
        rank * self.parts / self.ranks..(rank + 1) * self.parts / self.ranks
    }

    /// The measurements of neighbouring parts.
    pub(super) fn measurements_of(self, parts: Range<usize>) -> Range<usize> {
        let at = |part: usize| (self.measurements as u128 * part as u128 / self.parts as u128) as usize;
        at(parts.start)..at(parts.end)
    }

    /// The largest nodes of the tree that lie in a run of parts, in order.
    pub(super) fn nodes(self, own: &Range<usize>) -> Vec<Range<usize>> {
        fn visit(node: Range<usize>, own: &Range<usize>, out: &mut Vec<Range<usize>>) {
            if own.start <= node.start && node.end <= own.end {
                out.push(node);
            } else if node.start < own.end && own.start < node.end {
                let (left, right) = halves(&node);
                visit(left, own, out);
                visit(right, own, out);
            }
        }
        let mut out = Vec::new();
        visit(0..self.parts, own, &mut out);
        out
    }
}

/// The children of a node of several parts.
fn halves(node: &Range<usize>) -> (Range<usize>, Range<usize>) {
    let middle = node.start + node.len() / 2;
    (node.start..middle, middle..node.end)
}

/// Of the residuals of a trial: Σw, Σwe/Σw, and Σ wρ(e), about that mean where residuals are centred.
#[derive(Clone, Copy, Debug, Default, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub(super) struct Moments {
    pub(super) weight: f64,
    pub(super) mean: f64,
    pub(super) energy: f64,
}

impl Moments {
    pub(super) fn new(centred: bool, loss: Loss, pairs: &[(f64, f64)]) -> Self {
        let weight: f64 = pairs.iter().map(|(_, w)| w).sum();
        let mean = if weight > 0.0 { pairs.iter().map(|(e, w)| w * e).sum::<f64>() / weight } else { 0.0 };
        let from = if centred { mean } else { 0.0 };
        Self { weight, mean, energy: pairs.iter().map(|(e, w)| w * loss.value(e - from)).sum() }
    }

    /// Of both together; Σ w(e − ē)² grows by δ²ww′/(w + w′), δ the difference of the means.
    fn and(self, other: Self, centred: bool) -> Self {
        let weight = self.weight + other.weight;
        if self.weight == 0.0 || other.weight == 0.0 {
            return if self.weight == 0.0 { other } else { self };
        }
        let apart = other.mean - self.mean;
        let between = if centred { 0.5 * apart * apart * self.weight * (other.weight / weight) } else { 0.0 };
        Self { weight, mean: self.mean + apart * (other.weight / weight), energy: self.energy + other.energy + between }
    }
}

/// What is summed over measurements: moments of each active trial, and the sums of each of its lanes, left and right.
#[derive(Clone, Default)]
pub(super) struct Node<T> {
    pub(super) moments: Vec<Moments>,
    pub(super) sums: Vec<T>,
}

impl<T: Real> Node<T> {
    fn add(mut self, other: Self, centred: bool) -> Self {
        self.moments.iter_mut().zip(other.moments).for_each(|(a, b)| *a = a.and(b, centred));
        self.sums.iter_mut().zip(other.sums).for_each(|(a, b)| *a += b);
        self
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(bytemuck::cast_slice(&self.moments));
        out.extend_from_slice(bytemuck::cast_slice(&self.sums));
    }

    pub(super) fn read(bytes: &[u8], trials: usize) -> Self {
        let (moments, sums) = bytes.split_at(trials * size_of::<Moments>());
        Self { moments: bytemuck::pod_collect_to_vec(moments), sums: bytemuck::pod_collect_to_vec(sums) }
    }
}

/// The sum below a node, from those of nodes that cover it.
pub(super) fn sum<T: Real>(
    node: Range<usize>,
    known: &mut BTreeMap<(usize, usize), Node<T>>,
    centred: bool,
) -> Node<T> {
    if let Some(found) = known.remove(&(node.start, node.end)) {
        return found;
    }
    if node.len() <= 1 {
        return Node::default();
    }
    let (left, right) = halves(&node);
    let left = sum(left, known, centred);
    left.add(sum(right, known, centred), centred)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_of_all_ranks_cover_the_parts_in_order_and_sum_alike() {
        let leaf = |part: usize| Node { moments: Vec::new(), sums: vec![(part as f32 + 0.1).sqrt()] };
        let mut first = None;
        for ranks in 1..=7 {
            let cut = Cut { measurements: 100, parts: 12, ranks };
            let mut handed = BTreeMap::new();
            let mut next = 0;
            for own in (0..ranks).map(|rank| cut.of_rank(rank)) {
                let mut known = own.clone().map(|part| ((part, part + 1), leaf(part))).collect();
                for node in cut.nodes(&own) {
                    assert_eq!(node.start, next);
                    next = node.end;
                    handed.insert((node.start, node.end), sum(node, &mut known, false));
                }
            }
            assert_eq!(next, 12);
            let total = sum(0..12, &mut handed, false).sums[0];
            assert_eq!(total.to_bits(), *first.get_or_insert(total.to_bits()), "{ranks} ranks");
        }
        let nodes = |ranks| Cut { measurements: 100, parts: 12, ranks }.nodes(&(0..12 / ranks)).len();
        assert_eq!([nodes(1), nodes(2), nodes(3), nodes(4)], [1, 1, 2, 1]);
    }

    #[test]
    fn moments_of_two_halves_are_those_of_the_whole() {
        let pairs: Vec<(f64, f64)> = (0..9).map(|i| (1e3 + f64::from(i).sin(), f64::from(i % 3))).collect();
        let whole = Moments::new(true, Loss::Square, &pairs);
        let halves =
            Moments::new(true, Loss::Square, &pairs[..4]).and(Moments::new(true, Loss::Square, &pairs[4..]), true);
        approx::assert_relative_eq!(halves.energy, whole.energy, max_relative = 1e-9);
        approx::assert_relative_eq!(halves.mean, whole.mean, max_relative = 1e-14);
        assert_eq!(whole.and(Moments::default(), true), whole);
    }
}
