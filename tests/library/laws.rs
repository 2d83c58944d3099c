//! The laws catch operators that lie.

use std::ops::Range;

use lowrank::Backend;
use lowrank::internals::laws::{ENGINE_LAWS, OPERATOR_LAWS};
use lowrank::laws;
use lowrank::operators::{Dense, Operator};
use lowrank::problem::{Domain, Factors};

use crate::says::says;

/// A wrapper around `dense` with one fault.
struct Broken {
    inner: Dense,
    fault: Fault,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    DroppedLastTerm,
    ForgottenFactorTwo,
    AdjointOverwrites,
    ShardsOverlap,
    WrongScale,
    TrialsSwapped,
}

impl Operator for Broken {
    fn name(&self) -> &str {
        "broken"
    }
    fn domain(&self) -> Domain {
        self.inner.domain()
    }
    fn measurements(&self) -> usize {
        self.inner.measurements()
    }
    fn normalization(&self) -> f64 {
        self.inner.normalization() * if self.fault == Fault::WrongScale { 3.0 } else { 1.0 }
    }
    fn is_isotropic(&self) -> bool {
        true
    }
    fn shards(&self) -> usize {
        2
    }
    fn shard_range(&self, shard: usize) -> Range<usize> {
        let (m, half) = (self.measurements(), self.measurements() / 2);
        let overlap = usize::from(self.fault == Fault::ShardsOverlap);
        if shard == 0 { 0..half } else { half - overlap..m }
    }
    fn sensing_matrix(&self, i: usize) -> Vec<f64> {
        self.inner.sensing_matrix(i)
    }
    fn forward(&self, shard: usize, point: &Factors, out: &mut [f64]) {
        let n = self.domain().rows();
        let range = self.shard_range(shard);
        let batch = point.batch();
        for trial in 0..batch {
            let from = if self.fault == Fault::TrialsSwapped { batch - 1 - trial } else { trial };
            for (at, i) in range.clone().enumerate() {
                let a = self.sensing_matrix(i);
                let mut sum = 0.0;
                for j in 0..n {
                    for l in 0..n {
                        let z: f64 =
                            point.left(from).row(j).iter().zip(point.right(from).row(l)).map(|(x, y)| x * y).sum();
                        let last = j == n - 1 && l == n - 1;
                        if self.fault == Fault::DroppedLastTerm && last {
                            continue;
                        }
                        let half = self.fault == Fault::ForgottenFactorTwo && j != l;
                        sum += a[j * n + l] * z * if half { 0.5 } else { 1.0 };
                    }
                }
                out[trial * range.len() + at] = sum;
            }
        }
    }
    fn adjoint_apply(&self, shard: usize, residual: &[f64], applied: &Factors, out: &mut [f64]) {
        let n = self.domain().rows();
        let k = applied.search_rank();
        let range = self.shard_range(shard);
        if self.fault == Fault::AdjointOverwrites {
            out.fill(0.0);
        }
        for trial in 0..applied.batch() {
            for (at, i) in range.clone().enumerate() {
                let (a, r) = (self.sensing_matrix(i), residual[trial * range.len() + at]);
                for j in 0..n {
                    for l in 0..n {
                        for c in 0..k {
                            out[(trial * n + j) * k + c] += r * a[j * n + l] * applied.right(trial).row(l)[c];
                        }
                    }
                }
            }
        }
    }
}

fn broken(fault: Fault) -> Broken {
    Broken { inner: Dense::gaussian(Domain::symmetric(7), 150, 3).unwrap(), fault }
}

#[test]
fn an_honest_operator_passes_every_law() {
    let held = laws::check(&broken(Fault::None)).unwrap();
    // Every law but exactness on integers, which Gaussian matrices have none of.
    assert_eq!(held, OPERATOR_LAWS.len() + 3 * (ENGINE_LAWS.len() - 1));
}

#[test]
fn every_fault_is_caught() {
    for fault in [
        Fault::DroppedLastTerm,
        Fault::ForgottenFactorTwo,
        Fault::AdjointOverwrites,
        Fault::WrongScale,
        Fault::TrialsSwapped,
    ] {
        let message = laws::check(&broken(fault)).expect_err(&format!("{fault:?} was not caught")).to_string();
        assert!(says(&message, "operator broken"), "{fault:?}: {message}");
    }
    let law = OPERATOR_LAWS.iter().find(|law| law.name == "shards partition").unwrap();
    assert!(law.check(&broken(Fault::ShardsOverlap)).is_err());
}

/// The matrices of an operator with shards that are cut as the contract cuts them.
struct Cut {
    whole: Broken,
    shards: usize,
}

impl Operator for Cut {
    fn name(&self) -> &str {
        "cut"
    }
    fn domain(&self) -> Domain {
        self.whole.domain()
    }
    fn measurements(&self) -> usize {
        self.whole.measurements()
    }
    fn normalization(&self) -> f64 {
        self.whole.normalization()
    }
    fn shards(&self) -> usize {
        self.shards
    }
    fn sensing_matrix(&self, i: usize) -> Vec<f64> {
        self.whole.sensing_matrix(i)
    }
    fn forward(&self, shard: usize, point: &Factors, out: &mut [f64]) {
        let range = self.shard_range(shard);
        for trial in 0..point.batch() {
            let (l, r, k) = (point.left(trial), point.right(trial), point.search_rank());
            for (at, i) in range.clone().enumerate() {
                let (n, a) = (self.domain().rows(), self.sensing_matrix(i));
                let z = |at: usize| (0..k).map(|c| l.row(at / n)[c] * r.row(at % n)[c]).sum::<f64>();
                out[trial * range.len() + at] = (0..n * n).map(|at| a[at] * z(at)).sum();
            }
        }
    }
    fn adjoint_apply(&self, shard: usize, residual: &[f64], applied: &Factors, out: &mut [f64]) {
        let (n, k, range) = (self.domain().rows(), applied.search_rank(), self.shard_range(shard));
        for trial in 0..applied.batch() {
            for (at, i) in range.clone().enumerate() {
                let (a, e) = (self.sensing_matrix(i), residual[trial * range.len() + at]);
                for at in 0..n * n {
                    let v = applied.right(trial).row(at % n);
                    (0..k).for_each(|c| out[(trial * n + at / n) * k + c] += e * a[at] * v[c]);
                }
            }
        }
    }
}

/// The default cut gives every measurement to one shard, more shards than measurements included, and the default
/// kernels obey the laws with one shard, whose trials are the parallel work, and with several.
#[test]
fn shards_are_cut_evenly_unless_the_operator_says_how() {
    for shards in [1, 4, 7, 200] {
        let cut = Cut { whole: broken(Fault::None), shards };
        let lengths: Vec<usize> = (0..shards).map(|shard| cut.shard_range(shard).len()).collect();
        assert_eq!(lengths.iter().sum::<usize>(), 150);
        assert!(
            lengths.iter().all(|length| [150 / shards, 150_usize.div_ceil(shards)].contains(length)),
            "{lengths:?}"
        );
        // Every law but exactness on integers, and the isometry that it does not claim.
        assert_eq!(laws::check(&cut).unwrap(), OPERATOR_LAWS.len() - 1 + 3 * (ENGINE_LAWS.len() - 1));
    }
}

#[test]
fn one_backend_is_checked_alone() {
    let each = ENGINE_LAWS.len() - 1;
    for (backend, places) in [(Backend::Reference, 1), (Backend::Cpu, 2)] {
        assert_eq!(laws::check_on(&broken(Fault::None), &backend).unwrap(), OPERATOR_LAWS.len() + places * each);
    }
    assert!(laws::check_on(&broken(Fault::WrongScale), &Backend::Cpu).is_err());
}
