//! Engines in the hands of tests: the registers of a program by name, and evaluations of gradients.
#![allow(dead_code)]

use std::sync::Arc;

use lowrank::Error;
use lowrank::engine::EngineInfo;
use lowrank::internals::engine::Engine;
use lowrank::internals::tape::{Evaluation, Program, Sides};
use lowrank::operators::{Loss, Operator};
use lowrank::problem::Factors;
use lowrank::tape::Register;

/// An engine and what it was loaded with.
pub struct Running<'a> {
    pub engine: Box<dyn Engine + 'a>,
    pub program: Arc<Program>,
}

impl Running<'_> {
    fn register(&self, name: &str) -> Register {
        self.program.find(name).unwrap_or_else(|| panic!("the program has no register '{name}'"))
    }

    pub fn put(&mut self, name: &str, values: &[f64]) -> Result<(), Error> {
        self.engine.write(self.register(name), values)
    }

    pub fn run(&mut self, iterations: usize) -> Result<(), Error> {
        self.engine.run(iterations)
    }

    /// e at the iterate.
    pub fn residual(&mut self) -> Result<Vec<f64>, Error> {
        self.engine.read(self.program.residual().into())
    }

    /// The iterate, trial by trial, block by block.
    pub fn factors(&mut self) -> Result<Vec<f64>, Error> {
        self.engine.read(self.program.iterate().into())
    }

    /// What iterations hand on to each other, by name.
    pub fn kept(&mut self) -> Result<Vec<(String, Vec<f64>)>, Error> {
        let program = Arc::clone(&self.program);
        program.kept().map(|(register, of)| Ok((of.name.clone(), self.engine.read(register)?))).collect()
    }

    pub fn set_active(&mut self, active: &[bool]) -> Result<(), Error> {
        self.engine.set_active(active)
    }

    pub fn info(&self) -> &EngineInfo {
        self.engine.info()
    }
}

/// The blocks of each trial one after the other.
fn stacked(factors: &Factors) -> Vec<f64> {
    let of = |trial: usize| [factors.left(trial).as_slice(), factors.right(trial).as_slice()].concat();
    (0..factors.batch()).flat_map(of).collect()
}

/// e and the products with the adjoint, of all trials.
pub struct Gradient {
    pub residual: Vec<f64>,
    pub left: Vec<f64>,
    /// Empty where one product is wanted.
    pub right: Vec<f64>,
}

/// An engine that evaluates.
pub struct Evaluator<'a> {
    pub running: Running<'a>,
    evaluation: Evaluation,
    /// Numbers of a trial's left product, and of the other one.
    sizes: [usize; 2],
    sides: Sides,
}

impl<'a> Evaluator<'a> {
    pub fn new(
        operator: &dyn Operator,
        search_rank: usize,
        sides: Sides,
        load: impl FnOnce(Arc<Program>) -> Result<Box<dyn Engine + 'a>, Error>,
    ) -> Result<Self, Error> {
        let domain = operator.domain();
        let evaluation = Evaluation::new(sides, domain, search_rank, Loss::Square);
        let right = if sides == Sides::One { 0 } else { domain.columns() * search_rank };
        let program = evaluation.program.clone();
        let running = Running { engine: load(program.clone())?, program };
        Ok(Self { running, evaluation, sizes: [domain.rows() * search_rank, right], sides })
    }

    pub fn observe(&mut self, target: &[f64], weights: &[f64]) -> Result<(), Error> {
        self.running.engine.write(self.evaluation.target, target)?;
        self.running.engine.write(self.evaluation.weights, weights)
    }

    pub fn evaluate(&mut self, point: &Factors, applied: &Factors) -> Result<Gradient, Error> {
        let all = |factors: &Factors| if self.sizes[1] == 0 { factors.right_data().to_vec() } else { stacked(factors) };
        let (point, applied) = (all(point), all(applied));
        self.evaluate_laid(&point, &applied)
    }

    /// The gradient at a point, given as registers hold it.
    pub fn evaluate_at(&mut self, point: &[f64]) -> Result<Gradient, Error> {
        self.evaluate_laid(point, point)
    }

    fn evaluate_laid(&mut self, point: &[f64], applied: &[f64]) -> Result<Gradient, Error> {
        let engine = &mut self.running.engine;
        engine.write(self.evaluation.point, point)?;
        engine.write(self.evaluation.applied, applied)?;
        let residual = engine.read(self.evaluation.residual)?;
        let gradient = engine.read(self.evaluation.gradient)?;
        let ([l, r], both) = (self.sizes, self.sides == Sides::Both);
        let left = gradient.chunks(l + r).flat_map(|trial| &trial[..l]).copied().collect();
        let right = gradient.chunks(l + r).flat_map(|trial| &trial[l..]).copied().filter(|_| both).collect();
        // What it is evaluated at is only read.
        for (register, given) in [(self.evaluation.point, point), (self.evaluation.applied, applied)] {
            let found = engine.read(register)?;
            assert!(found.iter().zip(given).all(|(found, given)| found.to_bits() == given.to_bits()), "inputs moved");
        }
        Ok(Gradient { residual, left, right })
    }
}
