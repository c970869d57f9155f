//! libav's fractions.

use ffmpeg_next::ffi;

/// A fraction (`AVRational`), as the file stores it. The denominator may be zero, so check it before a division.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rational {
    /// Numerator.
    pub(crate) num: i32,
    /// Denominator.
    pub(crate) den: i32,
}

impl Rational {
    /// Returns the fraction if both parts are positive.
    pub(crate) const fn positive(self) -> Option<Self> {
        if self.num > 0 && self.den > 0 { Some(self) } else { None }
    }
}

impl From<ffi::AVRational> for Rational {
    fn from(value: ffi::AVRational) -> Self {
        Self { num: value.num, den: value.den }
    }
}
