//! Residuals, losses and gradients at given factors.

use std::sync::Arc;

use lowrank::operators::{Dense, Entries, Loss, Operator, RankOne};
use lowrank::problem::{Domain, Factors};
use lowrank::{Backend, Error, Model, Precision, Session};

use crate::adapter::gpu;
use crate::says::assert_says;

const K: usize = 3;

fn numbers(count: usize, seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / (1_u64 << 23) as f64 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

fn factors(model: &Model, domain: &Domain, batch: usize, seed: u64) -> Factors {
    let sizes = model.sizes(domain, K);
    let of = |(at, (rows, columns)): (usize, &(usize, usize))| numbers(batch * rows * columns, seed + 7 * at as u64);
    Factors::of_sizes(batch, &sizes, sizes.iter().enumerate().map(of).collect()).unwrap()
}

/// Factors with one number of one block moved.
fn moved(of: &Factors, block: usize, at: usize, by: f64) -> Factors {
    let mut data: Vec<Vec<f64>> = of.blocks().iter().map(|block| block.data().to_vec()).collect();
    data[block][at] += by;
    Factors::of_sizes(of.batch(), &of.sizes(), data).unwrap()
}

#[test]
fn the_gradient_is_the_derivative_of_the_loss() {
    let (square, wide) = (Domain::symmetric(6), Domain::rectangular(6, 5));
    let dense: Arc<dyn Operator> = Arc::new(Dense::gaussian(square, 20, 1).unwrap());
    let cases: Vec<(Arc<dyn Operator>, Model)> = vec![
        (dense.clone(), Model::psd()),
        (dense, Model::signed(2, 1)),
        (Arc::new(RankOne::gaussian(square, 20, 1).unwrap()), Model::psd()),
        (Arc::new(Entries::uniform(wide, 20, 1).unwrap()), Model::asymmetric()),
    ];
    for (operator, model) in cases {
        for loss in [Loss::Square, Loss::Huber { delta: 0.5 }] {
            let operator = operator.clone();
            // The mean of residuals belongs to squares.
            if loss != Loss::Square && operator.is_centred() {
                continue;
            }
            let u = factors(&model, &operator.domain(), 1, 3);
            let y = numbers(operator.measurements(), 9);
            let session = Session::open_shared(operator, model.clone(), Backend::Cpu).unwrap();
            let mut session = session.loss_function(loss).observations(&y).unwrap();
            let gradient = session.gradient(&u).unwrap();
            for (block, of) in gradient.blocks().iter().enumerate() {
                for at in [0, of.data().len() / 2, of.data().len() - 1] {
                    let h = 1e-5;
                    let mut value = |by: f64| session.loss(&moved(&u, block, at, by)).unwrap()[0];
                    let slope = (value(h) - value(-h)) / (2.0 * h);
                    assert!(
                        (slope - of.data()[at]).abs() < 1e-7 * (1.0 + slope.abs()),
                        "{} {loss:?} {block} {at}: {slope} {}",
                        model.word(),
                        of.data()[at]
                    );
                }
            }
        }
    }
}

#[test]
fn a_batch_is_its_trials_and_backends_agree() {
    let domain = Domain::symmetric(8);
    let model = Model::psd();
    let (y, u) = (numbers(2 * 30, 4), factors(&model, &domain, 2, 5));
    let open = |backend| Session::open(Dense::gaussian(domain, 30, 2).unwrap(), Model::psd(), backend).unwrap();
    let whole = open(Backend::Cpu).observations(&y).unwrap().evaluate(&u).unwrap();
    let reference = open(Backend::Reference).observations(&y).unwrap().evaluate(&u).unwrap();
    let single = open(Backend::Cpu).precision(Precision::F32).unwrap().observations(&y).unwrap().evaluate(&u).unwrap();
    let near = |a: &[f64], b: &[f64], tolerance: f64| {
        assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() <= tolerance * (1.0 + b.abs())), "{a:?} {b:?}");
    };
    for (found, tolerance) in [(&reference, 1e-12), (&single, 1e-4)] {
        near(&found.residual, &whole.residual, tolerance);
        near(&found.loss, &whole.loss, tolerance);
        near(found.gradient.blocks()[0].data(), whole.gradient.blocks()[0].data(), tolerance);
    }
    for trial in 0..2 {
        let own = Factors::single(1, 8, K, u.left(trial).as_slice().to_vec()).unwrap();
        let alone = open(Backend::Cpu).observations(&y[30 * trial..30 * (trial + 1)]).unwrap().evaluate(&own).unwrap();
        assert_eq!(alone.residual, whole.residual[30 * trial..30 * (trial + 1)]);
        assert_eq!(alone.gradient.blocks()[0].data(), whole.gradient.left(trial).as_slice());
        assert_eq!(alone.loss[0], whole.loss[trial]);
    }
}

#[test]
fn a_gradient_alone_is_that_of_an_evaluation() {
    let domain = Domain::symmetric(8);
    for backend in [Backend::Reference, Backend::Cpu].into_iter().chain(gpu()) {
        let dense = Dense::gaussian(domain, 30, 2).unwrap();
        let mut session = Session::open(dense, Model::psd(), backend).unwrap().observations(&numbers(30, 4)).unwrap();
        // Each point is evaluated after the other, so that nothing left over can pass for its gradient.
        let points = [5, 6].map(|seed| factors(&Model::psd(), &domain, 1, seed));
        let whole = points.each_ref().map(|u| session.evaluate(u).unwrap().gradient);
        let alone = points.each_ref().map(|u| session.gradient(u).unwrap());
        let again = points.each_ref().map(|u| session.evaluate(u).unwrap().gradient);
        for at in 0..2 {
            assert_eq!(alone[at].blocks()[0].data(), whole[at].blocks()[0].data());
            assert_eq!(again[at].blocks()[0].data(), whole[at].blocks()[0].data());
        }
        assert_ne!(whole[0].blocks()[0].data(), whole[1].blocks()[0].data());
    }
}

#[test]
fn one_session_serves_factors_of_any_width() {
    let domain = Domain::symmetric(5);
    let mut session = Session::open(Dense::gaussian(domain, 12, 2).unwrap(), Model::psd(), Backend::Cpu).unwrap();
    for (batch, k) in [(1, 2), (3, 2), (1, 7), (1, 2)] {
        let u = Factors::single(batch, 5, k, numbers(batch * 5 * k, 1)).unwrap();
        assert_eq!(session.residual(&u).unwrap().len(), batch * 12);
        assert_eq!(session.gradient(&u).unwrap().sizes(), [(5, k)]);
    }
    assert_eq!(session.engine().unwrap().backend, "cpu");
}

#[test]
fn slips_are_named() {
    let domain = Domain::symmetric(5);
    let open = || Session::open(Dense::gaussian(domain, 12, 2).unwrap(), Model::psd(), Backend::Cpu).unwrap();
    let refused = |error: Error, piece: &str| assert_says(&error.to_string(), &[piece]);
    refused(open().observations(&[1.0; 13]).err().unwrap(), "13");
    refused(open().observations(&[f64::NAN; 12]).err().unwrap(), "NaN");
    refused(open().precision(Precision::Mixed).err().unwrap(), "mixed");
    refused(open().residual(&Factors::single(1, 6, 2, vec![0.0; 12]).unwrap()).unwrap_err(), "factors");
    let mut two = open().observations(&[1.0; 24]).unwrap();
    refused(two.residual(&Factors::single(3, 5, 1, vec![0.0; 15]).unwrap()).unwrap_err(), "3");
    let wide = Dense::gaussian(Domain::rectangular(4, 3), 12, 2).unwrap();
    assert!(Session::open(wide, Model::psd(), Backend::Cpu).is_err());
}
