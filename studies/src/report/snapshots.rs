//! Archives of the factors at every observation.

use std::io::Write;
use std::path::Path;

use lowrank::internals::io::NpyWriter;
use lowrank::internals::{LARGEST_ENTRY, NpzWriter, Spool};
use lowrank::solver::{Progress, Solver};
use lowrank::{Error, Result};

/// Records the factors at the observations of a run on disk, and writes them as one `.npz` with `iterations` (T,) and
/// `factors` (T, batch, n, k) for NumPy. With several factors it holds one array for each name of
/// [`write_factors`](crate::report::write_factors), such as `left` (T, batch, n1, k) and `right` (T, batch, n2, k).
/// Narrower trials are padded with zero columns; a trial that has ended keeps its last factor (with a held-out share,
/// not necessarily the one that the solution returns).
///
/// ```no_run
/// # fn run(mut solver: lowrank::Solver) -> Result<(), Box<dyn std::error::Error>> {
/// use std::ops::ControlFlow::Continue;
/// let mut snapshots = lowrank_studies::report::Snapshots::create("U.npz", &solver)?;
/// solver.solve_with(|progress| {
///     snapshots.record(progress);
///     Continue(())
/// })?;
/// let mut file = lowrank::internals::io::OutputFile::create("U.npz")?;
/// snapshots.write(&mut file)?;
/// file.finish()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Snapshots {
    iterations: Vec<i64>,
    /// Records of U, or of L and R.
    kept: Vec<Kept>,
    failed: Option<std::io::Error>,
}

/// Record of one factor at every observation.
#[derive(Debug)]
struct Kept {
    name: String,
    spool: Spool,
    /// Shape (batch, n, k).
    shape: [usize; 3],
}

impl Snapshots {
    /// Prepares the snapshots of a run of `solver`; the temporary file is on the disk of `output`.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the array could exceed 8 GiB, the most that is read back, [`Error::Io`] where there can
    /// be no temporary file.
    pub fn create(output: impl AsRef<Path>, solver: &Solver) -> Result<Self> {
        let (points, factors) = solver.observations_at_most();
        let bytes =
            |[batch, n, k]: [usize; 3]| [points, batch, n, k].iter().fold(8.0, |product, &d| product * d as f64);
        let largest = factors.iter().map(|(_, shape)| *shape).max_by(|a, b| bytes(*a).total_cmp(&bytes(*b)));
        if let Some((shape, bytes)) = largest.map(|s| (s, bytes(s))).filter(|(_, b)| *b > LARGEST_ENTRY as f64) {
            let [batch, rows, k] = shape;
            return Err(Error::invalid(
                "snapshots",
                format!("up to {points} snapshots of ({batch}, {rows}, {k}) factors, {:.1} GiB", gibibytes(bytes)),
                format!("at most {:.0} GiB", gibibytes(LARGEST_ENTRY as f64)),
                "observe less often (--observe log, or a larger J in every:J) or lower --max-iterations",
            ));
        }
        let single = factors.len() == 1;
        let keep = |(name, shape): (String, [usize; 3])| {
            let name = if single { "factors".to_owned() } else { name };
            Ok(Kept { name, spool: Spool::create(output.as_ref())?, shape })
        };
        let kept = factors.into_iter().map(keep).collect::<Result<_>>()?;
        Ok(Self { iterations: Vec::new(), kept, failed: None })
    }

    /// Records the factors of an observation. A failure to write does not end the run; [`Snapshots::write`] returns
    /// it.
    pub fn record(&mut self, progress: &Progress<'_>) {
        if self.failed.is_some() {
            return;
        }
        for (kept, block) in self.kept.iter_mut().zip(progress.factors.blocks()) {
            for numbers in block.data().chunks(8192) {
                let bytes: Vec<u8> = numbers.iter().flat_map(|v| v.to_le_bytes()).collect();
                if let Err(error) = kept.spool.write_all(&bytes) {
                    self.failed = Some(error);
                    return;
                }
            }
        }
        self.iterations.push(progress.iteration as i64);
    }

    /// Writes the archive.
    ///
    /// # Errors
    /// Those of `writer` and of the temporary file.
    pub fn write(self, writer: &mut impl Write) -> std::io::Result<()> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let points = self.iterations.len();
        let mut archive = NpzWriter::new(writer);
        let mut array = NpyWriter::new(archive.begin("iterations", 8 * points as u64)?, &[points])?;
        array.write(&self.iterations)?;
        array.finish()?;
        for Kept { name, mut spool, shape: [batch, n, k] } in self.kept {
            let bytes = 8 * (points * batch * n * k) as u64;
            spool.copy_to(NpyWriter::<_, f64>::header(archive.begin(&name, bytes)?, &[points, batch, n, k])?)?;
        }
        archive.finish()
    }
}

fn gibibytes(bytes: f64) -> f64 {
    bytes / f64::from(1 << 30)
}
