//! The table of studies, `docs/family.md`: paper, what is claimed, verdicts, command, seconds.

use std::fmt::Write;

use crate::reproduce::Relative;

/// Verdicts of `--quick` runs on Cpu with seed 1, one study a line, written by `scripts/record-studies.py`; a test runs those that
/// take seconds again.
const RECORDED: &str = include_str!("recorded.csv");
/// The same from `--backend gpu` on llvmpipe, a software adapter.
const RECORDED_GPU: &str = include_str!("recorded_gpu.csv");

const HEAD: &str = "\
# Studies

This page is the output of `lowrank list studies`; a test compares the two.

Each study runs the setting of a paper again, draws figures and judges claims. A verdict comes from the run and not from the paper:
a claim that fails is listed as failing. The verdicts below are those of the quick sizes with seed 1 on Cpu; without `--quick` the
sizes are those of the paper, where these are known. Seconds are those of one run on two cores. Verdicts by kernels are those of
the same command with `--backend gpu` on llvmpipe, a software adapter.

| study | paper | what it is about | verdicts | by kernels | seconds | command |
|---|---|---|---|---|---|---|
";

/// Record of one study.
#[derive(Debug, PartialEq)]
struct Record<'a> {
    study: &'a str,
    holds: usize,
    fails: usize,
    not_applicable: usize,
    /// Failing claims, with spaces between them.
    failing: &'a str,
    seconds: &'a str,
}

impl<'a> Record<'a> {
    fn of(line: &'a str) -> Option<Self> {
        let parts: Vec<&str> = line.split(',').collect();
        let [study, holds, fails, not_applicable, failing, seconds] = parts[..] else { return None };
        let (holds, fails) = (holds.parse().ok()?, fails.parse().ok()?);
        Some(Self { study, holds, fails, not_applicable: not_applicable.parse().ok()?, failing, seconds })
    }

    /// Whether the verdicts are those of another record.
    fn agrees(&self, other: &Self) -> bool {
        let of = |record: &Self| (record.holds, record.fails, record.not_applicable, record.failing.to_owned());
        of(self) == of(other)
    }

    fn verdicts(&self) -> String {
        let mut text = format!("{} hold", self.holds);
        if self.fails > 0 {
            let names: Vec<String> = self.failing.split(' ').map(|id| format!("`{id}`")).collect();
            let _ = write!(text, ", {} fail ({})", self.fails, names.join(", "));
        }
        if self.not_applicable > 0 {
            let _ = write!(text, ", {} do not apply", self.not_applicable);
        }
        text
    }
}

/// The record of a study in a table.
fn recorded<'a>(table: &'a str, word: &str) -> Option<Record<'a>> {
    table.lines().filter_map(Record::of).find(|record| record.study == word)
}

/// Returns word, paper and subject of every study.
fn studies() -> Vec<(&'static str, &'static str, &'static str)> {
    let first = (
        "ss21",
        "arXiv 2106.15013",
        "gradient descent from a small random start is a spectral method first, and recovers M from few measurements",
    );
    let others = Relative::ALL.into_iter().map(|study| (study.word(), study.source(), study.claimed()));
    std::iter::once(first).chain(others).collect()
}

/// Returns the page, as Markdown.
pub fn family_page() -> String {
    let mut page = HEAD.to_owned();
    for (word, paper, about) in studies() {
        let (record, kernels) = (recorded(RECORDED, word), recorded(RECORDED_GPU, word));
        let verdicts = record.as_ref().map_or("not recorded".into(), Record::verdicts);
        let kernels = match (&record, &kernels) {
            (Some(record), Some(kernels)) if record.agrees(kernels) => "the same".into(),
            (_, Some(kernels)) => kernels.verdicts(),
            (_, None) => "not recorded".into(),
        };
        let seconds = record.map_or("", |record| record.seconds);
        let command = format!("lowrank reproduce {word} --quick --backend cpu");
        let _ = writeln!(page, "| `{word}` | {paper} | {about} | {verdicts} | {kernels} | {seconds} | `{command}` |");
    }
    page
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::*;
    use crate::reproduce::{Moment, Rerun, Study, Verdict, rerun};
    use lowrank::Backend;

    #[test]
    fn the_page_is_the_table_and_every_study_is_recorded() {
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/family.md")).unwrap();
        assert_eq!(page, family_page(), "write it again with `lowrank list studies > docs/family.md`");
        let recorded: Vec<&str> = RECORDED.lines().skip(1).map(|line| Record::of(line).unwrap().study).collect();
        let words: Vec<&str> = studies().iter().map(|study| study.0).collect();
        assert_eq!(recorded, words);
        assert!(!page.contains("not recorded"));
        for record in [RECORDED, RECORDED_GPU].into_iter().flat_map(str::lines).filter_map(Record::of) {
            assert_eq!(record.failing.split(' ').filter(|id| !id.is_empty()).count(), record.fails, "{record:?}");
        }
    }

    fn run(word: &str) -> Study {
        let go = |_: &Moment<'_>| ControlFlow::Continue(());
        rerun(&Rerun::quick(Relative::from_word(word).unwrap()), &Backend::Cpu, go).unwrap()
    }

    /// Runs studies again and returns the beginnings of the lines that are to be recorded, each beside the line that is.
    fn again(wanted: impl Fn(&str) -> bool) -> Vec<(String, String)> {
        let lines = RECORDED.lines().skip(1).filter(|line| wanted(Record::of(line).unwrap().study));
        lines
            .map(|line| {
                let word = Record::of(line).unwrap().study;
                let study = run(word);
                let count = |verdict: Verdict| study.claims.iter().filter(|c| c.verdict == verdict).count();
                let failing: Vec<&str> = (study.claims.iter())
                    .filter(|claim| claim.verdict == Verdict::Fails)
                    .map(|claim| claim.id.as_str())
                    .collect();
                let (holds, fails) = (count(Verdict::Holds), count(Verdict::Fails));
                let found = format!("{word},{holds},{fails},{},{},", count(Verdict::NotApplicable), failing.join(" "));
                (found, line.to_owned())
            })
            .collect()
    }

    #[test]
    fn recorded_verdicts_are_those_of_a_run() {
        for (found, recorded) in again(|word| {
            ["flatness-2023", "saddles-2023", "single-index-2020", "games-2023", "relu-2024"].contains(&word)
        }) {
            assert!(recorded.starts_with(&found), "{found} instead of {recorded}");
        }
    }
}
