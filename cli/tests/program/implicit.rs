//! `solve --implicit`: tables of counts.

use crate::Dir;
use crate::says::assert_says;

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

/// Plays of 60 listeners, who have one of four tastes, each for its fourth of 40 titles.
fn plays(header: &str) -> String {
    let play = |at: usize| {
        let (listener, title) = (at / 40, at % 40);
        let own = title / 10 == listener % 4 && (at * 7 + listener) % 10 < 6;
        (own || (at * 31).is_multiple_of(97)).then(|| format!("l{listener},t{title},{}\n", 1 + at % 3))
    };
    std::iter::once(format!("{header}\n")).chain((0..2400).filter_map(play)).collect()
}

#[test]
fn counts_are_solved_and_held_out_ones_ranked() {
    let dir = Dir::new();
    dir.write("plays.csv", plays("listener,title,plays").as_bytes());
    let base = "solve --entries plays.csv --implicit 5 --search-rank 4 --backend cpu";
    let said = dir.run(&words(&format!("{base} --holdout 0.1 --report run.json")));
    let said = said.done();
    assert_says(&said.stderr, &["method cg", "ridge", "implicit feedback"]);
    for line in ["implicit loss", "held-out AUC", "recall at 20", "held-out rmse"] {
        assert!(said.stdout.contains(line), "{}", said.stdout);
    }
    assert!(!said.stdout.contains("baseline"), "{}", said.stdout);
    let report = dir.json("run.json");
    let auc = |name: &str| report["trials"][0]["preference"][name]["auc"].as_f64().unwrap();
    assert!(auc("ranking") > 0.75 && auc("ranking") > auc("popularity") + 0.1, "{report}");
    assert_eq!(report["settings"]["implicit"], 5.0);
    assert!(report["baseline_rmse"].is_null());
    // The report repeats the run.
    dir.run(&words("solve --config run.json")).done();
    // Without a holdout there is a loss and no ranking; a given ridge stays.
    let said = dir.run(&words(&format!("{base} --ridge 2 --report all.json --method lbfgs")));
    let said = said.done();
    assert!(said.stdout.contains("implicit loss") && !said.stdout.contains("AUC"), "{}", said.stdout);
    assert_eq!(dir.json("all.json")["trials"][0]["ridge"], 2.0);
}

#[test]
fn counts_of_one_position_add_up() {
    let dir = Dir::new();
    dir.write("once.csv", b"a,b,n\n0,0,3\n1,1,1\n2,1,1\n");
    dir.write("twice.csv", b"a,b,n\n0,0,1\n1,1,1\n0,0,2\n2,1,1\n");
    for name in ["once", "twice"] {
        let command = format!("solve --entries {name}.csv --implicit 2 --search-rank 1 --backend reference");
        dir.run(&words(&format!("{command} --out {name}.npz --report {name}.json"))).done();
    }
    let digest = |name: &str| dir.json(&format!("{name}.json"))["trials"][0]["factors_sha256"].clone();
    assert_eq!(digest("once"), digest("twice"));
}

#[test]
fn what_is_no_implicit_feedback_is_refused() {
    let dir = Dir::new();
    dir.write("plays.csv", plays("listener,title,plays").as_bytes());
    dir.write("negative.csv", b"a,b,n\n0,0,3\n1,1,-1\n");
    dir.write("weights.csv", b"row,column,value,weight\n0,0,3,2\n1,1,1,1\n");
    dir.write("y.npy", b"");
    for (arguments, pieces) in [
        ("--entries plays.csv --implicit 0", vec!["implicit", "positive"]),
        ("--entries negative.csv --implicit 1", vec!["-1", "counts"]),
        ("--entries weights.csv --implicit 1", vec!["weights", "--columns"]),
        ("--entries plays.csv --implicit 1 --biases", vec!["--biases"]),
        ("--entries plays.csv --implicit 1 --model psd", vec!["psd", "--model asymmetric"]),
        ("--entries plays.csv --implicit 1 --loss l1", vec!["l1", "square"]),
        ("--entries plays.csv --implicit 1 --method pursuit", vec!["pursuit", "cg", "lbfgs", "prec-gd"]),
        ("--entries plays.csv --implicit 1 --search-rank auto", vec!["implicit", "holdout"]),
        ("--matrices y.npy --observations y.npy --implicit 1", vec!["implicit", "entries"]),
    ] {
        let said = dir.run(&words(&format!("solve {arguments} --backend cpu")));
        assert_says(&said.exits(2).stderr, &pieces);
    }
}
