//! Known containers that are deliberately not supported. They are recognised by their first bytes, so that the error names the format
//! instead of reporting damage.
//!
//! Without their demuxers, libavformat mistakes some of them for other formats, such as program streams or audio. The first bytes are
//! those that libavformat's own probes check.

/// Number of bytes that determine a name.
pub(in crate::media) const HEAD_BYTES: usize = 64;

/// Containers that begin with these bytes.
const BEGINNINGS: &[(&[u8], &str)] = &[
    (b"pmpm\x01\0\0\0", "PMP (PlayStation Portable)"),
    (b"NSVf", "NSV (Nullsoft Streaming Video)"),
    (b"NSVs", "NSV (Nullsoft Streaming Video)"),
    (b"DEXA", "DXA (Feeble Files)"),
    (b"SMK2", "Smacker"),
    (b"SMK4", "Smacker"),
    (b"KB2", "Bink 2"),
    (b"\x84\x10\xff\xff\xff\xff", "RoQ (id Software)"),
    (b"Interplay MVE File\x1a\0\x1a", "MVE (Interplay)"),
    (b"THP\0", "THP (Nintendo)"),
    (b"NuppelVideo\0", "NuppelVideo"),
    (b"MythTVVideo\0", "NuppelVideo (MythTV)"),
    (b"ARMovie\n", "RPL (ARMovie)"),
    (b"Packed Animation File V1.0\n", "PAF (Amazing Studio)"),
    (b"LEITCH\0\0", "LXF (Leitch)"),
    (b"\xf5\x46\x7a\xbd", "TY (TiVo)"),
    (b"MLVI", "MLV (Magic Lantern)"),
    (b"LUCAM-RECORDER", "SER"),
    (b"DHAV", "DHAV (Dahua)"),
    (b"DAHUA", "DHAV (Dahua)"),
    (b"IMKH", "Hikvision recording"),
    (b"BBCD", "Dirac"),
    (b"BF&I", "BFI"),
    (b"SIFF", "SIFF"),
    (b"HNM4", "HNM (Cryo)"),
    (b"MOVI", "MV (Silicon Graphics)"),
    (b"FILM", "FILM (Sega)"),
    (b"ipum", "IPU (PlayStation 2)"),
    (b"wW\x10\0", "AVS"),
    (b"VID\0", "VID (Bethesda)"),
    (b"fLaC", "FLAC (audio only)"),
    (b"caff", "CAF (audio only)"),
    (b"#!AMR", "AMR (audio only)"),
    (b"MThd", "MIDI (audio only)"),
    (b"#EXTM3U", "an HLS playlist, which refers to other files"),
    (b"ffconcat version", "an ffconcat list, which refers to other files"),
];

/// Containers that begin with four bytes of a family, a length, and these bytes.
const FORMS: &[(&[u8], &[u8], &str)] = &[
    (b"RIFF", b"4XMV", "4XM (4X Technologies)"),
    (b"RIFF", b"AMV ", "AMV"),
    (b"RIFF", b"WAVE", "WAVE (audio only)"),
    (b"FORM", b"WVQA", "VQA (Westwood)"),
    (b"FORM", b"ANIM", "ANIM (IFF)"),
    (b"FORM", b"MOVE", "MVE (Wing Commander III)"),
    (b"FORM", b"RLV2", "RL2"),
    (b"FORM", b"RLV3", "RL2"),
    (b"FORM", b"AIFF", "AIFF (audio only)"),
    (b"FORM", b"AIFC", "AIFF (audio only)"),
    (b"ANIM", b"AHDR", "SMUSH (LucasArts)"),
    (b"SANM", b"SHDR", "SMUSH (LucasArts)"),
];

/// Returns the name of the unsupported container that these first bytes belong to, if any.
pub(in crate::media) fn name(head: &[u8]) -> Option<&'static str> {
    let begins = BEGINNINGS.iter().find(|(beginning, _)| head.starts_with(beginning)).map(|(_, name)| *name);
    let form = || {
        let kind = head.get(8..12)?;
        FORMS.iter().find(|(family, of, _)| head.starts_with(family) && kind == *of).map(|(.., name)| *name)
    };
    begins.or_else(form).or_else(|| by_fields(head))
}

/// Recognises containers with short signatures. Further fields must have valid values.
fn by_fields(head: &[u8]) -> Option<&'static str> {
    match head {
        // A version that Flash may have had, and a length below 512 MiB, which text does not have.
        [b'F' | b'C' | b'Z', b'W', b'S', 1..=60, _, _, _, 0..=0x1f, ..] => Some("SWF (Flash)"),
        // A stream of video or audio, and a byte with a constant value.
        [b'A', b'V', 1 | 2, _, 0x55, 0, ..] => Some("PVA (TechnoTrend)"),
        [b'B', b'I', b'K', b'b'..=b'k', ..] => Some("Bink"),
        // At byte 12: the signature of the Xbox.
        _ if head.get(12..16) == Some(b"xobX") => Some("XMV (Xbox)"),
        _ if matches!(head.get(4..8), Some(b"RED1" | b"RED2")) => Some("R3D (RED)"),
        _ => is_flic(head).then_some("FLIC (Autodesk)"),
    }
}

/// Returns whether this is the header of an FLI or FLC: its magic, a size other than 0, 8 bits per pixel, flags of 0 or 3.
fn is_flic(head: &[u8]) -> bool {
    let field = |at: usize| Some(u16::from_le_bytes(head.get(at..at.checked_add(2)?)?.try_into().ok()?));
    let is_size = |at: usize| field(at).is_some_and(|size| (1..=4096).contains(&size));
    matches!(field(4), Some(0xaf11 | 0xaf12))
        && is_size(8)
        && is_size(10)
        && field(12) == Some(8)
        && matches!(field(14), Some(0 | 3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsupported_containers_have_names() {
        let cases: [(&[u8], &str); 12] = [
            (b"AV\x01\x00\x55\x00\x10\x08", "PVA"),
            (b"pmpm\x01\0\0\0\0\0\0\0", "PMP"),
            (b"RIFF\x10\0\0\0" as &[u8], ""),
            (b"RIFF\x10\0\0\x004XMVLIST", "4XM"),
            (b"NSVf\x20\0\0\0", "NSV"),
            (b"NSVsH264", "NSV"),
            (b"FWS\x05\x20\0\0\0", "SWF"),
            (b"CWS\x09\x20\0\0\0", "SWF"),
            (b"ZWS\x0d\x20\0\0\0", "SWF"),
            (b"DEXA\0\0\0\0", "DXA"),
            (b"\0\x01\0\0\x12\xaf\x0a\0\x40\x01\xc8\0\x08\0\x03\0", "FLIC"),
            (b"\0\0\0\0\0\0\0\0\0\0\0\0xobX", "XMV"),
        ];
        for (head, expected) in cases {
            let name = name(head).unwrap_or_default();
            assert!(name.starts_with(expected) && name.is_empty() == expected.is_empty(), "{head:?}: {name}");
        }
        // Words that begin with such bytes, and supported formats.
        for head in [
            &b"AVI is a container"[..],
            b"FWS is a word",
            b"RIFF\x10\0\0\0AVI LIST",
            b"\0\0\0\x18ftypmp42",
            b"\x1a\x45\xdf\xa3",
            b"GIF89a",
            b"FLV\x01",
            b"",
        ] {
            assert_eq!(name(head), None, "{head:?}");
        }
    }
}
