//! Claims and verdicts: pure functions of the results, in `shapes` (one run) and `rates` (many).

use serde::{Deserialize, Serialize};

/// Verdict on a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Holds,
    Fails,
    /// The claim concerns another setting; the reason tells which.
    NotApplicable,
}

impl Verdict {
    /// Returns the verdict as words for tables.
    pub fn words(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Fails => "fails",
            Self::NotApplicable => "not applicable",
        }
    }
}

/// Number or short text; null if there is none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    Number(f64),
    Text(String),
    None,
}

impl Value {
    /// Creates a finite number, or null: JSON has no NaN.
    pub fn number(value: impl Into<Option<f64>>) -> Self {
        value.into().filter(|v| v.is_finite()).map_or(Self::None, Self::Number)
    }

    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(v) if *v != 0.0 && (v.abs() < 1e-3 || v.abs() >= 1e5) => write!(f, "{v:.2e}"),
            Self::Number(v) if v.fract() == 0.0 => write!(f, "{v}"),
            Self::Number(v) => write!(f, "{v:.3}"),
            Self::Text(text) => f.write_str(text),
            Self::None => f.write_str("–"),
        }
    }
}

/// One row of `claims.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    pub id: String,
    /// Statement, including the tolerance.
    pub statement: String,
    pub source: String,
    pub expected: Value,
    pub measured: Value,
    pub verdict: Verdict,
    /// Reason for failure or non-applicability, or the data used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

pub(super) const PAPER: &str = "arXiv 2106.15013";
/// Source of consequences of the paper's analysis that were computed independently and are not stated in the paper.
pub(super) const COMPUTED: &str = "consequence of the analysis in arXiv 2106.15013, computed independently";

/// Claim without a verdict.
pub(super) struct Draft {
    id: String,
    statement: String,
    source: &'static str,
    expected: Value,
}

impl Draft {
    pub(super) fn new(id: &str, source: &'static str, expected: Value, statement: impl Into<String>) -> Self {
        Self { id: id.into(), statement: statement.into(), source, expected }
    }

    fn end(self, measured: Value, verdict: Verdict, reason: Option<String>) -> Claim {
        let Self { id, statement, source, expected } = self;
        Claim { id, statement, source: source.into(), expected, measured, verdict, reason }
    }

    pub(super) fn not_applicable(self, measured: Value, reason: impl Into<String>) -> Claim {
        self.end(measured, Verdict::NotApplicable, Some(reason.into()))
    }

    pub(super) fn fails(self, measured: Value, reason: impl Into<String>) -> Claim {
        self.end(measured, Verdict::Fails, Some(reason.into()))
    }

    /// Judges the claim; it keeps `note` either way.
    pub(super) fn judge(self, measured: Value, holds: bool, note: Option<String>) -> Claim {
        self.end(measured, if holds { Verdict::Holds } else { Verdict::Fails }, note)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_print_briefly_and_never_as_nan() {
        let shown = |v: f64| Value::number(v).to_string();
        assert_eq!([shown(0.25), shown(12.0), shown(1.4e-7), shown(0.0)], ["0.250", "12", "1.40e-7", "0"]);
        assert_eq!(Value::number(f64::NAN), Value::None);
        let claim = Draft::new("a", PAPER, Value::number(f64::INFINITY), "b").judge(Value::text("c"), true, None);
        let json = serde_json::to_string(&claim).unwrap();
        assert!(json.contains("\"expected\":null") && json.contains("\"verdict\":\"holds\""), "{json}");
        assert!(!json.contains("reason"));
        assert_eq!(serde_json::from_str::<Claim>(&json).unwrap(), claim);
    }
}
