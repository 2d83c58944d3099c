//! `solve --entries`: sampled entries of a matrix, what is held out of them, and the predictions they are compared with.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lowrank::io::{TripletFile, TripletOptions, Triplets};
use lowrank::models::{Model, ModelCard};
use lowrank::operators::dense::Normalization;
use lowrank::operators::entries::{Biases, Sampled};
use lowrank::operators::{Entries, Operator};
use lowrank::problem::Domain;
use lowrank::solver::Holdout;
use lowrank::{Error, Problem, Result, Solution};
use lowrank_studies::report::{Baseline, readable};
use serde_json::json;

use super::Common;
use super::files::{Measured, object};

/// What is to be held out.
#[derive(Clone)]
pub enum HeldOut {
    Nothing,
    Share(Holdout),
    File(PathBuf),
}

impl HeldOut {
    /// A number is a share, everything else a file.
    pub fn new(args: &Common) -> Self {
        match args.holdout.as_deref().map(|text| (text, text.trim().parse::<f64>())) {
            None => Self::Nothing,
            Some((_, Ok(fraction))) => Self::Share(Holdout { fraction, seed: args.holdout_seed }),
            Some((path, Err(_))) => Self::File(path.into()),
        }
    }
}

/// Entries and how to read them, as far as flags tell.
pub struct Completion {
    path: PathBuf,
    held_out: HeldOut,
    options: TripletOptions,
    model: &'static ModelCard,
    normalization: Normalization,
}

/// What the run has to know of the entries after it.
pub struct Predictions {
    pub baseline: Baseline,
    /// Taken from y before the run, to be added to predictions.
    pub biases: Option<Biases>,
}

impl Predictions {
    /// Says where held-out entries are predicted worse than without any factors.
    pub fn doubt(&self, solution: &Solution) -> Option<String> {
        let (found, plain) = (solution.best().holdout_rmse()?, self.baseline.row_and_column_biases);
        let all = "row and column biases alone predict the held-out entries better";
        (found > plain).then(|| format!("{all}: rmse {} against {}", readable(plain), readable(found)))
    }
}

impl Completion {
    pub fn new(args: &Common, path: PathBuf, model: &'static ModelCard, shape: Option<(usize, usize)>) -> Result<Self> {
        let refuse = |name: &str, found: &str, allowed: &str, fix: &str| {
            Err(Error::Invalid { name: name.into(), found: found.into(), allowed: allowed.into(), fix: fix.into() })
        };
        if args.observations.is_some() {
            let fix = "leave it out: the values are in the file of entries";
            return refuse("observations", "a file beside --entries", "none", fix);
        }
        if args.rows.is_some() {
            let fix = "leave it out, or hold entries out with --holdout";
            return refuse("rows", "a number of entries", "all of them: they come in an order of their own", fix);
        }
        if args.biases && model.symmetric {
            let fix = "say --model asymmetric, or leave --biases out";
            return refuse("biases", "a symmetric model", "the model asymmetric", fix);
        }
        if let Some((n1, n2)) = shape.filter(|(n1, n2)| model.symmetric && n1 != n2) {
            let fix = "say --model asymmetric for a rectangular unknown";
            return refuse("shape", &format!("{n1},{n2}"), "n,n for a symmetric model", fix);
        }
        let index_base = match args.index_base.as_deref() {
            None => None,
            Some("0") => Some(0),
            Some("1") => Some(1),
            Some(other) => return refuse("index_base", &format!("'{other}'"), "0 or 1", "pick one of them"),
        };
        let held_out = HeldOut::new(args);
        if let HeldOut::Share(share) = &held_out {
            // A slip is found before the file is read.
            share.check()?;
        }
        let options = TripletOptions { index_base, shape, square: model.symmetric };
        let normalization = args.normalization.parse::<Normalization>()?;
        Ok(Self { path, held_out, options, model, normalization })
    }

    pub fn inputs(&self) -> Vec<PathBuf> {
        let test = if let HeldOut::File(path) = &self.held_out { Some(path.clone()) } else { None };
        std::iter::once(self.path.clone()).chain(test).collect()
    }

    /// Both triangles, where the file has one and the model has no symmetry.
    fn read(&self, path: &Path, notices: &mut Vec<String>) -> Result<TripletFile> {
        let mut file = self.options.open(path)?;
        if file.symmetric && !self.model.symmetric {
            file.triplets.mirror();
            notices.push(format!("{} is symmetric: its lower triangle stands for both", path.display()));
        }
        for notice in std::mem::take(&mut file.notices) {
            if !notices.contains(&notice) {
                notices.push(notice);
            }
        }
        Ok(file)
    }

    pub fn open(self, args: &Common) -> Result<Measured> {
        let mut notices = Vec::new();
        let train = self.read(&self.path, &mut notices)?;
        let test = match &self.held_out {
            HeldOut::File(path) => Some((path, self.read(path, &mut notices)?)),
            _ => None,
        };
        let (n1, n2) = test
            .as_ref()
            .map_or(train.shape, |(_, test)| (train.shape.0.max(test.shape.0), train.shape.1.max(test.shape.1)));
        if self.options.square && n1 != n2 {
            return Err(Error::File {
                path: self.path.clone(),
                found: format!("a matrix of {n1} x {n2}"),
                allowed: "a square one for a symmetric model".into(),
                fix: "Say --model asymmetric for a rectangular unknown".into(),
            });
        }
        let domain = self.model.domain(n1, n2)?;
        let none = Triplets::default();
        let held = test.as_ref().map_or(&none, |(_, file)| &file.triplets);
        let Sampled { operator, observations, mut held_out, duplicates, shared } =
            Entries::with_held_out(domain, &train.triplets, held, 0)?;
        let m = operator.measurements();
        if let HeldOut::Share(share) = &self.held_out {
            held_out = share.measurements(m)?;
        }
        drop((train, test));
        let operator = match self.normalization {
            // Of entries n1·n2/m is what 1/m is of matrices with entries of variance 1.
            Normalization::InverseCount | Normalization::Auto => operator,
            other => operator.with_normalization(other.resolve(m, 1.0)?)?,
        };
        let training: Vec<bool> = {
            let mut training = vec![true; m];
            held_out.iter().for_each(|&i| training[i] = false);
            training
        };
        if duplicates > 0 {
            let same = if domain.is_symmetric() { ", (a, b) and (b, a) being one" } else { "" };
            notices.push(format!("{duplicates} entries repeat a position{same}: the mean of each position is used"));
        }
        if shared > 0 {
            notices.push(format!("{shared} held-out positions are training positions too"));
        }
        notices.extend(gaps(&operator, &training));
        notices.extend(too_few(args, domain, m - held_out.len()));
        let s = operator.normalization();
        notices.push(format!("normalization {}: s, n1*n2/m unless --normalization says otherwise", readable(s)));

        let used = |i: usize| training[i];
        let over = |i: usize| held_out.is_empty() || !training[i];
        let mean = Biases::mean_of(&operator, &observations, used)?;
        let biases = if domain.is_symmetric() { mean.clone() } else { Biases::fit(&operator, &observations, used)? };
        let baseline = Baseline {
            global_mean: mean.rmse(&operator, &observations, over),
            row_and_column_biases: biases.rmse(&operator, &observations, over),
        };
        let biases = args.biases.then_some(biases);
        let y = match &biases {
            Some(biases) => biases.without(&operator, &observations),
            None => observations,
        };
        let described = object(json!({
            "operator": "entries", "entries": self.path, "model": super::files::model(args),
            "shape": [n1, n2], "index_base": args.index_base, "biases": args.biases,
            "normalization": args.normalization, "normalization_value": s,
        }));
        let predictions = Some(Predictions { baseline, biases });
        let held_out = (!held_out.is_empty()).then_some(held_out);
        let problem = Problem::batch(Arc::new(operator), vec![y])?;
        Ok(Measured { problem, described, notices, held_out, predictions })
    }
}

/// Rows and columns of which nothing is learned.
fn gaps(operator: &Entries, training: &[bool]) -> Option<String> {
    let domain = operator.domain();
    let (mut rows, mut columns) = (vec![false; domain.rows()], vec![false; domain.columns()]);
    for i in (0..training.len()).filter(|&i| training[i]) {
        let (row, column) = operator.position(i);
        (rows[row], columns[column]) = (true, true);
        if domain.is_symmetric() {
            (rows[column], columns[row]) = (true, true);
        }
    }
    let missing = |seen: &[bool]| seen.iter().filter(|seen| !**seen).count();
    let (rows, columns) = (missing(&rows), missing(&columns));
    (rows + columns > 0).then(|| {
        format!(
            "{rows} of {} rows and {columns} of {} columns have no training entry: nothing is learned of them",
            domain.rows(),
            domain.columns()
        )
    })
}

/// Fewer measurements than the smallest search rank has degrees of freedom.
fn too_few(args: &Common, domain: Domain, m: usize) -> Option<String> {
    let k = args.search_rank.as_deref().and_then(|text| text.parse::<usize>().ok()).unwrap_or(1);
    let model = Model::natural(&domain);
    let freedom = model.degrees_of_freedom(&domain, k);
    (m < freedom).then(|| {
        let most = (1..k).rev().find(|&r| model.degrees_of_freedom(&domain, r) <= m);
        let enough = most.map_or("not even of rank 1".to_owned(), |r| format!("of rank {r} at most"));
        format!(
            "{m} training entries are fewer than the {freedom} degrees of freedom of a {domain} matrix of rank {k}: they determine \
             a matrix {enough}"
        )
    })
}
