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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn lowest_terms_keep_the_value(num: i32, den: i32, factor in 1..=1000_i32) {
            let ratio = Ratio { num, den };
            prop_assert_eq!(ratio.value().is_some(), den != 0);
            prop_assert_eq!(ratio.value(), ratio.reduced().value());
            if let Some(value) = ratio.value() {
                prop_assert!((value * f64::from(den) - f64::from(num)).abs() <= 1e-6, "{}", value);
            }
            // Terms that are small enough for the factor.
            let lowest = Ratio { num: num / 1000, den: den / 1000 }.reduced();
            prop_assert_eq!(Ratio { num: lowest.num * factor, den: lowest.den * factor }.reduced(), lowest);
        }
    }
}
