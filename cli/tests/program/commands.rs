//! `demo`, `check`, `list` and the help.

use crate::says::assert_says;
use crate::{Dir, close, distance, product, table};

#[test]
fn the_reference_page_lists_every_option() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/options.md");
    let found = Dir::new().run(&["list", "options"]).done().stdout;
    let written = std::fs::read_to_string(page).unwrap();
    assert!(written == found, "docs/options.md is old: lowrank list options > docs/options.md");
}

#[test]
fn the_demo_recovers_its_matrix_and_leaves_its_files() {
    let dir = Dir::new();
    let said = dir.run(&["demo", "--backend", "cpu", "--out", "demo"]).done();
    assert_says(&said.stdout, &["rank 3"]);
    let ((shape, left), (_, x)) = (dir.factors("demo/factors.npz"), dir.array("demo/X.npy"));
    assert_eq!(shape, [1, 100, 20]);
    let error = distance(&product(&left, 100, 20), &product(&x, 100, 3));
    let report = dir.json("demo/run.json");
    assert!(error < 1e-5, "{error}");
    close(report["relative_error"].as_f64().unwrap(), error, 1e-3);
    assert_eq!(report["seeds"], serde_json::json!({ "truth": 1, "operator": 1, "init": [1] }));
    assert_eq!(table(&dir.text("demo/trace.csv")).len(), 41);
    assert!(dir.text("demo/error.svg").starts_with("<svg"));
    assert_eq!(std::fs::read_dir(dir.path("demo")).unwrap().count(), 6);
    assert_says(&dir.text("demo/run.html"), &["A run of gd", "100x100", "for the model psd", "<h2>Phases</h2>"]);
}

#[test]
fn laws_hold_on_the_processor() {
    let dir = Dir::new();
    let said = dir.run(&["check", "--place", "cpu", "--operator", "dense"]).done();
    assert!(said.stdout.trim_end().ends_with(" 0 failed") && !said.stdout.contains("FAILS"), "{}", said.stdout);
    assert!(said.stdout.contains("cpu f64") && !said.stdout.contains("reference f64"), "{}", said.stdout);
}

#[test]
fn lists_name_what_the_flags_take() {
    let dir = Dir::new();
    let devices = dir.run(&["list", "devices"]).done().stdout;
    assert!(devices.lines().any(|l| l.starts_with("cpu")) && devices.lines().any(|l| l.starts_with("reference")));
    // The Vulkan loader finds no driver where it is told of one that does not exist; OpenGL may have one still.
    let hidden =
        dir.run_with(&[("VK_DRIVER_FILES", "none.json"), ("VK_ICD_FILENAMES", "none.json")], &["list", "devices"]);
    let listed = hidden.stdout.lines().any(|l| l.starts_with("gpu"));
    assert!(listed != hidden.stderr.contains("no graphics adapter was found"), "{}{}", hidden.stdout, hidden.stderr);
    assert!(dir.run(&["list", "operators"]).done().stdout.starts_with("dense\n"));
    assert!(dir.run(&["list", "methods"]).done().stdout.starts_with("gd\n"));
    assert!(dir.run(&["list", "models"]).done().stdout.starts_with("psd\n"));
    assert!(dir.run(&["--version"]).done().stdout.contains(env!("CARGO_PKG_VERSION")));
}

#[test]
fn help_fits_110_columns_explains_every_flag_and_names_defaults() {
    let dir = Dir::new();
    for command in ["", "solve", "compare", "generate", "demo", "check", "list", "completions", "man"] {
        let args: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        let help = dir.run(&args).done().stdout;
        for line in help.lines() {
            assert!(line.chars().count() <= 110, "{command}: {line}");
        }
        let lines: Vec<&str> = help.lines().collect();
        for (at, line) in lines.iter().enumerate().filter(|(_, l)| l.trim_start().starts_with("--")) {
            // The text stands behind the flag, or on the next line where flags are long.
            let beside = line.trim().split_once("  ").map_or("", |(_, text)| text).trim();
            let below = lines.get(at + 1).map_or("", |l| l.trim());
            let text = if beside.is_empty() { below } else { beside };
            assert!(!text.is_empty() && !text.starts_with('[') && !text.starts_with('-'), "{command}: {line}");
        }
    }
    let help = dir.run(&["solve", "--help"]).done().stdout;
    let words = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for default in
        ["min(n, 20)", "1/(4 ‖s·A*(y)‖)", "1e-6 √‖s·A*(y)‖", "[default: 5000]", "[default: auto]", "every:10"]
    {
        assert!(words.contains(default), "{default}");
    }
    for text in ["1:8", "log:1e-1:1e-7:7", "Exit codes"] {
        assert!(words.contains(text), "{text}");
    }
    dir.run(&[]).exits(2);
}

#[test]
fn cards_are_lines_and_markdown() {
    let dir = Dir::new();
    for what in ["operators", "methods", "models"] {
        let plain = dir.run(&["list", what]).done().stdout;
        let markdown = dir.run(&["list", what, "--markdown"]).done().stdout;
        let words = |text: &str, begin: &str| -> Vec<String> {
            let lines = text.lines().filter(|line| line.starts_with(begin) && !line.starts_with(' '));
            lines.map(|line| line[begin.len()..].to_owned()).filter(|word| !word.is_empty()).collect()
        };
        assert_eq!(words(&plain, ""), words(&markdown, "### "), "{what}");
        assert!(
            markdown.lines().filter(|line| line.starts_with("- ")).count() >= 3 * words(&plain, "").len(),
            "{what}"
        );
    }
}

#[test]
fn shells_complete_every_command_and_flag() {
    let dir = Dir::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = dir.run(&["completions", shell]).done().stdout;
        for word in ["fold-in", "reproduce", "search-rank", "observations", "markdown"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    let said = dir.run(&["completions", "tcsh"]).exits(2);
    assert_says(&said.stderr, &["tcsh", "bash"]);
    #[cfg(unix)]
    {
        let script = dir.run(&["completions", "bash"]).done().stdout;
        let ask = "COMP_WORDS=(lowrank solve --search-r); COMP_CWORD=2; _lowrank lowrank --search-r solve; echo \"${COMPREPLY[*]}\"";
        dir.write("ask.bash", format!("{script}\n{ask}\n").as_bytes());
        let found = assert_cmd::Command::new("bash").arg(dir.path("ask.bash")).output().expect("a shell");
        assert_eq!(String::from_utf8_lossy(&found.stdout).trim(), "--search-rank", "{found:?}");
    }
}

#[test]
fn the_manual_has_a_page_of_every_command() {
    let dir = Dir::new();
    let first = dir.run(&["man"]).done().stdout;
    assert!(first.contains(".TH lowrank 1") && first.contains("lowrank\\-solve(1)"), "{first}");
    dir.run(&["man", "pages/man1"]).done();
    let help = dir.run(&["--help"]).done().stdout;
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let commands: Vec<&str> = listed
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|word| *word != "help")
        .collect();
    assert!(commands.len() > 12, "{commands:?}");
    for command in commands {
        let page = dir.text(&format!("pages/man1/lowrank-{command}.1"));
        assert!(page.contains(".SH SYNOPSIS"), "{command}");
    }
    assert!(dir.text("pages/man1/lowrank.1") == first);
    dir.write("file", b"");
    assert_says(&dir.run(&["man", "file/pages"]).exits(2).stderr, &["file/pages", "directory"]);
}
