//! Which demuxers may be used, and how each of them seeks and tells time.

use std::ffi::CStr;

use crate::limits::Limits;
use crate::media::error::Error;
use crate::media::ffi::AvError;
use crate::media::ffi::stream::{DECODERS, MediaType};
use crate::media::input::{Container, Input};
use crate::source::ByteRange;

/// Demuxers that may be used, whatever else a system FFmpeg holds: none that opens other files or lists of them.
const DEMUXERS: &CStr = c"mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,mpeg,mxf,gxf,avi,flv,asf,ogg,rm,dv,wtv,h264,hevc,vvc,av1,obu,ivf,m4v,mpegvideo,mjpeg,h263,vc1,nut,yuv4mpegpipe,gif,apng,jpeg_pipe";
/// No demuxer of ours has a use for a protocol.
const NO_PROTOCOL: &CStr = c"none";
/// Bytes of packets that libavformat analyses, where the first packets of each stream do not tell enough: a fifth of its default.
pub(super) const PROBE_BYTES: i64 = 1_000_000;
/// As many as libavformat analyses by default, and ffprobe.
pub(super) const MAX_PROBE_BYTES: i64 = 5_000_000;
/// Bytes of the file that [`PROBE_BYTES`] take, requested at once.
pub(super) const PROBE_READ: u64 = 9 << 17;

/// How a container is opened.
#[derive(Debug, Clone)]
pub(in crate::media) struct Opening {
    /// One more than allowed, to see that there are too many: the demuxers just leave them out.
    pub(in crate::media) max_streams: u32,
    /// Whether libavformat reads a fragment only when an index leads to it.
    pub(in crate::media) reads_named_fragments: bool,
    /// What libavformat is told.
    pub(in crate::media) options: Vec<(&'static CStr, &'static CStr)>,
}

impl Opening {
    pub(in crate::media) fn new(limits: &Limits, reads_named_fragments: bool) -> Self {
        let mut options = vec![
            (c"format_whitelist", DEMUXERS),
            (c"protocol_whitelist", NO_PROTOCOL),
            (c"codec_whitelist", DECODERS),
        ];
        // It would otherwise read the fragment that each stream begins in, and deliver packets from the earliest of them on.
        if reads_named_fragments {
            options.push((c"seek_streams_individually", c"0"));
        }
        Self { max_streams: limits.max_streams.saturating_add(1), reads_named_fragments, options }
    }

    /// The same with a further option.
    pub(super) fn with(&self, name: &'static CStr, value: &'static CStr) -> Self {
        let mut opening = self.clone();
        opening.options.push((name, value));
        opening
    }

    /// Opens a container again.
    ///
    /// # Errors
    /// [`Error::NotMedia`], and those of reading.
    pub(super) fn reopen(&self, container: &mut Container<'_>) -> Result<(), Error> {
        let reopened = container.reopen(self.max_streams, &self.options);
        reopened.map_err(|error| refused(container.input(), error))
    }
}

/// Why libavformat did not open the input: the input's own fault if there is one.
pub(in crate::media) fn refused(input: &Input<'_>, error: AvError) -> Error {
    input.fault().map_or_else(|| unreadable(error), |fault| fault.clone().into())
}

/// Why libavformat cannot read an input that has no fault of its own. Nobody interrupted it, so it did so itself
/// (vendor/libav/patches/0005-brake.patch).
fn unreadable(error: AvError) -> Error {
    match error {
        AvError::EXIT | AvError::NO_MEMORY => Error::TooExpensive,
        _ => Error::NotMedia { reason: error.in_words() },
    }
}

/// Lets libavformat analyse the streams of a container that was just opened.
pub(super) fn analyse_streams(container: &mut Container<'_>) -> Result<(), Error> {
    container.input_mut().prefetch(&[ByteRange::new(0, PROBE_READ)]);
    find_stream_info(container, PROBE_BYTES)
}

/// Lets libavformat analyse the streams by this many bytes of packets.
pub(super) fn find_stream_info(container: &mut Container<'_>, probe_bytes: i64) -> Result<(), Error> {
    container.set_probe_bytes(probe_bytes);
    let result = container.find_stream_info();
    container.input_mut().check()?;
    result.map_err(unreadable)
}

/// How a container seeks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::media) enum Seeking {
    /// By an index: lands on the keyframe before the time asked for.
    Indexed,
    /// By bisection or guesswork: may land late, or nowhere.
    Inexact,
    /// Only by reading on from the start: there is no index, and libavformat would read all of the file to make one.
    ReadingOn,
}

/// Where the presentation times of a container's frames come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::media) enum Timestamps {
    /// From the container: each packet carries its own.
    Stored,
    /// From libavformat and libavcodec, by the order of the frames. Leaving one out would move the others.
    Reckoned,
    /// From the number of frames before: the file is a bare stream, without any.
    Counted,
}

/// How a container is handled: by the first of libavformat's names for it.
#[derive(Debug, Clone, Copy)]
pub(in crate::media) struct Handling {
    /// Whether headers alone tell codecs, sizes and timing.
    pub(in crate::media) headers_suffice: bool,
    pub(in crate::media) seeking: Seeking,
    pub(in crate::media) timestamps: Timestamps,
    /// Whether the container stores decoding times beside presentation times.
    pub(in crate::media) stores_dts: bool,
}

/// Found out by comparing 80 formats with and without `avformat_find_stream_info`: frame and duration are the same for
/// those whose headers suffice.
pub(in crate::media) fn handling(format_name: &str) -> Handling {
    let first = format_name.split(',').next().unwrap_or_default();
    let (headers_suffice, seeking, timestamps) = match first {
        "mov" | "matroska" | "nut" => (true, Seeking::Indexed, Timestamps::Stored),
        "avi" | "mxf" => (true, Seeking::Indexed, Timestamps::Reckoned),
        "mpegts" | "flv" => (false, Seeking::Inexact, Timestamps::Stored),
        "ogg" | "rm" | "gxf" | "ivf" | "gif" | "apng" | "yuv4mpegpipe" => {
            (true, Seeking::Inexact, Timestamps::Reckoned)
        }
        "obu" => (true, Seeking::ReadingOn, Timestamps::Counted),
        "h264" | "hevc" | "vvc" | "av1" | "m4v" | "mpegvideo" | "mjpeg" | "h263" | "vc1" => {
            (false, Seeking::ReadingOn, Timestamps::Counted)
        }
        _ => (false, Seeking::Inexact, Timestamps::Reckoned),
    };
    let stores_dts = matches!(first, "mov" | "mpegts" | "flv");
    Handling { headers_suffice, seeking, timestamps, stores_dts }
}

impl Handling {
    /// With what the container has of an index, before a packet was read.
    ///
    /// AVI that was cut off lacks its index. libavformat then makes one while it reads, in which every packet is a keyframe.
    pub(in crate::media) fn for_index(mut self, container: &Container<'_>) -> Self {
        let is_empty = (0..container.stream_count()).all(|stream| container.index_entry_count(stream) == 0);
        if container.format_name() == "avi" && is_empty {
            self.seeking = Seeking::ReadingOn;
        }
        self
    }
}

/// Codecs whose frames may be stored in another order than they are shown in.
const REORDERING_CODECS: [&str; 9] =
    ["mpeg1video", "mpeg2video", "mpeg4", "h264", "hevc", "vvc", "vc1", "wmv3", "rv40"];

/// Whether the headers named a codec and a size for each video there is, and its timestamps can be had without looking at
/// packets: AVI has none for frames shown out of order, and libavformat reckons them from what the packets say.
pub(super) fn headers_are_complete(container: &Container<'_>) -> bool {
    let is_avi = container.format_name() == "avi";
    container.stream_count() > 0
        && container.streams().filter(|stream| stream.kind() == MediaType::Video).all(|stream| {
            let codec = stream.codec_name().filter(|&name| name != "none");
            codec.is_some_and(|name| !is_avi || !REORDERING_CODECS.contains(&name))
                && stream.width() > 0
                && stream.height() > 0
        })
}
