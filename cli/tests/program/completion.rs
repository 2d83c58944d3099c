//! `solve --entries` and `solve --sparse`, and the problems that `generate` makes for them.

use lowrank::io::read_npz;

use crate::Dir;
use crate::says::{assert_says, says};

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

const GENERATE: &str = "generate --operator entries --model asymmetric --shape 60,40 --rank 2 --measurements 1200";

#[test]
fn entries_are_solved_and_compared_with_baselines() {
    let dir = Dir::new();
    dir.run(&words(&format!("{GENERATE} --noise-std 0.1 --degrees 0.3 --seed 2 --out p"))).done();
    let base = "solve --entries p/entries.csv --shape 60,40 --truth p/X.npz --backend cpu --search-rank 4";
    let said = dir.run(&words(&format!("{base} --holdout 0.1 --max-iterations 600 --report run.json --out f.npz")));
    let said = said.done();
    assert_says(&said.stderr, &["base 0"]);
    for line in ["train rmse", "held-out rmse", "baseline rmse"] {
        assert!(said.stdout.contains(line), "{}", said.stdout);
    }
    let report = dir.json("run.json");
    let number = |name: &str| report[name].as_f64().unwrap();
    let baseline = report["baseline_rmse"]["global_mean"].as_f64().unwrap();
    assert!(number("holdout_rmse") < 0.2 && number("train_rmse") < number("holdout_rmse"), "{report}");
    assert!(baseline > 0.8, "{baseline}");
    assert_eq!(report["trials"][0]["holdout_rows"], 120);
    assert_eq!(report["inputs"][0]["dtype"], "text");
    assert_eq!(report["settings"]["operator"], "entries");

    let biases = "--index-base 0 --biases --ridge 0.1 --max-iterations 50 --out b.npz --report b.json --quiet";
    dir.run(&words(&format!("{base} {biases}"))).done();
    let array = |name: &str| read_npz(dir.path("b.npz"), name).unwrap().shape().to_vec();
    assert_eq!([array("mean"), array("row_bias"), array("column_bias")], [vec![1], vec![60], vec![40]]);
    assert_eq!(array("right"), [1, 40, 4]);
    assert!(dir.json("b.json")["holdout_rmse"].is_null());
}

#[test]
fn predictions_worse_than_biases_are_doubted() {
    let dir = Dir::new();
    // 12 (row) + 5 (column), and a method that is stopped where it starts.
    let entry = |at: usize| format!("{},{},{}\n", at / 20, at % 20, 12 * (at / 20) + 5 * (at % 20));
    dir.write("table.csv", (0..400).filter(|at| at % 3 != 0).map(entry).collect::<String>().as_bytes());
    let said = dir.run(&words(
        "solve --entries table.csv --shape 20,20 --index-base 0 --method gd --max-iterations 1 --holdout 0.2 --backend cpu",
    ));
    let said = said.exits(1);
    assert_says(&said.stderr, &["biases", "held-out"]);
}

#[test]
fn a_file_can_be_held_out() {
    let dir = Dir::new();
    dir.run(&words(&format!("{GENERATE} --out p"))).done();
    let text = dir.text("p/entries.csv");
    let (mut train, mut test) = (String::new(), String::from("row,column,value\n"));
    for (at, line) in text.lines().enumerate() {
        let part = if at % 9 == 8 { &mut test } else { &mut train };
        part.push_str(line);
        part.push('\n');
    }
    // A position twice, and one that is in both.
    let line = text.lines().nth(1).unwrap();
    train.push_str(&format!("{line}\n"));
    test.push_str(&format!("{line}\n"));
    std::fs::write(dir.path("train.csv"), &train).unwrap();
    std::fs::write(dir.path("test.csv"), &test).unwrap();
    let base = "solve --entries train.csv --backend cpu --search-rank 3 --max-iterations 300";
    let said = dir.run(&words(&format!("{base} --holdout test.csv --report run.json"))).done();
    let notice = |word: &str| said.stderr.lines().any(|line| says(line, "1") && says(line, word));
    assert!(notice("repeat") && notice("held-out"), "{}", said.stderr);
    let report = dir.json("run.json");
    assert_eq!(report["trials"][0]["holdout_rows"].as_u64().unwrap() as usize, test.lines().count() - 1);
    assert!(report["holdout_rmse"].as_f64().unwrap() < 0.05, "{report}");
    // Few entries are no error.
    let few = dir.run(&words("solve --entries test.csv --backend cpu --search-rank 10 --max-iterations 2"));
    assert_says(&few.done().stderr, &["degrees of freedom"]);
}

#[test]
fn the_mask_and_its_start_go_together() {
    let dir = Dir::new();
    let generate = "generate --operator entries --n 50 --rank 2 --measurements 1275 --mask relu --format mtx --out p";
    let said = dir.run(&words(generate)).done();
    assert!(said.stdout.contains("--init spectral:1"), "{}", said.stdout);
    let base = "solve --entries p/entries.mtx --model psd --truth p/X.npy --backend cpu --search-rank 2 --quiet";
    let command = |more: &str| format!("{base} --max-iterations 3000 --report run.json {more}");
    let error = |more: &str| {
        dir.run(&words(&command(more))).done();
        dir.json("run.json")["relative_error"].as_f64().unwrap()
    };
    // Without the mask's start the fit is bad, and the program doubts it.
    assert_eq!(dir.run(&words(&command(""))).code, Some(1));
    let random = dir.json("run.json")["relative_error"].as_f64().unwrap();
    let own = error("--init spectral:1");
    assert!(random > 0.3 && own < 1e-4, "{random} {own}");
    // What is not seen lies below the threshold, which is enough for a random start.
    let unseen = error("--loss-unseen hinge:0");
    assert!(unseen < 1e-4, "{unseen}");
    let slip = dir.run(&words(&format!("{base} --loss-unseen square:0")));
    assert_says(&slip.exits(2).stderr, &["--loss-unseen", "square:0", "hinge:t"]);
}

#[test]
fn sparse_matrices_are_generated_and_solved() {
    let dir = Dir::new();
    for (model, size) in [("psd", "--n 12"), ("asymmetric", "--shape 12,9")] {
        let generate =
            format!("generate --operator sparse --model {model} {size} --rank 1 --measurements 500 --out {model}");
        let said = dir.run(&words(&generate)).done();
        let command = said.stdout.lines().find(|line| line.contains("lowrank solve")).unwrap();
        let command = command.trim().trim_start_matches("lowrank ");
        let more = "--backend cpu --max-iterations 2000 --stop-relative-error 1e-4 --quiet --report run.json";
        dir.run(&words(&format!("{command} {more}"))).done();
        assert_eq!(dir.json("run.json")["settings"]["operator"], "sparse");
    }
}

#[test]
fn slips_are_named() {
    let dir = Dir::new();
    std::fs::write(dir.path("e.csv"), "0,1,2.5\n1,0,3\n").unwrap();
    std::fs::write(dir.path("bad.csv"), "0,1,2.5\n1,0.5,3\n").unwrap();
    std::fs::write(dir.path("other.csv"), "0,5,2\n").unwrap();
    for (flags, wanted) in [
        ("--entries bad.csv", vec!["bad.csv", "'0.5'", "column", "line 2"]),
        ("--entries none.csv", vec!["none.csv"]),
        ("--entries e.csv --index-base 2", vec!["--index-base", "'2'", "0", "1"]),
        ("--entries e.csv --index-base 1 --shape 2,2", vec!["line 1", "--index-base 0"]),
        ("--entries e.csv --index-base 1", vec!["--index-base", "--shape"]),
        ("--entries e.csv --columns a,b,c", vec!["--columns", "'a'", "1 to 3"]),
        ("--entries e.csv --table both", vec!["--table", "'both'", "wide or long"]),
        ("--entries e.csv --scale-columns --model psd", vec!["--scale-columns", "asymmetric"]),
        ("--entries e.csv --observations e.csv", vec!["--observations", "entries"]),
        ("--entries e.csv --rows 3", vec!["--rows"]),
        ("--entries e.csv --model psd --biases", vec!["--biases", "asymmetric"]),
        ("--entries e.csv --model psd --shape 2,3", vec!["--shape", "asymmetric"]),
        ("--entries e.csv --holdout 1.5", vec!["--holdout", "0", "1"]),
        ("--entries e.csv --holdout none.csv", vec!["none.csv"]),
        ("--entries e.csv --shape 2,2 --holdout other.csv", vec!["other.csv", "'5'", "column", "line 1"]),
        (
            "--entries e.csv --init spectral --init-preprocess x",
            vec!["--init-preprocess", "none", "truncate", "optimal"],
        ),
        ("--entries e.csv --init spectral:x", vec!["--init", "spectral:J"]),
        ("--entries e.csv --shape 2,2 --init spectral --search-rank 3", vec!["--init", "1", "2"]),
        ("--entries e.csv --matrices e.csv", vec!["--entries", "--matrices"]),
        ("--sparse e.csv --observations e.csv", vec!["e.csv", "scipy.sparse.save_npz"]),
        ("--sparse e.csv", vec!["--observations"]),
    ] {
        let said = dir.run(&words(&format!("solve {flags} --backend cpu")));
        assert_eq!(said.code, Some(2), "{flags}: {}", said.stderr);
        for word in wanted {
            assert!(says(&said.stderr, word), "{flags}: {} lacks {word:?}", said.stderr);
        }
    }
    for (flags, word) in
        [("--operator dense --degrees 1", "--degrees"), ("--operator entries --threshold 1", "--threshold")]
    {
        let said = dir.run(&words(&format!("generate --n 5 --rank 1 --measurements 5 --out p {flags}")));
        assert!(said.code == Some(2) && said.stderr.contains(word), "{flags}: {}", said.stderr);
    }
}
