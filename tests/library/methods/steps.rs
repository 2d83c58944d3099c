//! Single steps against the formulas, on both backends of the host and every model.

use faer::Mat;
use lowrank::Method;
use lowrank::internals::tape::Turns;
use lowrank::methods::StepRule;
use lowrank::operators::Loss;
use lowrank::tape::Minibatches;

use crate::methods::textbook::{Case, Kind, Matrix, close, damped, dot, inverse, same_direction};

const KINDS: [Kind; 4] = [Kind::Psd, Kind::Signed, Kind::Asymmetric, Kind::Pair];
const ALL: fn(usize) -> bool = |_| true;

fn each_model(check: impl Fn(Case, &str)) {
    for model in KINDS {
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
            let found = case.run_with(Method::gd().step_decay(1.0), loss, 0.01, 1);
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
        let method = Method::scaled_gd().damping(0.3);
        agree(case.run(method, 0.2, 1), &moved(&case, 0.2, (&p, &q)), &format!("damped {what}"));
        // λ = c·√s·‖e‖.
        let e = case.residual(&case.left, &case.right);
        let damping = 0.4 * (case.s * e.iter().map(|e| e * e).sum::<f64>()).sqrt();
        let (p, q) = scale(damping);
        let method = Method::prec_gd().damping_factor(0.4);
        agree(case.run(method, 0.2, 1), &moved(&case, 0.2, (&p, &q)), &format!("prec {what}"));
        // The same with a step that is searched for.
        for (l, _) in case.run(Method::scaled_gd().damping(0.3).step_rule(StepRule::Exact), 0.2, 1) {
            same_direction(&(&case.left - l), &scale(0.3).0, what);
        }
        // λ = 0 is the inverse where there is one.
        if case.k() == 3 {
            let (p, q) = scale(0.0);
            let method = Method::scaled_gd().damping(0.0);
            agree(case.run(method, 0.2, 1), &moved(&case, 0.2, (&p, &q)), &format!("λ=0 {what}"));
        }
    });
}

/// An iteration tries one step: it is taken, and the next one is twice as long, or it is refused, and the next one is half as long.
#[test]
fn armijo_steps_are_taken_or_halved() {
    each_model(|case, what| {
        for (first, wanted) in [(1e-3, [true, true, true]), (64.0, [false, false, false])] {
            let (mut at, mut t) = ((case.left.clone(), case.right.clone()), first);
            for (iteration, wanted) in wanted.into_iter().enumerate() {
                let (g, h) = case.gradient(&at.0, &at.1, Loss::Square, ALL);
                let slope = dot(&g, &g) + dot(&h, &h);
                let left = &at.0 - faer::Scale(t) * &g;
                let right = if case.symmetric() { left.clone() } else { &at.1 - faer::Scale(t) * &h };
                let (before, after) = (case.loss(&at.0, &at.1, Loss::Square), case.loss(&left, &right, Loss::Square));
                assert_eq!(after < before - 1e-4 * t * slope, wanted, "{what}, a step of {t}");
                (at, t) = if wanted { ((left, right), 2.0 * t) } else { (at, 0.5 * t) };
                let found = case.run(Method::gd().step_rule(StepRule::Armijo), first, iteration + 1);
                agree(found, &at, &format!("armijo {what}, {} steps from {first}", iteration + 1));
            }
        }
    });
}

#[test]
fn alternating_steps_use_the_new_left_factor() {
    let case = Case::new(Kind::Asymmetric, 3);
    let (g, _) = case.gradient(&case.left, &case.right, Loss::Square, ALL);
    let left = &case.left - faer::Scale(0.6) * &g * inverse(&case.grams(&case.left, &case.right).0);
    let (_, h) = case.gradient(&left, &case.right, Loss::Square, ALL);
    let right = &case.right - faer::Scale(0.6) * &h * inverse(&case.grams(&left, &case.right).1);
    let method = Method::alt_scaled_gd().step_rule(StepRule::Constant);
    agree(case.run(method, 0.6, 1), &(left, right), "alternating");
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
            let found = case.run(Method::gd_polyak().polyak_every(1).optimal_loss(optimal), 0.01, 1);
            agree(found, &moved(&case, step, (&g, &h)), &format!("polyak {what}"));
        }
        // The third step of three.
        let two = case.run(Method::gd(), 0.01, 2);
        agree(case.run(Method::gd_polyak().polyak_every(3), 0.01, 2), &two[0], what);
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
        agree(case.run(Method::momentum(), t, 2), &expected, what);
    });
}

/// Three steps: the first without a last one; then one that goes on with it, or falls back to the gradient where it went uphill.
#[test]
fn the_heavy_ball_keeps_a_share_of_the_last_step() {
    let [mut kept, mut restarts] = [0; 2];
    for (t, beta) in [(0.01, 0.8), (0.3, 0.8)] {
        for model in KINDS {
            let (case, what) = (Case::new(model, 3), format!("{model:?}, μ = {t}"));
            let (mut at, mut last) = ((case.left.clone(), case.right.clone()), (case.left.clone(), case.right.clone()));
            for _ in 0..3 {
                let (g, h) = case.gradient(&at.0, &at.1, Loss::Square, ALL);
                let (d, e) = (&at.0 - &last.0, &at.1 - &last.1);
                let uphill = dot(&g, &d) + if case.symmetric() { 0.0 } else { dot(&h, &e) } > 0.0;
                *(if uphill { &mut restarts } else { &mut kept }) += 1;
                let share = faer::Scale(if uphill { 0.0 } else { beta });
                let left = &at.0 + share * &d - faer::Scale(t) * &g;
                let right = if case.symmetric() { left.clone() } else { &at.1 + share * &e - faer::Scale(t) * &h };
                last = std::mem::replace(&mut at, (left, right));
            }
            agree(case.run(Method::heavy_ball().momentum(beta), t, 3), &at, &what);
        }
    }
    assert!(kept > 8 && restarts > 0, "{kept} kept, {restarts} restarts");
}

#[test]
fn minibatches_are_groups_times_their_number() {
    each_model(|case, what| {
        let groups = Minibatches::new(4, 9);
        let group = groups.range(Turns::default().group(groups, 0), case.y.len());
        let (g, h) = case.gradient(&case.left, &case.right, Loss::Square, |i| group.contains(&i));
        agree(case.run(Method::sgd().minibatches(4).seed(9), 0.01, 1), &moved(&case, 0.04, (&g, &h)), what);
    });
}

#[test]
fn conjugate_directions_and_exact_steps() {
    each_model(|case, what| {
        let method = Method::cg().damping_factor(0.4);
        let z_at = |l: &Matrix, r: &Matrix| {
            let (g, h) = case.gradient(l, r, Loss::Square, ALL);
            let e = case.residual(l, r);
            let damping = 0.4 * (case.s * e.iter().map(|e| e * e).sum::<f64>()).sqrt();
            let (c, d) = case.grams(l, r);
            let q = if case.symmetric() { Mat::zeros(0, 0) } else { &h * inverse(&damped(&d, damping)) };
            ((&g * inverse(&damped(&c, damping)), q), (g, h))
        };
        let both = |a: &(Matrix, Matrix), b: &(Matrix, Matrix)| dot(&a.0, &b.0) + dot(&a.1, &b.1);
        let one = case.run(method, 1.0, 1).remove(0);
        let (z, g) = z_at(&case.left, &case.right);
        same_direction(&(&case.left - &one.0), &z.0, what);
        // Exact: nothing is left of the slope along the direction.
        let (z1, g1) = z_at(&one.0, &one.1);
        assert!(both(&g1, &z).abs() < 1e-9 * both(&g, &z), "{what}: {:e}", both(&g1, &z) / both(&g, &z));
        assert!(case.loss(&one.0, &one.1, Loss::Square) < case.loss(&case.left, &case.right, Loss::Square));
        let two = case.run(method, 1.0, 2).remove(0);
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
        let one = case.run(Method::lbfgs(), 1.0, 1).remove(0);
        let two = case.run(Method::lbfgs(), 1.0, 2).remove(0);
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
    for model in [Kind::Psd, Kind::Asymmetric] {
        let case = Case::new(model, 3);
        let method = Method::riemannian().step_rule(StepRule::Constant);
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
        for (l, r) in case.run(method, 0.05, 1) {
            let found = if case.symmetric() { &l * l.transpose() } else { &l * r.transpose() };
            close(&found, &expected, &format!("{model:?}"));
        }
    }
}
