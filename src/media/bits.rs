//! Bits of parameter sets, in the notation of ITU-T H.264 and its successors.

#![deny(clippy::arithmetic_side_effects)]

/// Removes emulation prevention: a three after two zeros only keeps start codes unique (7.4.1.1).
pub(super) fn without_emulation_prevention(bytes: &[u8]) -> Vec<u8> {
    let mut clean = Vec::with_capacity(bytes.len());
    let mut zeros = 0_usize;
    for &byte in bytes {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros.saturating_add(1) } else { 0 };
        clean.push(byte);
    }
    clean
}

/// Reads bits, highest first. Returns `None` past the end, so that every loop over them ends.
pub(super) struct Bits<'b> {
    bytes: &'b [u8],
    position: usize,
}

impl<'b> Bits<'b> {
    pub(super) const fn new(bytes: &'b [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    pub(super) fn flag(&mut self) -> Option<bool> {
        let byte = self.bytes.get(self.position / 8)?;
        let bit = byte & (0x80 >> (self.position % 8));
        self.position = self.position.saturating_add(1);
        Some(bit != 0)
    }

    /// Reads up to 32 bits.
    pub(super) fn take(&mut self, count: u32) -> Option<u32> {
        let mut value = 0;
        for _ in 0..count {
            value = value << 1 | u32::from(self.flag()?);
        }
        Some(value)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        u8::try_from(self.take(8)?).ok()
    }

    pub(super) fn number(&mut self, count: u32) -> Option<i32> {
        i32::try_from(self.take(count)?).ok()
    }

    /// Reads ue(v), an Exp-Golomb code (9.1). Returns `None` for more than 31 leading zeros, which no value
    /// here has.
    pub(super) fn unsigned(&mut self) -> Option<u32> {
        let mut zeros = 0_u32;
        while !self.flag()? {
            zeros = zeros.saturating_add(1);
            if zeros > 31 {
                return None;
            }
        }
        1_u32.checked_shl(zeros)?.saturating_sub(1).checked_add(self.take(zeros)?)
    }

    /// Reads se(v) (9.1.1).
    pub(super) fn signed(&mut self) -> Option<i32> {
        let code = self.unsigned()?;
        let magnitude = i32::try_from(code.div_ceil(2)).ok()?;
        Some(if code % 2 == 0 { magnitude.saturating_neg() } else { magnitude })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, reason = "tests may panic")]

    use super::*;

    #[test]
    fn codes_of_the_standard() {
        // Table 9-2: 1, 010, 011, 00100, 00101.
        let mut bits = Bits::new(&[0b1010_0110, 0b0100_0010, 0b1000_0000]);
        assert_eq!([(); 5].map(|()| bits.unsigned()), [Some(0), Some(1), Some(2), Some(3), Some(4)]);
        let mut bits = Bits::new(&[0b1010_0110, 0b0100_0010, 0b1000_0000]);
        assert_eq!([(); 5].map(|()| bits.signed()), [Some(0), Some(1), Some(-1), Some(2), Some(-2)]);
    }

    #[test]
    fn the_longest_codes() {
        // 31 zeros, a one, 31 ones.
        let longest = [0, 0, 0, 1, 0xff, 0xff, 0xff, 0xfe];
        assert_eq!(Bits::new(&longest).unsigned(), Some(u32::MAX - 1));
        assert_eq!(Bits::new(&longest).signed(), Some(i32::MAX).map(|value| -value));
        assert_eq!(Bits::new(&[0; 8]).unsigned(), None);
        assert_eq!(Bits::new(&[0, 0]).unsigned(), None);
        assert_eq!(Bits::new(&[0xff; 4]).take(32), Some(u32::MAX));
        assert_eq!(Bits::new(&[0xff; 3]).take(32), None);
    }

    #[test]
    fn only_a_three_after_two_zeros_is_dropped() {
        assert_eq!(without_emulation_prevention(&[0, 0, 3, 0, 0, 3, 1, 0, 3]), [0, 0, 0, 0, 1, 0, 3]);
        assert_eq!(without_emulation_prevention(&[0, 0, 0, 3, 3]), [0, 0, 0, 3]);
    }
}
