//! Slots of the engines of parts: one slot per lane of a trial, two for centred residuals.

use crate::distributed::tree::Node;
use crate::host::registers::Registers;
use crate::problem::Domain;
use crate::real::{Real, convert};
use crate::tape::{Matrix, Measured, Pass, Program, Values};

/// Number and sizes of slots.
#[derive(Clone, Copy)]
pub(super) struct Slots {
    pub(super) shape: Domain,
    pub(super) search_rank: usize,
    pub(super) batch: usize,
    /// Lanes of the widest pass.
    pub(super) lanes: usize,
    pub(super) centred: bool,
    /// Whether some pass asks for Gᵀ W beside G V.
    pub(super) two_sided: bool,
}

impl Slots {
    /// Slots per lane of a trial.
    fn doubled(&self) -> usize {
        if self.centred { 2 } else { 1 }
    }

    pub(super) fn count(&self) -> usize {
        self.batch * self.lanes * self.doubled()
    }

    pub(super) fn slot(&self, trial: usize, lane: usize) -> usize {
        (trial * self.lanes + lane) * self.doubled()
    }

    /// Numbers of L and of R.
    fn sizes(&self) -> [usize; 2] {
        [self.shape.rows() * self.search_rank, self.shape.columns() * self.search_rank]
    }

    /// Numbers of moments and sums per trial.
    pub(super) fn node_numbers(&self, lanes: usize) -> (usize, usize) {
        let [left, right] = self.sizes();
        let sums = left + if self.two_sided { right } else { 0 };
        (if self.centred { 2 * lanes } else { 0 }, lanes * self.doubled() * sums)
    }

    /// Bytes of a gradient node per trial.
    pub(super) fn node_bytes<T>(&self) -> usize {
        let (moments, sums) = self.node_numbers(1);
        moments * size_of::<f64>() + sums * size_of::<T>()
    }

    /// (L, R) and (W, V) of all slots.
    pub(super) fn arguments<T: Real>(&self, pass: &Pass, registers: &Registers<T>) -> (Vec<f64>, Vec<f64>) {
        let [left, right] = self.sizes();
        let (mut point, mut applied) =
            (vec![0.0; self.count() * (left + right)], vec![0.0; self.count() * (left + right)]);
        let put = |out: &mut [f64], slot: usize, at: usize, matrix: Matrix, trial: usize| {
            let values: Vec<f64> = convert(registers.matrix(matrix, trial));
            out[slot * (left + right) + at..][..values.len()].copy_from_slice(&values);
        };
        for trial in 0..self.batch {
            for (lane, of) in pass.lanes.iter().enumerate() {
                let slot = self.slot(trial, lane);
                if let Values::Measure { left: l, right: r, .. } = &of.values {
                    put(&mut point, slot, 0, *l, trial);
                    put(&mut point, slot, left, *r, trial);
                }
                let Some(adjoint) = &of.adjoint else { continue };
                for slot in slot..slot + self.doubled() {
                    if let Some((v, _)) = adjoint.left {
                        put(&mut applied, slot, left, v, trial);
                    }
                    if let Some((w, _)) = adjoint.right {
                        put(&mut applied, slot, 0, w, trial);
                    }
                }
            }
        }
        (point, applied)
    }

    pub(super) fn active(&self, lanes: usize, active: &[bool]) -> Vec<bool> {
        let of =
            |trial: usize| (0..self.lanes * self.doubled()).map(move |at| active[trial] && at / self.doubled() < lanes);
        (0..self.batch).flat_map(of).collect()
    }

    /// Targets and weights of the slots over the measurements of part `index`.
    pub(super) fn observed<T: Real>(
        &self,
        pass: &Pass,
        program: &Program,
        registers: &Registers<T>,
        index: usize,
    ) -> [Vec<f64>; 2] {
        let own = |at: Measured, trial: usize| -> Vec<f64> {
            let shard = &registers.measured(at)[index];
            let length = shard.len() / self.batch;
            convert(&shard[trial * length..(trial + 1) * length])
        };
        let (mut target, mut weights) = (Vec::new(), Vec::new());
        for trial in 0..self.batch {
            let of_trial = own(program.weights, trial);
            for lane in 0..self.lanes {
                let minus = match pass.lanes.get(lane).map(|lane| &lane.values) {
                    Some(Values::Measure { minus: Some(minus), .. }) => own(*minus, trial),
                    // At the point 0 the residual is 0 − minus.
                    Some(Values::Given(values)) => own(*values, trial).into_iter().map(|v| 0.0 - v).collect(),
                    _ => vec![0.0; of_trial.len()],
                };
                target.extend(minus);
                weights.extend_from_slice(&of_trial);
                if self.centred {
                    target.extend(std::iter::repeat_n(-1.0, of_trial.len()));
                    weights.extend_from_slice(&of_trial);
                }
            }
        }
        [target, weights]
    }

    /// Two vectors over the measurements of part `index` for the first slot of each trial; 0 for the others.
    pub(super) fn of_trials<T: Real>(
        &self,
        vectors: [Measured; 2],
        registers: &Registers<T>,
        index: usize,
    ) -> [Vec<f64>; 2] {
        vectors.map(|vector| {
            let shard = &registers.measured(vector)[index];
            let length = shard.len() / self.batch;
            let mut all = vec![0.0; self.count() * length];
            for (trial, own) in shard.chunks(length.max(1)).enumerate() {
                all[self.slot(trial, 0) * length..][..length].copy_from_slice(&convert::<T, f64>(own));
            }
            all
        })
    }

    /// A part's node, and its residuals by trial and lane.
    pub(super) fn leaf<T: Real>(
        &self,
        lanes: usize,
        trials: &[usize],
        found: &[Vec<f64>; 2],
        weights: &[f64],
        length: usize,
    ) -> (Node<T>, Vec<Vec<T>>) {
        let [left, right] = self.sizes();
        let wanted = if self.two_sided { left + right } else { left };
        let (mut node, mut residuals) = (Node { moments: Vec::new(), sums: Vec::new() }, Vec::new());
        for &trial in trials {
            for lane in 0..lanes {
                let slot = self.slot(trial, lane);
                let e = &found[0][slot * length..(slot + 1) * length];
                residuals.push(convert(e));
                if self.centred {
                    // A weight of 0 must hide an infinite residual too.
                    let pairs = e.iter().zip(&weights[slot * length..(slot + 1) * length]).filter(|(_, w)| **w != 0.0);
                    let (sum, weight) = pairs.fold((0.0, 0.0), |(sum, weight), (e, w)| (sum + w * e, weight + w));
                    node.moments.extend([weight, sum]);
                }
                for slot in slot..slot + self.doubled() {
                    let sums = &found[1][slot * (left + right)..][..wanted];
                    node.sums.extend(sums.iter().map(|v| T::from_f64(*v)));
                }
            }
        }
        (node, residuals)
    }

    /// Writes the adjoints that the lanes ask for.
    pub(super) fn put<T: Real>(&self, pass: &Pass, trials: &[usize], node: &Node<T>, registers: &mut Registers<T>) {
        let [left, right] = self.sizes();
        let wanted = if self.two_sided { left + right } else { left };
        let mut sums = node.sums.chunks(wanted);
        let mut moments = node.moments.chunks(2);
        for &trial in trials {
            for lane in &pass.lanes {
                let Some(of_values) = sums.next() else { return };
                let values: Vec<T> = match self.centred {
                    false => of_values.to_vec(),
                    true => {
                        let (Some(ones), Some(of)) = (sums.next(), moments.next()) else { return };
                        let mean = if of[0] > 0.0 { of[1] / of[0] } else { 0.0 };
                        let one = |(sum, one): (&T, &T)| T::from_f64(sum.to_f64() - mean * one.to_f64());
                        of_values.iter().zip(ones).map(one).collect()
                    }
                };
                let Some(adjoint) = &lane.adjoint else { continue };
                for (out, from) in [(adjoint.left, 0), (adjoint.right, left)] {
                    let Some((_, out)) = out else { continue };
                    let (size, range) = (registers.size(out.register), registers.range(out));
                    let mut all = registers.take_blocks(out.register);
                    all[trial * size + range.start..trial * size + range.end]
                        .copy_from_slice(&values[from..from + range.len()]);
                    registers.put_blocks(out.register, all);
                }
            }
        }
    }
}
