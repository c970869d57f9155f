//! The boxes that libavformat is shown of an MP4, and why. `docs/security.md` has the same list for people.
//!
//! libavformat reads a box that it knows wherever the box lies, so the list does not depend on the place either, but for tags. What
//! the list does not name is hidden: boxes for decryption, boxes whose content nobody reports, and boxes that libavformat skips.

/// The part of a picture that is to be shown (ISO/IEC 14496-12, 12.1.4).
const CLEAN_APERTURE: [u8; 4] = [b'c', b'l', b'a', b'p'];

/// Whether libavformat looks for boxes in this one.
pub(super) const fn is_parent(kind: [u8; 4]) -> bool {
    match &kind {
        // The path to the sample tables, and the edit list.
        b"moov" | b"trak" | b"mdia" | b"minf" | b"stbl" | b"edts" => true,
        // Where the media data are: those in another file are refused. Chapters and time codes.
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

/// Whether a picture or `MediaInfo` needs the content of a box.
const fn is_needed(kind: [u8; 4]) -> bool {
    match &kind {
        // What the file is, and its media data.
        b"ftyp" | b"mdat" => true,
        // Clocks, durations, sizes, matrices, languages, and what a track holds.
        b"mvhd" | b"tkhd" | b"mdhd" | b"hdlr" => true,
        // How samples are coded, where they lie, when they are presented.
        b"stsd" | b"stts" | b"ctts" | b"stsc" | b"stsz" | b"stz2" | b"stco" | b"co64" | b"elst" | b"dref" => {
            true
        }
        // Which samples are keyframes, and which ones others refer to.
        b"stss" | b"stps" | b"sdtp" | b"sbgp" | b"sgpd" => true,
        // Tracks that belong together: chapters, time codes, depth, enhancement.
        b"chap" | b"tmcd" | b"vdep" | b"sbas" => true,
        // Fragments and their index.
        b"trex" | b"tfhd" | b"tfdt" | b"trun" | b"sidx" => true,
        // The codec of an encrypted track, and whether all of its packets are encrypted.
        b"frma" | b"schm" | b"tenc" => true,
        // Names of tags, tags with long names, what a track is for.
        b"keys" | b"----" | b"kind" => true,
        // Items of HEIF.
        b"pitm" | b"iinf" | b"iloc" | b"iref" | b"idat" | b"iprp" | b"ispe" | b"imir" | b"irot" => true,
        // The content of `cmov`.
        b"dcom" | b"cmvd" => true,
        // How pictures are coded, where the sample description does not say it.
        b"avcC" | b"hvcC" | b"vvcC" | b"evcC" | b"av1C" | b"vpcC" | b"apvC" | b"lvcC" | b"lhvC" | b"hvcE" => {
            true
        }
        b"glbl" | b"esds" | b"jp2h" | b"dvc1" | b"SMI " | b"strf" => true,
        b"ACLR" | b"APRG" | b"AALP" | b"ARES" | b"avss" => true,
        // How pictures are to be shown.
        &CLEAN_APERTURE | b"colr" | b"pasp" | b"fiel" | b"DpxE" | b"mdcv" | b"clli" | b"SmDm" | b"CoLL" => {
            true
        }
        b"dvcC" | b"dvvC" | b"dvwC" | b"amve" => true,
        _ => false,
    }
}

/// Whether a box says which samples of an encrypted track are in clear. In other tracks, it says nothing.
const fn tells_samples_in_clear(kind: [u8; 4]) -> bool {
    matches!(&kind, b"senc" | b"saiz" | b"saio")
}

/// Whether libavformat is shown a box. `in_tags` says that the box lies where libavformat takes unknown names for tags, and
/// `is_encrypted` that it belongs to an encrypted track.
pub(super) const fn is_allowed(kind: [u8; 4], in_tags: bool, is_encrypted: bool) -> bool {
    is_parent(kind)
        || is_needed(kind)
        || (is_encrypted && tells_samples_in_clear(kind))
        || (in_tags && !is_read_in_vain(kind))
}

/// Whether libavformat reads a box, and nobody needs what the box contains.
pub(super) const fn is_read_in_vain(kind: [u8; 4]) -> bool {
    match &kind {
        // Keys: which systems have them, and those of audio books. Which samples are in clear.
        b"pssh" | b"adrm" => true,
        _ if tells_samples_in_clear(kind) => true,
        // XMP; stereo and spherical views of pictures and sound.
        b"uuid" | b"st3d" | b"sv3d" | b"vexu" | b"hfov" | b"SA3D" | b"SAND" => true,
        // Padding, in which libavformat looks for the marks of single programs.
        b"free" | b"wide" => true,
        // How sound is coded, where the sample description does not say it.
        b"alac" | b"chan" | b"chnl" | b"dac3" | b"dec3" | b"wave" | b"pcmC" | b"srat" => true,
        _ => false,
    }
}
