//! The page a reader opens.

use crate::report::Page;
use crate::reproduce::{Claim, Ss21, Study, Subject, Verdict};

/// The whole report as one HTML document.
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
        page.paragraph(&format!("Data: {0}.csv; to draw it again: {0}.py; the picture alone: {0}.svg.", figure.name));
    }
    page.heading("Claims and verdicts");
    let count = |v: Verdict| study.claims.iter().filter(|c| c.verdict == v).count();
    page.paragraph(&format!(
        "{} hold, {} fail, {} do not apply to this setting. The same table is in claims.json.",
        count(Verdict::Holds),
        count(Verdict::Fails),
        count(Verdict::NotApplicable)
    ));
    let rows: Vec<_> = study.claims.iter().map(row).collect();
    page.table(&["claim", "statement", "expected", "measured", "verdict"], &rows);
    page.heading("Where, how long, and how to make it again");
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
        "What you see: gradient descent recovers a {n}×{n} matrix M = XXᵀ of rank {r} from {m} random linear measurements, by \
         minimising over n×k factors U that have more columns than needed and start almost at zero. Nothing asks for a low \
         rank; the small start does. The run passes through three phases: U first turns towards the leading eigenvectors of \
         P = s·A*(y), as a power iteration would (I, alignment); then these directions grow from the size of the start to \
         that of X while the others stay small (II, saddle avoidance); then the error falls (III, local refinement). The \
         figures show the phases, the power iteration beside the run, what the scale of the start changes, and what the \
         number of columns changes. The table below them says which statements held in these runs.",
        n = s.n,
        r = s.rank,
        m = s.measurements,
    );
    let source = "The experiments are those of Stöger and Soltanolkotabi, arXiv 2106.15013, in the paper's setting as we could \
         reconstruct it: the full text was not at hand, so sizes and step were taken from papers that restate them, and the \
         curves are new runs, not copies. Angles are sines of the largest principal angle.";
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
