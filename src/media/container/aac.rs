//! AAC headers: the properties that a decoder would report. No AAC decoder is compiled in.

use crate::media::bits::Bits;

/// Samples per second by `samplingFrequencyIndex` (ISO/IEC 14496-3, table 1.18). With spectral band replication, the output rate and
/// the samples per frame are twice as high.
const SAMPLE_RATES: [i32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];
/// The index that announces a rate in the next 24 bits.
const EXPLICIT_RATE: usize = 15;
/// Audio object types (ISO/IEC 14496-3, table 1.17): spectral band replication, parametric stereo, and the escape to larger numbers.
const SBR: u32 = 5;
const PS: u32 = 29;
const ESCAPE: u32 = 31;
/// The start of a configuration extension (ISO/IEC 14496-3, 1.6.2.1, `syncExtensionType`).
const SYNC_EXTENSION: u32 = 0x2b7;
/// `AV_PROFILE_AAC_HE` (libavcodec/defs.h). The other profiles are their audio object type minus one.
const PROFILE_HE: i32 = 4;

/// The content of an ADTS frame header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::media) struct AdtsHeader {
    /// libavcodec's number of the profile.
    pub(in crate::media) profile: i32,
    /// Samples per second of the core, without spectral band replication; `None` for a reserved number.
    pub(in crate::media) sample_rate: Option<i32>,
    /// `None` where the frame itself contains them.
    pub(in crate::media) channels: Option<u32>,
}

impl AdtsHeader {
    /// Returns FFmpeg's name of the channel layout.
    pub(in crate::media) const fn channel_layout(self) -> Option<&'static str> {
        match self.channels {
            Some(1) => Some("mono"),
            Some(2) => Some("stereo"),
            Some(3) => Some("3.0"),
            Some(4) => Some("4.0"),
            Some(5) => Some("5.0"),
            Some(6) => Some("5.1"),
            _ => None,
        }
    }
}

/// Reads the header of an ADTS frame (ISO/IEC 14496-3, 1.A.2.2.1). libavcodec's numbers of the profiles equal those of the header
/// (libavcodec/defs.h, `AV_PROFILE_AAC_MAIN` and the following ones).
pub(in crate::media) fn adts_header(packet: &[u8]) -> Option<AdtsHeader> {
    let mut bits = Bits::new(packet);
    let has_syncword = bits.take(12)? == 0xfff;
    let _version = bits.flag()?;
    let layer = bits.take(2)?;
    let _protection_absent = bits.flag()?;
    let profile = bits.number(2)?;
    let sample_rate = sample_rate(bits.take(4)?);
    let channels = bits.flag().and_then(|_private| bits.take(3)).and_then(channels);
    (has_syncword && layer == 0).then_some(AdtsHeader { profile, sample_rate, channels })
}

/// Returns the samples per second for an index, as libavformat and LATM number them.
pub(in crate::media) fn sample_rate(index: u32) -> Option<i32> {
    SAMPLE_RATES.get(usize::try_from(index).ok()?).copied()
}

/// Returns the channels for a `channelConfiguration` of three bits (ISO/IEC 14496-3, table 1.19).
const fn channels(configuration: u32) -> Option<u32> {
    match configuration {
        1..=6 => Some(configuration),
        7 => Some(8),
        _ => None,
    }
}

/// Reads the profile, as libavcodec's number, from an `AudioSpecificConfig` (ISO/IEC 14496-3, 1.6.2.1).
///
/// Spectral band replication that the configuration does not announce is visible only in the frames.
pub(in crate::media) fn profile(configuration: &[u8]) -> Option<i32> {
    let mut bits = Bits::new(configuration);
    let object = object_type(&mut bits)?;
    skip_sample_rate(&mut bits)?;
    let _channels = bits.take(4)?;
    if matches!(object, SBR | PS) {
        return Some(PROFILE_HE);
    }
    if has_sbr_extension(configuration) {
        return Some(PROFILE_HE);
    }
    i32::try_from(object).ok()?.checked_sub(1).filter(|&profile| profile >= 0)
}

/// Returns whether an extension after the configuration announces spectral band replication. libavcodec searches the extension bit
/// by bit.
fn has_sbr_extension(configuration: &[u8]) -> bool {
    // The extension comes after object type, rate and channels at least. A configuration has a few bytes.
    let places = configuration.len().saturating_mul(8).min(MAX_SEARCHED_BITS);
    (13..places).any(|place| is_sbr_extension(configuration, place).unwrap_or(false))
}

/// Returns whether the extension begins at this bit, and announces spectral band replication.
fn is_sbr_extension(configuration: &[u8], place: usize) -> Option<bool> {
    let mut bits = Bits::new(configuration.get(place / 8..)?);
    bits.take(u32::try_from(place % 8).ok()?)?;
    let is_extension = bits.take(11)? == SYNC_EXTENSION && object_type(&mut bits)? == SBR;
    Some(is_extension && bits.flag()?)
}

/// Maximum number of bits of a configuration that are searched for its extension.
const MAX_SEARCHED_BITS: usize = 512;

fn object_type(bits: &mut Bits<'_>) -> Option<u32> {
    match bits.take(5)? {
        ESCAPE => Some(bits.take(6)?.saturating_add(32)),
        object => Some(object),
    }
}

fn skip_sample_rate(bits: &mut Bits<'_>) -> Option<()> {
    if usize::try_from(bits.take(4)?).ok()? == EXPLICIT_RATE {
        bits.take(24)?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn profiles_of_configurations() {
        // Low complexity, 44100 Hz, two channels.
        assert_eq!(profile(&[0x12, 0x10]), Some(1));
        // The same with an extension that announces spectral band replication, and with one that announces none.
        assert_eq!(profile(&[0x13, 0x90, 0x56, 0xe5, 0xa0]), Some(PROFILE_HE));
        assert_eq!(profile(&[0x12, 0x10, 0x56, 0xe5, 0x00]), Some(1));
        // Spectral band replication and parametric stereo, announced by the object type.
        assert_eq!((profile(&[0x2b, 0x92, 0x08]), profile(&[0xeb, 0x8a, 0x08])), (Some(4), Some(4)));
        // Extended HE-AAC: object type 42, after the escape.
        assert_eq!(profile(&[0xf9, 0x48, 0x40]), Some(41));
        assert_eq!((profile(&[]), profile(&[0x00, 0x00])), (None, None));
    }

    #[test]
    fn headers_of_adts() {
        let header = |packet: &[u8]| adts_header(packet).map(|header| (header.profile, header.sample_rate));
        // AAC-LC at 44.1 kHz, stereo.
        assert_eq!(header(&[0xff, 0xf1, 0x50, 0x80]), Some((1, Some(44_100))));
        assert_eq!(header(&[0xff, 0xf9, 0x5c, 0x40]), Some((1, Some(22_050))));
        assert_eq!(header(&[0xff, 0xf9, 0x10]), Some((0, Some(44_100))));
        // A reserved frequency.
        assert_eq!(header(&[0xff, 0xf1, 0x74, 0x80]), Some((1, None)));
        // Another layer, no syncword, too few bytes.
        for packet in [&[0xff, 0xf3, 0x50, 0x80][..], &[0xfe, 0xf1, 0x50], &[0xff, 0xf1]] {
            assert_eq!(header(packet), None, "{packet:x?}");
        }
    }

    #[test]
    fn channels_of_adts() {
        let of = |packet: &[u8]| {
            let header = adts_header(packet)?;
            Some((header.channels?, header.channel_layout()))
        };
        assert_eq!(of(&[0xff, 0xf1, 0x50, 0x40]), Some((1, Some("mono"))));
        assert_eq!(of(&[0xff, 0xf1, 0x50, 0x80]), Some((2, Some("stereo"))));
        assert_eq!(of(&[0xff, 0xf1, 0x51, 0x80]), Some((6, Some("5.1"))));
        assert_eq!(of(&[0xff, 0xf1, 0x51, 0xc0]), Some((8, None)));
        // The frame itself contains them, or they are truncated.
        assert_eq!((of(&[0xff, 0xf1, 0x50, 0x00]), of(&[0xff, 0xf1, 0x50])), (None, None));
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _header = adts_header(&bytes);
            if let Some(profile) = profile(&bytes) {
                prop_assert!((0..96).contains(&profile));
            }
        }
    }
}
