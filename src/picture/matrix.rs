//! From one YUV matrix and range to JFIF's, plane by plane.
//!
//! Both sides are linear in the same three numbers, so the way over RGB is one 3x3 matrix, and chroma needs no luma:
//! the samples stay where they are, nothing is interpolated and nothing clips on the way. libswscale goes over packed RGB
//! and takes 20 ms for what takes 2 here.

/// The weights of red and blue in luma; green has the rest (ITU-T H.273, table 4).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LumaWeights {
    red: f64,
    blue: f64,
}

impl LumaWeights {
    /// BT.601, and JFIF (ITU-T T.871).
    const BT601: Self = Self { red: 0.299, blue: 0.114 };

    /// The weights of a matrix by its code in ITU-T H.273; `None` for those that are not made of weights alone.
    pub(crate) const fn of_matrix(code: i32) -> Option<Self> {
        match code {
            1 => Some(Self { red: 0.2126, blue: 0.0722 }),
            4 => Some(Self { red: 0.30, blue: 0.11 }),
            5 | 6 => Some(Self::BT601),
            7 => Some(Self { red: 0.212, blue: 0.087 }),
            9 => Some(Self { red: 0.2627, blue: 0.0593 }),
            _ => None,
        }
    }

    /// Luma and colour differences to red, green, blue.
    fn to_rgb(self, [y, cb, cr]: [f64; 3]) -> [f64; 3] {
        let r = y + 2.0 * (1.0 - self.red) * cr;
        let b = y + 2.0 * (1.0 - self.blue) * cb;
        let g = (y - self.red * r - self.blue * b) / (1.0 - self.red - self.blue);
        [r, g, b]
    }

    /// Red, green, blue to luma and colour differences.
    fn to_yuv(self, [r, g, b]: [f64; 3]) -> [f64; 3] {
        let y = self.red * r + (1.0 - self.red - self.blue) * g + self.blue * b;
        [y, (b - y) / (2.0 * (1.0 - self.blue)), (r - y) / (2.0 * (1.0 - self.red))]
    }
}

/// Bits behind the point of the integer arithmetic.
const FRACTION_BITS: u32 = 16;
const ONE: f64 = 65_536.0;

/// One output component as a sum over the input's 8-bit samples, in fixed point, rounding included.
#[derive(Debug, Clone, Copy)]
struct Row {
    y: i32,
    cb: i32,
    cr: i32,
    offset: i32,
}

impl Row {
    /// From the factors for signals from 0 to 1, and the codes that stand for nothing.
    fn new([y, cb, cr]: [f64; 3], scale: [f64; 3], zero: [f64; 3], output_zero: f64) -> Self {
        let factors = [y * 255.0 / scale[0], cb * 255.0 / scale[1], cr * 255.0 / scale[2]];
        let offset = output_zero - factors.iter().zip(zero).map(|(factor, zero)| factor * zero).sum::<f64>();
        Self {
            y: fixed(factors[0]),
            cb: fixed(factors[1]),
            cr: fixed(factors[2]),
            offset: fixed(offset + 0.5),
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "factors are below 3 and offsets below 1000: 26 bits")]
fn fixed(value: f64) -> i32 {
    (value * ONE).round() as i32
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the range of the type first"
)]
const fn to_byte(sum: i32) -> u8 {
    let value = sum >> FRACTION_BITS;
    (if value < 0 {
        0
    } else if value > 255 {
        255
    } else {
        value
    }) as u8
}

/// Rewrites rows of 8-bit samples into JFIF's numbers: full range, BT.601 matrix.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ToJfif {
    luma: Row,
    blue: Row,
    red: Row,
}

impl ToJfif {
    pub(crate) fn new(weights: LumaWeights, full_range: bool) -> Self {
        // Steps and zero of the codes (ITU-T H.273, 8.3): 16 to 235 and 16 to 240 around 128, or all of them.
        let (scale, zero) = if full_range {
            ([255.0; 3], [0.0, 128.0, 128.0])
        } else {
            ([219.0, 224.0, 224.0], [16.0, 128.0, 128.0])
        };
        let column = |unit| LumaWeights::BT601.to_yuv(weights.to_rgb(unit));
        let (from_y, from_cb, from_cr) =
            (column([1.0, 0.0, 0.0]), column([0.0, 1.0, 0.0]), column([0.0, 0.0, 1.0]));
        let row = |index: usize, output_zero| {
            Row::new([from_y[index], from_cb[index], from_cr[index]], scale, zero, output_zero)
        };
        Self { luma: row(0, 0.0), blue: row(1, 128.0), red: row(2, 128.0) }
    }

    /// What a row of chroma adds to the two rows of luma that share it: two numbers a sample, for two columns. Samples that sit at the left
    /// column are those of it, and the right column has the mean of its neighbours.
    pub(crate) fn added_to_luma(&self, cb: &[u8], cr: &[u8], site: ChromaColumn, added: &mut Vec<i32>) {
        let Row { cb: by_cb, cr: by_cr, offset, .. } = self.luma;
        let sum = |(&cb, &cr): (&u8, &u8)| by_cb * i32::from(cb) + by_cr * i32::from(cr) + offset;
        added.clear();
        let mut sums = cb.iter().zip(cr).map(sum).peekable();
        while let Some(here) = sums.next() {
            let next = sums.peek().copied().unwrap_or(here);
            let right = if site == ChromaColumn::Left { here.midpoint(next) } else { here };
            added.extend([here, right]);
        }
    }

    /// A row of luma.
    pub(crate) fn luma(&self, source: &[u8], added: &[i32], out: &mut [u8]) {
        for ((out, &sample), &added) in out.iter_mut().zip(source).zip(added) {
            *out = to_byte(self.luma.y * i32::from(sample) + added);
        }
    }

    /// A row of blue difference.
    pub(crate) fn blue(&self, cb: &[u8], cr: &[u8], out: &mut [u8]) {
        chroma(self.blue, cb, cr, out);
    }

    /// A row of red difference.
    pub(crate) fn red(&self, cb: &[u8], cr: &[u8], out: &mut [u8]) {
        chroma(self.red, cb, cr, out);
    }
}

/// Where chroma samples of 4:2:0 sit among their two columns of luma.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChromaColumn {
    /// At the left one, as in most video.
    Left,
    /// Between them, as in JFIF.
    Centre,
}

/// Moves samples that sit at the left column to the middle: three quarters of each and one quarter of the next.
pub(crate) fn centred(row: &[u8], out: &mut Vec<u8>) {
    out.clear();
    out.extend(
        row.iter().zip(row.iter().skip(1).chain(row.last())).map(|(&here, &next)| quarters(here, next)),
    );
}

/// Three quarters of a sample, and one of another.
pub(crate) fn quarters(near: u8, far: u8) -> u8 {
    u8::try_from((u16::from(near) * 3 + u16::from(far) + 2) / 4).unwrap_or(u8::MAX)
}

/// Packed RGB to a row of JFIF's luma.
pub(crate) fn luma_of_rgb(rgb: &[u8], out: &mut [u8]) {
    for (pixel, out) in rgb.chunks_exact(3).zip(out) {
        let sum: i32 = JFIF_LUMA.iter().zip(pixel).map(|(factor, &sample)| factor * i32::from(sample)).sum();
        *out = to_byte(sum + HALF);
    }
}

/// Two rows of packed RGB, or the last one twice, to a row of JFIF's colour differences: of the mean of four pixels each, in whose middle they sit.
pub(crate) fn chroma_of_rgb(upper: &[u8], lower: &[u8], cb: &mut [u8], cr: &mut [u8]) {
    let pairs = upper.chunks(6).zip(lower.chunks(6)).zip(cb.iter_mut().zip(cr));
    for ((upper, lower), (cb, cr)) in pairs {
        let mut sum = [0_i32; 3];
        // The last column of an odd number of them counts twice.
        let pixels = |row: &[u8]| match *row {
            [r, g, b, right_r, right_g, right_b] => [[r, g, b], [right_r, right_g, right_b]],
            [r, g, b, ..] => [[r, g, b]; 2],
            _ => [[0; 3]; 2],
        };
        for pixel in pixels(upper).into_iter().chain(pixels(lower)) {
            for (sum, sample) in sum.iter_mut().zip(pixel) {
                *sum += i32::from(sample);
            }
        }
        let difference = |factors: [i32; 3]| {
            let weighed: i32 = factors.iter().zip(sum).map(|(factor, sum)| factor * sum).sum();
            to_byte(weighed / 4 + (128 << FRACTION_BITS) + HALF)
        };
        (*cb, *cr) = (difference(JFIF_BLUE), difference(JFIF_RED));
    }
}

const HALF: i32 = 1 << (FRACTION_BITS - 1);
/// ITU-T T.871, clause 7, in fixed point; the factors of a row add up to one, or to nothing.
const JFIF_LUMA: [i32; 3] = [19_595, 38_470, 7_471];
const JFIF_BLUE: [i32; 3] = [-11_058, -21_710, 32_768];
const JFIF_RED: [i32; 3] = [32_768, -27_439, -5_329];

/// Luma adds nothing to chroma, whatever the matrix: a grey has none.
fn chroma(row: Row, cb: &[u8], cr: &[u8], out: &mut [u8]) {
    for ((out, &cb), &cr) in out.iter_mut().zip(cb).zip(cr) {
        *out = to_byte(row.cb * i32::from(cb) + row.cr * i32::from(cr) + row.offset);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn convert([y, cb, cr]: [u8; 3], code: i32, full_range: bool) -> [u8; 3] {
        let to_jfif = ToJfif::new(LumaWeights::of_matrix(code).unwrap(), full_range);
        let (mut added, mut out) = (Vec::new(), [[0]; 3]);
        to_jfif.added_to_luma(&[cb], &[cr], ChromaColumn::Centre, &mut added);
        to_jfif.luma(&[y], &added, &mut out[0]);
        to_jfif.blue(&[cb], &[cr], &mut out[1]);
        to_jfif.red(&[cb], &[cr], &mut out[2]);
        out.map(|[sample]| sample)
    }

    #[test]
    fn greys_are_stretched_and_keep_no_tint() {
        for code in [1, 4, 5, 6, 7, 9] {
            assert_eq!(convert([16, 128, 128], code, false), [0, 128, 128]);
            assert_eq!(convert([235, 128, 128], code, false), [255, 128, 128]);
            assert_eq!(convert([77, 128, 128], code, true), [77, 128, 128]);
        }
        assert_eq!(convert([0, 128, 128], 1, false), [0, 128, 128]);
        assert_eq!(convert([255, 128, 128], 1, false), [255, 128, 128]);
    }

    #[test]
    fn red_of_bt709_is_red_in_jfif() {
        // Pure red at 75 %: BT.709 limited range has 51, 109, 212 (Rec. ITU-R BT.709, the bars of SMPTE RP 219), and JFIF
        // has 0.299 * 191 = 57, 96, 224.
        let [y, cb, cr] = convert([51, 109, 212], 1, false);
        assert!(y.abs_diff(57) <= 1 && cb.abs_diff(96) <= 1 && cr.abs_diff(223) <= 1, "{y} {cb} {cr}");
    }

    #[test]
    fn jfif_itself_is_left_alone() {
        assert_eq!(convert([12, 34, 56], 5, true), [12, 34, 56]);
    }

    #[test]
    fn rgb_becomes_jfif_by_its_equations() {
        for rgb in [[0, 0, 0], [255; 3], [255, 0, 0], [0, 255, 0], [0, 0, 255], [115, 82, 68], [12, 200, 131]]
        {
            let [r, g, b] = rgb.map(f64::from);
            let y = 0.299 * r + 0.587 * g + 0.114 * b;
            let expected = [y, 128.0 + (b - y) / 1.772, 128.0 + (r - y) / 1.402];
            let (row, mut found) = (rgb.repeat(3), [[0; 3]; 3]);
            let [luma, cb, cr] = &mut found;
            luma_of_rgb(&row, luma);
            chroma_of_rgb(&row, &row, &mut cb[..2], &mut cr[..2]);
            for (found, expected) in found.iter().zip(expected) {
                assert!(
                    (f64::from(found[0]) - expected.min(255.0)).abs() <= 0.51,
                    "{rgb:?}: {found:?} {expected}"
                );
                assert_eq!(found[0], found[1], "{rgb:?}");
            }
        }
    }

    /// A slope whose samples sit at the left columns, 0, 2, 4: between the columns it has 0.5, 2.5, 4.5 of it.
    #[test]
    fn chroma_of_the_left_column_moves_to_the_middle() {
        let mut out = Vec::new();
        centred(&[0, 20, 40, 60], &mut out);
        assert_eq!(out, [5, 25, 45, 60]);
        let (to_jfif, mut added) = (ToJfif::new(LumaWeights::of_matrix(1).unwrap(), true), Vec::new());
        to_jfif.added_to_luma(&[100, 140], &[100, 140], ChromaColumn::Left, &mut added);
        let [first, between, second, last] = added[..] else { panic!("{added:?}") };
        assert!(between.abs_diff(first.midpoint(second)) <= 1 && last == second, "{added:?}");
    }
}
