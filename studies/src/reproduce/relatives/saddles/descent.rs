//! Stochastic Riemannian gradient descent from a saddle, with four ways to take a step.

use faer::Mat;
use rand_chacha::ChaCha8Rng;

use super::super::small::{add, eigen, inner, normal_matrix, normal_symmetric, spectral_map};
use super::landscape::Landscape;
use lowrank::Result;

/// Where a step is taken: on factors U, or on the PSD matrices X = VDVᵀ of rank r with a retraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Geometry {
    /// U⁺ = U − γG.
    Factor,
    /// V⁺ = qf(V + U_p D⁻¹), the Q of a QR decomposition with a positive diagonal of R.
    Qr,
    /// V⁺ = uf(V + U_p D⁻¹), the orthogonal polar factor, which is that of the SVD.
    Svd,
    /// X⁺ = the nearest PSD matrix of rank r to X + ξ.
    Projection,
}

impl Geometry {
    pub(super) const ALL: [Self; 4] = [Self::Factor, Self::Qr, Self::Svd, Self::Projection];

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Factor => "factor",
            Self::Qr => "qr",
            Self::Svd => "svd",
            Self::Projection => "projection",
        }
    }
}

/// What a step adds to the gradient.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Source {
    /// Nothing.
    Full,
    /// Noise N(0, σ²) in every direction of the tangent space.
    Noise(f64),
    /// X − M is estimated as (1/b)·Σ⟨A_i, X − M⟩A_i with b fresh Gaussian matrices.
    Batch(usize),
}

/// Step γ_t = μ·(1 + t/100)^−p, so γ_t ~ t^−p.
#[derive(Clone, Copy)]
pub(super) struct Decay {
    pub step_size: f64,
    pub power: f64,
}

impl Decay {
    fn at(self, t: usize) -> f64 {
        self.step_size * (1.0 + t as f64 / 100.0).powf(-self.power)
    }
}

/// Iterate: X = V·D·Vᵀ, or U as V with D = I.
struct Iterate {
    geometry: Geometry,
    v: Mat<f64>,
    d: Mat<f64>,
}

impl Iterate {
    fn at_saddle(geometry: Geometry, land: &Landscape, set: &[usize]) -> Self {
        let r = land.rank;
        if geometry == Geometry::Factor {
            return Self { geometry, v: land.start(set), d: Mat::identity(r, r) };
        }
        let d = Mat::from_fn(r, r, |i, j| if i == j { land.eigenvalue(set[i]) } else { 0.0 });
        Self { geometry, v: land.basis(set), d }
    }

    fn product(&self) -> Mat<f64> {
        match self.geometry {
            Geometry::Factor => &self.v * self.v.transpose(),
            _ => &self.v * &self.d * self.v.transpose(),
        }
    }

    /// Steps along −γ times the projection of S, an estimate of X − M: SU for factors, and on the manifold ξ = VBVᵀ +
    /// U_pVᵀ + VU_pᵀ with B = VᵀSV and U_p = SV − VB.
    fn step(&mut self, s: &Mat<f64>, gamma: f64, noise: Option<Mat<f64>>) -> Result<()> {
        let sv = s * &self.v;
        if self.geometry == Geometry::Factor {
            add(&mut self.v, -gamma, sv.as_ref());
            noise.iter().for_each(|noise| add(&mut self.v, -gamma, noise.as_ref()));
            return Ok(());
        }
        let b = self.v.transpose() * &sv;
        let up = sv - &self.v * &b;
        if self.geometry == Geometry::Projection {
            let cross = &up * self.v.transpose();
            let moved =
                self.product() - faer::Scale(gamma) * (&self.v * &b * self.v.transpose() + &cross + cross.transpose());
            let (values, vectors) = eigen(moved.as_ref())?;
            let (n, r) = (self.v.nrows(), self.v.ncols());
            self.v = vectors.subcols(n - r, r).to_owned();
            self.d = Mat::from_fn(r, r, |i, j| if i == j { values[n - r + i] } else { 0.0 });
            return Ok(());
        }
        let inverse = spectral_map(self.d.as_ref(), |value| 1.0 / value)?;
        let mut moved = self.v.clone();
        add(&mut moved, -gamma, (&up * &inverse).as_ref());
        self.v = if self.geometry == Geometry::Qr { positive_q(&moved) } else { polar(&moved)? };
        // D − γB + ½γ²BD⁻¹B is positive definite and agrees with D − γB to first order.
        let second = &b * inverse * &b;
        add(&mut self.d, -gamma, b.as_ref());
        add(&mut self.d, 0.5 * gamma * gamma, second.as_ref());
        Ok(())
    }
}

fn positive_q(matrix: &Mat<f64>) -> Mat<f64> {
    let qr = matrix.qr();
    let (q, r) = (qr.compute_thin_Q(), qr.thin_R().to_owned());
    Mat::from_fn(q.nrows(), q.ncols(), |i, j| if r[(j, j)] < 0.0 { -q[(i, j)] } else { q[(i, j)] })
}

fn polar(matrix: &Mat<f64>) -> Result<Mat<f64>> {
    let gram = matrix.transpose() * matrix;
    Ok(matrix * spectral_map(gram.as_ref(), |value| 1.0 / value.sqrt())?)
}

/// Result of one run.
pub(super) struct Run {
    /// Iterations until f has fallen by half of [`Landscape::drop`], and Σγ_t until then.
    pub left: Option<(usize, f64)>,
    /// (t, f(X_t)) until the end.
    pub losses: Vec<(f64, f64)>,
    /// Whether a column that was empty at the start is exactly zero at the end.
    pub keeps_empty: bool,
}

/// Runs from the saddle of a subset; stops where it has left unless `whole`.
pub(super) fn descend(
    (land, set): (&Landscape, &[usize]),
    geometry: Geometry,
    source: Source,
    decay: Decay,
    (iterations, whole): (usize, bool),
    rng: &mut ChaCha8Rng,
) -> Result<Run> {
    let mut at = Iterate::at_saddle(geometry, land, set);
    let mut run = Run { left: None, losses: Vec::new(), keeps_empty: false };
    let (mut clock, mut first) = (0.0, 0.0);
    for t in 0..=iterations {
        let residual = at.product() - &land.matrix;
        let loss = 0.25 * residual.squared_norm_l2();
        first = if t == 0 { loss } else { first };
        if whole {
            run.losses.push((t as f64, loss));
        }
        if run.left.is_none() && loss < first - 0.5 * land.drop(set) {
            run.left = Some((t, clock));
        }
        if t == iterations || (run.left.is_some() && !whole) {
            break;
        }
        let gamma = decay.at(t);
        let (estimate, noise) = sampled(residual, geometry, source, land, rng);
        at.step(&estimate, gamma, noise)?;
        clock += gamma;
    }
    let empty = |c: usize| (0..land.n).all(|i| at.v[(i, c)] == 0.0);
    run.keeps_empty = geometry == Geometry::Factor && (set.len()..land.rank).all(empty);
    Ok(run)
}

/// Returns the estimate of X − M, and the noise on the factor.
fn sampled(
    residual: Mat<f64>,
    geometry: Geometry,
    source: Source,
    land: &Landscape,
    rng: &mut ChaCha8Rng,
) -> (Mat<f64>, Option<Mat<f64>>) {
    match source {
        Source::Full => (residual, None),
        Source::Noise(sigma) if geometry == Geometry::Factor => {
            (residual, Some(normal_matrix(land.n, land.rank, rng) * faer::Scale(sigma)))
        }
        Source::Noise(sigma) => (residual + normal_symmetric(land.n, rng) * faer::Scale(sigma), None),
        Source::Batch(size) => {
            let mut mean = Mat::zeros(land.n, land.n);
            for _ in 0..size {
                let a = normal_symmetric(land.n, rng);
                add(&mut mean, inner(a.as_ref(), residual.as_ref()) / size as f64, a.as_ref());
            }
            (mean, None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lowrank::internals::{Purpose, stream};

    /// Each step is that of the projected gradient to first order: (X(γ) − X)/γ → −P_T(S).
    #[test]
    fn retractions_agree_to_first_order() {
        let land = Landscape::rotated(6, 2, 4.0, 4);
        let mut rng = stream(4, Purpose::Noise, 0);
        let s = normal_symmetric(6, &mut rng);
        for geometry in [Geometry::Qr, Geometry::Svd, Geometry::Projection] {
            let set = [0, 2];
            let at = Iterate::at_saddle(geometry, &land, &set);
            let (x, p) = (at.product(), &at.v * at.v.transpose());
            let sp = &s * &p;
            let tangent = &sp + sp.transpose() - &p * &sp;
            let distance = |gamma: f64| {
                let mut at = Iterate::at_saddle(geometry, &land, &set);
                at.step(&s, gamma, None).unwrap();
                (at.product() - &x + faer::Scale(gamma) * &tangent).norm_l2()
            };
            let (near, far) = (distance(1e-4), distance(1e-3));
            assert!(near < 1e-6 && far / near > 50.0, "{geometry:?}: {near} {far}");
            assert!((at.v.transpose() * &at.v - Mat::<f64>::identity(2, 2)).norm_l2() < 1e-12);
        }
    }

    #[test]
    fn the_full_gradient_stays_and_noise_leaves() {
        let land = Landscape::coordinates(6, 2, 4.0);
        let decay = Decay { step_size: 0.25, power: 0.6 };
        for geometry in Geometry::ALL {
            let run = |source| {
                descend((&land, &[0, 2]), geometry, source, decay, (400, true), &mut stream(5, Purpose::Noise, 0))
                    .unwrap()
            };
            let (full, noisy) = (run(Source::Full), run(Source::Noise(0.03)));
            assert!(full.left.is_none() && full.losses.len() == 401, "{geometry:?}");
            assert!(noisy.left.is_some() && noisy.losses[400].1 < full.losses[400].1, "{geometry:?}");
        }
    }
}
