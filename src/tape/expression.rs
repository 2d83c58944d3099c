//! Formulas over the scalars of a trial, written once: evaluated on the host in f64 and rendered as WGSL.

use std::ops::{Add, Div, Mul, Neg, Sub};

use crate::tape::quartic::Quartic;
use crate::tape::registers::Scalar;

/// A formula. Conditions are numbers: 0 is false, everything else true.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Expression {
    /// Constant number.
    Number(f64),
    /// Value of a scalar register.
    Scalar(Scalar),
    /// Sum a + b.
    Sum(Box<Self>, Box<Self>),
    /// Difference a − b.
    Difference(Box<Self>, Box<Self>),
    /// Product a·b.
    Product(Box<Self>, Box<Self>),
    /// Quotient a/b; 0 where b is 0.
    Quotient(Box<Self>, Box<Self>),
    /// Square root √a; 0 where a is negative.
    Root(Box<Self>),
    /// Smaller of two values.
    Least(Box<Self>, Box<Self>),
    /// Larger of two values.
    Greatest(Box<Self>, Box<Self>),
    /// Comparison: 1 where a < b, else 0; 0 where either is NaN.
    Less(Box<Self>, Box<Self>),
    /// Test for a finite value: 1 where a is finite, else 0.
    Finite(Box<Self>),
    /// Choice: a where the condition holds, else b.
    Select(Box<Self>, Box<Self>, Box<Self>),
    /// Minimiser t > 0 of c₁t + c₂t² + c₃t³ + c₄t⁴; 0 where the polynomial is never negative.
    LeastOfQuartic(Box<[Self; 4]>),
}

impl From<f64> for Expression {
    fn from(value: f64) -> Self {
        Self::Number(value)
    }
}

impl From<Scalar> for Expression {
    fn from(scalar: Scalar) -> Self {
        Self::Scalar(scalar)
    }
}

macro_rules! operator {
    ($trait:ident, $function:ident, $variant:ident) => {
        impl<E: Into<Expression>> $trait<E> for Expression {
            type Output = Self;
            fn $function(self, other: E) -> Self {
                Self::$variant(Box::new(self), Box::new(other.into()))
            }
        }
        impl<E: Into<Expression>> $trait<E> for Scalar {
            type Output = Expression;
            fn $function(self, other: E) -> Expression {
                Expression::from(self).$function(other)
            }
        }
    };
}

operator!(Add, add, Sum);
operator!(Sub, sub, Difference);
operator!(Mul, mul, Product);
operator!(Div, div, Quotient);

impl Neg for Expression {
    type Output = Self;
    fn neg(self) -> Self {
        match self {
            Self::Number(value) => Self::Number(-value),
            other => Self::Number(-1.0) * other,
        }
    }
}

impl Neg for Scalar {
    type Output = Expression;
    fn neg(self) -> Expression {
        -Expression::from(self)
    }
}

/// Square root √a; 0 where a is negative.
pub fn root(a: impl Into<Expression>) -> Expression {
    Expression::Root(Box::new(a.into()))
}

/// Smaller of two values.
pub fn least(a: impl Into<Expression>, b: impl Into<Expression>) -> Expression {
    Expression::Least(Box::new(a.into()), Box::new(b.into()))
}

/// Larger of two values.
pub fn greatest(a: impl Into<Expression>, b: impl Into<Expression>) -> Expression {
    Expression::Greatest(Box::new(a.into()), Box::new(b.into()))
}

/// Comparison: 1 where a < b, else 0.
pub fn less(a: impl Into<Expression>, b: impl Into<Expression>) -> Expression {
    Expression::Less(Box::new(a.into()), Box::new(b.into()))
}

/// Test for a finite value: 1 where a is finite, else 0.
pub fn finite(a: impl Into<Expression>) -> Expression {
    Expression::Finite(Box::new(a.into()))
}

/// Choice: a where the condition holds, else b.
pub fn select(condition: impl Into<Expression>, a: impl Into<Expression>, b: impl Into<Expression>) -> Expression {
    Expression::Select(Box::new(condition.into()), Box::new(a.into()), Box::new(b.into()))
}

/// Minimiser t > 0 of c₁t + c₂t² + c₃t³ + c₄t⁴; 0 where the polynomial is never negative.
pub fn least_of_quartic(c: [Expression; 4]) -> Expression {
    Expression::LeastOfQuartic(Box::new(c))
}

impl Expression {
    /// Value of the formula, from those of the scalars.
    #[doc(hidden)]
    pub fn value(&self, of: &impl Fn(Scalar) -> f64) -> f64 {
        match self {
            Self::Number(value) => *value,
            Self::Scalar(scalar) => of(*scalar),
            Self::Sum(a, b) => a.value(of) + b.value(of),
            Self::Difference(a, b) => a.value(of) - b.value(of),
            Self::Product(a, b) => a.value(of) * b.value(of),
            Self::Quotient(a, b) => match b.value(of) {
                0.0 => 0.0,
                b => a.value(of) / b,
            },
            Self::Root(a) => a.value(of).max(0.0).sqrt(),
            Self::Least(a, b) => a.value(of).min(b.value(of)),
            Self::Greatest(a, b) => a.value(of).max(b.value(of)),
            Self::Less(a, b) => f64::from(u8::from(a.value(of) < b.value(of))),
            Self::Finite(a) => f64::from(u8::from(a.value(of).is_finite())),
            Self::Select(condition, a, b) => {
                if condition.value(of) != 0.0 {
                    a.value(of)
                } else {
                    b.value(of)
                }
            }
            Self::LeastOfQuartic(c) => {
                let [a, b, c, d] = [0, 1, 2, 3].map(|j| c[j].value(of));
                Quartic([0.0, a, b, c, d]).least()
            }
        }
    }

    /// Calls `each` with the scalars that the formula reads.
    pub(crate) fn reads(&self, each: &mut impl FnMut(Scalar)) {
        match self {
            Self::Number(_) => {}
            Self::Scalar(scalar) => each(*scalar),
            Self::Sum(a, b)
            | Self::Difference(a, b)
            | Self::Product(a, b)
            | Self::Quotient(a, b)
            | Self::Least(a, b)
            | Self::Greatest(a, b)
            | Self::Less(a, b) => {
                a.reads(each);
                b.reads(each);
            }
            Self::Root(a) | Self::Finite(a) => a.reads(each),
            Self::Select(condition, a, b) => [condition, a, b].iter().for_each(|e| e.reads(each)),
            Self::LeastOfQuartic(c) => c.iter().for_each(|c| c.reads(each)),
        }
    }

    /// Renders WGSL of type `real`. `name` gives the text of a scalar. Uses the functions of `shaders/lib/scalar.wgsl`:
    /// `quotient`, `root`, `less`, `finite` and `least_of_quartic`.
    #[doc(hidden)]
    pub fn wgsl(&self, name: &impl Fn(Scalar) -> String) -> String {
        let of = |e: &Self| e.wgsl(name);
        match self {
            Self::Number(value) => format!("real({value:?})"),
            Self::Scalar(scalar) => name(*scalar),
            Self::Sum(a, b) => format!("({} + {})", of(a), of(b)),
            Self::Difference(a, b) => format!("({} - {})", of(a), of(b)),
            Self::Product(a, b) => format!("({} * {})", of(a), of(b)),
            Self::Quotient(a, b) => format!("quotient({}, {})", of(a), of(b)),
            Self::Root(a) => format!("root({})", of(a)),
            Self::Least(a, b) => format!("min({}, {})", of(a), of(b)),
            Self::Greatest(a, b) => format!("max({}, {})", of(a), of(b)),
            Self::Less(a, b) => format!("less({}, {})", of(a), of(b)),
            Self::Finite(a) => format!("finite({})", of(a)),
            Self::Select(condition, a, b) => format!("select({}, {}, {} != 0.0)", of(b), of(a), of(condition)),
            Self::LeastOfQuartic(c) => {
                format!("least_of_quartic({}, {}, {}, {})", of(&c[0]), of(&c[1]), of(&c[2]), of(&c[3]))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_have_their_values_and_their_text() {
        let (a, b) = (Scalar(0), Scalar(1));
        let of = |scalar: Scalar| [3.0, 4.0][scalar.index()];
        let formula = root(a * a + b * b) - select(less(a, b), 1.0, 2.0);
        assert_eq!(formula.value(&of), 4.0);
        let mut reads = Vec::new();
        formula.reads(&mut |scalar| reads.push(scalar.index()));
        assert_eq!(reads, [0, 0, 1, 1, 0, 1]);
        let text = (a / b + 0.5).wgsl(&|scalar| format!("s{}", scalar.index()));
        assert_eq!(text, "(quotient(s0, s1) + real(0.5))");
        assert_eq!((a / 0.0).value(&of), 0.0);
        assert_eq!(root(-Expression::from(a)).value(&of), 0.0);
        assert_eq!((finite(Expression::from(f64::NAN))).value(&of), 0.0);
    }

    #[test]
    fn the_quartic_is_minimised() {
        let (a, b, c, d) = (-2.0, 1.0, 0.0, 0.0);
        let t = least_of_quartic([a, b, c, d].map(Expression::from)).value(&|_| 0.0);
        approx::assert_relative_eq!(t, 1.0, max_relative = 1e-12);
    }
}
