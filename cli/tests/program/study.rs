//! Runs of `lowrank reproduce` and their files.

use assert_cmd::Command;
use serde_json::Value;

use crate::says::says;

pub struct Ran {
    pub code: i32,
    /// Temporary folder; the outputs lie in `made/by/it`.
    directory: tempfile::TempDir,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// Runs `lowrank reproduce` with these words and a folder that does not exist yet.
    pub fn of(words: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut command = Command::cargo_bin("lowrank").unwrap();
        command.arg("reproduce").args(words.split_whitespace());
        let output = command.arg("--out").arg(directory.path().join("made/by/it")).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self {
            code: output.status.code().unwrap(),
            directory,
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    pub fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join("made/by/it").join(name)
    }

    pub fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// Whether a file exists and is not almost empty.
    pub fn has(&self, name: &str) -> bool {
        std::fs::metadata(self.path(name)).is_ok_and(|meta| meta.len() > 100)
    }

    /// (id, verdict) of every claim; a NaN or an infinity in the file would not parse.
    pub fn verdicts(&self) -> Vec<(String, String)> {
        let claims: Vec<Value> = serde_json::from_str(&self.text("claims.json")).unwrap();
        let word = |c: &Value, key: &str| c[key].as_str().unwrap_or_else(|| panic!("{key}: {c}")).to_owned();
        for claim in &claims {
            assert!(!word(claim, "statement").is_empty() && !word(claim, "source").is_empty(), "{claim}");
            assert!(claim.get("expected").is_some() && claim.get("measured").is_some(), "{claim}");
            assert!(claim["verdict"] != "not_applicable" || claim["reason"].is_string(), "{claim}");
        }
        claims.iter().map(|c| (word(c, "id"), word(c, "verdict"))).collect()
    }

    /// Claims with that verdict.
    pub fn with(&self, verdict: &str) -> Vec<String> {
        self.verdicts().into_iter().filter(|v| v.1 == verdict).map(|v| v.0).collect()
    }

    /// Checks the exit code and the blank-separated pieces of `text` in the message; then claims and a page of
    /// numbers, or that nothing was written.
    pub fn ends(&self, words: &str, code: i32, text: &str) {
        let all = format!("{words}: {}\n{}\n{}", self.code, self.stdout, self.stderr);
        assert!(!all.contains("panicked") && text.split(' ').all(|piece| says(&self.stderr, piece)), "{all}");
        assert_eq!(self.code, code, "{all}");
        if code < 2 {
            self.verdicts();
            let page = self.text("report.html");
            assert!(!page.contains("NaN") && !page.contains(">inf"), "{all}");
        } else {
            assert!(!self.has("claims.json"), "{all}");
        }
    }
}
