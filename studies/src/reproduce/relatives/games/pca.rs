//! The robust PCA game: min over x ∈ S^{d−1}, max over Y ∈ SPD(d) of −xᵀYx − (α/n)·Σ d²(Y, M_i), where d is the
//! affine-invariant distance ‖log(Y^−½ M_i Y^−½)‖_F.

use faer::Mat;
use rayon::prelude::*;

use super::super::small::{add, eigen, inner, normal_matrix, random_basis, spectral_map, symmetric};
use lowrank::Result;
use lowrank::internals::{Purpose, stream};
use rand::RngExt;

/// Eigenvalues of the M_i are uniform between these.
const SPECTRUM: (f64, f64) = (0.2, 4.5);

/// Data M_i and the weight α.
pub(super) struct PcaGame {
    pub alpha: f64,
    data: Vec<Mat<f64>>,
}

/// Point (x, Y) with Y^½ and Y^−½.
#[derive(Clone)]
pub(super) struct Place {
    x: Mat<f64>,
    y: Mat<f64>,
    root: Mat<f64>,
    inverse: Mat<f64>,
}

/// Tangent vector; that of Y is whitened, Y^−½ ξ Y^−½, so that its norm is Frobenius'.
pub(super) struct Tangent {
    x: Mat<f64>,
    y: Mat<f64>,
}

impl Tangent {
    pub(super) fn norm(&self) -> f64 {
        (self.x.squared_norm_l2() + self.y.squared_norm_l2()).sqrt()
    }

    /// Returns this + c·other, in the same tangent space.
    fn plus(mut self, c: f64, other: &Self) -> Self {
        add(&mut self.x, c, other.x.as_ref());
        add(&mut self.y, c, other.y.as_ref());
        self
    }

    pub(super) fn times(&self, c: f64) -> Self {
        Self { x: &self.x * faer::Scale(c), y: &self.y * faer::Scale(c) }
    }
}

impl Place {
    fn new(x: Mat<f64>, y: &Mat<f64>) -> Result<Self> {
        let y = symmetric(y.as_ref());
        let (values, vectors) = eigen(y.as_ref())?;
        let of = |f: fn(f64) -> f64| {
            let scaled = Mat::from_fn(y.nrows(), y.nrows(), |i, j| vectors[(i, j)] * f(values[j]));
            scaled * vectors.transpose()
        };
        let size = x.norm_l2();
        Ok(Self { root: of(f64::sqrt), inverse: of(|v| 1.0 / v.sqrt()), x: x * faer::Scale(1.0 / size), y })
    }

    /// Returns a random x and Y = I.
    pub(super) fn start(d: usize, seed: u64) -> Result<Self> {
        Self::new(normal_matrix(d, 1, &mut stream(seed, Purpose::Init, 0)), &Mat::identity(d, d))
    }

    /// Exp: (cos‖v‖·x + sin‖v‖·v/‖v‖, Y^½ exp(ξ) Y^½).
    pub(super) fn exp(&self, v: &Tangent) -> Result<Self> {
        let size = v.x.norm_l2();
        // sin(t)/t near 0.
        let ratio = if size < 1e-8 { 1.0 } else { size.sin() / size };
        let x = &self.x * faer::Scale(size.cos()) + &v.x * faer::Scale(ratio);
        let y = &self.root * spectral_map(symmetric(v.y.as_ref()).as_ref(), f64::exp)? * &self.root;
        Self::new(x, &y)
    }

    /// Log, the inverse of [`Place::exp`].
    pub(super) fn log(&self, to: &Self) -> Result<Tangent> {
        let cosine = inner(self.x.as_ref(), to.x.as_ref());
        let mut x = to.x.clone();
        add(&mut x, -cosine, self.x.as_ref());
        let sine = x.norm_l2();
        let angle = if sine < 1e-12 { 1.0 } else { sine.atan2(cosine) / sine };
        Ok(Tangent { x: x * faer::Scale(angle), y: self.whitened_log(&to.y)? })
    }

    fn whitened_log(&self, y: &Mat<f64>) -> Result<Mat<f64>> {
        let inside = &self.inverse * y * &self.inverse;
        spectral_map(symmetric(inside.as_ref()).as_ref(), f64::ln)
    }

    /// Transports a tangent vector at `to` = Exp(v) back along the geodesic. On SPD: E⁻¹ξE⁻ᵀ with E = Y^½ exp(½v)
    /// Y^−½.
    fn transported(&self, v: &Tangent, to: &Self, w: &Tangent) -> Result<Tangent> {
        let size = v.x.norm_l2();
        let mut x = w.x.clone();
        if size > 1e-12 {
            let along = &v.x * faer::Scale(1.0 / size);
            let there = &along * faer::Scale(size.cos()) - &self.x * faer::Scale(size.sin());
            let c = inner(w.x.as_ref(), there.as_ref());
            add(&mut x, c, (along - there).as_ref());
        }
        let half = &v.y * faer::Scale(-0.5);
        let map = spectral_map(symmetric(half.as_ref()).as_ref(), f64::exp)? * &self.inverse * &to.root;
        Ok(Tangent { x, y: &map * &w.y * map.transpose() })
    }

    /// Returns xᵀYx over the largest eigenvalue of Y: 1 where x minimises −xᵀYx.
    pub(super) fn leading_share(&self) -> Result<f64> {
        let values = eigen(self.y.as_ref())?.0;
        let own = inner((&self.y * &self.x).as_ref(), self.x.as_ref());
        Ok(own / values.last().copied().unwrap_or(f64::NAN))
    }
}

impl PcaGame {
    /// Draws `count` matrices M_i = QΛQᵀ.
    pub(super) fn new(d: usize, count: usize, alpha: f64, seed: u64) -> Self {
        let one = |index: usize| {
            let mut rng = stream(seed, Purpose::Truth, index as u64);
            let q = random_basis(d, d, &mut rng);
            let values: Vec<f64> = (0..d).map(|_| rng.random_range(SPECTRUM.0..SPECTRUM.1)).collect();
            Mat::from_fn(d, d, |i, j| q[(i, j)] * values[j]) * q.transpose()
        };
        Self { alpha, data: (0..count).map(one).collect() }
    }

    /// Returns F = (grad_x f, −grad_Y f) with grad_x f = −2(I − xxᵀ)Yx and −grad_Y f = Yxxᵀ Y − (2α/n)·Σ Log_Y(M_i).
    pub(super) fn field(&self, at: &Place) -> Result<Tangent> {
        let yx = &at.y * &at.x;
        let mut x = &yx * faer::Scale(-2.0);
        add(&mut x, 2.0 * inner(at.x.as_ref(), yx.as_ref()), at.x.as_ref());
        let rx = &at.root * &at.x;
        let mut y = &rx * rx.transpose();
        let logs: Vec<Mat<f64>> = self.data.par_iter().map(|m| at.whitened_log(m)).collect::<Result<_>>()?;
        for log in &logs {
            add(&mut y, -2.0 * self.alpha / self.data.len() as f64, log.as_ref());
        }
        Ok(Tangent { x, y })
    }

    /// Returns z⁺ = Exp_z(−ηF(z)), a step of gradient descent-ascent.
    pub(super) fn descended(&self, at: &Place, eta: f64, field: &Tangent) -> Result<Place> {
        at.exp(&field.times(-eta))
    }

    /// Returns z⁺ = Exp_z̃(−ηF(z̃) + Log_z̃(z)), the second half of a step of the corrected extragradient method.
    pub(super) fn corrected(&self, at: &Place, half: &Place, eta: f64, field: &Tangent) -> Result<Place> {
        half.exp(&half.log(at)?.plus(-eta, field))
    }

    /// Returns ‖F(z) − ΓF(z̃)‖ over ‖F(z)‖, with Γ the transport from z̃ = Exp_z(−ηF(z)): η times a local Lipschitz
    /// constant.
    pub(super) fn variation(
        &self,
        at: &Place,
        eta: f64,
        field: &Tangent,
        half: &Place,
        there: &Tangent,
    ) -> Result<f64> {
        let back = at.transported(&field.times(-eta), half, there)?;
        Ok(back.plus(-1.0, field).norm() / field.norm())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl PcaGame {
        fn value(&self, at: &Place) -> f64 {
            let d2 = |m: &Mat<f64>| at.whitened_log(m).unwrap().squared_norm_l2();
            let mean = self.data.iter().map(d2).sum::<f64>() / self.data.len() as f64;
            -inner((&at.y * &at.x).as_ref(), at.x.as_ref()) - self.alpha * mean
        }
    }

    fn tangent(at: &Place, seed: u64) -> Tangent {
        let mut rng = stream(seed, Purpose::Noise, 0);
        let mut x = normal_matrix(5, 1, &mut rng) * faer::Scale(0.3);
        let c = inner(x.as_ref(), at.x.as_ref());
        add(&mut x, -c, at.x.as_ref());
        Tangent { x, y: symmetric(normal_matrix(5, 5, &mut rng).as_ref()) * faer::Scale(0.3) }
    }

    fn place() -> Place {
        let start = Place::start(5, 3).unwrap();
        start.exp(&tangent(&start, 8)).unwrap()
    }

    #[test]
    fn exp_and_log_are_inverse_and_transport_keeps_the_norm() {
        let (at, game) = (place(), PcaGame::new(5, 4, 3.0, 1));
        let v = tangent(&at, 9);
        let to = at.exp(&v).unwrap();
        assert!(at.log(&to).unwrap().plus(-1.0, &v).norm() < 1e-12);
        let w = game.field(&to).unwrap();
        approx::assert_relative_eq!(at.transported(&v, &to, &w).unwrap().norm(), w.norm(), max_relative = 1e-12);
        // The velocity of a geodesic is parallel: −Log from the end is the velocity there.
        let back = at.transported(&v, &to, &to.log(&at).unwrap()).unwrap();
        assert!(back.plus(1.0, &v).norm() < 1e-11);
    }

    #[test]
    fn the_field_is_the_gradient_along_geodesics() {
        let (at, game) = (place(), PcaGame::new(5, 4, 3.0, 1));
        let (v, field) = (tangent(&at, 10), game.field(&at).unwrap());
        let h = 1e-5;
        let along = |v: &Tangent| {
            let value = |t: f64| game.value(&at.exp(&v.times(t)).unwrap());
            (value(h) - value(-h)) / (2.0 * h)
        };
        let zero = |a: &Mat<f64>| a * faer::Scale(0.0);
        let x_only = Tangent { x: v.x.clone(), y: zero(&v.y) };
        let y_only = Tangent { x: zero(&v.x), y: v.y.clone() };
        approx::assert_relative_eq!(along(&x_only), inner(field.x.as_ref(), v.x.as_ref()), max_relative = 1e-6);
        approx::assert_relative_eq!(along(&y_only), -inner(field.y.as_ref(), v.y.as_ref()), max_relative = 1e-6);
    }
}
