//! The boxes of an MP4 that are visible to libavformat, and the reason for each. `docs/security.md` contains the same list for
//! people.
//!
//! libavformat reads a box that it knows at any position. The list therefore does not depend on the position either, except for
//! tags. All other boxes are hidden: boxes for decryption, boxes whose content no caller reports, and boxes that libavformat skips.

/// The visible part of a picture (ISO/IEC 14496-12, 12.1.4).
const CLEAN_APERTURE: [u8; 4] = [b'c', b'l', b'a', b'p'];

/// Returns whether libavformat searches for boxes in this one.
pub(super) const fn is_parent(kind: [u8; 4]) -> bool {
    match &kind {
        // The path to the sample tables, and the edit list.
        b"moov" | b"trak" | b"mdia" | b"minf" | b"stbl" | b"edts" => true,
        // Position of the media data (libavformat rejects media data in another file), chapters and time codes.
        b"dinf" | b"tref" => true,
        // Fragments.
        b"mvex" | b"moof" | b"traf" => true,
        // Tags, and the items of HEIF.
        b"udta" | b"meta" | b"ilst" => true,
        // QuickTime's compressed movie.
        b"cmov" => true,
        // The codec and the scheme of an encrypted track.
        b"sinf" | b"schi" => true,
        _ => false,
    }
}

/// Returns whether a picture or `MediaInfo` needs the content of a box.
const fn is_needed(kind: [u8; 4]) -> bool {
    match &kind {
        // The type of the file, and its media data.
        b"ftyp" | b"mdat" => true,
        // Clocks, durations, sizes, matrices, languages, and the content types of tracks.
        b"mvhd" | b"tkhd" | b"mdhd" | b"hdlr" => true,
        // The coding, positions and presentation times of samples.
        b"stsd" | b"stts" | b"ctts" | b"stsc" | b"stsz" | b"stz2" | b"stco" | b"co64" | b"elst" | b"dref" => {
            true
        }
        // Keyframes, and samples that others reference.
        b"stss" | b"stps" | b"sdtp" | b"sbgp" | b"sgpd" => true,
        // Associated tracks: chapters, time codes, depth, enhancement.
        b"chap" | b"tmcd" | b"vdep" | b"sbas" => true,
        // Fragments and their index.
        b"trex" | b"tfhd" | b"tfdt" | b"trun" | b"sidx" => true,
        // The codec of an encrypted track, and whether all of its packets are encrypted.
        b"frma" | b"schm" | b"tenc" => true,
        // Names of tags, tags with long names, and the purpose of a track.
        b"keys" | b"----" | b"kind" => true,
        // Items of HEIF.
        b"pitm" | b"iinf" | b"iloc" | b"iref" | b"idat" | b"iprp" | b"ispe" | b"imir" | b"irot" => true,
        // The content of `cmov`.
        b"dcom" | b"cmvd" => true,
        // The coding of pictures, where the sample description does not contain it.
        b"avcC" | b"hvcC" | b"vvcC" | b"evcC" | b"av1C" | b"vpcC" | b"apvC" | b"lvcC" | b"lhvC" | b"hvcE" => {
            true
        }
        b"glbl" | b"esds" | b"jp2h" | b"dvc1" | b"SMI " | b"strf" => true,
        b"ACLR" | b"APRG" | b"AALP" | b"ARES" | b"avss" => true,
        // The presentation of pictures.
        &CLEAN_APERTURE | b"colr" | b"pasp" | b"fiel" | b"DpxE" | b"mdcv" | b"clli" | b"SmDm" | b"CoLL" => {
            true
        }
        b"dvcC" | b"dvvC" | b"dvwC" | b"amve" => true,
        _ => false,
    }
}

/// Returns whether a box lists the unencrypted samples of an encrypted track. In other tracks the box has no meaning.
const fn tells_samples_in_clear(kind: [u8; 4]) -> bool {
    matches!(&kind, b"senc" | b"saiz" | b"saio")
}

/// Returns whether a box is visible to libavformat. `in_tags` means that libavformat treats unknown names at the box's position as
/// tags. `is_encrypted` means that the box belongs to an encrypted track.
pub(super) const fn is_allowed(kind: [u8; 4], in_tags: bool, is_encrypted: bool) -> bool {
    is_parent(kind)
        || is_needed(kind)
        || (is_encrypted && tells_samples_in_clear(kind))
        || (in_tags && !is_read_in_vain(kind))
}

/// Returns whether libavformat reads a box whose content no caller needs.
pub(super) const fn is_read_in_vain(kind: [u8; 4]) -> bool {
    match &kind {
        // Keys: the systems that have them, and the keys of audio books. Lists of unencrypted samples.
        b"pssh" | b"adrm" => true,
        _ if tells_samples_in_clear(kind) => true,
        // XMP; stereo and spherical properties of pictures and audio.
        b"uuid" | b"st3d" | b"sv3d" | b"vexu" | b"hfov" | b"SA3D" | b"SAND" => true,
        // Padding, in which libavformat searches for the marks of particular programs.
        b"free" | b"wide" => true,
        // The coding of audio, where the sample description does not contain it.
        b"alac" | b"chan" | b"chnl" | b"dac3" | b"dec3" | b"wave" | b"pcmC" | b"srat" => true,
        _ => false,
    }
}
