//! Complex problems: states from Pauli strings and counts, and phases from intensities.

use crate::Dir;
use crate::refusals::refused;

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

fn error(dir: &Dir) -> f64 {
    dir.json("run.json")["trials"][0]["relative_error"].as_f64().unwrap()
}

#[test]
fn states_are_generated_and_recovered() {
    let dir = Dir::new();
    let said =
        dir.run(&words("generate --operator pauli --n 16 --rank 2 --measurements 160 --seed 3 --out p")).done().stdout;
    assert!(said.contains("160 different Pauli strings on 4 qubits"), "{said}");
    let solve = said.lines().last().unwrap().trim().trim_start_matches("lowrank ").to_owned();
    dir.run(&words(&format!("{solve} --precision f64 --backend cpu --report run.json --out factors.npz"))).done();
    assert!(error(&dir) < 1e-8, "{:e}", error(&dir));
    // The factors are complex, and start a run.
    let archive = std::fs::read(dir.path("factors.npz")).unwrap();
    assert!(archive.windows(5).any(|of| of == b"'<c16"));
    let again = "--method cg --precision f64 --backend cpu --report run.json --init factors.npz";
    dir.run(&words(&format!("{solve} {again}"))).done();
    assert!(error(&dir) < 1e-8);
    refused(&dir, "generate --operator pauli --n 12 --rank 1 --measurements 20 --out q", &["--n", "power of two"]);
    refused(
        &dir,
        "generate --operator pauli --n 4 --rank 1 --measurements 17 --out q",
        &["--measurements", "4^2 = 16"],
    );
    let both = "generate --operator pauli --n 4 --rank 1 --measurements 9 --shots 5 --noise-std 0.1 --out q";
    refused(&dir, both, &["--noise-std", "--shots"]);
    refused(&dir, "generate --operator dense --n 4 --rank 1 --measurements 9 --shots 5 --out q", &["--shots", "pauli"]);
}

#[test]
fn complex_matrices_of_both_signs_are_generated_and_recovered() {
    let dir = Dir::new();
    let made = "generate --operator pauli --model signed --n 16 --signature 1,1 --measurements 160 --seed 3 --out p";
    dir.run(&words(made)).done();
    let solve = "solve --pauli p/strings.txt --observations p/y.npy --truth p/X.npz --model signed --precision f64";
    dir.run(&words(&format!("{solve} --signature 2,2 --backend cpu --report run.json"))).done();
    assert!(error(&dir) < 1e-8, "{:e}", error(&dir));
    dir.write("X.npy", &crate::npy("<c16", "(16, 2)", &[1; 512]));
    let alone = solve.replace("p/X.npz", "X.npy");
    refused(&dir, &format!("{alone} --signature 2,2"), &["X.npy", "left", "signature"]);
}

#[test]
fn values_stand_beside_their_strings_or_in_a_file_of_their_own() {
    let dir = Dir::new();
    // The GHZ state of two qubits.
    dir.write("bell.txt", b"# the Bell state\nII 1\nXX 1\nYY -1\nZZ 1\nXZ 0\nIZ 0\nZI 0\nXI 0\nIX 0\nYZ 0\nXY 0\n");
    dir.run(&words("solve --pauli bell.txt --precision f64 --backend cpu --report run.json")).done();
    let trial = &dir.json("run.json")["trials"][0];
    let values: Vec<f64> = trial["singular_values"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
    assert!((values[0] - 1.0).abs() < 1e-6 && values[1] < 1e-6, "{values:?}");
    dir.write("bad.txt", b"XX 1\nXQ 1\n");
    refused(&dir, "solve --pauli bad.txt", &["bad.txt", "line 2", "'Q'"]);
    dir.write("long.txt", b"XX 1\nXXX 1\n");
    refused(&dir, "solve --pauli long.txt", &["line 2", "3 letters", "2 letters"]);
    dir.write("bare.txt", b"XX\nYY\n");
    refused(&dir, "solve --pauli bare.txt", &["--observations", "value after its string"]);
    refused(&dir, "solve --pauli bell.txt --model asymmetric", &["--model", "psd or signed"]);
    refused(&dir, "solve --pauli bell.txt --method gauss-newton", &["gauss-newton", "complex"]);
    refused(&dir, "solve --pauli bell.txt --nonnegative", &["--nonnegative", "complex"]);
    refused(&dir, "solve --pauli bell.txt --fixed-trace 0", &["--fixed-trace", "found 0", "positive"]);
    refused(&dir, "solve --pauli bell.txt --fixed-trace -1", &["--fixed-trace", "found -1", "positive"]);
    let signed = "solve --pauli bell.txt --model signed --signature 1,1 --fixed-trace 1";
    refused(&dir, signed, &["--fixed-trace", "signed", "psd", "--model psd"]);
    dir.write("X.npy", &crate::npy("<f8", "(4, 1)", &[0; 32]));
    refused(&dir, "solve --pauli bell.txt --truth X.npy", &["X.npy", "real numbers", "complex128"]);
    dir.write("M.npy", &crate::npy("<c16", "(4, 4)", &[1; 256]));
    refused(&dir, "solve --pauli bell.txt --truth-matrix M.npy", &["M.npy", "conjugates", "Hermitian"]);
}

#[test]
fn a_state_has_the_trace_that_is_asked() {
    let dir = Dir::new();
    let made = "generate --operator pauli --n 16 --rank 1 --measurements 128 --shots 8192 --seed 1 --out p";
    dir.run(&words(made)).done();
    let solve = "solve --pauli p/strings.txt --observations p/y.npy --backend cpu --report run.json --fixed-trace 1";
    let trace = |dir: &Dir| {
        let values = &dir.json("run.json")["trials"][0]["singular_values"];
        values.as_array().unwrap().iter().map(|v| v.as_f64().unwrap().powi(2)).sum::<f64>()
    };
    for (more, within) in [("", 1e-6), ("--precision f64", 1e-12), ("--method gd", 1e-6), ("--holdout 0.1", 1e-6)] {
        let said = dir.run(&words(&format!("{solve} {more}"))).done();
        assert!((trace(&dir) - 1.0).abs() < within, "{more}: {}", trace(&dir));
        let after = said.stderr.contains("fixed_trace 1: the fit was scaled to that trace and refined by momentum");
        assert_eq!(after, more != "--method gd", "{}", said.stderr);
    }
}

#[test]
fn counts_of_outcomes_are_read() {
    let dir = Dir::new();
    let counts = r#"{"XX": {"00": 512, "11": 488}, "YY": {"01": 490, "10": 510}, "ZZ": {"00": 505, "11": 495}}"#;
    dir.write("counts.json", counts.as_bytes());
    let said = dir.run(&words("solve --counts counts.json --precision f64 --backend cpu --report run.json")).done();
    assert!(said.stderr.contains("3000 counts in 3 bases determine 10 expectation values"), "{}", said.stderr);
    let first = dir.json("run.json")["trials"][0]["singular_values"][0].as_f64().unwrap();
    assert!((first - 1.0).abs() < 0.05, "{first}");
    dir.write("bad.json", br#"{"XQ": {"00": 1}}"#);
    refused(&dir, "solve --counts bad.json", &["bad.json", "'Q'", "XYZ"]);
    refused(&dir, "solve --counts counts.json --pauli bell.txt", &["--counts", "--pauli"]);
}

#[test]
fn phases_come_from_intensities_of_complex_vectors() {
    let dir = Dir::new();
    let made = "generate --operator rank_one --complex --n 16 --rank 1 --measurements 90 --seed 4 --out v";
    dir.run(&words(made)).done();
    let solve = "solve --vectors v/a.npy --observations v/y.npy --truth v/X.npy --precision f64 --backend cpu";
    dir.run(&words(&format!("{solve} --report run.json"))).done();
    assert!(error(&dir) < 1e-6, "{:e}", error(&dir));
    refused(
        &dir,
        "generate --operator seeded --complex --n 4 --rank 1 --measurements 9 --out q",
        &["--complex", "rank_one"],
    );
}

#[test]
fn complex_matrices_are_written_and_recovered() {
    let dir = Dir::new();
    let (solve, end) =
        ("solve --observations q/y.npy --precision f64 --backend cpu --report run.json", "--seed 4 --out q");
    let cases = [
        ("--operator dense --n 12 --rank 2 --measurements 130", "--matrices q/A.npy --truth q/X.npy"),
        (
            "--operator dense --model signed --n 12 --signature 1,1 --measurements 160 --storage f64",
            "--matrices q/A.npy --truth q/X.npz --model signed --signature 2,2",
        ),
        (
            "--operator dense --model asymmetric --shape 9,7 --rank 2 --measurements 170",
            "--matrices q/A.npy --truth q/X.npz --model asymmetric",
        ),
        (
            "--operator rank_one --model asymmetric --shape 9,7 --rank 1 --measurements 170",
            "--vectors q/a.npy --vectors-right q/b.npy --truth q/X.npz --model asymmetric",
        ),
    ];
    for (made, known) in cases {
        dir.run(&words(&format!("generate --complex {made} {end}"))).done();
        dir.run(&words(&format!("{solve} {known}"))).done();
        assert!(error(&dir) < 1e-6, "{made}: {:e}", error(&dir));
        std::fs::remove_dir_all(dir.path("q")).unwrap();
    }
    // Complex observations are two measurements a matrix: of an Aᵢ that picks an entry, that entry.
    let picks: Vec<u8> =
        (0..36).flat_map(|at| [f64::from(u8::from(at % 7 == 0)), 0.0]).flat_map(f64::to_le_bytes).collect();
    dir.write("A.npy", &crate::npy("<c16", "(6, 2, 3)", &picks));
    let y = (0..6).map(|at| (at / 3, at % 3)).flat_map(|(i, j)| [(1 + i) as f64, (1 + i) as f64 * (j as f64 - 0.5)]);
    let values: Vec<u8> = y.flat_map(f64::to_le_bytes).collect();
    dir.write("y.npy", &crate::npy("<c16", "(6,)", &values));
    let solve = "solve --matrices A.npy --observations y.npy --model asymmetric --precision f64 --backend cpu";
    dir.run(&words(&format!("{solve} --report run.json"))).done();
    let trial = &dir.json("run.json")["trials"][0];
    assert!(trial["relative_residual"].as_f64().unwrap() < 1e-8 && trial["estimated_rank"] == 1, "{trial}");
    dir.write("y.npy", &crate::npy("<c16", "(5,)", &values[..80]));
    refused(&dir, solve, &["y.npy", "(5,)", "(6,)"]);
    refused(
        &dir,
        &format!("generate --complex --operator dense --n 4 --rank 1 --measurements 9 --layout packed {end}"),
        &["--layout", "full"],
    );
    refused(
        &dir,
        &format!("generate --complex --operator dense --n 4 --rank 1 --measurements 9 --storage f16 {end}"),
        &["--storage", "f32"],
    );
}

/// A table of complex numbers with holes: L Rᴴ of rank 1, 5 by 4, with u_i = 1 + i·j and v_j = 2 − j.
#[test]
fn complex_tables_are_completed() {
    let dir = Dir::new();
    let numbers = (0..20).map(|at| (at / 4, at % 4)).flat_map(|(i, j)| {
        let (re, im) = (1.0, i as f64);
        let v = 3.0 - j as f64 * 0.5;
        if (i + 2 * j) % 7 == 3 { [f64::NAN, f64::NAN] } else { [re * v, im * v] }
    });
    let bytes: Vec<u8> = numbers.flat_map(f64::to_le_bytes).collect();
    dir.write("table.npy", &crate::npy("<c16", "(5, 4)", &bytes));
    let solve = "solve --entries table.npy --precision f64 --backend cpu";
    dir.run(&words(&format!("{solve} --report run.json"))).done();
    let report = dir.json("run.json");
    let trial = &report["trials"][0];
    assert!(trial["relative_residual"].as_f64().unwrap() < 1e-8 && trial["estimated_rank"] == 1, "{trial}");
    refused(&dir, &format!("{solve} --biases"), &["--biases", "complex"]);
    let said = dir.run(&words(&format!("{solve} --confidence"))).exits(1);
    assert!(said.stderr.contains("confidence for complex matrices"), "{}", said.stderr);
    refused(&dir, &format!("{solve} --model psd"), &["table.npy", "5 x 4", "asymmetric"]);
    refused(&dir, &format!("{solve} --shape 5,5"), &["--shape", "5,5", "5,4"]);
    dir.write("table.npy", &crate::npy("<c16", "(20,)", &bytes));
    refused(&dir, solve, &["table.npy", "(20,)", "(n1, n2)"]);
    dir.write(
        "table.npy",
        &crate::npy("<c16", "(1, 1)", &[f64::NAN, 0.0].into_iter().flat_map(f64::to_le_bytes).collect::<Vec<_>>()),
    );
    refused(&dir, solve, &["table.npy", "NaN"]);
}

#[test]
fn signals_come_from_coded_diffraction_patterns() {
    let dir = Dir::new();
    dir.run(&words("generate --operator cdp --n 24 --rank 1 --measurements 192 --seed 4 --out d")).done();
    let solve = "solve --masks d/masks.npy --observations d/y.npy --truth d/X.npy --precision f64 --backend cpu";
    dir.run(&words(&format!("{solve} --report run.json"))).done();
    assert!(error(&dir) < 1e-6, "{:e}", error(&dir));
    refused(
        &dir,
        "generate --operator cdp --n 24 --rank 1 --measurements 100 --out q",
        &["--measurements", "multiple of n = 24"],
    );
    dir.write("y.npy", &crate::npy("<f8", "(1, 2)", &[[0; 8], (-1.0_f64).to_le_bytes()].concat()));
    dir.write("m.npy", &crate::npy("<f8", "(1, 2)", &[0; 16]));
    refused(&dir, "solve --masks m.npy --observations y.npy", &["y.npy", "negative intensity", "[0, 1]"]);
    dir.write("flat.npy", &crate::npy("<f8", "(4,)", &[0; 32]));
    refused(&dir, "solve --masks flat.npy --observations y.npy", &["flat.npy", "(l, n) or (l, h, w)"]);
    refused(
        &dir,
        "solve --masks d/masks.npy --observations d/y.npy --backend gpu",
        &["diffraction", "'gpu'", "24 pixels", "powers of two", "'cpu'"],
    );
}
