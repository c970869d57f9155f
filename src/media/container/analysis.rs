//! What happens between opening a container and the first packet.

use super::formats::{
    PROBE_BYTES, PROBE_READ, RESTRICTIONS, find_stream_info, handling, headers_are_complete, refused,
};
use super::transport;
use crate::media::error::MediaError;
use crate::media::input::Container;
use crate::source::ByteRange;

/// Opens a container again, as it was opened first.
///
/// # Errors
/// [`MediaError::NotMedia`], and those of reading.
pub(in crate::media) fn reopen(container: &mut Container<'_>, max_streams: u32) -> Result<(), MediaError> {
    let reopened = container.reopen(max_streams, RESTRICTIONS);
    reopened.map_err(|error| refused(container.input(), error))?;
    prepare(container, max_streams)?;
    Ok(())
}

/// Does what every container needs that was just opened: libavformat reads its packets as the input should be read, and
/// analyses its streams where the headers do not tell. Returns whether it did.
///
/// # Errors
/// [`MediaError::NotMedia`], and those of reading.
pub(in crate::media) fn prepare(
    container: &mut Container<'_>,
    max_streams: u32,
) -> Result<bool, MediaError> {
    let format_name = container.format_name();
    if format_name.starts_with("mov") {
        container.read_packets_directly();
    }
    if handling(&format_name).headers_suffice && headers_are_complete(container) {
        return Ok(false);
    }
    if format_name == "mpegts" {
        transport::analyse(container, max_streams)?;
    } else {
        container.input_mut().prefetch(&[ByteRange::new(0, PROBE_READ)]);
        find_stream_info(container, PROBE_BYTES)?;
    }
    Ok(true)
}
