//! HTML report of a study.

use crate::report::Page;
use crate::reproduce::{Claim, Ss21, Study, Subject, Verdict};

/// Returns the report as one HTML document.
pub(super) fn page(study: &Study, command: &str) -> String {
    let (title, paragraphs) = match &study.subject {
        Subject::Ss21 { settings, .. } => ("Small random initialisation is akin to spectral learning", ss21(settings)),
        Subject::Relative { settings, .. } => (settings.study.title(), settings.about()),
    };
    let mut page = Page::new(title);
    paragraphs.iter().for_each(|text| page.paragraph(text));
    if study.interrupted {
        page.paragraph("The study was interrupted: later experiments are missing.");
    }
    for (i, figure) in study.figures.iter().enumerate() {
        page.heading(&format!("{}. {}", i + 1, figure.title));
        page.figure(&figure.svg, &figure.caption);
        page.paragraph(&format!("Data: {0}.csv; plotting script: {0}.py; figure: {0}.svg.", figure.name));
    }
    page.heading("Claims and verdicts");
    let count = |v: Verdict| study.claims.iter().filter(|c| c.verdict == v).count();
    page.paragraph(&format!(
        "{} hold, {} fail, {} do not apply to this setting. claims.json holds the same table.",
        count(Verdict::Holds),
        count(Verdict::Fails),
        count(Verdict::NotApplicable)
    ));
    let rows: Vec<_> = study.claims.iter().map(row).collect();
    page.table(&["claim", "statement", "expected", "measured", "verdict"], &rows);
    page.heading("Environment, time, and the command to repeat the study");
    let mut rows: Vec<Vec<(String, &str)>> = Vec::new();
    if let Some(e) = &study.environment {
        let gpu = if e.software_adapter { " (a software adapter)" } else { "" };
        for (name, value) in [
            ("backend", format!("{}: {}{gpu} {}", e.backend, e.adapter, e.driver)),
            ("threads", e.threads.to_string()),
            ("program", format!("lowrank {} (commit {}), {} {}", e.version, e.commit, e.os, e.architecture)),
        ] {
            rows.push(vec![(name.into(), ""), (value, "")]);
        }
    }
    rows.extend(study.times.iter().map(|t| vec![(t.stage.clone(), ""), (format!("{:.1} s", t.seconds), "")]));
    let total: f64 = study.times.iter().map(|t| t.seconds).sum();
    rows.push(vec![("total".into(), ""), (format!("{total:.1} s"), "")]);
    page.table(&["what", "value"], &rows);
    page.verbatim(command);
    page.finish()
}

fn ss21(s: &Ss21) -> Vec<String> {
    let shown = format!(
        "Gradient descent recovers a {n}×{n} matrix M = XXᵀ of rank {r} from {m} random linear measurements. It \
         minimises over n×k factors U that have more columns than needed and start almost at zero. No term favours \
         a low rank; the small start does. The run passes through three phases: U first turns towards the leading \
         eigenvectors of P = s·A*(y), as a power iteration would (I, alignment); then these directions grow from \
         the size of the start to that of X while the others stay small (II, saddle avoidance); then the error \
         falls (III, local refinement). The figures show the phases, the power iteration, the effect of the scale \
         of the start, and the effect of the number of columns. The table lists which statements held in these \
         runs.",
        n = s.n,
        r = s.rank,
        m = s.measurements,
    );
    let source = "The experiments are those of Stöger and Soltanolkotabi, arXiv 2106.15013, in a reconstruction of \
                  the paper's setting: without the full text, sizes and step come from papers that restate them. \
                  The curves are new runs, not copies. Angles are sines of the largest principal angle.";
    vec![shown, source.into()]
}

fn row(claim: &Claim) -> Vec<(String, &'static str)> {
    let class = match claim.verdict {
        Verdict::Holds => "good",
        Verdict::Fails => "bad",
        Verdict::NotApplicable => "none",
    };
    let reason = claim.reason.as_ref().map(|r| format!(" ({r})")).unwrap_or_default();
    vec![
        (claim.id.clone(), ""),
        (format!("{}. Source: {}.", claim.statement, claim.source), ""),
        (claim.expected.to_string(), ""),
        (format!("{}{reason}", claim.measured), ""),
        (claim.verdict.words().into(), class),
    ]
}
