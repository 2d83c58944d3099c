//! Tests of `bench`: consistent tables and refusals, not speed.

use crate::says::{assert_says, says};
use crate::{Dir, table};

const SMALL: &str = "--n 20 --measurements 60 --search-rank 5 --samples 1 --seconds 0.001 --read 1 --backend cpu";

fn bench(dir: &Dir, words: &str) -> crate::Said {
    let words: Vec<&str> = words.split_whitespace().collect();
    dir.run(&[&["bench"], &words[..]].concat())
}

#[test]
fn rates_follow_from_times_and_sizes() {
    let dir = Dir::new();
    let said = bench(&dir, &format!("iteration {SMALL} --storage f32,f16 --batch 1,3 --out bench.csv")).done();
    assert!(said.stdout.contains("ms/iteration"), "{}", said.stdout);
    let rows = table(&dir.text("bench.csv"));
    assert_eq!(rows.len(), 4);
    for row in &rows {
        let number = |name: &str| row[name].parse::<f64>().unwrap_or_else(|e| panic!("{name}: {e}"));
        let (entries, seconds) = (60.0 * 210.0, number("milliseconds") * 1e-3);
        // The scale of a half-precision row is read too.
        let bytes = if row["storage"] == "f16" { entries * 2.0 + 60.0 * 4.0 } else { entries * 4.0 };
        crate::close(number("gigabytes_per_second"), bytes / seconds * 1e-9, 1e-9);
        crate::close(number("gigaflops"), 4.0 * entries * number("batch") / seconds * 1e-9, 1e-9);
        let share = number("gigabytes_per_second") / number("limit_gigabytes_per_second");
        crate::close(number("share_of_limit"), share, 1e-9);
        assert!(number("fastest") <= number("milliseconds") && number("milliseconds") <= number("slowest"));
    }
    let alone = bench(&dir, &format!("iteration {SMALL} --out -")).done();
    assert_eq!(table(&alone.stdout).len(), 1, "{}", alone.stdout);
    let limit = bench(&dir, &format!("limit {SMALL}")).done();
    assert!(says(&limit.stdout, "8 streams") && limit.stdout.contains("limit:"), "{}", limit.stdout);
}

#[test]
fn variants_are_forced_and_unknown_ones_named() {
    let dir = Dir::with_problem();
    let portable = if cfg!(target_arch = "aarch64") { "neon" } else { "portable" };
    let said = bench(&dir, &format!("iteration {SMALL} --variant {portable}")).done();
    assert!(said.stdout.contains(&format!("dense/{portable}")), "{}", said.stdout);
    let refused = bench(&dir, &format!("iteration {SMALL} --variant fastest"));
    assert_eq!(refused.code, Some(2));
    assert_says(&refused.stderr, &["--variant", "'fastest'", portable]);
    dir.solve(&format!("--variant {portable} --max-iterations 5 --report run.json")).done();
    assert_eq!(dir.json("run.json")["environment"]["variant"], format!("dense/{portable}"));
    assert_eq!(dir.json("run.json")["settings"]["variant"], portable);
    let refused = dir.solve("--variant fastest");
    assert!(refused.code == Some(2) && refused.stderr.contains("--variant"), "{}", refused.stderr);
}

#[test]
fn slips_are_refused_by_name() {
    let dir = Dir::new();
    for (words, name) in [
        ("iteration --storage f8", "--storage"),
        ("iteration --precision f16", "--precision"),
        ("iteration --samples 0", "--samples"),
        ("iteration --n 0", "n"),
        ("iteration --batch 0", "batch"),
        ("iteration --search-rank 0", "search"),
        ("iteration --n 1:", "--n"),
        ("limit --backend reference", "--backend"),
        ("limit --read 0 --backend cpu", "--backend"),
        ("iteration --out nowhere/bench.csv", "nowhere"),
    ] {
        let small = "--samples 1 --seconds 0.001 --measurements 10";
        let extra = if words.contains("samples") { "" } else { small };
        let said = bench(&dir, &format!("{words} {extra}"));
        assert_eq!(said.code, Some(2), "{words}: {} {}", said.stdout, said.stderr);
        assert!(said.stderr.contains(name) && !said.stderr.contains("panicked"), "{words}: {}", said.stderr);
    }
}
