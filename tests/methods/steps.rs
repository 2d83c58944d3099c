//! Single steps against the formulas, on both backends of the host and every model.

use faer::Mat;
use lowrank::Method;
use lowrank::methods::{Minibatches, Parameters, StepRule, Turns};
use lowrank::operators::Loss;
use lowrank::problem::Model;

use crate::textbook::{Case, Matrix, close, damped, dot, inverse, same_direction};

const MODELS: [Model; 3] = [Model::Psd, Model::Signed, Model::Asymmetric];
const ALL: fn(usize) -> bool = |_| true;

fn each_model(check: impl Fn(Case, &str)) {
    for model in MODELS {
        // Fewer columns than the size, and more.
        for k in [3, 9] {
            check(Case::new(model, k), &format!("{model:?} k={k}"));
        }
    }
}

/// (L, R) − t·(D, E); R is empty for one factor.
fn moved(case: &Case, t: f64, d: (&Matrix, &Matrix)) -> (Matrix, Matrix) {
    let right = if case.symmetric() { Mat::zeros(0, 0) } else { &case.right - faer::Scale(t) * d.1 };
    (&case.left - faer::Scale(t) * d.0, right)
}

#[track_caller]
fn agree(found: Vec<(Matrix, Matrix)>, expected: &(Matrix, Matrix), what: &str) {
    for (l, r) in found {
        close(&l, &expected.0, what);
        if r.nrows() > 0 {
            close(&r, &expected.1, what);
        }
    }
}

#[test]
fn gradient_descent_and_its_losses() {
    each_model(|case, what| {
        for loss in [Loss::Square, Loss::L1, Loss::Huber { delta: 0.7 }] {
            let (g, h) = case.gradient(&case.left, &case.right, loss, ALL);
            let parameters = Parameters { loss, step_decay: Some(1.0), ..Parameters::default() };
            let found = case.run(Method::GradientDescent, parameters, 0.01, 1);
            agree(found, &moved(&case, 0.01, (&g, &h)), &format!("{what} {}", loss.word()));
        }
    });
}

#[test]
fn scaled_steps() {
    each_model(|case, what| {
        let (g, h) = case.gradient(&case.left, &case.right, Loss::Square, ALL);
        let (c, d) = case.grams(&case.left, &case.right);
        let scale = |damping: f64| {
            let right = if case.symmetric() { Mat::zeros(0, 0) } else { &h * inverse(&damped(&d, damping)) };
            (&g * inverse(&damped(&c, damping)), right)
        };
        let (p, q) = scale(0.3);
        let parameters = Parameters { damping: Some(0.3), ..Parameters::default() };
        agree(case.run(Method::ScaledGd, parameters, 0.2, 1), &moved(&case, 0.2, (&p, &q)), &format!("damped {what}"));
        // λ = c·√s·‖e‖.
        let e = case.residual(&case.left, &case.right);
        let damping = 0.4 * (case.s * e.iter().map(|e| e * e).sum::<f64>()).sqrt();
        let (p, q) = scale(damping);
        let parameters = Parameters { damping_factor: Some(0.4), ..Parameters::default() };
        agree(case.run(Method::PrecGd, parameters, 0.2, 1), &moved(&case, 0.2, (&p, &q)), &format!("prec {what}"));
        // The same by the rule on the host, with a step that is searched for.
        let parameters = Parameters { damping: Some(0.3), step_rule: Some(StepRule::Exact), ..Parameters::default() };
        for (l, _) in case.run(Method::ScaledGd, parameters, 0.2, 1) {
            same_direction(&(&case.left - l), &scale(0.3).0, what);
        }
        // λ = 0 is the inverse where there is one.
        if case.k() == 3 {
            let (p, q) = scale(0.0);
            let parameters = Parameters { damping: Some(0.0), ..Parameters::default() };
            agree(case.run(Method::ScaledGd, parameters, 0.2, 1), &moved(&case, 0.2, (&p, &q)), &format!("λ=0 {what}"));
        }
    });
}

#[test]
fn alternating_steps_use_the_new_left_factor() {
    let case = Case::new(Model::Asymmetric, 3);
    let (g, _) = case.gradient(&case.left, &case.right, Loss::Square, ALL);
    let left = &case.left - faer::Scale(0.6) * &g * inverse(&case.grams(&case.left, &case.right).0);
    let (_, h) = case.gradient(&left, &case.right, Loss::Square, ALL);
    let right = &case.right - faer::Scale(0.6) * &h * inverse(&case.grams(&left, &case.right).1);
    let parameters = Parameters { step_rule: Some(StepRule::Constant), ..Parameters::default() };
    agree(case.run(Method::AltScaledGd, parameters, 0.6, 1), &(left, right), "alternating");
}

#[test]
fn polyak_steps_aim_at_the_optimal_loss_and_are_capped() {
    each_model(|case, what| {
        let (g, h) = case.gradient(&case.left, &case.right, Loss::Square, ALL);
        let square = dot(&g, &g) + dot(&h, &h);
        let f = case.loss(&case.left, &case.right, Loss::Square);
        let size = dot(&case.left, &case.left) + if case.symmetric() { 0.0 } else { dot(&case.right, &case.right) };
        for optimal in [0.0, 0.9 * f] {
            let step = ((f - optimal) / square).min(0.5 * (size / square).sqrt());
            let parameters = Parameters { polyak_every: Some(1), optimal_loss: Some(optimal), ..Parameters::default() };
            let found = case.run(Method::GdPolyak, parameters, 0.01, 1);
            agree(found, &moved(&case, step, (&g, &h)), &format!("polyak {what}"));
        }
        // The third step of three.
        let parameters = Parameters { polyak_every: Some(3), ..Parameters::default() };
        let two = case.run(Method::GradientDescent, Parameters::default(), 0.01, 2);
        agree(case.run(Method::GdPolyak, parameters, 0.01, 2), &two[0], what);
    });
}

#[test]
fn momentum_extrapolates() {
    each_model(|case, what| {
        let t = 0.01;
        let step = |l: &Matrix, r: &Matrix| {
            let (g, h) = case.gradient(l, r, Loss::Square, ALL);
            let right = if case.symmetric() { Mat::zeros(0, 0) } else { r - faer::Scale(t) * h };
            (l - faer::Scale(t) * g, right)
        };
        // j = 0: no extrapolation; j = 1: a quarter of the way.
        let one = step(&case.left, &case.right);
        let two = step(&one.0, &one.1);
        let extrapolated = |new: &Matrix, old: &Matrix| new + faer::Scale(0.25) * (new - old);
        let right = if case.symmetric() { Mat::zeros(0, 0) } else { extrapolated(&two.1, &one.1) };
        let expected = (extrapolated(&two.0, &one.0), right);
        agree(case.run(Method::Momentum, Parameters::default(), t, 2), &expected, what);
    });
}

#[test]
fn minibatches_are_groups_times_their_number() {
    each_model(|case, what| {
        let parameters = Parameters { minibatches: Some(4), method_seed: Some(9), ..Parameters::default() };
        let groups = Minibatches { count: 4, seed: 9 };
        let group = groups.range(Turns::default().group(groups, 0), case.y.len());
        let (g, h) = case.gradient(&case.left, &case.right, Loss::Square, |i| group.contains(&i));
        agree(case.run(Method::Sgd, parameters, 0.01, 1), &moved(&case, 0.04, (&g, &h)), what);
    });
}

#[test]
fn conjugate_directions_and_exact_steps() {
    each_model(|case, what| {
        let parameters = Parameters { damping_factor: Some(0.4), ..Parameters::default() };
        let z_at = |l: &Matrix, r: &Matrix| {
            let (g, h) = case.gradient(l, r, Loss::Square, ALL);
            let e = case.residual(l, r);
            let damping = 0.4 * (case.s * e.iter().map(|e| e * e).sum::<f64>()).sqrt();
            let (c, d) = case.grams(l, r);
            let q = if case.symmetric() { Mat::zeros(0, 0) } else { &h * inverse(&damped(&d, damping)) };
            ((&g * inverse(&damped(&c, damping)), q), (g, h))
        };
        let both = |a: &(Matrix, Matrix), b: &(Matrix, Matrix)| dot(&a.0, &b.0) + dot(&a.1, &b.1);
        let one = case.run(Method::Cg, parameters, 1.0, 1).remove(0);
        let (z, g) = z_at(&case.left, &case.right);
        same_direction(&(&case.left - &one.0), &z.0, what);
        // Exact: nothing is left of the slope along the direction.
        let (z1, g1) = z_at(&one.0, &one.1);
        assert!(both(&g1, &z).abs() < 1e-9 * both(&g, &z), "{what}: {:e}", both(&g1, &z) / both(&g, &z));
        assert!(case.loss(&one.0, &one.1, Loss::Square) < case.loss(&case.left, &case.right, Loss::Square));
        let two = case.run(Method::Cg, parameters, 1.0, 2).remove(0);
        let right = if case.symmetric() { Mat::zeros(0, 0) } else { &z1.1 - &z.1 };
        let beta = (both(&g1, &(&z1.0 - &z.0, right)) / both(&g, &z)).max(0.0);
        let expected = &z1.0 + faer::Scale(beta) * &z.0;
        same_direction(&(&one.0 - &two.0), &expected, what);
    });
}

#[test]
fn quasi_newton_directions() {
    each_model(|case, what| {
        let start = (case.left.clone(), if case.symmetric() { Mat::zeros(0, 0) } else { case.right.clone() });
        let one = case.run(Method::Lbfgs, Parameters::default(), 1.0, 1).remove(0);
        let two = case.run(Method::Lbfgs, Parameters::default(), 1.0, 2).remove(0);
        let g = case.gradient(&case.left, &case.right, Loss::Square, ALL);
        same_direction(&(&start.0 - &one.0), &g.0, what);
        let g1 = case.gradient(&one.0, &one.1, Loss::Square, ALL);
        // One pair (s, y): H = (I − s yᵀ/sᵀy)(γI)(I − y sᵀ/sᵀy) + s sᵀ/sᵀy.
        let minus = |a: &Matrix, b: &Matrix| a - b;
        let pair = |a: &(Matrix, Matrix), b: &(Matrix, Matrix)| (minus(&a.0, &b.0), minus(&a.1, &b.1));
        let both = |a: &(Matrix, Matrix), b: &(Matrix, Matrix)| dot(&a.0, &b.0) + dot(&a.1, &b.1);
        let (s, y) = (pair(&one, &start), pair(&g1, &g));
        let (sy, gamma) = (both(&s, &y), both(&s, &y) / both(&y, &y));
        let alpha = both(&s, &g1) / sy;
        let q = (&g1.0 - faer::Scale(alpha) * &y.0, &g1.1 - faer::Scale(alpha) * &y.1);
        let q = (faer::Scale(gamma) * &q.0, faer::Scale(gamma) * &q.1);
        let beta = both(&y, &q) / sy;
        let expected = &q.0 + faer::Scale(alpha - beta) * &s.0;
        if sy > 0.0 {
            same_direction(&(&one.0 - &two.0), &expected, what);
        }
    });
}

#[test]
fn manifold_steps_are_projected_and_retracted() {
    for model in [Model::Psd, Model::Asymmetric] {
        let case = Case::new(model, 3);
        let parameters = Parameters { step_rule: Some(StepRule::Constant), ..Parameters::default() };
        let z = if case.symmetric() { &case.left * case.left.transpose() } else { &case.left * case.right.transpose() };
        let g = case.adjoint(&case.residual(&case.left, &case.right));
        let svd = z.svd().unwrap();
        let (u, v) = (svd.U().subcols(0, 3), svd.V().subcols(0, 3));
        let (pu, pv) = (u * u.transpose(), v * v.transpose());
        let tangent = &pu * &g + &g * &pv - &pu * &g * &pv;
        let after = &z - faer::Scale(0.05) * &tangent;
        let svd = after.svd().unwrap();
        let expected: Matrix = if case.symmetric() {
            // The three largest eigenvalues, none below zero.
            let eigen = after.self_adjoint_eigen(faer::Side::Lower).unwrap();
            let n = after.nrows();
            let q = eigen.U().subcols(n - 3, 3);
            let scaled = Mat::from_fn(n, 3, |i, j| q[(i, j)] * eigen.S()[n - 3 + j].max(0.0));
            scaled * q.transpose()
        } else {
            let scaled = Mat::from_fn(after.nrows(), 3, |i, j| svd.U()[(i, j)] * svd.S()[j]);
            scaled * svd.V().subcols(0, 3).transpose()
        };
        for (l, r) in case.run(Method::Riemannian, parameters, 0.05, 1) {
            let found = if case.symmetric() { &l * l.transpose() } else { &l * r.transpose() };
            close(&found, &expected, &format!("{model:?}"));
        }
    }
}
