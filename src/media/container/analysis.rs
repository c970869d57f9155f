//! The steps between opening a container and the first packet.

use std::collections::VecDeque;

use super::formats::{
    MAX_PROBE_BYTES, Opening, analyse_streams, find_stream_info, handling, headers_are_complete,
};
use super::interval::KeyframeInterval;
use super::reading::{read_starts, text_may_come_first};
use super::transport;
use crate::media::error::Error;
use crate::media::ffi::packet::Packet;
use crate::media::input::Container;
use crate::media::layout::Layout;

/// Opens a container again in the same way as the first time.
///
/// # Errors
/// [`Error::NotMedia`], and the errors of reading.
pub(in crate::media) fn reopen(container: &mut Container<'_>, opening: &Opening) -> Result<(), Error> {
    opening.reopen(container)?;
    prepare(container, opening)?;
    Ok(())
}

/// Lets libavformat analyse all streams from the same number of packets as ffprobe, even where the headers suffice. Values from the
/// headers remain where libavformat finds nothing in the packets.
///
/// # Errors
/// [`Error::NotMedia`] for containers without streams, and the errors of reading.
pub(in crate::media) fn in_depth(container: &mut Container<'_>) -> Result<(), Error> {
    if container.format_name().starts_with("mov") {
        container.read_packets_directly();
    }
    find_stream_info(container, MAX_PROBE_BYTES)
}

/// Prepares a container that was just opened: sets how libavformat reads packets from the input, and lets libavformat analyse the
/// streams where the headers do not suffice. Returns the expected positions of the keyframes of each stream, or `None` where
/// libavformat analysed nothing.
///
/// # Errors
/// [`Error::NotMedia`], and the errors of reading.
pub(in crate::media) fn prepare(
    container: &mut Container<'_>,
    opening: &Opening,
) -> Result<Option<Vec<Option<KeyframeInterval>>>, Error> {
    let format_name = container.format_name();
    if format_name.starts_with("mov") {
        container.read_packets_directly();
    }
    if handling(&format_name).headers_suffice && headers_are_complete(container) && !opening.lacks_times {
        return Ok(None);
    }
    if format_name == "mpegts" {
        return transport::analyse(container, opening).map(Some);
    }
    analyse_streams(container)?;
    Ok(Some(Vec::new()))
}

/// Reads packets until the start of each video and audio stream is known, and keeps them. Where text may begin first, lets libavformat
/// analyse the streams instead: whether it counts the text depends on the number of packets that it reads.
///
/// # Errors
/// [`Error::NotMedia`], and the errors of reading.
pub(in crate::media) fn find_starts(
    container: &mut Container<'_>,
    opening: &Opening,
    layout: &Layout,
) -> Result<VecDeque<Packet>, Error> {
    let pending = read_starts(container, layout)?;
    if !text_may_come_first(container, layout, &pending) {
        return Ok(pending);
    }
    if !pending.is_empty() {
        opening.reopen(container)?;
    }
    in_depth(container)?;
    Ok(VecDeque::new())
}
