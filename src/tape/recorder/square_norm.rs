//! The term (ω/2)‖L Rᵀ‖_F² of a pair of factors, from their k×k Gram matrices: the product is never formed.

use crate::tape::expression::Expression;
use crate::tape::registers::{BlockSize, Blocks, Matrix, Scalar};

use super::Tape;

impl Tape {
    /// Adds the term (ω/2)‖L Rᵀ‖_F² to f/s, with the weight ω of each trial. For models of two factors.
    pub fn weigh_unobserved(&mut self) {
        self.unobserved = Some(self.parameter("unobserved_weight"));
    }

    /// Weight ω of ½‖L Rᵀ‖_F² in f/s, if there is one.
    pub fn unobserved_weight(&self) -> Option<Scalar> {
        self.unobserved
    }

    /// Product AᵀB of two blocks of k columns.
    fn gram(&mut self, a: Matrix, b: Matrix) -> Blocks {
        let k = self.search_rank();
        let out = self.blocks_of("gram", vec![BlockSize::new(k, k)]);
        self.product(out.block(0), (a, true), (b, false));
        out
    }

    /// Square norm ‖L Rᵀ‖_F² = ⟨LᵀL, RᵀR⟩ at u = (L, R).
    pub fn square_norm(&mut self, u: Blocks) -> Scalar {
        let [l, r] = [0, 1].map(|at| u.block(at));
        let (left, right) = (self.gram(l, l), self.gram(r, r));
        self.dot(left, right)
    }

    /// Gradient (L RᵀR, R LᵀL) of ½‖L Rᵀ‖_F² at u = (L, R).
    pub fn square_norm_gradient(&mut self, u: Blocks) -> Blocks {
        let [l, r] = [0, 1].map(|at| u.block(at));
        let (left, right) = (self.gram(l, l), self.gram(r, r));
        let out = self.blocks("gradient of the square norm");
        self.product(out.block(0), (l, false), (right.block(0), false));
        self.product(out.block(1), (r, false), (left.block(0), false));
        out
    }

    /// Coefficients of t, t², t³ and t⁴ in ½‖(L + tD)(R + tE)ᵀ‖_F² = ½⟨(L + tD)ᵀ(L + tD), (R + tE)ᵀ(R + tE)⟩.
    pub fn square_norm_along(&mut self, u: Blocks, direction: Blocks) -> [Expression; 4] {
        let [l, r] = [0, 1].map(|at| u.block(at));
        let [d, e] = [0, 1].map(|at| direction.block(at));
        let (ll, ld, dd) = (self.gram(l, l), self.gram(l, d), self.gram(d, d));
        let (rr, re, er, ee) = (self.gram(r, r), self.gram(r, e), self.gram(e, r), self.gram(e, e));
        // LᵀD + DᵀL has with a symmetric matrix twice the inner product of LᵀD.
        let linear = self.dot(ld, rr) + self.dot(ll, re);
        let mixed = self.dot(ld, re) + self.dot(ld, er);
        let square = (self.dot(ll, ee) + self.dot(dd, rr)) * 0.5 + mixed;
        let cubic = self.dot(ld, ee) + self.dot(dd, re);
        let quartic = self.dot(dd, ee) * 0.5;
        [linear, square, cubic, quartic]
    }
}
