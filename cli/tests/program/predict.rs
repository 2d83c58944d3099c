//! `predict` and `fold-in`: entries, best columns and new rows from the factors of a table.

use crate::Dir;
use crate::says::assert_says;

/// Entry of user i and movie j of a matrix of rank 2 with offsets.
fn value(i: usize, j: usize) -> f64 {
    let (a, b) = (i as f64, j as f64);
    3.0 + 0.3 * (a * 0.7).sin()
        + 0.4 * (b * 1.3).cos()
        + (a * 1.1).cos() * (b * 0.9).sin()
        + 0.5 * (a * 0.4).sin() * (b * 1.7).cos()
}

fn line(i: usize, j: usize) -> String {
    format!("u{i},{},{}\n", 1000 + 7 * j, value(i, j))
}

/// A table of 40 users and 30 movies, of which users from 36 on come later; every fourth entry is missing.
fn solved() -> Dir {
    let dir = Dir::new();
    let (mut train, mut new) = ("user,movie,rating\n".to_owned(), "user,movie,rating\n".to_owned());
    for (i, j) in (0..40 * 30).map(|at| (at / 30, at % 30)).filter(|(i, j)| (i + j) % 4 != 0) {
        let table = if i < 36 { &mut train } else { &mut new };
        table.push_str(&line(i, j));
    }
    dir.write("train.csv", train.as_bytes());
    dir.write("new.csv", new.as_bytes());
    dir.run(&["solve", "--entries", "train.csv", "--biases", "--backend", "cpu", "--out", "f.npz", "--quiet"]).done();
    dir
}

/// (row, column, prediction) of a table of predictions.
fn predictions(text: &str) -> Vec<(String, String, Option<f64>)> {
    let cell = |line: &str, at: usize| line.split(',').nth(at).unwrap_or_default().to_owned();
    text.lines().skip(1).map(|line| (cell(line, 0), cell(line, 1), cell(line, 2).parse().ok())).collect()
}

#[test]
fn pairs_are_predicted_by_their_ids_and_unknown_ones_by_biases() {
    let dir = solved();
    dir.write("pairs.csv", b"movie,user\n1000,u4\n1042,u2\n1000,nobody\n99,u4\n");
    let said = dir.run(&["predict", "--factors", "f.npz", "--pairs", "pairs.csv", "--out", "p.csv"]).done();
    assert_says(&said.stderr, &["nobody", "99", "biases"]);
    let found = predictions(&dir.text("p.csv"));
    assert_eq!((found.len(), &found[0].0[..], &found[0].1[..]), (4, "u4", "1000"));
    crate::close(found[0].2.unwrap(), value(4, 0), 1e-3);
    crate::close(found[1].2.unwrap(), value(2, 6), 1e-3);
    let means: f64 = (0..36).map(|i| value(i, 0)).sum::<f64>() / 36.0;
    crate::close(found[2].2.unwrap(), means, 0.1);
    dir.run(&["predict", "--factors", "f.npz", "--pairs", "pairs.csv", "--clip", "3,3.01", "--out", "p.csv"]).done();
    assert!(predictions(&dir.text("p.csv")).iter().all(|(_, _, value)| (3.0..=3.01).contains(&value.unwrap())));
}

#[test]
fn the_best_columns_leave_out_what_is_known() {
    let dir = solved();
    dir.write("ids.csv", b"u4\nu9\n");
    let flags =
        ["predict", "--factors", "f.npz", "--top", "3", "--for", "ids.csv", "--exclude", "train.csv", "--out", "t.csv"];
    dir.run(&flags).done();
    let text = dir.text("t.csv");
    let rows: Vec<Vec<&str>> = text.lines().skip(1).map(|line| line.split(',').collect()).collect();
    assert_eq!(rows.iter().map(|row| row[0]).collect::<Vec<_>>(), ["u4", "u4", "u4", "u9", "u9", "u9"]);
    let mut missing: Vec<usize> = (0..30).filter(|j| (4 + j) % 4 == 0).collect();
    missing.sort_by(|a, b| value(4, *b).total_cmp(&value(4, *a)));
    let wanted: Vec<String> = missing.iter().take(3).map(|j| (1000 + 7 * j).to_string()).collect();
    assert_eq!(rows.iter().take(3).map(|row| row[2]).collect::<Vec<_>>(), wanted);
}

#[test]
fn new_rows_are_folded_in_without_a_new_fit() {
    let dir = solved();
    let said = dir.run(&["fold-in", "--factors", "f.npz", "--entries", "new.csv", "--out", "g.npz"]).done();
    assert_says(&said.stderr, &["4 rows", "leave-one-out"]);
    dir.write("pairs.csv", b"u37,1021\nu39,1007\n");
    dir.run(&["predict", "--factors", "g.npz", "--pairs", "pairs.csv", "--out", "p.csv"]).done();
    let found = predictions(&dir.text("p.csv"));
    crate::close(found[0].2.unwrap(), value(37, 3), 2e-2);
    crate::close(found[1].2.unwrap(), value(39, 1), 2e-2);
    let again = dir.run(&["fold-in", "--factors", "g.npz", "--entries", "new.csv", "--out", "h.npz"]).exits(2);
    assert_says(&again.stderr, &["--entries", "new row"]);
}

#[test]
fn the_commands_of_the_book_do_what_it_says() {
    let dir = solved();
    dir.write("pairs.csv", b"user,movie\nu4,1000\nu38,1000\n");
    dir.write("users.csv", b"user\nu4\nu9\n");
    let (new, old) = (dir.text("new.csv"), dir.path("f.npz"));
    dir.write("new-users.csv", new.as_bytes());
    std::fs::copy(old, dir.path("tuned.npz")).unwrap();
    std::fs::copy(dir.path("train.csv"), dir.path("ratings.csv")).unwrap();
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/completion.md")).unwrap();
    let commands: Vec<Vec<&str>> = page
        .lines()
        .filter(|line| line.starts_with("lowrank predict ") || line.starts_with("lowrank fold-in "))
        .map(|line| line.split(' ').skip(1).collect())
        .collect();
    assert_eq!(commands.len(), 3, "{commands:?}");
    let said: Vec<_> = commands.iter().map(|command| dir.run(command).done()).collect();
    // Ids that the factors do not know are named, and served by biases; --clip 1,5.
    assert_says(&said[0].stderr, &["u38", "biases"]);
    let found = predictions(&dir.text("predictions.csv"));
    assert!(found.len() == 2 && found.iter().all(|of| (1.0..=5.0).contains(&of.2.unwrap())));
    // The ten best, or what the training leaves, and none of the training.
    let best = dir.text("best.csv");
    let train = dir.text("train.csv");
    assert!(best.lines().count() > 10);
    for line in best.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        assert!(!train.contains(&format!("{},{},", fields[0], fields[2])), "{line} is in the training");
    }
    let more = dir.run(&["predict", "--factors", "more-factors.npz", "--pairs", "pairs.csv", "--out", "p.csv"]).done();
    assert!(!more.stderr.contains("u38"), "{}", more.stderr);
}

#[test]
fn slips_are_named() {
    let dir = solved();
    dir.write("pairs.csv", b"u1,1000\n");
    for (flags, words) in [
        ("predict --factors f.npz --pairs pairs.csv --out pairs.csv", vec!["--out", "pairs.csv"]),
        ("predict --factors train.csv --pairs pairs.csv --out p.csv", vec!["train.csv", "npz"]),
        ("predict --factors f.npz --pairs pairs.csv --trial 1 --out p.csv", vec!["--trial", "0 to 0"]),
        ("predict --factors f.npz --pairs pairs.csv --clip 5,1 --out p.csv", vec!["--clip", "LO,HI"]),
        ("predict --factors f.npz --out p.csv", vec!["--pairs", "--top"]),
        ("fold-in --factors f.npz --entries new.csv --axis both --out g.npz", vec!["--axis", "rows, columns"]),
        ("fold-in --factors f.npz --entries new.csv --ridge -1 --out g.npz", vec!["--ridge", "-1"]),
    ] {
        let flags: Vec<&str> = flags.split(' ').collect();
        assert_says(&dir.run(&flags).exits(2).stderr, &words);
    }
    assert_eq!(dir.text("pairs.csv"), "u1,1000\n");
}

#[test]
fn entries_of_complex_factors_have_two_parts() {
    let dir = Dir::new();
    let problem = "generate --operator pauli --n 8 --rank 1 --measurements 64 --seed 2 --out .";
    dir.run(&problem.split(' ').collect::<Vec<_>>()).done();
    let solve = "solve --pauli strings.txt --observations y.npy --backend cpu --precision f64 --out f.npz --quiet";
    dir.run(&solve.split(' ').collect::<Vec<_>>()).done();
    dir.write("pairs.csv", b"row,column\n1,2\n2,1\n3,3\n9,0\n");
    let said = dir.run(&["predict", "--factors", "f.npz", "--pairs", "pairs.csv", "--out", "p.csv"]).done();
    assert_says(&said.stderr, &["1 rows are not in the factors (9)", "left blank"]);
    let text = dir.text("p.csv");
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(rows[0], ["row", "column", "real", "imaginary"]);
    let part = |row: usize, column: usize| rows[row][column].parse::<f64>().unwrap();
    // Entry (2, 1) is the conjugate of entry (1, 2), and a diagonal entry is real and positive.
    crate::close(part(1, 2), part(2, 2), 1e-12);
    crate::close(part(1, 3), -part(2, 3), 1e-12);
    assert!(part(1, 3).abs() > 1e-6 && part(3, 2) > 0.0 && part(3, 3).abs() < 1e-12, "{text}");
    assert_eq!(rows[4][2..], ["", ""]);
    let refused = dir.run(&["predict", "--factors", "f.npz", "--top", "2", "--out", "t.csv"]);
    assert_says(&refused.stderr, &["--top", "--pairs"]);
    assert_eq!(refused.code, Some(2));
}
