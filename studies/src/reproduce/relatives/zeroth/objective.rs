//! Functions with known constants, and their noisy values.

use rand_chacha::ChaCha8Rng;

use lowrank::internals::normal;

/// Function of d numbers around its minimiser 0, where it is 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Shape {
    /// (λ/2)‖x‖² + (ρ/√d)·(x₁³/6 + x₁·Σ_{j>1} x_j²/2). Its third derivative T has T[·,·,e₁] = (ρ/√d)·I, so that the
    /// bias of a two-point estimate is the largest that ρ allows.
    Cubic { curvature: f64, rho: f64 },
    /// (c/4)‖uuᵀ − u*u*ᵀ‖_F² at u = u* + x, u* = e₁.
    Quartic { scale: f64 },
    /// (λ/2)‖x‖²: the square loss of an unknown that is not factorised.
    Quadratic { curvature: f64 },
}

impl Shape {
    pub(super) fn value(self, x: &[f64]) -> f64 {
        self.at(x.len(), x.iter().copied())
    }

    /// Returns f at a point given by its coordinates, without storing it.
    fn at(self, d: usize, x: impl Iterator<Item = f64> + Clone) -> f64 {
        let square: f64 = x.clone().map(|v| v * v).sum();
        let first = x.clone().next().unwrap_or(0.0);
        match self {
            Self::Cubic { curvature, rho } => {
                let rest = square - first * first;
                let third = rho / (d as f64).sqrt();
                0.5 * curvature * square + third * (first.powi(3) / 6.0 + 0.5 * first * rest)
            }
            Self::Quartic { scale } => {
                // ‖uuᵀ − u*u*ᵀ‖² = (‖u‖² − 1)² + 2(‖u‖² − ⟨u, u*⟩²), without cancellation near u*.
                let (rest, excess) = (square - first * first, square + 2.0 * first);
                0.25 * scale * (excess * excess + 2.0 * rest)
            }
            Self::Quadratic { curvature } => 0.5 * curvature * square,
        }
    }

    /// Returns f(x + v) − f(x − v).
    pub(super) fn change(self, x: &[f64], v: &[f64]) -> f64 {
        let pairs = x.iter().zip(v);
        self.at(x.len(), pairs.clone().map(|(x, v)| x + v)) - self.at(x.len(), pairs.map(|(x, v)| x - v))
    }

    pub(super) fn gradient(self, x: &[f64]) -> Vec<f64> {
        let square: f64 = x.iter().map(|v| v * v).sum();
        let first = x.first().copied().unwrap_or(0.0);
        let one = |j: usize| f64::from(u8::from(j == 0));
        let of = |(j, v): (usize, &f64)| match self {
            Self::Cubic { curvature, rho } => {
                let third = rho / (x.len() as f64).sqrt();
                let cubic = if j == 0 { 0.5 * square } else { first * v };
                curvature * v + third * cubic
            }
            // (uuᵀ − u*u*ᵀ)u = ‖u‖²u − ⟨u, u*⟩u*.
            Self::Quartic { scale } => {
                let length = square + 2.0 * first + 1.0;
                scale * (length * (v + one(j)) - (first + 1.0) * one(j))
            }
            Self::Quadratic { curvature } => curvature * v,
        };
        x.iter().enumerate().map(of).collect()
    }
}

/// Function with the constants of its class F(ρ, M, R) on the ball of radius R around the minimiser.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Objective {
    pub shape: Shape,
    pub dimension: usize,
    /// ρ: ‖∇²f(x) − ∇²f(x′)‖_F ≤ ρ‖x − x′‖.
    pub rho: f64,
    /// M: a lower bound of the least eigenvalue of ∇²f.
    pub convexity: f64,
    /// Radius of the ball; starts lie at half of it.
    pub radius: f64,
}

impl Objective {
    /// Cubic with ρ = M and R = 1: λ = M + ρR keeps ∇²f ⪰ M on the ball.
    pub(super) fn cubic(dimension: usize, scale: f64) -> Self {
        let shape = Shape::Cubic { curvature: 2.0 * scale, rho: scale };
        Self { shape, dimension, rho: scale, convexity: scale, radius: 1.0 }
    }

    /// Quartic with R = 1/(4√(n + 8)): ‖∂∇²f‖_F ≤ 2‖u‖√(n + 8) per unit and ∇²f ⪰ 1 at u*, both times c.
    pub(super) fn quartic(dimension: usize, scale: f64) -> Self {
        let root = (dimension as f64 + 8.0).sqrt();
        let radius = 0.25 / root;
        let rho = 2.0 * root * (1.0 + radius);
        let convexity = 1.0 - rho * radius;
        let shape = Shape::Quartic { scale };
        Self { shape, dimension, rho: scale * rho, convexity: scale * convexity, radius }
    }

    /// Quadratic on the unit ball; ρ = 0.
    pub(super) fn quadratic(dimension: usize, scale: f64) -> Self {
        let shape = Shape::Quadratic { curvature: scale };
        Self { shape, dimension, rho: 0.0, convexity: scale, radius: 1.0 }
    }

    /// Returns a start at half the radius, in a random direction.
    pub(super) fn start(&self, rng: &mut ChaCha8Rng) -> Vec<f64> {
        direction(self.dimension, rng).iter().map(|v| 0.5 * self.radius * v).collect()
    }
}

/// Noisy values of a function; it counts them.
pub(super) struct Oracle {
    pub objective: Objective,
    /// Deviation of the noise of one value.
    pub deviation: f64,
    pub rng: ChaCha8Rng,
    pub evaluations: u64,
}

impl Oracle {
    /// Deviation √½: a normal w then has P(|w| > s) ≤ 2e^{−s²}, as the class asks.
    pub(super) fn new(objective: Objective, rng: ChaCha8Rng) -> Self {
        Self { objective, deviation: 0.5f64.sqrt(), rng, evaluations: 0 }
    }

    /// Returns the mean of `count` values at one point. Their noise has the law of one normal number of deviation
    /// σ/√count, which is drawn instead.
    pub(super) fn mean(&mut self, x: &[f64], count: usize) -> f64 {
        self.evaluations += count as u64;
        let deviation = self.deviation / (count.max(1) as f64).sqrt();
        self.objective.shape.value(x) + deviation * normal(&mut self.rng)
    }

    /// Returns y₊ − y₋, one value each at x + v and at x − v.
    pub(super) fn difference(&mut self, x: &[f64], v: &[f64]) -> f64 {
        self.evaluations += 2;
        let noise = self.deviation * (normal(&mut self.rng) - normal(&mut self.rng));
        self.objective.shape.change(x, v) + noise
    }
}

/// Returns x + t·v.
pub(super) fn moved(x: &[f64], t: f64, v: &[f64]) -> Vec<f64> {
    x.iter().zip(v).map(|(x, v)| x + t * v).collect()
}

pub(super) fn length(v: &[f64]) -> f64 {
    v.iter().map(|v| v * v).sum::<f64>().sqrt()
}

/// Returns a point of the unit sphere in d dimensions, uniformly.
pub(super) fn direction(d: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let mut v: Vec<f64> = (0..d).map(|_| normal(rng)).collect();
    let size = length(&v);
    v.iter_mut().for_each(|v| *v /= size);
    v
}

#[cfg(test)]
mod tests {
    use super::*;
    use lowrank::internals::{Purpose, stream};

    fn all(d: usize) -> [Objective; 3] {
        [Objective::cubic(d, 3.0), Objective::quartic(d, 3.0), Objective::quadratic(d, 3.0)]
    }

    /// Hessian by differences of the gradient, row-major.
    fn hessian(shape: Shape, x: &[f64]) -> Vec<f64> {
        let (d, h) = (x.len(), 1e-5);
        let column = |j: usize| {
            let e: Vec<f64> = (0..d).map(|i| f64::from(u8::from(i == j))).collect();
            let (up, down) = (shape.gradient(&moved(x, h, &e)), shape.gradient(&moved(x, -h, &e)));
            (0..d).map(|i| (up[i] - down[i]) / (2.0 * h)).collect::<Vec<f64>>()
        };
        (0..d).flat_map(column).collect()
    }

    #[test]
    fn gradients_are_derivatives() {
        let mut rng = stream(3, Purpose::Laws, 0);
        for objective in all(5) {
            let (x, v) = (objective.start(&mut rng), direction(5, &mut rng));
            let shape = objective.shape;
            let slope = (shape.value(&moved(&x, 1e-5, &v)) - shape.value(&moved(&x, -1e-5, &v))) / 2e-5;
            let expected: f64 = shape.gradient(&x).iter().zip(&v).map(|(g, v)| g * v).sum();
            approx::assert_relative_eq!(slope, expected, max_relative = 1e-6, epsilon = 1e-8);
            assert_eq!(shape.value(&[0.0; 5]), 0.0);
            approx::assert_abs_diff_eq!(length(&shape.gradient(&[0.0; 5])), 0.0);
        }
    }

    #[test]
    fn the_quartic_is_the_distance_of_the_matrices() {
        let (x, scale) = ([0.2, -0.1, 0.3], 2.0);
        let u = [1.2, -0.1, 0.3];
        let mut sum: f64 = 0.0;
        for i in 0..3 {
            for j in 0..3 {
                let truth: f64 = if i == 0 && j == 0 { 1.0 } else { 0.0 };
                sum += (u[i] * u[j] - truth).powi(2);
            }
        }
        approx::assert_relative_eq!(Shape::Quartic { scale }.value(&x), 0.25 * scale * sum, max_relative = 1e-12);
    }

    #[test]
    fn the_constants_of_the_class_hold_inside_the_ball() {
        let mut rng = stream(4, Purpose::Laws, 0);
        for objective in all(4) {
            let at = |rng: &mut ChaCha8Rng| {
                direction(4, rng).iter().map(|v| 0.999 * objective.radius * v).collect::<Vec<f64>>()
            };
            for _ in 0..50 {
                let (x, z) = (at(&mut rng), at(&mut rng));
                let (hx, hz) = (hessian(objective.shape, &x), hessian(objective.shape, &z));
                let change = length(&moved(&hx, -1.0, &hz)) / length(&moved(&x, -1.0, &z));
                assert!(change <= objective.rho + 1e-4, "{objective:?}: {change}");
                let v = direction(4, &mut rng);
                let curvature: f64 = (0..16).map(|at| v[at / 4] * hx[at] * v[at % 4]).sum();
                assert!(curvature >= objective.convexity - 1e-4, "{objective:?}: {curvature}");
            }
        }
    }
}
