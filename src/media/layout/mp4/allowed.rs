//! The boxes that libavformat is shown of an MP4, and why. `docs/security.md` has the same list for people.
//!
//! libavformat reads a box that it knows wherever the box lies, so the list does not depend on the place either, but for tags. What
//! the list does not name is hidden: boxes for decryption, boxes whose content nobody reports, and boxes that libavformat skips.

/// Boxes in which libavformat looks for boxes.
const PARENTS: [&[u8; 4]; 17] = [
    // The path to the sample tables, and the edit list.
    b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", //
    // Where the media data are: those in another file are refused. Chapters and time codes.
    b"dinf", b"tref", //
    // Fragments.
    b"mvex", b"moof", b"traf", //
    // Tags, and the items of HEIF.
    b"udta", b"meta", b"ilst", //
    // QuickTime's compressed movie.
    b"cmov", //
    // The codec and the scheme of an encrypted track.
    b"sinf", b"schi",
];

/// Boxes whose content a picture or `MediaInfo` needs.
const LEAVES: [&[u8; 4]; 81] = [
    // What the file is, and its media data.
    b"ftyp", b"mdat", //
    // Clocks, durations, sizes, matrices, languages, and what a track holds.
    b"mvhd", b"tkhd", b"mdhd", b"hdlr", //
    // How samples are coded, where they lie, when they are presented.
    b"stsd", b"stts", b"ctts", b"stsc", b"stsz", b"stz2", b"stco", b"co64", b"elst", b"dref", //
    // Which samples are keyframes, and which ones others refer to.
    b"stss", b"stps", b"sdtp", b"sbgp", b"sgpd", //
    // Tracks that belong together: chapters, time codes, depth, enhancement.
    b"chap", b"tmcd", b"vdep", b"sbas", //
    // Fragments and their index.
    b"trex", b"tfhd", b"tfdt", b"trun", b"sidx", //
    // The codec of an encrypted track, and whether all of its packets are encrypted.
    b"frma", b"schm", b"tenc", //
    // Names of tags, tags with long names, what a track is for.
    b"keys", b"----", b"kind", //
    // Items of HEIF.
    b"pitm", b"iinf", b"iloc", b"iref", b"idat", b"iprp", b"ispe", b"imir", b"irot", //
    // The content of `cmov`.
    b"dcom", b"cmvd", //
    // How pictures are coded, where that is not in the sample description.
    b"avcC", b"hvcC", b"vvcC", b"evcC", b"av1C", b"vpcC", b"apvC", b"lvcC", b"lhvC", b"hvcE", b"glbl",
    b"esds", //
    b"jp2h", b"dvc1", b"SMI ", b"strf", b"ACLR", b"APRG", b"AALP", b"ARES", b"avss", //
    // How pictures are to be shown.
    b"colr", b"pasp", b"clap", b"fiel", b"DpxE", b"mdcv", b"clli", b"SmDm", b"CoLL", b"dvcC", b"dvvC",
    b"dvwC", b"amve", //
];

/// Which samples of an encrypted track are in clear. Of other tracks, these say nothing.
const SAMPLES_IN_CLEAR: [&[u8; 4]; 3] = [b"senc", b"saiz", b"saio"];

/// Boxes that libavformat reads, and that are hidden wherever they are.
const HIDDEN: [&[u8; 4]; 20] = [
    // Keys: which systems have them, and those of audio books.
    b"pssh", b"adrm", //
    // Titles of chapters.
    b"chpl", //
    // XMP, stereo and spherical views; in a movie header, the rest is nothing that libavformat knows.
    b"uuid", b"st3d", b"sv3d", b"vexu", b"hfov", b"SA3D", b"SAND", //
    // Padding, in which libavformat looks for markers of single programs.
    b"free", b"wide", //
    // How sound is coded, where that is not in the sample description.
    b"alac", b"chan", b"chnl", b"dac3", b"dec3", b"wave", b"pcmC", b"srat",
];

/// Whether libavformat looks for boxes in this one.
pub(super) fn is_parent(kind: [u8; 4]) -> bool {
    PARENTS.contains(&&kind)
}

/// Whether libavformat is shown a box. `is_tag` says that the box lies where libavformat takes unknown names for tags, and
/// `is_encrypted` that it belongs to an encrypted track.
pub(super) fn is_allowed(kind: [u8; 4], is_tag: bool, is_encrypted: bool) -> bool {
    is_parent(kind)
        || LEAVES.contains(&&kind)
        || (is_encrypted && SAMPLES_IN_CLEAR.contains(&&kind))
        || (is_tag && !is_read_in_vain(kind))
}

/// Whether libavformat reads a box for nothing that is needed.
pub(super) fn is_read_in_vain(kind: [u8; 4]) -> bool {
    HIDDEN.contains(&&kind) || SAMPLES_IN_CLEAR.contains(&&kind)
}
