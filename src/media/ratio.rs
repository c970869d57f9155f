//! Fractions as files store them.

use serde::{Deserialize, Serialize};

use crate::media::ffi::Rational;

/// A fraction as the file stores it. The denominator may be zero, so check it before a division.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ratio {
    /// Numerator.
    pub num: i32,
    /// Denominator.
    pub den: i32,
}

impl Ratio {
    /// Returns the value, or `None` when the denominator is zero.
    pub fn value(self) -> Option<f64> {
        (self.den != 0).then(|| f64::from(self.num) / f64::from(self.den))
    }

    /// Returns the fraction if both parts are positive.
    pub fn positive(self) -> Option<Self> {
        (self.num > 0 && self.den > 0).then_some(self)
    }

    /// Returns the same value in lowest terms.
    pub(super) const fn reduced(self) -> Self {
        let (mut divisor, mut rest) = (self.num.unsigned_abs(), self.den.unsigned_abs());
        while rest != 0 {
            (divisor, rest) = (rest, divisor % rest);
        }
        let divisor = divisor.cast_signed();
        if divisor > 0 { Self { num: self.num / divisor, den: self.den / divisor } } else { self }
    }
}

impl From<Rational> for Ratio {
    fn from(Rational { num, den }: Rational) -> Self {
        Self { num, den }
    }
}
