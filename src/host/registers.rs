//! Registers of a tape on the host: factors and vectors over the measurements in the engine's numbers, scalars in f64.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::real::{Real, convert};
use crate::tape::{BlockSize, Blocks, Held, Kind, Left, Matrix, Measured, Program, Register, Scalar};

/// Content of one register, for all trials.
#[derive(Clone, Debug)]
enum Store<T> {
    /// Vectors over the measurements, by shard, (batch, measurements of the shard) each.
    Measured(Vec<Vec<T>>),
    /// Factors, (batch, numbers of a trial).
    Blocks(Vec<T>),
    /// Scalars, (batch).
    Scalar(Vec<f64>),
}

/// All registers of a program. A register that is taken out is empty until it is put back.
pub(crate) struct Registers<T> {
    stores: Vec<Store<T>>,
    sizes: Vec<Vec<BlockSize>>,
    batch: usize,
}

impl<T: Real> Registers<T> {
    /// Registers with zeros everywhere and weights 1.
    pub(crate) fn new(program: &Program, batch: usize, shards: &[Range<usize>]) -> Self {
        let store = |kind: &Kind| match kind {
            Kind::Measured => Store::Measured(shards.iter().map(|s| vec![T::ZERO; batch * s.len()]).collect()),
            Kind::Blocks(_) => Store::Blocks(vec![T::ZERO; batch * kind.len(0)]),
            Kind::Scalar => Store::Scalar(vec![0.0; batch]),
        };
        let sizes = program.registers().iter().map(|register| match &register.kind {
            Kind::Blocks(blocks) => blocks.clone(),
            _ => Vec::new(),
        });
        let mut registers = Self {
            sizes: sizes.collect(),
            stores: program.registers().iter().map(|register| store(&register.kind)).collect(),
            batch,
        };
        let mut weights = registers.take_measured(program.weights);
        weights.iter_mut().for_each(|shard| shard.fill(T::from_f64(1.0)));
        registers.put_measured(program.weights, weights);
        registers
    }

    pub(crate) fn batch(&self) -> usize {
        self.batch
    }

    /// By shard, (batch, measurements of the shard) each.
    pub(crate) fn measured(&self, at: Measured) -> &[Vec<T>] {
        match &self.stores[at.index()] {
            Store::Measured(shards) => shards,
            _ => &[],
        }
    }

    pub(crate) fn take_measured(&mut self, at: Measured) -> Vec<Vec<T>> {
        match &mut self.stores[at.index()] {
            Store::Measured(shards) => std::mem::take(shards),
            _ => Vec::new(),
        }
    }

    pub(crate) fn put_measured(&mut self, at: Measured, values: Vec<Vec<T>>) {
        self.stores[at.index()] = Store::Measured(values);
    }

    /// Numbers of one trial.
    pub(crate) fn size(&self, at: Blocks) -> usize {
        self.sizes[at.index()].iter().map(|block| block.len()).sum()
    }

    pub(crate) fn sizes(&self, at: Blocks) -> &[BlockSize] {
        &self.sizes[at.index()]
    }

    /// (batch, numbers of a trial)
    pub(crate) fn blocks(&self, at: Blocks) -> &[T] {
        match &self.stores[at.index()] {
            Store::Blocks(values) => values,
            _ => &[],
        }
    }

    pub(crate) fn take_blocks(&mut self, at: Blocks) -> Vec<T> {
        match &mut self.stores[at.index()] {
            Store::Blocks(values) => std::mem::take(values),
            _ => Vec::new(),
        }
    }

    pub(crate) fn put_blocks(&mut self, at: Blocks, values: Vec<T>) {
        self.stores[at.index()] = Store::Blocks(values);
    }

    /// Range of a block within the numbers of a trial.
    pub(crate) fn range(&self, at: Matrix) -> Range<usize> {
        let sizes = &self.sizes[at.register.index()];
        let start: usize = sizes[..at.block].iter().map(|block| block.len()).sum();
        start..start + sizes[at.block].len()
    }

    pub(crate) fn block(&self, at: Matrix) -> BlockSize {
        self.sizes[at.register.index()][at.block]
    }

    /// One block of one trial.
    pub(crate) fn matrix(&self, at: Matrix, trial: usize) -> &[T] {
        let (size, range) = (self.size(at.register), self.range(at));
        &self.blocks(at.register)[trial * size + range.start..trial * size + range.end]
    }

    /// (batch)
    pub(crate) fn scalars(&self, at: Scalar) -> &[f64] {
        match &self.stores[at.index()] {
            Store::Scalar(values) => values,
            _ => &[],
        }
    }

    pub(crate) fn set_scalar(&mut self, at: Scalar, trial: usize, value: f64) {
        if let Store::Scalar(values) = &mut self.stores[at.index()] {
            values[trial] = value;
        }
    }

    /// Copies one register of factors or one scalar to another of the same size.
    pub(crate) fn copy(&mut self, from: Register, to: Register) {
        self.stores[to.index()] = self.stores[from.index()].clone();
    }

    /// Fills a register with one number.
    pub(crate) fn fill(&mut self, at: Register, value: f64) {
        match &mut self.stores[at.index()] {
            Store::Measured(shards) => shards.iter_mut().for_each(|shard| shard.fill(T::from_f64(value))),
            Store::Blocks(values) => values.fill(T::from_f64(value)),
            Store::Scalar(values) => values.fill(value),
        }
    }

    /// Overwrites a register. Vectors over the measurements are (batch, m); local shards take their parts.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a wrong length.
    pub(crate) fn write(
        &mut self,
        (name, at): (&str, Register),
        values: &[f64],
        m: usize,
        shards: &[Range<usize>],
    ) -> Result<()> {
        let wanted = match &self.stores[at.index()] {
            Store::Measured(_) => self.batch * m,
            Store::Blocks(own) => own.len(),
            Store::Scalar(own) => own.len(),
        };
        if values.len() != wanted {
            let found = format!("{} numbers", values.len());
            return Err(Error::invalid(name, found, format!("{wanted} numbers"), "check batch and sizes"));
        }
        match &mut self.stores[at.index()] {
            Store::Blocks(own) => *own = convert(values),
            Store::Scalar(own) => own.copy_from_slice(values),
            Store::Measured(own) => {
                for (own, range) in own.iter_mut().zip(shards) {
                    for (own, all) in own.chunks_mut(range.len().max(1)).zip(values.chunks(m)) {
                        own.iter_mut().zip(&all[range.clone()]).for_each(|(own, v)| *own = T::from_f64(*v));
                    }
                }
            }
        }
        Ok(())
    }

    /// Factors or the scalar of one trial; none of a vector over the measurements.
    pub(crate) fn held(&self, at: Register, trial: usize) -> Held<'_> {
        let of = |length: usize| trial * (length / self.batch)..(trial + 1) * (length / self.batch);
        match &self.stores[at.index()] {
            Store::Measured(_) => Held::F64(&[]),
            Store::Blocks(own) => Held::of(&own[of(own.len())]),
            Store::Scalar(own) => Held::F64(&own[trial..=trial]),
        }
    }

    /// What a function on the host reads of one trial: its inputs in order.
    pub(crate) fn all_held(&self, inputs: &[Register], trial: usize) -> Vec<Held<'_>> {
        inputs.iter().map(|at| self.held(*at, trial)).collect()
    }

    /// Writes what a function on the host left for the factors or the scalar of one trial.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a wrong length.
    pub(crate) fn leave(&mut self, (name, at): (&str, Register), trial: usize, left: &Left) -> Result<()> {
        let (size, found) = (self.held(at, trial).len(), left.len());
        if let Some(found) = found.filter(|found| *found != size) {
            let (found, allowed) = (format!("{found} numbers"), format!("{size} numbers"));
            return Err(Error::invalid(name, found, allowed, "keep the length of the register"));
        }
        match &mut self.stores[at.index()] {
            Store::Measured(_) => {}
            Store::Blocks(own) => left.write(&mut own[trial * size..(trial + 1) * size]),
            Store::Scalar(own) => left.write(&mut own[trial..=trial]),
        }
        Ok(())
    }

    /// Content of a register of factors or scalars; `None` for a vector over the measurements.
    pub(crate) fn read(&self, at: Register) -> Option<Vec<f64>> {
        match &self.stores[at.index()] {
            Store::Measured(_) => None,
            Store::Blocks(values) => Some(convert(values)),
            Store::Scalar(values) => Some(values.clone()),
        }
    }

    /// Content by shard.
    pub(crate) fn read_measured(&self, at: Register) -> &[Vec<T>] {
        match &self.stores[at.index()] {
            Store::Measured(shards) => shards,
            _ => &[],
        }
    }
}
