//! The README and the book in `docs`: every command runs, links lead somewhere, and lists are those of the program.
//!
//! A block of commands that cannot run in a test has a comment `<!-- not run: REASON -->` on the line above it. Its
//! commands are parsed. Blocks of Python run in `python/tests/test_surface.py`, those of Rust as tests of the documentation.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use crate::{Dir, PROGRAM};

/// Most lines of the README.
const LENGTH: usize = 130;
/// Languages of blocks, and what happens to them: run here, run elsewhere, or shown.
const LANGUAGES: &[&str] = &["sh", "python", "rust", "text"];
/// Page of a script, whose links lead to the records that it read.
const MADE: &str = "gpu-offline.md";

/// A block of code of a page.
struct Block {
    line: usize,
    language: String,
    text: String,
    not_run: Option<String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Pages that the summary names, in its order.
fn summary() -> Vec<PathBuf> {
    let docs = root().join("docs");
    let text = read(&docs.join("SUMMARY.md"));
    let named = text.lines().filter_map(|line| line.split_once("](")?.1.strip_suffix(')').map(str::to_owned));
    named.map(|page| docs.join(page)).collect()
}

/// The README and the pages of the book.
fn pages() -> Vec<PathBuf> {
    let pages: Vec<_> = std::iter::once(root().join("README.md")).chain(summary()).collect();
    assert!(pages.len() > 20, "the pages of the book were not found");
    pages
}

fn blocks(text: &str) -> Vec<Block> {
    let lines: Vec<&str> = text.lines().collect();
    let fences: Vec<usize> = (0..lines.len()).filter(|&at| lines[at].starts_with("```")).collect();
    assert!(fences.len().is_multiple_of(2), "a block without an end");
    let block = |ends: &[usize]| Block {
        line: ends[0] + 1,
        language: lines[ends[0]].trim_start_matches('`').to_owned(),
        text: lines[ends[0] + 1..ends[1]].join("\n"),
        not_run: ends[0].checked_sub(1).and_then(|above| {
            Some(lines[above].strip_prefix("<!-- not run: ")?.strip_suffix(" -->")?.trim().to_owned())
        }),
    };
    fences.chunks(2).map(block).collect()
}

/// Lines of a page outside of blocks.
fn outside(text: &str) -> Vec<&str> {
    let mut inside = false;
    let lines = text.lines().filter(|line| {
        inside ^= line.starts_with("```");
        !inside && !line.starts_with("```")
    });
    lines.collect()
}

/// A page without its code, in which brackets mean nothing.
fn prose(text: &str) -> String {
    outside(text).iter().map(|line| line.split('`').step_by(2).collect::<Vec<_>>().join("") + "\n").collect()
}

/// Pieces of code within the text of a page.
fn inline(text: &str) -> Vec<&str> {
    outside(text).iter().flat_map(|line| line.split('`').skip(1).step_by(2)).collect()
}

/// Names of the headings of a page in links.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let name = |heading: &str| -> String {
        let kept = heading.trim_start_matches('#').trim().to_lowercase();
        kept.chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect()
    };
    headings.map(name).collect()
}

/// Runs the blocks of a page one after the other in one empty directory.
#[cfg(unix)]
fn run_page(page: &Path) -> (usize, Vec<String>) {
    let (dir, bin) = (Dir::new(), Dir::new());
    std::os::unix::fs::symlink(PROGRAM, bin.path("lowrank")).expect("a link to the program");
    let path = format!("{}:{}", bin.root().display(), std::env::var("PATH").unwrap_or_default());
    let (mut count, mut failed) = (0, Vec::new());
    for block in blocks(&read(page)).into_iter().filter(|block| block.language == "sh" && block.not_run.is_none()) {
        count += 1;
        let mut shell = assert_cmd::Command::new("bash");
        let shell = shell.args(["-euo", "pipefail", "-c", &block.text]).env("PATH", &path);
        let said = shell.current_dir(dir.root()).timeout(Duration::from_secs(60)).output().expect("a shell");
        if !said.status.success() {
            let error = String::from_utf8_lossy(&said.stderr);
            failed.push(format!("{}:{}: {}\n{}\n{error}", page.display(), block.line, said.status, block.text));
            break;
        }
    }
    (count, failed)
}

#[cfg(unix)]
#[test]
fn every_command_runs() {
    let (pages, results) = (Mutex::new(pages().into_iter()), Mutex::new((0, Vec::new())));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(page) = { pages.lock().expect("no page panics").next() } {
                    let (count, failed) = run_page(&page);
                    let mut all = results.lock().expect("no page panics");
                    all.0 += count;
                    all.1.extend(failed);
                }
            });
        }
    });
    let (count, failed) = results.into_inner().expect("no page panics");
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
    assert!(count > 40, "only {count} blocks were found: the test reads the pages wrongly");
}

/// Words of a command of the program behind what starts it, if it is one.
fn own_words(command: &str) -> Option<Vec<&str>> {
    let words: Vec<&str> = command.split_whitespace().collect();
    let started = words.iter().position(|word| word.rsplit('/').next() == Some("lowrank"));
    let begins = match words.starts_with(&["cargo", "run"]) {
        true => words.iter().position(|word| *word == "--")?,
        false => started?,
    };
    Some(words[begins + 1..].to_vec())
}

#[test]
fn what_does_not_run_says_why_and_is_understood() {
    let (mut blocks_seen, mut commands) = (0, 0);
    for page in pages() {
        for block in blocks(&read(&page)) {
            let Some(reason) = &block.not_run else { continue };
            let place = format!("{}:{}", page.display(), block.line);
            blocks_seen += 1;
            assert!(
                block.language == "sh" && reason.split(' ').count() > 2,
                "{place}: give the reason of a block of sh"
            );
            for command in block.text.replace("\\\n", " ").lines() {
                if let Some(words) = own_words(command) {
                    commands += 1;
                    let error = lowrank_cli::understand::words(words.join("\n").as_bytes());
                    assert!(error.is_none(), "{place}: {command}\n{}", error.unwrap_or_default());
                } else if let Some(script) = command.strip_prefix("bash ") {
                    assert!(root().join(script).exists(), "{place}: {script} is not there");
                } else {
                    assert!(command.starts_with("cargo "), "{place}: nobody checks {command}");
                }
            }
        }
    }
    assert!(blocks_seen > 4 && commands > 4, "{blocks_seen} blocks, {commands} commands");
    assert!(lowrank_cli::understand::words(b"solve\n--matrices\nA.npy\n--observation\ny.npy").is_some());
}

#[test]
fn blocks_have_a_language_that_somebody_tests() {
    let library = read(&root().join("src/lib.rs"));
    for page in pages() {
        let text = read(&page);
        let name = page.strip_prefix(root()).expect("a page of the workspace").display().to_string();
        for block in blocks(&text) {
            let known = LANGUAGES.contains(&block.language.as_str());
            assert!(known, "{name}:{}: '{}' is none of {LANGUAGES:?}", block.line, block.language);
            let tested = library.contains(&format!("include_str!(\"../{name}\")"));
            assert!(block.language != "rust" || tested, "{name} has Rust: src/lib.rs tests the pages that it lists");
        }
    }
    let length = read(&root().join("README.md")).lines().count();
    assert!(length <= LENGTH, "README.md has {length} lines of {LENGTH}");
}

#[test]
fn links_lead_to_files_and_headings() {
    let (mut links, mut wrong) = (0, Vec::new());
    let docs = root().join("docs").canonicalize().expect("the book");
    for page in pages() {
        let folder = page.parent().expect("a folder");
        let book = page.starts_with(root().join("docs")) && !page.ends_with(MADE);
        for target in prose(&read(&page)).split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.starts_with("https://") {
                continue;
            }
            links += 1;
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = if file.is_empty() { page.clone() } else { folder.join(file) };
            let found = path.canonicalize().ok().filter(|path| !book || path.starts_with(&docs));
            let leads = found.is_some_and(|path| anchor.is_empty() || anchors(&read(&path)).contains(anchor));
            if !leads {
                wrong.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "links of the book stay within docs and lead somewhere:\n{}", wrong.join("\n"));
    assert!(links > 60, "only {links} links were found: the test reads the pages wrongly");
}

#[test]
fn every_page_is_in_the_summary_once() {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).expect("a folder of the book") {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                // The paper has a form of its own.
                true if path.ends_with("docs/paper") => (),
                true => walk(&path, found),
                false if path.extension().is_some_and(|end| end == "md") => found.push(path),
                false => (),
            }
        }
    }
    let mut files = Vec::new();
    walk(&root().join("docs"), &mut files);
    files.retain(|path| !path.ends_with("SUMMARY.md"));
    let mut named = summary();
    files.sort();
    named.sort();
    assert_eq!(files, named);
}

/// Lists of the book are outputs of the program; with `LOWRANK_WRITE=1` they are written again.
#[test]
fn lists_are_outputs_of_the_program() {
    let (begin, end) = ("<!-- output of: lowrank ", "<!-- end of output -->");
    let mut count = 0;
    for page in pages() {
        let mut text = read(&page);
        let Some(start) = text.find(begin) else { continue };
        let command = text[start + begin.len()..].split(" -->").next().expect("the end of the comment").to_owned();
        let words: Vec<&str> = command.split(' ').collect();
        let output = Dir::new().run(&words).done().stdout;
        let from = start + begin.len() + command.len() + " -->\n".len();
        let to = from + text[from..].find(end).expect("an end");
        if std::env::var_os("LOWRANK_WRITE").is_some() {
            text.replace_range(from..to, &output);
            std::fs::write(&page, &text).expect("a page that can be written");
        } else {
            let old =
                format!("{} is old: LOWRANK_WRITE=1 cargo test -p lowrank-cli --test program book", page.display());
            assert!(text[from..to] == output, "{old}");
        }
        count += 1;
    }
    assert_eq!(count, 3);
}

/// Flags in a text, without values.
fn flags(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    words.filter(|word| word.starts_with("--") && word.len() > 3)
}

#[test]
fn commands_and_flags_in_the_text_exist() {
    let dir = Dir::new();
    let help = dir.run(&["--help"]).done().stdout;
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = listed.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let commands: BTreeMap<String, BTreeSet<String>> = names
        .filter_map(|line| line.split_whitespace().next().filter(|name| *name != "help"))
        .map(|name| {
            let help = dir.run(&[name, "--help"]).done().stdout;
            (name.to_owned(), flags(&help).map(str::to_owned).collect())
        })
        .collect();
    let all: BTreeSet<&String> = commands.values().flatten().collect();
    let (mut seen, mut wrong) = (0, Vec::new());
    for page in pages() {
        for code in inline(&read(&page)).into_iter().filter(|code| !code.contains("cargo ")) {
            let mut words = code.split(' ');
            let known = match (words.next(), words.next()) {
                (Some("bash" | "python3"), _) => continue,
                (Some("lowrank"), Some(name)) => {
                    commands.get(name).is_some_and(|of| flags(code).all(|flag| of.contains(flag)))
                }
                _ => flags(code).all(|flag| all.contains(&flag.to_owned())),
            };
            seen += flags(code).count();
            if !known {
                wrong.push(format!("{}: {code}", page.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "no such command or flag:\n{}", wrong.join("\n"));
    assert!(seen > 150, "only {seen} flags were found: the test reads the pages wrongly");
}
