//! Components that are not luma of one of libswscale's matrices: their red, green and blue, by the equations of ITU-T H.273, 8.3.

use super::primaries::{Primaries, inverse};

/// What the three components of a pixel are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Components {
    /// Luma that weighs red and blue so, and two differences.
    Weighted { red: f32, blue: f32 },
    /// Luma of light, and two differences (Rec. ITU-R BT.2020, table 4).
    ConstantLuminance(ConstantLuminance),
    /// Luma, green and orange.
    YCgCo,
    /// The same for integers without loss, with so many bits more than RGB has.
    YCgCoR { added_bits: u32 },
    /// Intensity, blue to yellow and red to green (Rec. ITU-R BT.2100-3, table 7).
    ICtCp(ICtCp),
    /// Luma and differences of X and Z (SMPTE ST 2085).
    YDzDx,
}

/// The weights of red and blue in light, and the largest differences of blue and of red, below and above luma.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ConstantLuminance {
    red: f32,
    blue: f32,
    blue_limits: (f32, f32),
    red_limits: (f32, f32),
}

/// The inverse of the matrices of ICtCp, and the curve between them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ICtCp {
    to_lms: [[f32; 3]; 3],
    to_rgb: [[f32; 3]; 3],
    curve: Curve,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Curve {
    Pq,
    Hlg,
}

impl ConstantLuminance {
    pub(crate) fn new(primaries: Primaries) -> Self {
        let (red, blue) = primaries.luma_weights();
        let (red, blue) = (narrow(red), narrow(blue));
        let limits = |weight: f32| (camera(1.0 - weight), 1.0 - camera(weight));
        Self { red, blue, blue_limits: limits(blue), red_limits: limits(red) }
    }

    fn to_rgb(self, [y, cb, cr]: [f32; 3]) -> [f32; 3] {
        let side = |difference: f32, (below, above): (f32, f32)| {
            y + 2.0 * difference * if difference <= 0.0 { below } else { above }
        };
        let (red, blue) = (side(cr, self.red_limits), side(cb, self.blue_limits));
        let [y, r, b] = [y, red, blue].map(camera_inverse);
        let green = (y - self.red * r - self.blue * b) / (1.0 - self.red - self.blue);
        [red, camera(green), blue]
    }
}

impl ICtCp {
    pub(crate) fn pq() -> Self {
        Self::new([[6610.0, -13613.0, 7003.0], [17933.0, -17390.0, -543.0]], Curve::Pq)
    }

    pub(crate) fn hlg() -> Self {
        Self::new([[3625.0, -7465.0, 3840.0], [9500.0, -9212.0, -288.0]], Curve::Hlg)
    }

    fn new([ct, cp]: [[f64; 3]; 2], curve: Curve) -> Self {
        const FROM_RGB: [[f64; 3]; 3] =
            [[1688.0, 2146.0, 262.0], [683.0, 2951.0, 462.0], [99.0, 309.0, 3688.0]];
        let inverted = |matrix: [[f64; 3]; 3]| {
            inverse(matrix.map(|row| row.map(|value| value / 4096.0))).map(|row| row.map(narrow))
        };
        Self { to_lms: inverted([[2048.0, 2048.0, 0.0], ct, cp]), to_rgb: inverted(FROM_RGB), curve }
    }

    fn to_rgb(self, components: [f32; 3]) -> [f32; 3] {
        let lms = multiplied(self.to_lms, components).map(|signal| self.curve.light(signal));
        multiplied(self.to_rgb, lms).map(|light| self.curve.signal(light))
    }
}

impl Curve {
    /// Light of 0 to 1 (Rec. ITU-R BT.2100-3, tables 4 and 5).
    fn light(self, signal: f32) -> f32 {
        let signal = signal.clamp(0.0, 1.0);
        match self {
            Self::Pq => {
                let power = signal.powf(1.0 / PQ_M2);
                ((power - PQ_C1).max(0.0) / (PQ_C2 - PQ_C3 * power)).powf(1.0 / PQ_M1)
            }
            Self::Hlg if signal <= 0.5 => signal * signal / 3.0,
            Self::Hlg => (((signal - HLG_C) / HLG_A).exp() + HLG_B) / 12.0,
        }
    }

    fn signal(self, light: f32) -> f32 {
        let light = light.max(0.0);
        match self {
            Self::Pq => {
                let power = light.powf(PQ_M1);
                ((PQ_C1 + PQ_C2 * power) / (1.0 + PQ_C3 * power)).powf(PQ_M2)
            }
            Self::Hlg if light <= 1.0 / 12.0 => (3.0 * light).sqrt(),
            Self::Hlg => HLG_A * (12.0 * light - HLG_B).ln() + HLG_C,
        }
    }
}

/// SMPTE ST 2084.
pub(super) const PQ_M1: f32 = 2610.0 / 16384.0;
pub(super) const PQ_M2: f32 = 2523.0 / 4096.0 * 128.0;
pub(super) const PQ_C1: f32 = 3424.0 / 4096.0;
pub(super) const PQ_C2: f32 = 2413.0 / 4096.0 * 32.0;
pub(super) const PQ_C3: f32 = 2392.0 / 4096.0 * 32.0;
/// Rec. ITU-R BT.2100-3, table 5.
pub(super) const HLG_A: f32 = 0.178_832_77;
pub(super) const HLG_B: f32 = 0.284_668_92;
pub(super) const HLG_C: f32 = 0.559_910_7;

const CAMERA_ALPHA: f32 = 1.099_296_8;
const CAMERA_BETA: f32 = 0.018_053_97;

/// The camera's curve of BT.709 and BT.2020.
fn camera(light: f32) -> f32 {
    let light = light.max(0.0);
    if light < CAMERA_BETA { 4.5 * light } else { CAMERA_ALPHA * light.powf(0.45) - (CAMERA_ALPHA - 1.0) }
}

fn camera_inverse(signal: f32) -> f32 {
    if signal < 4.5 * CAMERA_BETA {
        signal / 4.5
    } else {
        ((signal + CAMERA_ALPHA - 1.0) / CAMERA_ALPHA).powf(1.0 / 0.45)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "factors around 1, rounded")]
const fn narrow(value: f64) -> f32 {
    value as f32
}

fn multiplied(matrix: [[f32; 3]; 3], [a, b, c]: [f32; 3]) -> [f32; 3] {
    matrix.map(|row| row[0] * a + row[1] * b + row[2] * c)
}

impl Components {
    /// Luma with the weights that the primaries have.
    pub(crate) fn of_primaries(primaries: Primaries) -> Self {
        let (red, blue) = primaries.luma_weights();
        Self::Weighted { red: narrow(red), blue: narrow(blue) }
    }

    /// Signals of red, green and blue, not clipped, of luma from 0 to 1 and two differences around 0.
    fn to_rgb(self, components @ [y, a, b]: [f32; 3]) -> [f32; 3] {
        match self {
            Self::Weighted { red, blue } => {
                let (r, b) = (y + 2.0 * (1.0 - red) * b, y + 2.0 * (1.0 - blue) * a);
                [r, (y - red * r - blue * b) / (1.0 - red - blue), b]
            }
            Self::ConstantLuminance(constant) => constant.to_rgb(components),
            Self::YCgCo => [y - a + b, y + a, y - a - b],
            Self::YCgCoR { .. } => {
                let t = y - a / 2.0;
                let blue = t - b / 2.0;
                [blue + b, t + a, blue]
            }
            Self::ICtCp(ictcp) => ictcp.to_rgb(components),
            Self::YDzDx => [2.0 * b + 0.991_902 * y, y, (2.0 * a + y) / 0.986_566],
        }
    }
}

/// Reads pixels of three components of 16 bits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ComponentReader {
    components: Components,
    /// The codes that stand for nothing, and steps between nothing and one.
    zero: [f32; 3],
    scale: [f32; 3],
}

impl ComponentReader {
    /// Of codes of `depth` bits, moved up to 16.
    pub(crate) fn new(components: Components, is_full: bool, depth: u32) -> Self {
        let depth = depth.clamp(8, 16);
        let added_bits = if let Components::YCgCoR { added_bits } = components { added_bits } else { 0 };
        let top = |bits: u32| {
            let codes = u16::MAX >> 16_u32.saturating_sub(bits).min(15);
            f32::from(codes << (16 - depth))
        };
        let (black, luma, chroma) = match is_full {
            true => (0.0, top(depth.saturating_sub(added_bits)), top(depth.saturating_sub(added_bits))),
            // ITU-T H.273, 8.3: 16 to 235, and 16 to 240 around 128, of 256.
            false => (4096.0, 56_064.0, 57_344.0),
        };
        Self { components, zero: [black, 32_768.0, 32_768.0], scale: [luma, chroma, chroma] }
    }

    /// Red, green and blue of 16 bits.
    pub(crate) fn to_rgb(self, codes: [u16; 3]) -> [u16; 3] {
        let mut components = codes.map(f32::from);
        for ((component, zero), scale) in components.iter_mut().zip(self.zero).zip(self.scale) {
            *component = (*component - zero) / scale;
        }
        self.components.to_rgb(components).map(to_u16)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the range of the type first"
)]
fn to_u16(value: f32) -> u16 {
    (value.clamp(0.0, 1.0) * 65_535.0 + 0.5) as u16
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Red, green and blue to components, by the equations of ITU-T H.273, 8.3.
    fn forward(components: Components, [r, g, b]: [f32; 3]) -> [f32; 3] {
        match components {
            Components::Weighted { red, blue } => {
                let y = red * r + (1.0 - red - blue) * g + blue * b;
                [y, (b - y) / 2.0 / (1.0 - blue), (r - y) / 2.0 / (1.0 - red)]
            }
            Components::ConstantLuminance(ConstantLuminance { red, blue, blue_limits, red_limits }) => {
                let light = [r, g, b].map(camera_inverse);
                let y = camera(red * light[0] + (1.0 - red - blue) * light[1] + blue * light[2]);
                let part = |value: f32, (below, above): (f32, f32)| {
                    (value - y) / 2.0 / if value < y { below } else { above }
                };
                [y, part(b, blue_limits), part(r, red_limits)]
            }
            Components::YCgCo => [r / 4.0 + g / 2.0 + b / 4.0, g / 2.0 - r / 4.0 - b / 4.0, (r - b) / 2.0],
            Components::YCgCoR { .. } => {
                let (co, t) = (r - b, r.midpoint(b));
                [t + (g - t) / 2.0, g - t, co]
            }
            Components::YDzDx => [g, (0.986_566 * b - g) / 2.0, (r - 0.991_902 * g) / 2.0],
            Components::ICtCp(ictcp) => {
                let from_rgb = [[1688.0, 2146.0, 262.0], [683.0, 2951.0, 462.0], [99.0, 309.0, 3688.0]];
                let light = [r, g, b].map(|signal| ictcp.curve.light(signal));
                let [l, m, s] = multiplied(from_rgb.map(|row| row.map(|value: f32| value / 4096.0)), light)
                    .map(|light| ictcp.curve.signal(light));
                let (ct, cp) = match ictcp.curve {
                    Curve::Pq => ([6610.0, -13613.0, 7003.0], [17933.0, -17390.0, -543.0]),
                    Curve::Hlg => ([3625.0, -7465.0, 3840.0], [9500.0, -9212.0, -288.0]),
                };
                let part = |row: [f32; 3]| (row[0] * l + row[1] * m + row[2] * s) / 4096.0;
                [l.midpoint(m), part(ct), part(cp)]
            }
        }
    }

    fn all_components() -> [Components; 9] {
        [
            Components::of_primaries(Primaries::BT709),
            Components::of_primaries(Primaries::P3_D65),
            Components::ConstantLuminance(ConstantLuminance::new(Primaries::BT2020)),
            Components::YCgCo,
            Components::YCgCoR { added_bits: 2 },
            Components::YCgCoR { added_bits: 1 },
            Components::YDzDx,
            Components::ICtCp(ICtCp::pq()),
            Components::ICtCp(ICtCp::hlg()),
        ]
    }

    proptest! {
        #[test]
        fn components_give_the_colours_of_their_definition(
            rgb in prop::array::uniform3(0.02_f32..1.0), index in 0_usize..9, is_full: bool, depth in 10_u32..=16,
        ) {
            let components = all_components()[index];
            // A dark component beside bright ones is lost among the steps of ICtCp, whose curves are steep.
            let (rgb, depth) = match components {
                Components::ICtCp(_) => (rgb.map(|value| 0.4 + 0.2 * value), 16),
                _ => (rgb, depth),
            };
            let added = if let Components::YCgCoR { added_bits } = components { added_bits } else { 0 };
            // Lossless YCgCo has all codes.
            let is_full = is_full || added > 0;
            let unit = f32::from(1_u16 << (depth - 8));
            let top = f32::from(u16::MAX >> (16 - depth + added));
            let (zero, luma, chroma) = if is_full { (0.0, top, top) } else { (16.0 * unit, 219.0 * unit, 224.0 * unit) };
            let middle = f32::from(1_u16 << (depth - 1));
            let [y, a, b] = forward(components, rgb);
            let values = [y * luma + zero, a * chroma + middle, b * chroma + middle];
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the depth")]
            let codes = values.map(|value| (value.round() as u16) << (16 - depth));
            let found = ComponentReader::new(components, is_full, depth).to_rgb(codes);
            // A step of the codes, which the curves of light magnify.
            let step = 40.0 / f32::from(1_u16 << (depth - 8)) / 255.0;
            for (found, expected) in found.iter().zip(rgb) {
                let off = (f32::from(*found) / 65_535.0 - expected).abs();
                prop_assert!(off < step.max(0.002), "{components:?} {rgb:?}: {found} is {off} off");
            }
        }
    }
}
