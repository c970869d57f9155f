//! Which red, green and blue the numbers mean.

/// A colour without its brightness, by CIE 1931 x and y.
type Chromaticity = (f64, f64);
type Matrix = [[f64; 3]; 3];

/// The colours that signals of one component have, and that of three equal ones (ITU-T H.273, table 2).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Primaries {
    red: Chromaticity,
    green: Chromaticity,
    blue: Chromaticity,
    white: Chromaticity,
}

const D65: Chromaticity = (0.3127, 0.3290);
/// Illuminant C.
const C: Chromaticity = (0.310, 0.316);
/// The white of cinemas (SMPTE RP 431-2).
const DCI: Chromaticity = (0.314, 0.351);

impl Primaries {
    /// Rec. ITU-R BT.709, and sRGB.
    pub(crate) const BT709: Self = Self::new((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), D65);
    /// Rec. ITU-R BT.2020.
    pub(crate) const BT2020: Self = Self::new((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), D65);
    /// P3 with the white point D65 (SMPTE EG 432-1).
    pub(crate) const P3_D65: Self = Self::new((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), D65);

    const fn new(red: Chromaticity, green: Chromaticity, blue: Chromaticity, white: Chromaticity) -> Self {
        Self { red, green, blue, white }
    }

    /// The primaries of a code in ITU-T H.273; `None` for "unspecified" and reserved codes.
    pub(crate) const fn of_code(code: i32) -> Option<Self> {
        Some(match code {
            1 => Self::BT709,
            4 => Self::new((0.67, 0.33), (0.21, 0.71), (0.14, 0.08), C),
            5 => Self::new((0.64, 0.33), (0.29, 0.60), (0.15, 0.06), D65),
            6 | 7 => Self::new((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), D65),
            8 => Self::new((0.681, 0.319), (0.243, 0.692), (0.145, 0.049), C),
            9 => Self::BT2020,
            // The components are X, Y and Z.
            10 => Self::new((1.0, 0.0), (0.0, 1.0), (0.0, 0.0), (1.0 / 3.0, 1.0 / 3.0)),
            11 => Self::new((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), DCI),
            12 => Self::P3_D65,
            22 => Self::new((0.630, 0.340), (0.295, 0.605), (0.155, 0.077), D65),
            _ => return None,
        })
    }

    /// How much red and blue weigh in the luminance of white (ITU-T H.273, equations 39 to 44).
    pub(crate) fn luma_weights(self) -> (f64, f64) {
        let [_, [red, _, blue], _] = self.to_xyz();
        (red, blue)
    }

    /// Linear light to that of BT.709. White stays white: where the white points differ, colours are adapted (Bradford).
    pub(crate) fn to_bt709(self) -> [[f32; 3]; 3] {
        if self == Self::BT709 {
            return [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        }
        let adapted = product(adaptation(self.white, Self::BT709.white), self.to_xyz());
        let matrix = product(inverse(Self::BT709.to_xyz()), adapted);
        #[expect(clippy::cast_possible_truncation, reason = "factors around 1, rounded")]
        matrix.map(|row| row.map(|value| value as f32))
    }

    /// Linear light to CIE XYZ, white having a luminance of 1.
    fn to_xyz(self) -> Matrix {
        let corners = transposed([self.red, self.green, self.blue].map(xyz));
        let strengths = times(inverse(corners), xyz(self.white));
        corners.map(|row| {
            let [red, green, blue] = row;
            [red * strengths[0], green * strengths[1], blue * strengths[2]]
        })
    }
}

/// XYZ of a luminance of 1; of X and Z alone, which have none.
fn xyz((x, y): Chromaticity) -> [f64; 3] {
    if y > 0.0 { [x / y, 1.0, (1.0 - x - y) / y] } else { [x, 0.0, 1.0 - x] }
}

/// What colours under one white look like under another.
fn adaptation(from: Chromaticity, to: Chromaticity) -> Matrix {
    const BRADFORD: Matrix =
        [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]];
    let (from, to) = (times(BRADFORD, xyz(from)), times(BRADFORD, xyz(to)));
    let gains = [[to[0] / from[0], 0.0, 0.0], [0.0, to[1] / from[1], 0.0], [0.0, 0.0, to[2] / from[2]]];
    product(inverse(BRADFORD), product(gains, BRADFORD))
}

fn times(matrix: Matrix, vector: [f64; 3]) -> [f64; 3] {
    matrix.map(|row| row.iter().zip(vector).map(|(a, b)| a * b).sum())
}

fn transposed([a, b, c]: Matrix) -> Matrix {
    [[a[0], b[0], c[0]], [a[1], b[1], c[1]], [a[2], b[2], c[2]]]
}

fn product(a: Matrix, b: Matrix) -> Matrix {
    let columns = transposed(b);
    a.map(|row| columns.map(|column| row.iter().zip(column).map(|(x, y)| x * y).sum()))
}

/// By cofactors; the matrices here are far from singular.
pub(super) fn inverse([[a, b, c], [d, e, f], [g, h, i]]: Matrix) -> Matrix {
    let determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
    [
        [e * i - f * h, c * h - b * i, b * f - c * e],
        [f * g - d * i, a * i - c * g, c * d - a * f],
        [d * h - e * g, b * g - a * h, a * e - b * d],
    ]
    .map(|row| row.map(|cofactor| cofactor / determinant))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODES: [i32; 11] = [1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 22];

    #[test]
    fn white_of_all_primaries_is_white() {
        for code in CODES {
            for row in Primaries::of_code(code).unwrap().to_bt709() {
                assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{code}: {row:?}");
            }
        }
        assert_eq!((Primaries::of_code(2), Primaries::of_code(13)), (None, None));
    }

    /// Rec. ITU-R BT.2407, annex 2, and BT.2020's own luma weights.
    #[test]
    fn bt2020_has_the_published_numbers() {
        const PUBLISHED: [[f32; 3]; 3] =
            [[1.660_5, -0.587_6, -0.072_8], [-0.124_6, 1.132_9, -0.008_3], [-0.018_2, -0.100_6, 1.118_7]];
        let found = Primaries::BT2020.to_bt709();
        let pairs = found.iter().flatten().zip(PUBLISHED.iter().flatten());
        assert!(pairs.into_iter().all(|(a, b)| (a - b).abs() < 1e-4), "{found:?}");
        let (red, blue) = Primaries::BT2020.luma_weights();
        assert!((red - 0.2627).abs() < 1e-4 && (blue - 0.0593).abs() < 1e-4, "{red} {blue}");
    }
}
