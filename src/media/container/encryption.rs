//! Detection of encrypted packets and their encryption scheme before a packet is decoded.
//!
//! A decoder turns an encrypted packet into noise or a grey picture, and reports success. Each container marks encrypted
//! packets in its own way, and libavformat passes on the marks that it understands:
//! - MP4, Common Encryption (ISO/IEC 23001-7): libavformat attaches the parameters to each encrypted packet. The scheme is
//!   in the sample entry. libavformat reports the entry under its name before encryption.
//! - MP4, other schemes (PIFF, schemes of shops): libavformat attaches nothing.
//! - WebM: a byte before each frame contains whether the frame is encrypted. libavformat reports the key's number as a tag.
//! - ASF, MPEG-TS: all packets are encrypted. libavformat reports the protection as tags, and the stream type.

#![deny(clippy::arithmetic_side_effects)]

use std::collections::BTreeMap;

/// The encryption of a stream, if any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::media) struct Encryption {
    /// `None` when the stream is not encrypted, and when only its packets would reveal the scheme.
    scheme: Option<String>,
    marking: Marking,
}

/// The way in which encrypted packets of a stream are distinguished from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Marking {
    /// No packet is encrypted.
    Clear,
    /// libavformat attaches parameters to encrypted packets.
    Parameters,
    /// The first byte of each packet contains whether the rest is encrypted.
    SignalByte,
    /// All packets are encrypted.
    All,
}

/// The encryption of the samples of an MP4 sample entry (`sinf`: ISO/IEC 14496-12, 8.12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::media) struct ProtectedEntry {
    /// Four characters (`schm`); `None` when the box is absent.
    pub(in crate::media) scheme: Option<[u8; 4]>,
    /// Whether the parameters of Common Encryption are present (`tenc`: ISO/IEC 23001-7, 8.2).
    pub(in crate::media) has_parameters: bool,
}

/// The container's data about the protection of one of its streams.
#[derive(Debug, Clone, Copy)]
pub(in crate::media) struct Signs<'s> {
    /// libavformat's names for the container.
    pub(in crate::media) format_name: &'s str,
    pub(in crate::media) container_tags: &'s BTreeMap<String, String>,
    pub(in crate::media) stream_tags: &'s BTreeMap<String, String>,
    /// In MPEG-TS, the stream type.
    pub(in crate::media) codec_tag: u32,
    /// For MP4: `None` when the boxes were not read, `Some(None)` when they show that the stream is not encrypted.
    pub(in crate::media) entry: Option<Option<ProtectedEntry>>,
}

/// libavformat's name of the Extended Content Encryption Object of ASF.
const EXTENDED_ASF: &str = "ASF Extended Content Encryption";
/// Stream types in MPEG-TS that HLS's SAMPLE-AES encrypts: H.264, AC-3, AAC, E-AC-3 (Apple, MPEG-2 Stream Encryption Format
/// for HTTP Live Streaming, 2.1).
const SAMPLE_AES: [u32; 4] = [0xdb, 0xc1, 0xcf, 0xc2];
/// The signal byte before each frame (WebM Encryption, 4.7), and its bit for an encrypted frame.
const SIGNAL_BYTES: usize = 1;
const SIGNAL_ENCRYPTED: u8 = 1;

impl Encryption {
    pub(in crate::media) fn of(signs: Signs<'_>) -> Self {
        let tag = |name: &str| signs.container_tags.get(name).map(String::as_str);
        let (scheme, marking) = match signs.format_name.split(',').next().unwrap_or_default() {
            "mov" => match signs.entry {
                Some(Some(entry)) => {
                    let marking = if entry.has_parameters { Marking::Parameters } else { Marking::All };
                    (Some(scheme_name(entry.scheme)), marking)
                }
                Some(None) => (None, Marking::Clear),
                None => (None, Marking::Parameters),
            },
            "matroska" if signs.stream_tags.contains_key("enc_key_id") => {
                (Some("WebM".to_owned()), Marking::SignalByte)
            }
            // The tags that libavformat/asfdec_f.c creates from the two objects for content encryption.
            "asf"
                if tag("ASF_Protection_Type").or(tag("ASF_Key_ID")).is_some()
                    || tag("encryption") == Some(EXTENDED_ASF) =>
            {
                (Some("WMDRM".to_owned()), Marking::All)
            }
            "mpegts" if SAMPLE_AES.contains(&signs.codec_tag) => {
                (Some("SAMPLE-AES".to_owned()), Marking::All)
            }
            _ => (None, Marking::Clear),
        };
        Self { scheme, marking }
    }

    /// Returns the scheme: `cenc`, `cbcs`, `cens` or `cbc1` (Common Encryption), `piff`, another four-character code of
    /// MP4, `WebM`, `WMDRM`, `SAMPLE-AES`, or `unknown`. Returns `None` when the stream is not encrypted, or only its
    /// packets would reveal the scheme.
    pub(in crate::media) fn scheme(&self) -> Option<&str> {
        self.scheme.as_deref()
    }

    /// Returns the scheme of an encrypted packet, or `None` for an unencrypted packet. `parameters` are the data that
    /// libavformat attached to the packet (`AV_PKT_DATA_ENCRYPTION_INFO`). An encrypted stream may begin with unencrypted
    /// packets.
    pub(in crate::media) fn scheme_of_packet(
        &self,
        parameters: Option<&[u8]>,
        packet: &[u8],
    ) -> Option<String> {
        let is_encrypted = match self.marking {
            Marking::Clear => false,
            Marking::Parameters => parameters.is_some_and(encrypt_something),
            Marking::SignalByte => packet.first().is_some_and(|signal| signal & SIGNAL_ENCRYPTED != 0),
            Marking::All => true,
        };
        let own = || parameters?.first_chunk().copied();
        is_encrypted.then(|| self.scheme.clone().unwrap_or_else(|| scheme_name(own())))
    }

    /// Returns the number of bytes before the frame in an unencrypted packet.
    pub(in crate::media) const fn bytes_before_frame(&self) -> usize {
        if matches!(self.marking, Marking::SignalByte) { SIGNAL_BYTES } else { 0 }
    }
}

/// Returns the four characters of a scheme as text.
fn scheme_name(scheme: Option<[u8; 4]>) -> String {
    let text = scheme.filter(|scheme| scheme.iter().all(u8::is_ascii_graphic));
    text.map_or_else(|| "unknown".to_owned(), |text| text.map(char::from).iter().collect())
}

/// Returns whether the parameters that libavformat attached to a packet can encrypt anything.
///
/// libavformat does not support sample groups, which mark single samples of a protected track as unencrypted (`seig`:
/// ISO/IEC 23001-7, 6). It attaches the track's own parameters to such samples, without an initialization vector. The
/// layout is in libavutil/encryption_info.c: six 32-bit numbers (scheme, two for the pattern, sizes of key number and
/// vector, number of parts), key number, vector, and for each part its unencrypted and encrypted bytes.
fn encrypt_something(parameters: &[u8]) -> bool {
    const HEADER_BYTES: usize = 24;
    let number = |at: usize| {
        let bytes = parameters.get(at..at.checked_add(4)?)?;
        usize::try_from(u32::from_be_bytes(bytes.try_into().ok()?)).ok()
    };
    let parse = || {
        let (key_bytes, vector_bytes, parts) = (number(12)?, number(16)?, number(20)?);
        let (_, rest) = parameters.split_at_checked(HEADER_BYTES.checked_add(key_bytes)?)?;
        let (vector, rest) = rest.split_at_checked(vector_bytes)?;
        if parts == 0 {
            return Some(vector.iter().any(|&byte| byte != 0));
        }
        let mut encrypted = rest.chunks_exact(8).take(parts).filter_map(|part| part.last_chunk::<4>());
        Some(encrypted.any(|bytes| *bytes != [0; 4]))
    };
    // Invalid parameters still mean that the demuxer considers the packet encrypted.
    parse().unwrap_or(true)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, reason = "tests may panic")]

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const CLEAR: [&str; 4] = ["mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "asf", "mpegts"];

    fn tags(names: &[&str]) -> BTreeMap<String, String> {
        let split =
            |name: &str| name.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        names.iter().map(|&name| split(name).unwrap_or_else(|| (name.to_owned(), "x".to_owned()))).collect()
    }

    fn of_tags(format_name: &str, container: &[&str], stream: &[&str], codec_tag: u32) -> Encryption {
        let (container_tags, stream_tags) = (&tags(container), &tags(stream));
        Encryption::of(Signs { format_name, container_tags, stream_tags, codec_tag, entry: None })
    }

    fn of_entry(entry: Option<Option<ProtectedEntry>>) -> Encryption {
        let none = &BTreeMap::new();
        let (container_tags, stream_tags) = (none, none);
        Encryption::of(Signs { format_name: CLEAR[0], container_tags, stream_tags, codec_tag: 0, entry })
    }

    fn entry(scheme: Option<&[u8; 4]>, has_parameters: bool) -> Encryption {
        of_entry(Some(Some(ProtectedEntry { scheme: scheme.copied(), has_parameters })))
    }

    /// Creates parameters as libavformat attaches them.
    fn parameters(vector: &[u8], parts: &[(u32, u32)]) -> Vec<u8> {
        let sizes = [16, vector.len(), parts.len()].map(|size| u32::try_from(size).unwrap());
        let mut bytes = b"cenc".to_vec();
        bytes.extend([0, 0].into_iter().chain(sizes).flat_map(u32::to_be_bytes));
        bytes.extend([7; 16]);
        bytes.extend(vector);
        bytes.extend(
            parts.iter().flat_map(|(clear, encrypted)| [*clear, *encrypted]).flat_map(u32::to_be_bytes),
        );
        bytes
    }

    #[test]
    fn unencrypted_streams() {
        for format_name in CLEAR {
            let encryption = of_tags(format_name, &["title", "encryption"], &["title"], 0x1b);
            assert_eq!(encryption.scheme(), None, "{format_name}");
            assert_eq!(encryption.scheme_of_packet(None, &[1, 2]), None, "{format_name}");
            assert_eq!(encryption.bytes_before_frame(), 0, "{format_name}");
        }
        // Tags of another origin are not tags of the demuxer.
        assert_eq!(of_tags("matroska,webm", &["ASF_Protection_Type"], &[], 0xdb).scheme(), None);
        assert_eq!(of_tags("flv", &["ASF_Key_ID"], &["enc_key_id"], 0xdb).scheme(), None);
        // A file whose protection was removed, but not the parameters.
        assert_eq!(of_entry(Some(None)).scheme_of_packet(Some(&parameters(&[1; 8], &[])), &[1]), None);
    }

    #[test]
    fn common_encryption_marks_packets() {
        for (name, scheme) in
            [("cenc", b"cenc"), ("cbcs", b"cbcs"), ("unknown", &[0xff; 4]), ("unknown", &[0; 4])]
        {
            let encryption = entry(Some(scheme), true);
            assert_eq!(encryption.scheme(), Some(name));
            assert_eq!(encryption.scheme_of_packet(None, &[1]), None);
            let found = encryption.scheme_of_packet(Some(&parameters(&[1; 8], &[(9, 16)])), &[0]);
            assert_eq!(found.as_deref(), Some(name));
        }
        assert_eq!(entry(None, true).scheme(), Some("unknown"));
        // The boxes were not read: the packets reveal the encryption.
        let encryption = of_entry(None);
        assert_eq!(encryption.scheme(), None);
        let found = encryption.scheme_of_packet(Some(&parameters(&[1; 8], &[])), &[0]);
        assert_eq!(found.as_deref(), Some("cenc"));
        assert_eq!(encryption.scheme_of_packet(Some(&[1]), &[0]).as_deref(), Some("unknown"));
    }

    #[test]
    fn parameters_that_encrypt_nothing() {
        let encryption = entry(Some(b"cenc"), true);
        for (parameters, expected) in [
            (parameters(&[0; 16], &[]), false),
            (parameters(&[0; 16], &[(100, 0), (3, 0)]), false),
            (parameters(&[0; 16], &[(100, 0), (3, 1)]), true),
            (parameters(&[0, 0, 1], &[]), true),
            (parameters(&[1; 8], &[(5, 0)]), false),
            (Vec::new(), true),
        ] {
            let scheme = encryption.scheme_of_packet(Some(&parameters), &[]);
            assert_eq!(scheme.is_some(), expected, "{parameters:?}");
        }
        let mut cut = parameters(&[1; 8], &[]);
        cut.pop();
        assert!(encryption.scheme_of_packet(Some(&cut), &[]).is_some());
    }

    #[test]
    fn other_mp4_schemes_encrypt_all_packets() {
        for (scheme, name) in [(Some(b"piff"), "piff"), (Some(b"itun"), "itun"), (None, "unknown")] {
            let encryption = entry(scheme, false);
            assert_eq!(encryption.scheme(), Some(name));
            assert_eq!(encryption.scheme_of_packet(None, &[]).as_deref(), Some(name));
        }
    }

    #[test]
    fn webm_has_a_signal_byte_before_each_frame() {
        let encryption = of_tags("matroska,webm", &[], &["enc_key_id"], 0);
        assert_eq!((encryption.scheme(), encryption.bytes_before_frame()), (Some("WebM"), 1));
        for (packet, expected) in
            [(&[0, 1][..], None), (&[2], None), (&[], None), (&[1], Some("WebM")), (&[3, 0], Some("WebM"))]
        {
            assert_eq!(encryption.scheme_of_packet(None, packet).as_deref(), expected, "{packet:?}");
        }
    }

    #[test]
    fn asf_and_mpeg_ts_encrypt_all_packets() {
        for tag in ["ASF_Protection_Type", "ASF_Key_ID", "encryption=ASF Extended Content Encryption"] {
            assert_eq!(of_tags("asf", &[tag], &[], 0).scheme_of_packet(None, &[]).as_deref(), Some("WMDRM"));
        }
        let encryption = of_tags("mpegts", &[], &[], 0xdb);
        assert_eq!(encryption.scheme_of_packet(None, &[]).as_deref(), Some("SAMPLE-AES"));
    }

    proptest! {
        #[test]
        fn random_parameters_never_panic(bytes in vec(any::<u8>(), 0..80)) {
            encrypt_something(&bytes);
        }
    }
}
