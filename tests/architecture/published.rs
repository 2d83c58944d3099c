//! What is read by others than the compiler: workflows, templates of issues, the citation, the paper, the changelog.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use yaml_rust2::{Yaml, YamlLoader};

/// Headings of a version in the form of Keep a Changelog.
const CHANGES: [&str; 6] = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"];

fn at(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn text(path: &str) -> String {
    std::fs::read_to_string(at(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn yaml(path: &Path) -> Yaml {
    let text = std::fs::read_to_string(path).unwrap();
    let mut documents = YamlLoader::load_from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(documents.len(), 1, "{}: one document", path.display());
    documents.remove(0)
}

/// Names and contents of the YAML files of a folder.
fn documents(folder: &str) -> Vec<(String, Yaml)> {
    let entries = std::fs::read_dir(at(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let paths = entries.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "yml"));
    let mut found: Vec<_> =
        paths.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), yaml(&path))).collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

/// A list, or one value as a list.
fn listed(value: &Yaml) -> Vec<String> {
    match value {
        Yaml::Array(values) => values.iter().filter_map(Yaml::as_str).map(str::to_owned).collect(),
        Yaml::String(value) => vec![value.clone()],
        _ => Vec::new(),
    }
}

/// All texts within a value.
fn texts(value: &Yaml, found: &mut Vec<String>) {
    match value {
        Yaml::String(text) => found.push(text.clone()),
        Yaml::Array(values) => values.iter().for_each(|value| texts(value, found)),
        Yaml::Hash(values) => values.values().for_each(|value| texts(value, found)),
        _ => (),
    }
}

/// What is wrong with a workflow.
fn faults(workflow: &Yaml) -> Vec<String> {
    let mut wrong = Vec::new();
    if workflow["permissions"].is_badvalue() {
        wrong.push("no permissions: without them a job may write".to_owned());
    }
    let mut jobs = workflow["jobs"].as_hash().cloned().unwrap_or_default();
    let names: BTreeSet<String> = jobs.keys().filter_map(Yaml::as_str).map(str::to_owned).collect();
    if jobs.is_empty() {
        wrong.push("no jobs".to_owned());
    }
    for (name, job) in jobs.iter_mut().map(|(name, job)| (name.as_str().unwrap_or_default(), job)) {
        for key in ["runs-on", "timeout-minutes", "steps"] {
            if job[key].is_badvalue() {
                wrong.push(format!("{name}: no {key}"));
            }
        }
        wrong.extend(
            listed(&job["needs"]).iter().filter(|of| !names.contains(*of)).map(|of| format!("{name} needs {of}")),
        );
        let steps = job["steps"].as_vec().into_iter().flatten();
        wrong.extend(
            steps
                .filter_map(|step| step["uses"].as_str())
                .filter(|uses| !is_pinned(uses))
                .map(|uses| format!("{name} uses {uses}: name a whole version, such as @v1.2.3")),
        );
    }
    let mut all = Vec::new();
    texts(workflow, &mut all);
    wrong.extend(
        all.iter()
            .flat_map(|text| paths(text))
            .filter(|path| !at(path).exists())
            .map(|path| format!("{path} is not there")),
    );
    wrong
}

/// Whether an action is named with a whole version.
fn is_pinned(uses: &str) -> bool {
    let version = uses.split_once("@v").map_or("", |(_, version)| version);
    let parts: Vec<&str> = version.split('.').collect();
    parts.len() == 3 && parts.iter().all(|part| part.parse::<u32>().is_ok())
}

/// Paths of the repository in a text: words with a slash, a script behind `bash`, names of files at the top.
fn paths(text: &str) -> Vec<String> {
    let words: Vec<&str> = text.split_whitespace().map(|word| word.trim_matches(['"', '\''])).collect();
    let named = |at: usize, word: &str| {
        let behind_bash = at > 0 && words[at - 1] == "bash";
        let top = word.ends_with(".toml") || word.ends_with(".lock") || word.ends_with(".md");
        let elsewhere = word.starts_with("target/") || word.contains(['$', '@', '{', '(']) || word.starts_with("refs/");
        let glob = word.trim_end_matches("/**").contains('*');
        (behind_bash || top || word.contains('/')) && !elsewhere && !glob
    };
    let found = words.iter().enumerate().filter(|(at, word)| named(*at, word));
    found.map(|(_, word)| word.trim_end_matches("/**").to_owned()).collect()
}

#[test]
fn workflows_name_what_there_is() {
    let workflows = documents(".github/workflows");
    let names: Vec<&str> = workflows.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["advisories.yml", "binaries.yml", "docs.yml", "tests.yml", "wheels.yml"]);
    for (name, workflow) in &workflows {
        let wrong = faults(workflow);
        assert!(wrong.is_empty(), ".github/workflows/{name}:\n{}", wrong.join("\n"));
    }
    let mut all = Vec::new();
    workflows.iter().for_each(|(_, workflow)| texts(workflow, &mut all));
    let seen: BTreeSet<String> = all.iter().flat_map(|text| paths(text)).collect();
    for path in [".ci/run", "scripts/book.sh", "scripts/archive.sh", "python/Cargo.toml", "deny.toml"] {
        assert!(seen.contains(path), "{path} was not found in the workflows: {seen:?}");
    }
    let bad = "
jobs:
  one:
    runs-on: x
    needs: two
    steps:
      - uses: actions/checkout@v4
      - run: bash scripts/none.sh && cp none/LICENSE target/none
";
    let wrong = faults(&YamlLoader::load_from_str(bad).unwrap()[0]).join("\n");
    for part in ["permissions", "timeout-minutes", "needs two", "checkout@v4", "scripts/none.sh", "none/LICENSE"] {
        assert!(wrong.contains(part), "{part}: {wrong}");
    }
    assert!(!wrong.contains("target/none"), "{wrong}");
}

#[test]
fn templates_of_issues_have_fields() {
    let mut forms = 0;
    for (name, form) in documents(".github/ISSUE_TEMPLATE").into_iter().filter(|(name, _)| name != "config.yml") {
        forms += 1;
        assert!(form["name"].as_str().is_some() && form["description"].as_str().is_some(), "{name}");
        let fields = form["body"].as_vec().unwrap_or_else(|| panic!("{name}: no body"));
        let ids: BTreeSet<&str> = fields.iter().filter_map(|field| field["id"].as_str()).collect();
        assert_eq!(ids.len(), fields.len(), "{name}: every field has an id of its own");
        for field in fields {
            assert!(field["attributes"]["label"].as_str().is_some(), "{name}: a field without a label");
        }
    }
    assert!(forms >= 2, "the templates were not found");
}

#[test]
fn one_version_and_one_name_everywhere() {
    let version = env!("CARGO_PKG_VERSION");
    let citation = yaml(&at("CITATION.cff"));
    assert_eq!(citation["version"].as_str(), Some(version), "CITATION.cff");
    for key in ["cff-version", "message", "title", "authors", "license"] {
        assert!(!citation[key].is_badvalue(), "CITATION.cff lacks {key}");
    }
    for member in ["cli", "python", "studies"] {
        let manifest = text(&format!("{member}/Cargo.toml"));
        assert!(manifest.contains("version.workspace = true"), "{member}/Cargo.toml has a version of its own");
    }
    let project = text("python/pyproject.toml");
    let name = project.lines().find_map(|line| line.strip_prefix("name = ")).expect("a name").trim_matches('"');
    for page in ["README.md", "python/README.md", "docs/release.md"] {
        assert!(text(page).contains(&format!("`{name}`")), "{page} does not name the distribution {name}");
    }
    let wheel = format!("{}-*.whl", name.replace('-', "_"));
    assert!(text("scripts/python-test.sh").contains(&wheel), "scripts/python-test.sh looks for another wheel");
}

#[test]
fn the_changelog_has_its_form() {
    let log = text("CHANGELOG.md");
    assert!(log.contains("\n## [Unreleased]\n"));
    let version =
        |heading: &str| heading == "[Unreleased]" || heading.starts_with(|c: char| c == '[' || c.is_ascii_digit());
    for line in log.lines() {
        if let Some(kind) = line.strip_prefix("### ") {
            assert!(CHANGES.contains(&kind), "'{kind}' is none of {CHANGES:?}");
        } else if let Some(heading) = line.strip_prefix("## ") {
            assert!(version(heading), "'{heading}' is no version");
        }
    }
}

#[test]
fn the_paper_cites_what_is_in_its_bibliography() {
    let key = |text: &str| text.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default().to_owned();
    let cited: BTreeSet<String> = text("docs/paper/paper.md").split('@').skip(1).map(key).collect();
    let listed: BTreeSet<String> = text("docs/paper/paper.bib")
        .lines()
        .filter_map(|line| Some(key(line.strip_prefix('@')?.split_once('{')?.1)))
        .collect();
    assert_eq!(cited, listed);
    assert!(cited.len() > 5 && text("docs/paper/paper.bib").contains("2106.15013"));
}
