//! What happens between opening a container and the first packet.

use super::formats::{
    MAX_PROBE_BYTES, Opening, analyse_streams, find_stream_info, handling, headers_are_complete,
};
use super::interval::KeyframeInterval;
use super::transport;
use crate::media::error::Error;
use crate::media::input::Container;

/// Opens a container again, as it was opened first.
///
/// # Errors
/// [`Error::NotMedia`], and those of reading.
pub(in crate::media) fn reopen(container: &mut Container<'_>, opening: &Opening) -> Result<(), Error> {
    opening.reopen(container)?;
    prepare(container, opening)?;
    Ok(())
}

/// Lets libavformat analyse all streams by as many packets as ffprobe reads, also where the headers suffice. What headers tell stays
/// where libavformat finds nothing in the packets.
///
/// # Errors
/// [`Error::NotMedia`] for containers whose headers do not suffice, and those of reading.
pub(in crate::media) fn in_depth(
    container: &mut Container<'_>,
    opening: &Opening,
) -> Result<Vec<Option<KeyframeInterval>>, Error> {
    let format_name = container.format_name();
    if format_name.starts_with("mov") {
        container.read_packets_directly();
    }
    if format_name == "mpegts" {
        transport::impatient(opening).reopen(container)?;
    }
    let result = find_stream_info(container, MAX_PROBE_BYTES);
    let are_headers_enough = handling(&format_name).headers_suffice && headers_are_complete(container);
    match result {
        Err(Error::NotMedia { .. }) if are_headers_enough => Ok(Vec::new()),
        result => result.map(|()| Vec::new()),
    }
}

/// Does what every container needs that was just opened: libavformat reads its packets as the input should be read, and
/// analyses its streams where the headers do not tell. Returns where the keyframes of each stream are expected; `None` where
/// libavformat analysed nothing.
///
/// # Errors
/// [`Error::NotMedia`], and those of reading.
pub(in crate::media) fn prepare(
    container: &mut Container<'_>,
    opening: &Opening,
) -> Result<Option<Vec<Option<KeyframeInterval>>>, Error> {
    let format_name = container.format_name();
    if format_name.starts_with("mov") {
        container.read_packets_directly();
    }
    if handling(&format_name).headers_suffice && headers_are_complete(container) {
        return Ok(None);
    }
    if format_name == "mpegts" {
        return transport::analyse(container, opening).map(Some);
    }
    analyse_streams(container)?;
    Ok(Some(Vec::new()))
}
