//! Complex matrices: laws of their operators, recovery, invariance under unitary rotations, and refusals.

use std::sync::Arc;

use lowrank::diagnostics::{fidelity, relative_error};
use lowrank::internals::laws::{ENGINE_LAWS, Held, OPERATOR_LAWS, Place};
use lowrank::internals::options::Request;
use lowrank::operators::pauli::with_shots;
use lowrank::operators::{CodedDiffraction, Dense, Operator, Pauli, PauliString, RankOne, Seeded, Sparse, Storage};
use lowrank::problem::{Domain, Factors, MatrixView, Product, Truth, synthetic};
use lowrank::{Backend, Error, Init, Method, Model, Precision, Problem, Settings, Solver, Stop};

/// Fixed numbers that look random.
fn wave(count: usize, seed: f64) -> Vec<f64> {
    (0..count).map(|i| ((i as f64 + seed) * 12.9898).sin() * 0.7 + ((i as f64) * 0.37 + seed).cos() * 0.3).collect()
}

/// (X; Y)·(C + iD) for a complex k×k matrix.
fn turned(factor: &[f64], k: usize, (c, d): (&[f64], &[f64])) -> Vec<f64> {
    let n = factor.len() / k / 2;
    let (x, y) = factor.split_at(n * k);
    let entry = |a: &[f64], b: &[f64], i: usize, j: usize| (0..k).map(|l| a[i * k + l] * b[l * k + j]).sum::<f64>();
    let upper = (0..n * k).map(|at| entry(x, c, at / k, at % k) - entry(y, d, at / k, at % k));
    let lower = (0..n * k).map(|at| entry(x, d, at / k, at % k) + entry(y, c, at / k, at % k));
    upper.chain(lower).collect()
}

/// A unitary 2×2 matrix.
fn unitary() -> ([f64; 4], [f64; 4]) {
    let (a, b) = (0.6, 1.1_f64);
    // [[cos a, −sin a·e^{ib}], [sin a·e^{−ib}, cos a]]
    let (c, s) = (f64::cos(a), f64::sin(a));
    ([c, -s * b.cos(), s * b.cos(), c], [0.0, -s * b.sin(), -s * b.sin(), 0.0])
}

fn solved(problem: &Problem, settings: Settings) -> lowrank::solver::Solution {
    Solver::new(problem.clone(), settings, Backend::Cpu).unwrap().solve().unwrap()
}

/// Relative error of a spectral start of two columns.
fn error_of_spectral_start(problem: &Problem) -> f64 {
    let settings = Settings::new(Method::gd())
        .search_rank(2)
        .init(Init::Spectral { skip: 0, preprocess: Default::default() })
        .precision(Precision::F64)
        .stop(Stop::default().max_iterations(0));
    solved(problem, settings).best().relative_error.unwrap()
}

#[test]
fn complex_operators_obey_the_laws_of_every_operator() {
    let of = |make: fn(usize) -> Box<dyn Operator>| [make(40), make(200)];
    let pauli = of(|m| Box::new(Pauli::random(4, m, 3).unwrap()));
    let vectors = of(|m| Box::new(RankOne::gaussian(Domain::hermitian(7), m, 3).unwrap()));
    // 200 intensities of 36 pixels: the last pattern is measured in part.
    let patterns = of(|m| Box::new(CodedDiffraction::random(&[4, 9], m, 3).unwrap()));
    let (domain, pair) = (|| Domain::hermitian(7), || Domain::complex_rectangular(7, 5));
    let stored = [
        Box::new(Dense::gaussian(domain(), 200, 3).unwrap()) as Box<dyn Operator>,
        Box::new(Dense::gaussian_stored(domain(), 40, 3, Storage::F16).unwrap()),
        Box::new(Seeded::new(domain(), 200, 3).unwrap()),
        Box::new(Seeded::rademacher(domain(), 200, 3).unwrap()),
        Box::new(Dense::gaussian(pair(), 200, 3).unwrap()),
        Box::new(Dense::gaussian_stored(pair(), 40, 3, Storage::F16).unwrap()),
        Box::new(Seeded::new(pair(), 200, 3).unwrap()),
        Box::new(RankOne::gaussian(pair(), 200, 3).unwrap()),
        Box::new(Sparse::complex_entries(pair(), &(0..30).map(|at| (at % 7, at / 6)).collect::<Vec<_>>()).unwrap()),
    ];
    let mut held = 0;
    for operator in pauli.iter().chain(&vectors).chain(&patterns).chain(&stored) {
        let what = |law: &str| format!("{} m = {}: {law}", operator.name(), operator.measurements());
        for law in OPERATOR_LAWS.iter().filter(|law| law.name != "isometry" || operator.measurements() > 100) {
            let outcome = law.check(&**operator);
            held += usize::from(outcome.unwrap_or_else(|why| panic!("{}: {why}", what(law.name))) == Held::Holds);
        }
        for place in Place::host().iter().filter(|place| place.applies_to(&**operator)) {
            for law in ENGINE_LAWS.iter().filter(|law| law.name != "exact on integers") {
                let outcome = law.check(&**operator, place);
                held += usize::from(outcome.unwrap_or_else(|why| panic!("{}: {why}", what(law.name))) == Held::Holds);
            }
        }
    }
    assert!(held > 60, "{held}");
}

/// tr(P Z) from the matrices of single qubits, multiplied together.
#[test]
fn pauli_strings_are_products_of_the_matrices_of_their_letters() {
    let letter = |c: char| -> [[(f64, f64); 2]; 2] {
        match c {
            'I' => [[(1., 0.), (0., 0.)], [(0., 0.), (1., 0.)]],
            'X' => [[(0., 0.), (1., 0.)], [(1., 0.), (0., 0.)]],
            'Y' => [[(0., 0.), (0., -1.)], [(0., 1.), (0., 0.)]],
            _ => [[(1., 0.), (0., 0.)], [(0., 0.), (-1., 0.)]],
        }
    };
    let pauli = Pauli::all(3).unwrap();
    assert_eq!(pauli.measurements(), 64);
    for (i, string) in pauli.strings().iter().enumerate() {
        let (word, found) = (string.to_string(), pauli.sensing_matrix(i));
        for a in 0..8 {
            for b in 0..8 {
                let product = word.chars().enumerate().fold((1.0, 0.0), |(re, im): (f64, f64), (at, c)| {
                    let (x, y) = letter(c)[a >> (2 - at) & 1][b >> (2 - at) & 1];
                    (re * x - im * y, re * y + im * x)
                });
                assert_eq!((found[a * 16 + b], found[(8 + a) * 16 + b]), product, "{word} ({a},{b})");
                assert_eq!((found[(8 + a) * 16 + 8 + b], -found[a * 16 + 8 + b]), product, "{word} ({a},{b})");
            }
        }
    }
}

#[test]
fn errors_and_spectra_do_not_change_under_unitary_rotations() {
    let (domain, k) = (Domain::hermitian(6), 2);
    let (u, x) = (wave(24, 0.3), wave(24, 5.1));
    let truth = Truth::from_factor_on(domain, k, x.clone()).unwrap();
    let of = |factor: &[f64]| {
        let product = Product::psd(MatrixView::new(12, k, factor).unwrap()).on(&domain);
        (relative_error(&product, &truth).unwrap(), product.singular_values().unwrap(), product.to_dense())
    };
    let (c, d) = unitary();
    let ((error, values, dense), (turned_error, turned_values, turned_dense)) = (of(&u), of(&turned(&u, k, (&c, &d))));
    approx::assert_relative_eq!(error, turned_error, max_relative = 1e-12);
    assert_eq!(values.len(), 2);
    values.iter().zip(turned_values).for_each(|(a, b)| approx::assert_relative_eq!(*a, b, max_relative = 1e-12));
    dense.iter().zip(turned_dense).for_each(|(a, b)| approx::assert_abs_diff_eq!(*a, b, epsilon = 1e-12));
    // The truth itself, turned, has no error; the real lift would see one.
    assert!(of(&turned(&x, k, (&c, &d))).0 < 1e-14);
    // ‖Z − M‖_F/‖M‖_F from the complex entries.
    let product = Product::psd(MatrixView::new(12, k, &u).unwrap()).on(&domain);
    let wanted = truth.product().unwrap();
    let norm = |of: &dyn Fn(usize, usize) -> (f64, f64)| {
        let squares = (0..36).map(|at| of(at / 6, at % 6)).map(|(re, im)| re * re + im * im);
        squares.sum::<f64>().sqrt()
    };
    let apart = norm(&|i, j| {
        let ((a, b), (c, d)) = (product.complex_entry(i, j), wanted.complex_entry(i, j));
        (a - c, b - d)
    });
    approx::assert_relative_eq!(error, apart / norm(&|i, j| wanted.complex_entry(i, j)), max_relative = 1e-12);
}

#[test]
fn states_are_recovered_by_every_method_that_takes_complex_matrices() {
    let truth = synthetic::hermitian(16).rank(2).condition_number(2.0).seed(4).build().unwrap();
    let problem = Problem::measure(Pauli::random(4, 160, 9).unwrap(), truth).unwrap();
    let settings = |method: Option<Method>| {
        let settings = Settings::default().search_rank(2).precision(Precision::F64);
        let settings = settings.stop(Stop::default().relative_error(1e-6).max_iterations(4000));
        match method {
            Some(method) => settings.method(method),
            None => settings,
        }
    };
    let mut recovered = Vec::new();
    for word in
        ["gd", "momentum", "heavy-ball", "cg", "lbfgs", "prec-gd", "scaled-gd", "pursuit", "gd-polyak", "riemannian"]
    {
        let method = Method::from_word(word).unwrap();
        match solved(&problem, settings(Some(method))).best().relative_error {
            Some(error) if error <= 1e-6 => recovered.push(word),
            other => panic!("{word}: {other:?}"),
        }
    }
    assert_eq!(recovered.len(), 10);
    let automatic = solved(&problem, settings(None));
    assert!(automatic.best().relative_error.unwrap() <= 1e-6);
    let newton = settings(Some(Method::gauss_newton().into()));
    let error = Solver::new(problem.clone(), newton, Backend::Cpu).err().unwrap();
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
    let error = Solver::new(problem, settings(None).model(Model::asymmetric()), Backend::Cpu).err().unwrap();
    assert!(error.to_string().contains("psd or signed"), "{error}");
}

#[test]
fn the_default_finds_the_rank_of_equal_eigenvalues() {
    for (n, rank, seed) in [(16, 1, 1), (16, 3, 2), (32, 4, 3)] {
        let truth = synthetic::hermitian(n).rank(rank).seed(seed).build().unwrap();
        let m = 4 * n * rank;
        let problem = Problem::measure(Pauli::random(n.ilog2() as usize, m, seed).unwrap(), truth).unwrap();
        let found = solved(&problem, Settings::default().precision(Precision::F64));
        let best = found.best();
        assert!(best.relative_error.unwrap() < 1e-8, "n = {n}, rank {rank}: {:?}", best.relative_error);
        assert_eq!(best.singular_values.iter().filter(|v| **v > 1e-6).count(), rank);
    }
}

#[test]
fn complex_phases_come_from_intensities_by_default() {
    for seed in 0..3 {
        let n = 24;
        let truth = synthetic::hermitian(n).rank(1).seed(seed).build().unwrap();
        let operator = RankOne::gaussian(Domain::hermitian(n), 5 * n, seed).unwrap();
        let problem = Problem::measure(operator, truth).unwrap();
        let found = solved(&problem, Settings::default().precision(Precision::F64));
        assert!(found.best().relative_error.unwrap() < 1e-6, "seed {seed}: {:?}", found.best().relative_error);
    }
}

#[test]
fn signed_hermitian_matrices_are_recovered() {
    let domain = Domain::hermitian(16);
    let model = Model::signed(2, 1);
    let truth = model.truth(&domain, None).unwrap().seed(3).build().unwrap();
    let problem = Problem::measure(Pauli::random(4, 220, 5).unwrap(), truth).unwrap();
    let settings = Settings::default().model(model).precision(Precision::F64);
    assert!(solved(&problem, settings).best().relative_error.unwrap() < 1e-6);
}

#[test]
fn the_spectral_start_is_that_of_the_complex_matrix() {
    let truth = synthetic::hermitian(16).rank(2).seed(8).build().unwrap();
    let problem = Problem::measure(Pauli::all(4).unwrap(), truth.clone()).unwrap();
    // All strings: s·A*A is the identity, and so the start is the truth.
    assert!(error_of_spectral_start(&problem) < 1e-12);
}

#[test]
fn the_phases_of_a_small_start_are_seen() {
    let truth = synthetic::hermitian(32).rank(2).seed(2).build().unwrap();
    let problem = Problem::measure(Pauli::random(5, 640, 1).unwrap(), truth).unwrap();
    let settings = Settings::new(Method::gd()).search_rank(8).diagnose(true).precision(Precision::F64);
    let found = solved(&problem, settings.stop(Stop::default().relative_error(1e-4).max_iterations(5000)));
    let phases = found.best().phases.clone().unwrap();
    let (star, one) = (phases.t_star.unwrap(), phases.t_1.unwrap());
    assert!(star < one && phases.t_power.unwrap() > star, "{phases:?}");
    assert!(phases.noise_at_t_1.unwrap() < 0.1, "{phases:?}");
}

#[test]
fn shots_have_the_variance_of_their_outcomes() {
    let values = vec![0.6; 4000];
    let means = with_shots(&values, 50, 3).unwrap();
    let variance = means.iter().map(|v| (v - 0.6_f64).powi(2)).sum::<f64>() / 4000.0;
    approx::assert_relative_eq!(variance, (1.0 - 0.36) / 50.0, max_relative = 0.1);
    assert_eq!(with_shots(&[1.0, -1.0], 7, 1).unwrap(), [1.0, -1.0]);
    assert!(with_shots(&[0.0], 0, 1).is_err());
}

#[test]
fn values_of_many_strings_of_one_group_are_those_of_each_alone() {
    // All strings use transforms, one string alone does not.
    let (all, k) = (Pauli::all(4).unwrap(), 3);
    let point = Factors::single(1, 32, k, wave(32 * k, 0.9)).unwrap();
    let mut together = vec![0.0; 256];
    all.forward(0, &point, &mut together);
    for (i, string) in all.strings().iter().enumerate() {
        let mut own = [0.0];
        Pauli::new(vec![*string]).unwrap().forward(0, &point, &mut own);
        approx::assert_abs_diff_eq!(together[i], own[0], epsilon = 1e-12);
    }
    let other = PauliString::from_word("XX").unwrap();
    assert!(Pauli::new(vec![other, PauliString::from_word("XXX").unwrap()]).is_err());
}

#[test]
fn a_picture_comes_back_from_its_diffraction_patterns() {
    let (height, width) = (12, 10);
    let n = height * width;
    for (seed, patterns) in [(1_u32, 6), (2, 8), (3, 12)] {
        let x = wave(2 * n, f64::from(seed));
        let truth = Truth::from_factor_on(Domain::hermitian(n), 1, x).unwrap();
        let operator = CodedDiffraction::random(&[height, width], patterns * n, u64::from(seed)).unwrap();
        let problem = Problem::measure(operator, truth).unwrap();
        let found = solved(&problem, Settings::default().precision(Precision::F64));
        let error = found.best().relative_error.unwrap();
        assert!(error < 1e-6, "{patterns} patterns: {error:e} after {} iterations", found.best().iterations);
    }
}

#[test]
fn patterns_are_the_squared_fourier_transforms_behind_masks() {
    let masks = [1.0, 2.0, 0.5, -1.0].map(|v| (v, 0.0));
    let operator = CodedDiffraction::new(&[2, 2], &masks).unwrap();
    // F of (a b; c d) over both axes.
    let x = [0.3, 0.7, -1.0, 0.2];
    let m = [x[0], 2.0 * x[1], 0.5 * x[2], -x[3]];
    let sums =
        [m[0] + m[1] + m[2] + m[3], m[0] - m[1] + m[2] - m[3], m[0] + m[1] - m[2] - m[3], m[0] - m[1] - m[2] + m[3]];
    let point = Factors::single(1, 8, 1, [&x[..], &[0.0; 4]].concat()).unwrap();
    let mut out = [0.0; 4];
    operator.forward(0, &point, &mut out);
    for (found, sum) in out.iter().zip(sums) {
        approx::assert_abs_diff_eq!(*found, sum * sum, epsilon = 1e-12);
    }
    assert!(CodedDiffraction::new(&[2, 2], &[(1.0, 0.0); 5]).is_err());
    assert!(CodedDiffraction::new(&[], &[]).is_err());
    // Nothing is no operator: a rank without measurements has none.
    assert!(operator.slice(2..2).is_none() && operator.slice(0..5).is_none());
    assert!(operator.slice(1..4).is_some_and(|own| own.measurements() == 3));
}

#[test]
fn hermitian_matrices_of_every_kind_recover_a_complex_matrix() {
    let domain = Domain::hermitian(20);
    let truth = synthetic::hermitian(20).rank(2).condition_number(3.0).seed(5).build().unwrap();
    let operators: [Arc<dyn Operator>; 3] = [
        Arc::new(Dense::gaussian(domain, 240, 7).unwrap()),
        Arc::new(Seeded::new(domain, 240, 7).unwrap()),
        Arc::new(Seeded::rademacher(domain, 240, 7).unwrap()),
    ];
    for operator in operators {
        let name = operator.name().to_owned();
        let problem = Problem::measure(operator, truth.clone()).unwrap();
        let found = solved(&problem, Settings::default().precision(Precision::F64));
        let best = found.best();
        assert!(best.relative_error.unwrap() < 1e-8, "{name}: {:?}", best.relative_error);
        assert_eq!(best.estimated_rank, 2, "{name}");
    }
}

/// Noise is not taken for columns, by pursuit or by a second fit.
#[test]
fn few_shots_of_a_pure_state_give_rank_one() {
    for seed in [1, 4] {
        let truth = synthetic::hermitian(64).rank(1).seed(seed).build().unwrap();
        let exact = Problem::measure(Pauli::random(6, 819, seed).unwrap(), truth.clone()).unwrap();
        let y = with_shots(exact.observations(0).unwrap(), 512, seed).unwrap();
        let problem = Problem::new(exact.operator().clone(), y).unwrap().with_truth(truth.clone()).unwrap();
        let found = solved(&problem, Settings::default().search_rank(8).precision(Precision::F64));
        let best = found.best();
        assert_eq!(best.singular_values.iter().filter(|v| **v > 1e-9).count(), 1, "{:?}", best.singular_values);
        assert!(fidelity(&best.product(), &truth).unwrap() > 0.97);
    }
}

/// The strings that a GHZ state answers with certainty have no noise, so that the noise of the others reaches beyond the edge of an
/// even one.
#[test]
fn uneven_noise_is_no_second_column() {
    let seven = (7, 3276, (0..20).collect());
    // The strings of these seeds see both parts of the state.
    let six = (6, 819, vec![9, 16, 24]);
    for (qubits, m, seeds) in [seven, six] as [(usize, usize, Vec<u64>); 2] {
        let n = 1 << qubits;
        let mut psi = vec![0.0; 2 * n];
        (psi[0], psi[n - 1]) = (0.5_f64.sqrt(), 0.5_f64.sqrt());
        let truth = Truth::from_factor_on(Domain::hermitian(n), 1, psi).unwrap();
        for seed in seeds {
            let exact = Problem::measure(Pauli::random(qubits, m, seed).unwrap(), truth.clone()).unwrap();
            let y = with_shots(exact.observations(0).unwrap(), 8192, seed).unwrap();
            let problem = Problem::new(exact.operator().clone(), y).unwrap().with_truth(truth.clone()).unwrap();
            let found = solved(&problem, Settings::default().search_rank(8));
            let best = found.best();
            eprintln!(
                "{qubits} {seed} {:?} {}",
                &best.singular_values[..3],
                fidelity(&best.product(), &truth).unwrap()
            );
        }
    }
}

/// Complex matrices that are not Hermitian: L Rᴴ from stored matrices, outer products, seeds and entries.
#[test]
fn complex_pairs_are_recovered_from_every_kind_of_measurement() {
    let (n1, n2, rank) = (14, 10, 2);
    let domain = Domain::complex_rectangular(n1, n2);
    let truth = synthetic::complex(n1, n2).rank(rank).condition_number(3.0).seed(5).build().unwrap();
    // Six of seven entries, in a fixed pattern.
    let positions: Vec<(usize, usize)> = (0..n1 * n2).filter(|at| at % 7 != 2).map(|at| (at / n2, at % n2)).collect();
    let operators: [Arc<dyn Operator>; 5] = [
        Arc::new(Dense::gaussian(domain, 260, 7).unwrap()),
        Arc::new(Seeded::new(domain, 260, 7).unwrap()),
        Arc::new(Seeded::rademacher(domain, 260, 7).unwrap()),
        Arc::new(RankOne::gaussian(domain, 360, 7).unwrap()),
        Arc::new(Sparse::complex_entries(domain, &positions).unwrap()),
    ];
    for operator in operators {
        let name = operator.name().to_owned();
        let problem = Problem::measure(operator, truth.clone()).unwrap();
        let found = solved(&problem, Settings::default().precision(Precision::F64));
        let best = found.best();
        assert!(best.relative_error.unwrap() < 1e-8, "{name}: {:?}", best.relative_error);
        assert_eq!(best.estimated_rank, rank, "{name}");
        let (re, im) = best.product().complex_entry(3, 4);
        let wanted = truth.product().unwrap().complex_entry(3, 4);
        assert!((re - wanted.0).hypot(im - wanted.1) < 1e-7, "{name}");
    }
}

#[test]
fn complex_pairs_are_recovered_by_every_method_that_takes_them() {
    let truth = synthetic::complex(9, 12).rank(2).condition_number(2.0).seed(4).build().unwrap();
    let problem = Problem::measure(Dense::gaussian(truth.domain(), 220, 9).unwrap(), truth.clone()).unwrap();
    let settings = |word: &str| {
        let stop = Stop::default().relative_error(1e-6).max_iterations(6000);
        Settings::new(Method::from_word(word).unwrap()).search_rank(2).precision(Precision::F64).stop(stop)
    };
    for word in [
        "gd",
        "momentum",
        "heavy-ball",
        "cg",
        "lbfgs",
        "prec-gd",
        "scaled-gd",
        "alt-scaled-gd",
        "pursuit",
        "gd-polyak",
        "riemannian",
    ] {
        let found = solved(&problem, settings(word));
        assert!(found.best().relative_error.unwrap() <= 1e-6, "{word}: {:?}", found.best().relative_error);
    }
    // Any rotation of both factors by a unitary matrix is the same product.
    let found = solved(&problem, settings("gd"));
    let product = found.best().product();
    let (c, d) = unitary();
    let (l, r) = (turned(product.left().as_slice(), 2, (&c, &d)), turned(product.right().as_slice(), 2, (&c, &d)));
    let (l, r) = (MatrixView::new(18, 2, &l).unwrap(), MatrixView::new(24, 2, &r).unwrap());
    let rotated = Product::pair(l, r).unwrap().on(&truth.domain());
    assert!(relative_error(&rotated, &truth).unwrap() < 1e-5);
    approx::assert_relative_eq!(
        rotated.imbalance().unwrap(),
        product.imbalance().unwrap(),
        max_relative = 1e-9,
        epsilon = 1e-12
    );
}

#[test]
fn the_spectral_start_of_a_complex_pair_is_that_of_the_complex_matrix() {
    let truth = synthetic::complex(8, 6).rank(2).condition_number(2.0).seed(8).build().unwrap();
    let all: Vec<(usize, usize)> = (0..48).map(|at| (at / 6, at % 6)).collect();
    let problem = Problem::measure(Sparse::complex_entries(truth.domain(), &all).unwrap(), truth).unwrap();
    // All entries: s·A*A is the identity, and so the start is the truth.
    assert!(error_of_spectral_start(&problem) < 1e-12);
}

/// Entries of a Hermitian matrix: both parts of some above the diagonal.
#[test]
fn a_hermitian_matrix_is_completed_from_its_entries() {
    let truth = synthetic::hermitian(12).rank(2).seed(3).build().unwrap();
    let upper = (0..144).map(|at| (at / 12, at % 12)).filter(|(i, j)| i <= j && (i + 3 * j) % 7 != 0);
    let positions: Vec<(usize, usize)> = upper.collect();
    let problem = Problem::measure(Sparse::complex_entries(truth.domain(), &positions).unwrap(), truth).unwrap();
    let found = solved(&problem, Settings::default().precision(Precision::F64));
    assert!(found.best().relative_error.unwrap() < 1e-8, "{:?}", found.best().relative_error);
}

/// At four qubits few strings are left beside two columns, so that the loss cannot tell a second one from noise.
#[test]
fn few_strings_of_few_qubits_give_a_pure_state_or_a_doubt() {
    let (mut wrong, mut doubted) = (0, 0);
    for seed in 0..20 {
        let truth = synthetic::hermitian(16).rank(1).seed(seed).build().unwrap();
        let exact = Problem::measure(Pauli::random(4, 128, seed).unwrap(), truth.clone()).unwrap();
        let y = with_shots(exact.observations(0).unwrap(), 8192, seed).unwrap();
        let problem = Problem::new(exact.operator().clone(), y).unwrap().with_truth(truth.clone()).unwrap();
        let found = solved(&problem, Settings::default().precision(Precision::F64));
        let best = found.best();
        let good = fidelity(&best.product(), &truth).unwrap() > 0.98;
        wrong += usize::from(!good);
        doubted += usize::from(best.doubt.is_some());
        assert!(good || best.doubt.is_some(), "seed {seed}: {:?}", best.singular_values);
    }
    assert!(wrong <= 1 && doubted <= 2, "{wrong} wrong, {doubted} doubted");
}

#[test]
fn a_graphics_adapter_that_nobody_asked_for_gives_way_where_it_lacks_the_kernels() {
    let device = lowrank::gpu::Device::open(None);
    if device.is_err() && std::env::var("LOWRANK_REQUIRE_GPU").is_err() {
        return;
    }
    let backend = Backend::Gpu(device.unwrap());
    let real = Dense::gaussian(Domain::symmetric(4), 9, 1).unwrap();
    let strings = |qubits| Pauli::random(qubits, 9, 1).unwrap();
    let patterns = CodedDiffraction::random(&[4, 9], 40, 3).unwrap();
    let cases: [(&dyn Operator, Precision, Option<&str>); 7] = [
        (&real, Precision::F32, None),
        (&strings(12), Precision::F32, None),
        (&strings(12), Precision::F64, Some("12 qubits")),
        (&strings(13), Precision::F32, Some("13 qubits")),
        (&patterns, Precision::F32, Some("9 pixels")),
        (&CodedDiffraction::random(&[4, 8], 40, 3).unwrap(), Precision::F64, None),
        (&Dense::gaussian(Domain::hermitian(4), 9, 1).unwrap(), Precision::F32, None),
    ];
    for (operator, precision, lacks) in cases {
        let found = backend.require_operator(operator, precision).err().map(|error| error.to_string());
        assert_eq!(found.is_some(), lacks.is_some(), "{found:?}");
        let request = Request::default().with("precision", precision.word());
        let (chosen, said) = request.settled(backend.clone(), operator).unwrap();
        assert_eq!(chosen.word(), if lacks.is_some() { "cpu" } else { "gpu" });
        assert!(lacks.is_none_or(|what| said.as_deref().is_some_and(|said| said.contains(what))), "{said:?}");
        // What was asked for stays, and is refused later.
        assert_eq!(request.with("backend", "gpu").settled(backend.clone(), operator).unwrap().0.word(), "gpu");
    }
    // A method that reads single rows.
    let request = Request::default().with("method", "gauss-newton");
    let (chosen, said) = request.settled(backend, &real).unwrap();
    assert!(chosen.word() == "cpu" && said.is_some_and(|said| said.contains("rows")));
}
