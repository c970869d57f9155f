//! The permitted demuxers, and how each of them seeks and computes times.

use std::ffi::CStr;

use crate::limits::Limits;
use crate::media::error::Error;
use crate::media::ffi::AvError;
use crate::media::ffi::stream::{DECODERS, MediaType};
use crate::media::input::{Container, Input};
use crate::media::layout::Layout;
use crate::source::ByteRange;

/// The permitted demuxers, regardless of what else a system FFmpeg contains: none that opens other files or lists of files.
const DEMUXERS: &CStr = c"mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,mpeg,mxf,gxf,avi,flv,asf,ogg,rm,dv,wtv,h264,hevc,vvc,av1,obu,ivf,m4v,mpegvideo,mjpeg,h263,vc1,nut,yuv4mpegpipe,gif,apng,jpeg_pipe";
/// No permitted demuxer needs a protocol.
const NO_PROTOCOL: &CStr = c"none";
/// Bytes of packets that libavformat analyses, where the first packets of each stream do not suffice: a fifth of its default.
pub(super) const PROBE_BYTES: i64 = 1_000_000;
/// The default of libavformat and ffprobe.
pub(super) const MAX_PROBE_BYTES: i64 = 5_000_000;
/// Bytes of the file that contain [`PROBE_BYTES`], requested at once.
pub(super) const PROBE_READ: u64 = 9 << 17;

/// The options for opening a container.
#[derive(Debug, Clone)]
pub(in crate::media) struct Opening {
    /// One more than the limit, to detect an excess: the demuxers ignore further streams.
    pub(in crate::media) max_streams: u32,
    /// Whether libavformat reads a fragment only when an index leads to it.
    pub(in crate::media) reads_named_fragments: bool,
    /// Whether first packets without timestamps are known to exist, so that libavformat must compute the start of the streams.
    pub(in crate::media) lacks_times: bool,
    /// Options for libavformat.
    pub(in crate::media) options: Vec<(&'static CStr, &'static CStr)>,
}

impl Opening {
    pub(in crate::media) fn new(limits: &Limits, layout: &Layout) -> Self {
        let (reads_named_fragments, lacks_times) = (layout.reads_named_fragments(), layout.lacks_times());
        let mut options = vec![
            (c"format_whitelist", DEMUXERS),
            (c"protocol_whitelist", NO_PROTOCOL),
            (c"codec_whitelist", DECODERS),
        ];
        // Otherwise libavformat would read the fragment in which each stream begins, and return packets from the earliest of
        // them.
        if reads_named_fragments {
            options.push((c"seek_streams_individually", c"0"));
        }
        Self {
            max_streams: limits.max_streams.saturating_add(1),
            reads_named_fragments,
            lacks_times,
            options,
        }
    }

    /// Returns these options with an additional one.
    pub(super) fn with(&self, name: &'static CStr, value: &'static CStr) -> Self {
        let mut opening = self.clone();
        opening.options.push((name, value));
        opening
    }

    /// Opens a container again.
    ///
    /// # Errors
    /// [`Error::NotMedia`], and the errors of reading.
    pub(super) fn reopen(&self, container: &mut Container<'_>) -> Result<(), Error> {
        let reopened = container.reopen(self.max_streams, &self.options);
        reopened.map_err(|error| refused(container.input(), error))
    }
}

/// Returns the reason why libavformat did not open the input: the input's own fault, if there is one.
pub(in crate::media) fn refused(input: &Input<'_>, error: AvError) -> Error {
    input.fault().map_or_else(|| unreadable(error), |fault| fault.clone().into())
}

/// Returns the reason why libavformat cannot read an input without a fault of its own. The caller did not interrupt libavformat,
/// so libavformat interrupted itself (vendor/libav/patches/0005-brake.patch).
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

/// Lets libavformat analyse the streams from this many bytes of packets. libavformat stops at a packet that it cannot analyse, for example
/// at a damaged first one. The streams are known then, and later packets may be good: ffmpeg decodes them, too.
///
/// # Errors
/// [`Error::NotMedia`] for containers without streams, and the errors of reading.
pub(super) fn find_stream_info(container: &mut Container<'_>, probe_bytes: i64) -> Result<(), Error> {
    container.set_probe_bytes(probe_bytes);
    let result = container.find_stream_info();
    container.input_mut().check()?;
    match result.map_err(unreadable) {
        Err(Error::NotMedia { .. }) if container.stream_count() > 0 => Ok(()),
        result => result,
    }
}

/// The way in which a container seeks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::media) enum Seeking {
    /// By an index: a seek lands on the keyframe before the requested time.
    Indexed,
    /// By bisection or estimate: a seek may land late, or fail.
    Inexact,
    /// Only by reading on from the start: there is no index, and libavformat would read the whole file to create one.
    ReadingOn,
}

/// The origin of the presentation times of a container's frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::media) enum Timestamps {
    /// The container: each packet contains its own time.
    Stored,
    /// libavformat and libavcodec, from the order of the frames. A skipped frame would change the times of others.
    Reckoned,
    /// The number of earlier frames: the file is a bare stream without times.
    Counted,
}

/// The handling of a container, according to the first of libavformat's names for it.
#[derive(Debug, Clone, Copy)]
pub(in crate::media) struct Handling {
    /// Whether headers alone contain codecs, sizes and timing.
    pub(in crate::media) headers_suffice: bool,
    pub(in crate::media) seeking: Seeking,
    pub(in crate::media) timestamps: Timestamps,
    /// Whether the container stores decoding times in addition to presentation times.
    pub(in crate::media) stores_dts: bool,
    /// Whether the container stores presentation times, and libavformat computes decoding times from them. Both may be equal although
    /// frames are reordered.
    pub(in crate::media) stores_only_pts: bool,
    /// Whether the index has the decoding time of a packet, and libavformat may count another one after a seek.
    pub(in crate::media) index_has_dts: bool,
}

/// Returns the handling of a container. The values come from a comparison of 80 formats with and without
/// `avformat_find_stream_info`: frame and duration are the same for those whose headers suffice.
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
    let stores_only_pts = first == "matroska";
    let index_has_dts = first == "avi";
    Handling { headers_suffice, seeking, timestamps, stores_dts, stores_only_pts, index_has_dts }
}

impl Handling {
    /// Adjusts the handling to the container's index, before a packet was read.
    ///
    /// A truncated AVI lacks its index. libavformat then creates one while it reads, in which every packet is a keyframe.
    pub(in crate::media) fn for_index(mut self, container: &Container<'_>) -> Self {
        let is_empty = (0..container.stream_count()).all(|stream| container.index_entry_count(stream) == 0);
        if container.format_name() == "avi" && is_empty {
            self.seeking = Seeking::ReadingOn;
        }
        self
    }
}

/// Codecs whose decoding order may differ from their presentation order.
const REORDERING_CODECS: [&str; 9] =
    ["mpeg1video", "mpeg2video", "mpeg4", "h264", "hevc", "vvc", "vc1", "wmv3", "rv40"];

/// Returns whether the headers name a codec and a size for each video, and its timestamps are available without reading packets.
///
/// AVI has no timestamps for reordered frames, and libavformat computes them from the content of the packets. MXF may have none for those
/// of H.264 and HEVC, and libavformat must know how many frames are held back. NUT has timestamps, but libavformat reports no start for
/// reordered frames of most codecs there, and counts times from zero.
pub(super) fn headers_are_complete(container: &Container<'_>) -> bool {
    let needs_packets = |codec: &str| match container.format_name().as_str() {
        "avi" | "nut" => REORDERING_CODECS.contains(&codec),
        "mxf" => matches!(codec, "h264" | "hevc"),
        _ => false,
    };
    container.stream_count() > 0
        && container.streams().filter(|stream| stream.kind() == MediaType::Video).all(|stream| {
            let codec = stream.codec_name().filter(|&name| name != "none");
            codec.is_some_and(|name| !needs_packets(name)) && stream.width() > 0 && stream.height() > 0
        })
}
