//! Tests of `lowrank sweep` on matrices that are not square, and over ridges.

use lowrank::internals::operators::Registration;
use lowrank::models::Model;
use lowrank::operators::Storage;
use lowrank::problem::Domain;
use lowrank::{Backend, Init, Method, Precision, Problem, Settings, Solver, Stop, Trial};
use lowrank_studies::sweep::{Grid, Outcome, Sweep};

use crate::Dir;

/// Columns of a table by name.
fn column(text: &str, name: &str) -> Vec<String> {
    let at = text.lines().next().unwrap().split(',').position(|column| column == name).unwrap();
    text.lines().skip(1).map(|line| line.split(',').nth(at).unwrap().to_owned()).collect()
}

fn sweep(dir: &Dir, more: &str) -> (String, String) {
    let text = format!("sweep {more} --backend cpu --quiet --out out --restart");
    let said = dir.run(&text.split_whitespace().collect::<Vec<_>>()).done().stdout;
    (std::fs::read_to_string(dir.path("out/cells.csv")).unwrap(), said)
}

#[test]
fn rectangular_matrices_are_found_from_enough_measurements_by_entries_and_dense() {
    let dir = Dir::new();
    for operator in ["entries", "dense"] {
        let asked = format!(
            "--operator {operator} --model asymmetric --n 14 --n2 8,10 --rank 1 --measurements 15,80 --repetitions 4 \
             --success 1e-2 --max-iterations 500"
        );
        let (cells, said) = sweep(&dir, &asked);
        assert_eq!(column(&cells, "n"), ["14"; 4]);
        assert_eq!(column(&cells, "n2"), ["8", "8", "10", "10"]);
        // r (n1 + n2 − r)
        assert_eq!(column(&cells, "degrees_of_freedom"), ["21", "21", "23", "23"]);
        let rates: Vec<f64> = column(&cells, "rate").iter().map(|rate| rate.parse().unwrap()).collect();
        assert!(rates[0] == 0.0 && rates[2] == 0.0 && rates[1] >= 0.75 && rates[3] >= 0.75, "{operator}: {rates:?}");
        assert!(said.contains("columns n2"), "{said}");
        let page = std::fs::read_to_string(dir.path("out/sweep.html")).unwrap();
        assert!(page.contains("random n×n2 matrices") && page.contains("columns n2"));
        let report = dir.json("out/sweep.json");
        assert_eq!(report["settings"]["n2"], serde_json::json!([8, 10]));
        assert!(std::fs::read_to_string(dir.path("out/journal.csv")).unwrap().contains("\"n2\":[8,10]"));
        assert_eq!(column(&std::fs::read_to_string(dir.path("out/sweep.csv")).unwrap(), "n2")[..4], ["8"; 4]);
    }
}

#[test]
fn a_rectangular_solve_of_a_sweep_is_the_same_problem_solved_alone() {
    for word in ["entries", "dense"] {
        let operator = Registration::find(word).unwrap();
        let grid = Grid {
            operator,
            model: Model::asymmetric(),
            method: Some(Method::gd().into()),
            n: vec![9, 6],
            n2: vec![7],
            rank: vec![2],
            measurements: vec![40],
            repetitions: 1,
            max_iterations: 60,
            precision: Precision::F64,
            ..Grid::default()
        };
        let sweep = Sweep::new(grid, Backend::Cpu, 7).unwrap();
        let mut outcomes = vec![None; sweep.solves()];
        assert!(sweep.run(&mut outcomes, |_, _| Ok(()), |_| std::ops::ControlFlow::Continue(())).unwrap());
        let outcomes: Vec<Outcome> = outcomes.into_iter().map(Option::unwrap).collect();
        for (solve, outcome) in outcomes.iter().enumerate() {
            let (cell, _, seeds) = sweep.solve(solve);
            let domain = Domain::rectangular(cell.n, cell.n2);
            let truth = Model::asymmetric().truth(&domain, Some(2)).unwrap().seed(seeds.truth).build().unwrap();
            let made = (operator.generate)(domain, 40, seeds.operator, Storage::F32).unwrap();
            let settings = Settings::new(Method::gd())
                .model(Model::asymmetric())
                .init(Init::Automatic { seed: 0 })
                .precision(Precision::F64)
                .stop(Stop::default().relative_error(1e-3).max_iterations(60))
                .trials([Trial::default().search_rank(4).seed(seeds.init)]);
            let problem = Problem::measure(made, truth).unwrap();
            let same = Solver::new(problem, settings, Backend::Cpu).unwrap().solve().unwrap().trials.remove(0);
            assert_eq!(same.iterations, outcome.iterations, "{word}");
            assert_eq!(same.relative_error.unwrap().to_bits(), outcome.relative_error.to_bits(), "{word}");
        }
    }
}

#[test]
fn methods_compare_on_rectangular_matrices() {
    let dir = Dir::new();
    let shape = "--model asymmetric --shape 30,20 --rank 1 --measurements 500";
    for operator in ["entries", "dense"] {
        let made = format!("generate --operator {operator} {shape} --out {operator}");
        let said = dir.run(&made.split_whitespace().collect::<Vec<_>>()).done().stdout;
        // The flags of the proposed command name the measurements.
        let solve =
            said.lines().last().unwrap().trim().replace("lowrank solve", "compare").replace(" --holdout 0.1", "");
        let asked = format!("{solve} --methods cg,riemannian --search-rank 1 --backend cpu --quiet --out {operator}/c");
        let said = dir.run(&asked.split_whitespace().collect::<Vec<_>>()).done().stdout;
        let report = dir.json(&format!("{operator}/c/compare.json"));
        for row in report["table"].as_array().unwrap() {
            assert!(row["error"].as_f64().unwrap() < 1e-3, "{operator}: {said}");
        }
        assert!(dir.text(&format!("{operator}/c/report.html")).contains("30x20"), "{operator}");
    }
}

#[test]
fn symmetric_models_have_no_columns_of_their_own() {
    let dir = Dir::new();
    let asked = "sweep --n 8 --n2 6 --rank 1 --measurements 40 --out out";
    let said = dir.run(&asked.split_whitespace().collect::<Vec<_>>()).exits(2).stderr;
    assert!(said.contains("--n2: found 6; allowed: nothing with the model psd"), "{said}");
    assert!(!dir.path("out").exists());
}

#[test]
fn a_list_of_ridges_makes_cells_of_a_sweep_and_trials_of_solve_and_compare() {
    let dir = Dir::new();
    let (cells, _) = sweep(&dir, "--n 8 --rank 1 --measurements 60 --ridge 0,2 --method gd --repetitions 2");
    assert_eq!(column(&cells, "ridge"), ["0e0", "2e0"]);
    let errors: Vec<f64> = column(&cells, "median_relative_error").iter().map(|error| error.parse().unwrap()).collect();
    assert!(errors[0] < 1e-2 && errors[1] > 0.5, "{errors:?}");

    let problem = "generate --n 8 --rank 1 --measurements 60 --out p";
    dir.run(&problem.split(' ').collect::<Vec<_>>()).done();
    let files = "--matrices p/A.npy --observations p/y.npy --layout packed --truth p/X.npy --backend cpu --max-iterations 200 --quiet";
    let solve = format!("solve {files} --method gd --ridge 0,2 --trials t.csv --report r.json");
    dir.run(&solve.split_whitespace().collect::<Vec<_>>()).done();
    let trials = std::fs::read_to_string(dir.path("t.csv")).unwrap();
    assert_eq!(column(&trials, "ridge"), ["", "2e0"]);
    let errors: Vec<f64> = column(&trials, "relative_error").iter().map(|error| error.parse().unwrap()).collect();
    assert!(errors[0] < 1e-2 && errors[1] > 0.5, "{errors:?}");
    assert_eq!(dir.json("r.json")["settings"]["ridge"], "0,2");

    let compare = format!("compare {files} --methods gd,cg --ridge 0,2 --out c");
    dir.run(&compare.split_whitespace().collect::<Vec<_>>()).done();
    let report = dir.json("c/compare.json");
    for run in report["runs"].as_array().unwrap() {
        let ridges: Vec<_> = run["trials"].as_array().unwrap().iter().map(|trial| &trial["ridge"]).collect();
        assert!(ridges.len() == 2 && ridges[0].is_null() && ridges[1] == 2.0, "{ridges:?}");
    }
}
