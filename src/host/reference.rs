//! The reference engine: f64, one thread, the operators' functions as they are written.

use std::ops::Range;
use std::sync::Arc;

use crate::engine::{Engine, Load};
use crate::engine::{EngineInfo, Precision, unknown_variant};
use crate::error::Result;
use crate::host::machine::{Attendance, Machine, Passes, Request};
use crate::host::registers::Registers;
use crate::host::rows::{HostRows, Kernel, Spare};
use crate::memory::Memory;
use crate::operators::{InstructionSet, Loss, Operator};
use crate::problem::Factors;
use crate::tape::{Lane, Matrix, Pass, Program, Register, Rows, Values};

/// A and A* shard by shard, trial by trial, lane by lane.
struct Sequential<'a> {
    operator: Arc<dyn Operator + 'a>,
    shards: Vec<Range<usize>>,
    spare: Spare<f64>,
}

/// An engine that interprets the tape in f64 with one thread.
///
/// # Errors
/// [`crate::Error::Invalid`] for a variant other than `reference`.
pub(crate) fn load<'a>(load: &Load<'a>) -> Result<Box<dyn Engine + 'a>> {
    if let Some(variant) = load.variant.as_deref().filter(|variant| *variant != "reference") {
        return Err(unknown_variant(variant, &["reference"]));
    }
    let (operator, program) = (load.operator.clone(), load.program.clone());
    let (batch, m) = (load.batch, operator.measurements());
    let cost = operator.cost(batch, super::width(&program));
    let memory = Memory { parts: super::held::<f64>(&program, batch, m) };
    memory.require("batch", "Run fewer trials at a time")?;
    let info = EngineInfo {
        backend: "reference".into(),
        adapter: "processor".into(),
        driver: String::new(),
        software_adapter: false,
        precision: Precision::F64,
        storage: operator.stored_in(),
        threads: 1,
        variant: format!("{}/reference", operator.name()),
        candidates: Vec::new(),
        operator_bytes_per_iteration: cost.bytes * program.passes(),
        operator_bytes: cost.bytes as u64,
        panels: 1,
        streamed_panels: 0,
        streamed_bytes_per_iteration: 0,
        memory,
        notices: Vec::new(),
        settled: true,
        f64_passes: None,
        team: None,
    };
    let shards = (0..operator.shards()).map(|shard| operator.shard_range(shard)).collect();
    let centred = operator.is_centred();
    let passes = Sequential { operator, shards, spare: Spare::new() };
    Ok(Box::new(Machine::new(program, passes, info, (batch, m, centred))))
}

/// Two matrices of a trial in the operator's form.
fn pair(registers: &Registers<f64>, left: Matrix, right: Matrix, trial: usize) -> Result<Factors> {
    let (l, r) = (registers.block(left), registers.block(right));
    let (of_left, of_right) = (registers.matrix(left, trial).to_vec(), registers.matrix(right, trial).to_vec());
    Factors::ends((l.rows, of_left), (r.rows, of_right), l.columns)
}

impl Sequential<'_> {
    /// Numbers vᵢ of a lane and a trial, over all measurements.
    fn values(&self, lane: &Lane, registers: &Registers<f64>, trial: usize) -> Result<Vec<f64>> {
        let own = |at: crate::tape::Measured| -> Vec<f64> {
            let of = |shard: &Vec<f64>| {
                let length = shard.len() / registers.batch();
                shard[trial * length..(trial + 1) * length].to_vec()
            };
            registers.measured(at).iter().flat_map(of).collect()
        };
        match &lane.values {
            Values::Given(at) => Ok(own(*at)),
            Values::Measure { left, right, minus, .. } => {
                let point = pair(registers, *left, *right, trial)?;
                let mut out = vec![0.0; self.operator.measurements()];
                for (shard, range) in self.shards.iter().enumerate() {
                    self.operator.forward(shard, &point, &mut out[range.clone()]);
                }
                if let Some(minus) = minus {
                    out.iter_mut().zip(own(*minus)).for_each(|(v, minus)| *v -= minus);
                }
                Ok(out)
            }
        }
    }

    /// V, or W where `transposed`, in the operator's form.
    fn one_side(&self, transposed: bool, matrix: &[f64], columns: usize) -> Result<Factors> {
        let shape = self.operator.domain();
        if shape.is_symmetric() {
            return Factors::thin(shape.rows(), columns, matrix.to_vec());
        }
        let nothing = |rows: usize| (rows, vec![0.0; rows * columns]);
        match transposed {
            true => Factors::ends((shape.rows(), matrix.to_vec()), nothing(shape.columns()), columns),
            false => Factors::ends(nothing(shape.rows()), (shape.columns(), matrix.to_vec()), columns),
        }
    }

    /// Coefficients wᵢρ′(vᵢ − v̄), 0 outside a group.
    fn coefficients(&self, v: &[f64], weights: &[f64], loss: Loss, group: &Range<usize>) -> Vec<f64> {
        let used = || (0..v.len()).filter(|i| group.contains(i) && weights[*i] != 0.0);
        let mean = match self.operator.is_centred() {
            false => 0.0,
            true => used().map(|i| weights[i] * v[i]).sum::<f64>() / used().map(|i| weights[i]).sum::<f64>(),
        };
        let mut out = vec![0.0; v.len()];
        used().for_each(|i| out[i] = weights[i] * loss.derivative(v[i] - mean));
        out
    }
}

impl Passes<f64> for Sequential<'_> {
    fn shards(&self) -> &[Range<usize>] {
        &self.shards
    }

    fn pass(&mut self, pass: &Pass, request: &Request<'_>, registers: &mut Registers<f64>) -> Result<()> {
        let batch = registers.batch();
        let group = request.group.clone().unwrap_or(0..self.operator.measurements());
        for lane in &pass.lanes {
            for trial in (0..batch).filter(|trial| request.active[*trial]) {
                let v = self.values(lane, registers, trial)?;
                if let Some(adjoint) = &lane.adjoint {
                    let weights: Vec<f64> = (registers.measured(request.program.weights).iter())
                        .flat_map(|shard| &shard[trial * (shard.len() / batch)..(trial + 1) * (shard.len() / batch)])
                        .copied()
                        .collect();
                    let loss = if adjoint.influence { request.program.loss } else { Loss::Square };
                    let r = self.coefficients(&v, &weights, loss, &group);
                    for (transposed, of) in [(false, adjoint.left), (true, adjoint.right)] {
                        let Some((applied, out)) = of else { continue };
                        let block = registers.block(applied);
                        let factors = self.one_side(transposed, registers.matrix(applied, trial), block.columns)?;
                        let (size, range) = (registers.size(out.register), registers.range(out));
                        let mut values = registers.take_blocks(out.register);
                        let own = &mut values[trial * size + range.start..trial * size + range.end];
                        own.fill(0.0);
                        for (shard, range) in self.shards.iter().enumerate() {
                            match transposed {
                                false => self.operator.adjoint_apply(shard, &r[range.clone()], &factors, own),
                                true => self.operator.adjoint_apply_transposed(shard, &r[range.clone()], &factors, own),
                            }
                        }
                        registers.put_blocks(out.register, values);
                    }
                }
                if let Values::Measure { out, .. } = &lane.values {
                    let mut shards = registers.take_measured(*out);
                    for (own, range) in shards.iter_mut().zip(&self.shards) {
                        own[trial * range.len()..(trial + 1) * range.len()].copy_from_slice(&v[range.clone()]);
                    }
                    registers.put_measured(*out, shards);
                }
            }
        }
        Ok(())
    }

    fn rows<'r>(
        &'r mut self,
        registers: &'r Registers<f64>,
        program: &Program,
        trial: usize,
    ) -> Result<Box<dyn Rows + 'r>> {
        let operator: &dyn Operator = &*self.operator;
        let vectors = [program.target, program.weights].map(|at| registers.measured(at));
        let how = (operator, Kernel::of(operator, None), InstructionSet::Portable);
        Ok(Box::new(HostRows::new(how, &self.shards, vectors, trial, &self.spare)))
    }

    fn total(&mut self, by_shard: Vec<Vec<f64>>) -> Result<Vec<f64>> {
        Ok(super::in_order(by_shard))
    }

    fn gather(&mut self, registers: &Registers<f64>, _iterate: Register, own: &[Vec<f64>]) -> Result<Vec<f64>> {
        Ok(super::side_by_side(own, registers.batch()))
    }

    fn agree(&mut self, _numbers: &mut [f64]) -> Result<()> {
        Ok(())
    }

    fn attendance(&self) -> Attendance {
        Attendance::Alone
    }

    fn report(&self, _info: &mut EngineInfo) {}
}
