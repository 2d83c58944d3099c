//! Intervals of numbers of 32 bits. All arithmetic is exact here; a result that leaves the type wraps in a shader, and then
//! the interval is the whole type.

/// Type of a scalar. Conditions are 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Bool,
    U32,
    I32,
}

/// The numbers from `low` to `high`; none where `low` exceeds `high`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Interval {
    pub low: i64,
    pub high: i64,
}

impl Kind {
    pub fn all(self) -> Interval {
        match self {
            Self::Bool => Interval::new(0, 1),
            Self::U32 => Interval::new(0, i64::from(u32::MAX)),
            Self::I32 => Interval::new(i64::from(i32::MIN), i64::from(i32::MAX)),
        }
    }
}

/// A number with all bits set that a number of at most `high` has.
fn mask(high: i64) -> i64 {
    (1_i64 << (64 - high.leading_zeros())) - 1
}

impl Interval {
    pub const NONE: Self = Self { low: 1, high: 0 };

    pub fn new(low: i64, high: i64) -> Self {
        Self { low, high }
    }

    pub fn one(value: i64) -> Self {
        Self::new(value, value)
    }

    pub fn is_empty(self) -> bool {
        self.low > self.high
    }

    pub fn value(self) -> Option<i64> {
        (self.low == self.high).then_some(self.low)
    }

    /// Whether this holds `other`.
    pub fn holds(self, other: Self) -> bool {
        other.is_empty() || (self.low <= other.low && other.high <= self.high)
    }

    pub fn and(self, other: Self) -> Self {
        Self::new(self.low.max(other.low), self.high.min(other.high))
    }

    pub fn or(self, other: Self) -> Self {
        match (self.is_empty(), other.is_empty()) {
            (true, _) => other,
            (_, true) => self,
            _ => Self::new(self.low.min(other.low), self.high.max(other.high)),
        }
    }

    /// The interval itself, or the whole type where it leaves the type.
    pub fn within(self, kind: Kind) -> Self {
        if kind.all().holds(self) { self } else { kind.all() }
    }

    pub fn plus(self, other: Self) -> Self {
        Self::new(self.low + other.low, self.high + other.high)
    }

    pub fn minus(self, other: Self) -> Self {
        Self::new(self.low - other.high, self.high - other.low)
    }

    pub fn times(self, other: Self) -> Self {
        let all = [self.low, self.high].map(|a| [other.low, other.high].map(|b| a.saturating_mul(b)));
        let all = all.as_flattened();
        let (low, high) = (all.iter().copied().min(), all.iter().copied().max());
        Self::new(low.unwrap_or(0), high.unwrap_or(0))
    }

    /// Quotient of numbers that are not negative; a divisor 0 gives the dividend.
    pub fn over(self, other: Self) -> Self {
        let high = if other.low == 0 { self.high } else { self.high / other.low };
        Self::new(self.low / other.high.max(1), high)
    }

    /// Remainder of numbers that are not negative; a divisor 0 gives 0.
    pub fn modulo(self, other: Self) -> Self {
        if self.high < other.low {
            return self;
        }
        if let (Some(by), true) = (other.value(), self.low >= 0)
            && by > 0
            && self.low / by == self.high / by
        {
            return Self::new(self.low % by, self.high % by);
        }
        Self::new(0, self.high.min((other.high - 1).max(0)))
    }

    pub fn least(self, other: Self) -> Self {
        Self::new(self.low.min(other.low), self.high.min(other.high))
    }

    pub fn greatest(self, other: Self) -> Self {
        Self::new(self.low.max(other.low), self.high.max(other.high))
    }

    /// a & b of numbers that are not negative.
    pub fn bits_and(self, other: Self) -> Self {
        if let Some(value) = other.value()
            && (value + 1) & value == 0
            && self.high <= value
        {
            return self;
        }
        Self::new(0, self.high.min(other.high))
    }

    /// a | b and a ^ b of numbers that are not negative.
    pub fn bits_or(self, other: Self) -> Self {
        Self::new(0, mask(self.high.max(other.high)))
    }

    /// a << b, without what leaves 32 bits.
    pub fn shifted_up(self, other: Self) -> Self {
        let by = |b: i64| 1_i64 << b.clamp(0, 31);
        Self::new(self.low * by(other.low), self.high.saturating_mul(by(other.high)))
    }

    /// a >> b of numbers that are not negative.
    pub fn shifted_down(self, other: Self) -> Self {
        Self::new(self.low >> other.high.clamp(0, 31), self.high >> other.low.clamp(0, 31))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every result of numbers of two intervals lies in the interval of the operation.
    #[test]
    fn intervals_hold_all_results() {
        type Pair = (fn(Interval, Interval) -> Interval, fn(i64, i64) -> i64);
        let pairs: [Pair; 11] = [
            (Interval::plus, |a, b| a + b),
            (Interval::minus, |a, b| a - b),
            (Interval::times, |a, b| a * b),
            (Interval::over, |a, b| if b == 0 { a } else { a / b }),
            (Interval::modulo, |a, b| if b == 0 { 0 } else { a % b }),
            (Interval::least, |a, b| a.min(b)),
            (Interval::greatest, |a, b| a.max(b)),
            (Interval::bits_and, |a, b| a & b),
            (Interval::bits_or, |a, b| a ^ b),
            (Interval::shifted_up, |a, b| a << b),
            (Interval::shifted_down, |a, b| a >> b),
        ];
        let ends: Vec<(i64, i64)> = (0..9).flat_map(|low| (low..9).map(move |high| (low, high))).collect();
        for (of_intervals, of_numbers) in pairs {
            for &(a0, a1) in &ends {
                for &(b0, b1) in &ends {
                    let all = of_intervals(Interval::new(a0, a1), Interval::new(b0, b1));
                    let one = |a| (b0..=b1).all(|b| all.holds(Interval::one(of_numbers(a, b))));
                    assert!((a0..=a1).all(one), "[{a0}, {a1}] and [{b0}, {b1}]: {all:?}");
                }
            }
        }
    }
}
