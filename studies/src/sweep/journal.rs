//! Finished solves on disk, so that an interrupted sweep goes on where it stopped.
//!
//! The first line is the plan as JSON; then a line for each finished solve, and lines of remarks that begin with `#`.
//! Lines are appended and reach the disk before the next batch begins. A last line without its end was cut off and is
//! dropped.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::sweep::Outcome;
use lowrank::internals::solver::{Difference, Identity};
use lowrank::solver::Status;
use lowrank::{Error, Result};

/// An open journal, locked against a second sweep into the same directory.
pub struct Journal {
    path: PathBuf,
    file: File,
    remarks: Vec<Value>,
}

const STATUSES: [Status; 6] =
    [Status::Converged, Status::IterationLimit, Status::TimeLimit, Status::Stalled, Status::Diverged, Status::Finished];

impl Journal {
    /// Opens or begins the journal of a sweep of `solves` solves, and reads what is finished. `plan` identifies the
    /// sweep, one key a setting; `restart` forgets what is there.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the first setting in which the journal differs from `plan`, [`Error::File`] for a file
    /// that is no journal or that another process is writing, [`Error::Io`].
    pub fn open(
        path: &Path,
        plan: &Map<String, Value>,
        restart: bool,
        solves: usize,
    ) -> Result<(Self, Vec<Option<Outcome>>)> {
        let io = |e| Error::io(path, e, "Name another directory with --out, or check its permissions");
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(io)?;
        // A file system that cannot lock leaves it to the user to start one sweep at a time.
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            let fix = "Wait for it, or name another directory with --out";
            return Err(Error::file(path, "a sweep that is running into this directory", "one at a time", fix));
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(io)?;
        let whole = bytes.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
        let keep = if restart { 0 } else { whole };
        let text = std::str::from_utf8(&bytes[..keep]).map_err(|_| no_journal(path, "bytes that are not text"))?;
        let mut journal = Self { path: path.to_owned(), file, remarks: Vec::new() };
        let mut outcomes = vec![None; solves];
        let mut lines = text.lines().enumerate();
        if let Some((_, first)) = lines.next() {
            let old: Map<String, Value> =
                serde_json::from_str(first).map_err(|_| no_journal(path, "a first line that is no plan"))?;
            compare(&Value::Object(old), plan)?;
        }
        for (at, line) in lines {
            if let Some(remark) = line.strip_prefix('#') {
                journal.remarks.extend(serde_json::from_str::<Value>(remark));
                continue;
            }
            let (solve, outcome) = read(line)
                .filter(|(solve, _)| *solve < solves)
                .ok_or_else(|| no_journal(path, format!("line {}: '{line}'", at + 1)))?;
            outcomes[solve] = Some(outcome);
        }
        journal.file.set_len(keep as u64).map_err(io)?;
        journal.file.seek(SeekFrom::End(0)).map_err(io)?;
        if keep == 0 {
            journal.append(&format!("{}\n", Value::Object(plan.clone())))?;
        }
        Ok((journal, outcomes))
    }

    /// Appends finished solves and waits until the disk has them.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn record(&mut self, results: &[(usize, Outcome)]) -> Result<()> {
        self.append(&results.iter().map(|(solve, outcome)| write(*solve, outcome)).collect::<String>())
    }

    /// Appends a remark (the environment of a run, say) unless it is there.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn remark(&mut self, remark: Value) -> Result<()> {
        if !self.remarks.contains(&remark) {
            self.append(&format!("#{remark}\n"))?;
            self.remarks.push(remark);
        }
        Ok(())
    }

    /// All remarks, earlier runs' included.
    pub fn remarks(&self) -> &[Value] {
        &self.remarks
    }

    fn append(&mut self, text: &str) -> Result<()> {
        let written = self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_data());
        written.map_err(|e| Error::io(&self.path, e, "Check the space on the disk; the same command goes on from here"))
    }
}

fn no_journal(path: &Path, found: impl Into<String>) -> Error {
    Error::file(path, found, "the journal of a sweep", "Name another directory with --out, or add --restart")
}

/// Both plans are compared as they read back from text, so that a rounded last digit is no difference.
fn compare(old: &Value, plan: &Map<String, Value>) -> Result<()> {
    let plan: Value = serde_json::from_str(&Value::Object(plan.clone()).to_string()).unwrap_or_default();
    let Some(Difference { name, then, now }) = Identity::from(old).difference(&Identity::from(&plan)) else {
        return Ok(());
    };
    let fix = "give the same settings to go on with it, another --out, or --restart to begin anew";
    Err(Error::invalid(name, now, format!("{then}, as the sweep in this directory began"), fix))
}

/// Numbers are written with as many digits as bring back the same bits; what a method does not have is left empty.
fn write(solve: usize, o: &Outcome) -> String {
    let numbers = [Some(o.train_loss), Some(o.relative_error), o.step_size, o.init_scale, Some(o.seconds)];
    let numbers = numbers.map(|value| value.map_or_else(String::new, |v| format!("{v:e}")));
    format!("{solve},{},{},{}\n", o.status, o.iterations, numbers.join(","))
}

fn read(line: &str) -> Option<(usize, Outcome)> {
    let mut fields = line.split(',');
    let solve = fields.next()?.parse().ok()?;
    let word = fields.next()?;
    let status = STATUSES.into_iter().find(|status| status.to_string() == word)?;
    let iterations = fields.next()?.parse().ok()?;
    let mut number = || match fields.next()? {
        "" => Some(None),
        field => field.parse::<f64>().ok().map(Some),
    };
    let outcome = Outcome {
        status,
        iterations,
        train_loss: number()??,
        relative_error: number()??,
        step_size: number()?,
        init_scale: number()?,
        seconds: number()??,
    };
    fields.next().is_none().then_some((solve, outcome))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(seed: u64) -> Map<String, Value> {
        let Value::Object(map) = serde_json::json!({ "n": [12], "noise_std": [0.1, 1e-7], "seed": seed }) else {
            unreachable!()
        };
        map
    }

    fn outcome(value: f64) -> Outcome {
        Outcome {
            status: Status::Diverged,
            iterations: 17,
            train_loss: f64::NAN,
            relative_error: value,
            step_size: Some(1.0 / 3.0),
            init_scale: None,
            seconds: f64::INFINITY,
        }
    }

    #[test]
    fn lines_bring_back_the_same_bits() {
        let (solve, found) = read(write(7, &outcome(std::f64::consts::PI)).trim_end()).unwrap();
        assert_eq!((solve, found.status, found.iterations), (7, Status::Diverged, 17));
        assert_eq!(found.relative_error.to_bits(), std::f64::consts::PI.to_bits());
        assert_eq!((found.step_size, found.init_scale, found.seconds), (Some(1.0 / 3.0), None, f64::INFINITY));
        assert!(found.train_loss.is_nan());
        for bad in [
            "",
            "x,Diverged,1,1,1,1,1,1",
            "1,Odd,1,1,1,1,1,1",
            "1,Diverged,1,1,1,1,1",
            "1,Diverged,1,,1,1,1,1",
            "1,Diverged,1,1,1,1,1,1,1",
        ] {
            assert!(read(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_cut_line_is_dropped_and_another_plan_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        {
            let (mut journal, outcomes) = Journal::open(&path, &plan(1), false, 3).unwrap();
            assert_eq!(outcomes, [None; 3]);
            journal.record(&[(0, outcome(0.5)), (2, outcome(0.25))]).unwrap();
            journal.remark(Value::from("here")).unwrap();
            journal.remark(Value::from("here")).unwrap();
            let twice = Journal::open(&path, &plan(1), false, 3).err().unwrap().to_string();
            assert!(twice.contains("running"), "{twice}");
        }
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 4);
        std::fs::write(&path, format!("{text}1,Diverged,17,0.")).unwrap();
        let (journal, outcomes) = Journal::open(&path, &plan(1), false, 3).unwrap();
        let errors: Vec<_> = outcomes.iter().map(|o| o.map(|o| o.relative_error)).collect();
        assert_eq!((errors, journal.remarks().len()), (vec![Some(0.5), None, Some(0.25)], 1));
        drop(journal);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "the cut line is still there");

        let message = Journal::open(&path, &plan(2), false, 3).err().unwrap().to_string();
        assert!(message.starts_with("seed: found 2; allowed: 1"), "{message}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "a refusal changes nothing");
        let (_, outcomes) = Journal::open(&path, &plan(2), true, 3).unwrap();
        assert_eq!(outcomes, [None; 3]);
        std::fs::write(&path, "no plan\n").unwrap();
        assert!(Journal::open(&path, &plan(2), false, 3).is_err());
    }
}
