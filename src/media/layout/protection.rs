//! The encryption of a track's samples (ISO/IEC 14496-12, 8.12).

use crate::media::container::encryption::ProtectedEntry;
use crate::media::layout::boxes::{be32, contents, find};

/// Sample entries of encrypted media: video, audio, text, system streams, metadata (ISO/IEC 14496-12, 8.12.1), and those of the
/// iTunes Store.
const PROTECTED: [&[u8; 4]; 9] =
    [b"encv", b"enca", b"enct", b"encs", b"encm", b"encu", b"drmi", b"drms", b"drmt"];
/// Maximum number of schemes of one sample entry. Files that must play on all devices have two.
const MAX_SCHEMES: usize = 4;

/// Returns the encryption of the samples of a sample description (`stsd`): `None` for unencrypted samples. Of several sample
/// entries, the first encrypted one counts.
pub(super) fn protected_entry(stsd: &[u8]) -> Option<ProtectedEntry> {
    let mut entries = contents(stsd.get(8..).unwrap_or_default());
    entries.find(|(kind, _)| PROTECTED.contains(&kind)).map(|(_, content)| read_entry(content))
}

/// Reads the protection of an encrypted sample entry. The number of bytes before its boxes depends on the kind of sample, so the
/// function finds the boxes by name.
fn read_entry(content: &[u8]) -> ProtectedEntry {
    let mut entry = ProtectedEntry { scheme: None, has_parameters: false };
    let mut rest = content;
    for _ in 0..MAX_SCHEMES {
        let Some(at) = rest.windows(4).position(|name| name == b"sinf") else { break };
        let (before, after) = rest.split_at(at);
        let size = before.len().checked_sub(4).and_then(|start| be32(before, start));
        // The size includes itself and the name.
        let length = size.and_then(|size| usize::try_from(size).ok()?.checked_sub(4));
        let information = length.and_then(|length| after.get(4..length)).unwrap_or_default();
        let scheme = find(information, &[b"schm"]).and_then(|schm| schm.get(4..)?.first_chunk().copied());
        entry.scheme = entry.scheme.or(scheme);
        entry.has_parameters |= find(information, &[b"schi", b"tenc"]).is_some();
        rest = after.get(4..).unwrap_or_default();
    }
    entry
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, reason = "tests may panic")]

    use std::slice;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::test_tables::*;
    use super::*;

    fn sinf(scheme: &[u8; 4], details: &[Vec<u8>]) -> Vec<u8> {
        let schm = full(b"schm", 0, &[u32::from_be_bytes(*scheme), 0x10000]);
        boxed(b"sinf", &[boxed(b"frma", &[b"avc1".to_vec()]), schm, boxed(b"schi", details)])
    }

    fn tenc() -> Vec<u8> {
        full(b"tenc", 0, &[0x108, 0, 0, 0, 0])
    }

    /// Creates a `moov` with a track for each of these sample entries, numbered from 1.
    fn movie(tracks: &[&[Vec<u8>]]) -> Vec<u8> {
        let tracks = (1..).zip(tracks).map(|(id, entries)| {
            let stsd = boxed(b"stsd", &[vec![0; 8], entries.concat()]);
            let mdia = [b"mdia", b"minf", b"stbl"]
                .into_iter()
                .rev()
                .fold(stsd, |content, kind| boxed(kind, &[content]));
            boxed(b"trak", &[full(b"tkhd", 1, &[0, 0, id]), mdia])
        });
        moov(&[mvhd(1000)].into_iter().chain(tracks).collect::<Vec<_>>())
    }

    fn protected_entries(moov: &[u8]) -> Vec<(u32, Option<ProtectedEntry>)> {
        let tracks = contents(find(moov, &[b"moov"]).unwrap_or_default()).filter(|(kind, _)| kind == b"trak");
        let stsd = |trak| find(trak, &[b"mdia", b"minf", b"stbl", b"stsd"]).unwrap_or_default();
        (1..).zip(tracks).map(|(id, (_, trak))| (id, protected_entry(stsd(trak)))).collect()
    }

    fn entry(kind: &[u8; 4], boxes: &[Vec<u8>]) -> Vec<u8> {
        boxed(kind, &[vec![0; 78], boxes.concat()])
    }

    fn protected(scheme: &[u8; 4], has_parameters: bool) -> Option<ProtectedEntry> {
        Some(ProtectedEntry { scheme: Some(*scheme), has_parameters })
    }

    #[test]
    fn the_scheme_is_in_the_sample_entry() {
        let avcc = boxed(b"avcC", &[vec![1, 2, 3]]);
        let clear = entry(b"avc1", slice::from_ref(&avcc));
        let cenc = entry(b"encv", &[avcc, sinf(b"cenc", &[tenc()])]);
        let sound = boxed(b"enca", &[vec![0; 44], sinf(b"cbcs", &[tenc()])]);
        let shop = entry(b"drmi", &[sinf(b"itun", &[boxed(b"user", &[vec![0; 4]])])]);
        let mixed = [clear.clone(), cenc.clone()];
        let moov = movie(&[&[clear], &[cenc], &mixed, &[sound], &[shop]]);
        let expected = [
            (1, None),
            (2, protected(b"cenc", true)),
            (3, protected(b"cenc", true)),
            (4, protected(b"cbcs", true)),
            (5, protected(b"itun", false)),
        ];
        assert_eq!(protected_entries(&moov), expected);
    }

    #[test]
    fn piff_and_incomplete_entries() {
        let piff = entry(b"encv", &[sinf(b"piff", &[boxed(b"uuid", &[vec![0; 36]])])]);
        let both = entry(b"encv", &[sinf(b"piff", &[]), sinf(b"cenc", &[tenc()])]);
        let bare = entry(b"encv", &[]);
        // Removed protection that left its box in the file.
        let removed = entry(b"avc1", &[sinf(b"cenc", &[tenc()])]);
        let moov = movie(&[&[piff], &[both], &[bare], &[removed], &[]]);
        let unknown = Some(ProtectedEntry { scheme: None, has_parameters: false });
        let expected = [
            (1, protected(b"piff", false)),
            (2, protected(b"piff", true)),
            (3, unknown),
            (4, None),
            (5, None),
        ];
        assert_eq!(protected_entries(&moov), expected);
        assert_eq!(protected_entries(b"no"), []);
    }

    proptest! {
        #[test]
        fn random_entries_never_panic(bytes in vec(prop::sample::select(&b"sinfchmtec\x00\x08\x0c\xff"[..]), 0..200)) {
            let moov = movie(&[&[entry(b"encv", &[bytes])]]);
            prop_assert_eq!(protected_entries(&moov).len(), 1);
        }
    }
}
