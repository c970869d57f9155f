//! PQ and HLG light brought into the range of an SDR screen, and SDR of other primaries and curves into those of BT.709.
//!
//! swscale 9 can do this too, through a table that costs 3.4 s of CPU to build for each context. The direct way below
//! costs some 30 ms for 1080p and measures the same on SDR material that went to PQ or HLG and back.

use super::components::{HLG_A, HLG_B, HLG_C, PQ_C1, PQ_C2, PQ_C3, PQ_M1, PQ_M2};
use super::primaries::Primaries;

/// The light of SDR reference white in HDR, in cd/m2 (Rec. ITU-R BT.2408-7, section 2.1).
const REFERENCE_WHITE_NITS: f32 = 203.0;
/// What to assume the brightest highlight to be when nothing says it, in cd/m2: the usual mastering display.
const DEFAULT_PEAK_NITS: f32 = 1000.0;
/// Light up to this part of reference white is kept as it is; what is brighter is rolled off. 0.6 leaves skin and
/// shadows alone and puts white itself at 92 % of the signal for 1000 cd/m2 material.
const KNEE: f32 = 0.6;

/// What a signal says of light.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transfer {
    /// Perceptual quantiser: the signal tells light in absolute terms (Rec. ITU-R BT.2100-3).
    Pq,
    /// Hybrid log-gamma: the signal tells the light of the scene (Rec. ITU-R BT.2100-3).
    Hlg,
    /// SDR: the curves of all cameras are shown by one screen (Rec. ITU-R BT.1886).
    Sdr,
    /// SDR for computer screens (IEC 61966-2-1).
    Srgb,
    /// SDR with a power function.
    Gamma(Power),
    /// Light itself.
    Linear,
    /// Logarithms over two decades, or over two and a half.
    Log { decades: Decades },
    /// SDR of cinemas (SMPTE ST 428-1).
    Cinema,
}

/// The power functions of BT.470 (ITU-T H.273, table 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Power {
    /// 2.2, system M.
    M,
    /// 2.8, systems B and G.
    Bg,
}

/// How many decades of light a logarithmic signal spans (ITU-T H.273, table 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decades {
    Two,
    TwoAndAHalf,
}

impl Transfer {
    pub(crate) const fn is_hdr(self) -> bool {
        matches!(self, Self::Pq | Self::Hlg)
    }
}

/// The curve that the picture is written with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OutputCurve {
    /// That of screens for video (Rec. ITU-R BT.1886).
    Video,
    /// That of screens for computers (IEC 61966-2-1).
    Srgb,
}

impl OutputCurve {
    fn signal(self, light: f32) -> f32 {
        match self {
            Self::Video => light.powf(1.0 / 2.4),
            Self::Srgb if light <= 0.003_130_8 => 12.92 * light,
            Self::Srgb => 1.055 * light.powf(1.0 / 2.4) - 0.055,
        }
    }
}

/// What the mapping needs to know of the material.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Light {
    pub(crate) transfer: Transfer,
    pub(crate) primaries: Primaries,
    pub(crate) output: OutputCurve,
    /// Light of the brightest highlight in cd/m2, where the stream says it.
    pub(crate) peak_nits: Option<f32>,
}

impl Light {
    /// The peak relative to reference white. Files have claimed 0.005 cd/m2 and inverted their pictures with it: below
    /// reference white there is nothing to roll off, and PQ ends at 10 000.
    fn peak(self) -> f32 {
        let nits = match (self.transfer, self.peak_nits) {
            (Transfer::Pq, Some(nits)) if nits.is_finite() && nits > 1.0 => nits,
            _ => DEFAULT_PEAK_NITS,
        };
        nits.clamp(REFERENCE_WHITE_NITS, 10_000.0) / REFERENCE_WHITE_NITS
    }
}

/// Entries of the output table, indexed by the square root of the light to be fine enough in the shadows.
const OUTPUT_ENTRIES: u16 = 4096;

/// Maps the tones of some material, with tables for both ends.
pub(crate) struct ToneMap {
    /// Light by 16-bit code.
    to_linear: Vec<f32>,
    /// 8-bit code by the square root of light.
    output: Vec<u8>,
    to_bt709: [[f32; 3]; 3],
    light: Light,
}

impl ToneMap {
    pub(crate) fn new(light: Light) -> Self {
        let to_linear =
            (0..=u16::MAX).map(|code| signal_to_light(f32::from(code) / 65_535.0, light.transfer)).collect();
        let output = (0..OUTPUT_ENTRIES)
            .map(|index| {
                let root = f32::from(index) / f32::from(OUTPUT_ENTRIES - 1);
                to_byte(light.output.signal(root * root))
            })
            .collect();
        Self { to_linear, output, to_bt709: light.primaries.to_bt709(), light }
    }

    /// Maps 16-bit RGB (little-endian, six bytes a pixel, full range, not linear) to 8-bit BT.709 RGB.
    pub(crate) fn map(&self, rgb48: &[u8], rgb24: &mut [u8]) {
        let peak = self.light.peak();
        for (pixel, out) in rgb48.chunks_exact(6).zip(rgb24.chunks_exact_mut(3)) {
            let codes = [0, 2, 4].map(|at| u16::from_le_bytes([pixel[at], pixel[at + 1]]));
            out.copy_from_slice(&self.map_with(codes, peak));
        }
    }

    /// Maps a pixel of 16-bit codes.
    pub(crate) fn map_pixel(&self, codes: [u16; 3]) -> [u8; 3] {
        self.map_with(codes, self.light.peak())
    }

    #[inline]
    fn map_with(&self, codes: [u16; 3], peak: f32) -> [u8; 3] {
        let Self { to_linear, output, to_bt709, light } = self;
        let mut linear = codes.map(|code| to_linear[usize::from(code)]);
        if light.transfer == Transfer::Hlg {
            linear = hlg_scene_to_display(linear);
        }
        let [r, g, b] = linear;
        let linear = to_bt709.map(|row| (row[0] * r + row[1] * g + row[2] * b).max(0.0));
        // One factor for all three keeps the hue; the largest component decides, so that none clips.
        let brightest = linear[0].max(linear[1]).max(linear[2]);
        let factor = match light.transfer {
            // What BT.709 cannot show is clipped.
            transfer if !transfer.is_hdr() => 1.0,
            _ if brightest > KNEE => roll_off(brightest, peak) / brightest,
            _ => 1.0,
        };
        linear.map(|value| output[table_index(value * factor)])
    }
}

/// The curve above the knee: it leaves with slope 1, so that there is no edge, and reaches 1 at `peak`.
fn roll_off(value: f32, peak: f32) -> f32 {
    if peak <= 1.0 {
        return value.min(1.0);
    }
    let position = ((value - KNEE) / (peak - KNEE)).min(1.0);
    // Slope 1 at the knee fixes the shape of the hyperbola.
    let shape = (1.0 - KNEE) / (peak - 1.0);
    KNEE + (1.0 - KNEE) * position * (1.0 + shape) / (position + shape)
}

/// Light relative to reference white, or of the scene from 0 to 1 (HLG).
fn signal_to_light(signal: f32, transfer: Transfer) -> f32 {
    match transfer {
        // SMPTE ST 2084, equation 4.1.
        Transfer::Pq => {
            let power = signal.powf(1.0 / PQ_M2);
            ((power - PQ_C1).max(0.0) / (PQ_C2 - PQ_C3 * power)).powf(1.0 / PQ_M1) * 10_000.0
                / REFERENCE_WHITE_NITS
        }
        Transfer::Sdr => signal.powf(2.4),
        Transfer::Srgb if signal <= 0.040_45 => signal / 12.92,
        Transfer::Srgb => ((signal + 0.055) / 1.055).powf(2.4),
        Transfer::Gamma(Power::M) => signal.powf(2.2),
        Transfer::Gamma(Power::Bg) => signal.powf(2.8),
        Transfer::Linear => signal,
        // ITU-T H.273, table 3: 0 stands for all that is darker than the range.
        Transfer::Log { .. } if signal <= 0.0 => 0.0,
        Transfer::Log { decades: Decades::Two } => 10.0_f32.powf((signal - 1.0) * 2.0),
        Transfer::Log { decades: Decades::TwoAndAHalf } => 10.0_f32.powf((signal - 1.0) * 2.5),
        // SMPTE ST 428-1: white is 48 of 52.37 cd/m2.
        Transfer::Cinema => signal.powf(2.6) * (52.37 / 48.0),
        // BT.2100-3, table 5: the inverse of the HLG OETF.
        Transfer::Hlg if signal <= 0.5 => signal * signal / 3.0,
        Transfer::Hlg => (((signal - HLG_C) / HLG_A).exp() + HLG_B) / 12.0,
    }
}

/// BT.2100-3, table 5: the HLG OOTF for a display of 1000 cd/m2, whose system gamma is 1.2; relative to reference white.
fn hlg_scene_to_display([r, g, b]: [f32; 3]) -> [f32; 3] {
    let luminance = 0.2627 * r + 0.6780 * g + 0.0593 * b;
    let gain = luminance.powf(0.2) * DEFAULT_PEAK_NITS / REFERENCE_WHITE_NITS;
    [r * gain, g * gain, b * gain]
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the range of the type first"
)]
fn to_byte(value: f32) -> u8 {
    (value.clamp(0.0, 1.0) * 255.0 + 0.5) as u8
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the range of the table first"
)]
fn table_index(value: f32) -> usize {
    (value.clamp(0.0, 1.0).sqrt() * f32::from(OUTPUT_ENTRIES - 1) + 0.5) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(signal: u16, light: Light) -> u8 {
        let bytes: Vec<u8> = [signal; 3].iter().flat_map(|code| code.to_le_bytes()).collect();
        let mut out = [0; 3];
        ToneMap::new(light).map(&bytes, &mut out);
        out[0]
    }

    const PQ: Light = Light {
        transfer: Transfer::Pq,
        primaries: Primaries::BT2020,
        output: OutputCurve::Video,
        peak_nits: Some(1000.0),
    };

    #[test]
    fn black_stays_black_and_peak_is_white() {
        assert_eq!(grey(0, PQ), 0);
        // PQ code of 1000 cd/m2 is 0.7518 (BT.2100-3, table 4).
        assert!(grey(49_270, PQ) >= 254);
        assert_eq!(grey(u16::MAX, PQ), 255);
        assert_eq!(grey(u16::MAX, Light { transfer: Transfer::Hlg, ..PQ }), 255);
    }

    #[test]
    fn mid_grey_is_kept() {
        // 18 % of 203 cd/m2 is 36.5 cd/m2, PQ code 0.4075; BT.1886 shows it at 0.18^(1/2.4) = 0.489.
        assert!(grey(26_706, PQ).abs_diff(125) <= 2, "{}", grey(26_706, PQ));
    }

    /// Greys are one in all primaries, and SDR's tones are kept; saturated colours of wider primaries become stronger numbers.
    #[test]
    fn sdr_of_wide_primaries_keeps_its_tones() {
        for primaries in [Primaries::BT2020, Primaries::P3_D65, Primaries::BT709] {
            let light = Light { transfer: Transfer::Sdr, primaries, ..PQ };
            for code in 0..=255_u16 {
                assert!(
                    grey(code * 257, light).abs_diff(u8::try_from(code).unwrap()) <= 1,
                    "{primaries:?} {code}"
                );
            }
        }
        let wide = Light { transfer: Transfer::Sdr, ..PQ };
        // BT.709's red of 75 % in BT.2020: light 0.6274, 0.0691, 0.0164 of 0.75^2.4 (Rec. ITU-R BT.2087, equation 4).
        let light = 0.75_f32.powf(2.4);
        let codes = [0.6274, 0.0691, 0.0164].map(|part: f32| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "between 0 and 65535"
            )]
            let code = ((part * light).powf(1.0 / 2.4) * 65_535.0) as u16;
            code
        });
        let [r, g, b] = ToneMap::new(wide).map_pixel(codes);
        assert!(r.abs_diff(191) <= 1 && g <= 4 && b <= 4, "{r} {g} {b}");
    }

    #[test]
    fn absurd_peaks_do_not_invert_the_picture() {
        for peak_nits in [Some(0.005), Some(-3.0), Some(f32::NAN), Some(f32::INFINITY), Some(1.0e9), None] {
            let light = Light { peak_nits, ..PQ };
            let ramp: Vec<u8> = (0..=16).map(|step| grey(step * 4095, light)).collect();
            assert!(ramp.is_sorted(), "{peak_nits:?}: {ramp:?}");
        }
    }

    #[test]
    fn the_roll_off_leaves_the_line_smoothly_and_ends_in_white() {
        const STEP: f32 = 0.004;
        for peak in [1.01_f32, 1.5, DEFAULT_PEAK_NITS / REFERENCE_WHITE_NITS, 10_000.0 / REFERENCE_WHITE_NITS]
        {
            let at_part = |part: f32| roll_off(KNEE + part * (peak - KNEE), peak);
            assert!((at_part(0.0) - KNEE).abs() < 1e-6 && (at_part(1.0) - 1.0).abs() < 1e-6, "{peak}");
            let slope = (roll_off(KNEE + STEP, peak) - KNEE) / STEP;
            assert!((slope - 1.0).abs() < 0.012, "{peak}: {slope}");
            let curve: Vec<f32> = (0..=100_u8).map(|part| at_part(f32::from(part) / 100.0)).collect();
            assert!(curve.is_sorted(), "{peak}: {curve:?}");
        }
    }
}
