//! The laws catch operators that lie.

use std::ops::Range;

use lowrank::internals::laws::{ENGINE_LAWS, OPERATOR_LAWS};
use lowrank::laws;
use lowrank::operators::{Dense, Operator};
use lowrank::problem::{Domain, Factors};

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
        assert!(message.starts_with("operator broken breaks"), "{fault:?}: {message}");
    }
    let law = OPERATOR_LAWS.iter().find(|law| law.name == "shards partition").unwrap();
    assert!(law.check(&broken(Fault::ShardsOverlap)).is_err());
}
