//! What happens between opening a container and the first packet.

use super::formats::{Opening, PROBE_BYTES, PROBE_READ, find_stream_info, handling, headers_are_complete};
use super::interval::KeyframeInterval;
use super::transport;
use crate::media::error::MediaError;
use crate::media::input::Container;
use crate::source::ByteRange;

/// What the analysis of the streams brought, beside what libavformat knows now.
#[derive(Debug, Default)]
pub(in crate::media) struct Analysis {
    /// Whether libavformat analysed the streams.
    pub(in crate::media) is_done: bool,
    /// Where the keyframes of each stream are expected.
    pub(in crate::media) keyframes: Vec<Option<KeyframeInterval>>,
}

/// Opens a container again, as it was opened first.
///
/// # Errors
/// [`MediaError::NotMedia`], and those of reading.
pub(in crate::media) fn reopen(container: &mut Container<'_>, opening: &Opening) -> Result<(), MediaError> {
    opening.reopen(container)?;
    prepare(container, opening)?;
    Ok(())
}

/// Does what every container needs that was just opened: libavformat reads its packets as the input should be read, and
/// analyses its streams where the headers do not tell.
///
/// # Errors
/// [`MediaError::NotMedia`], and those of reading.
pub(in crate::media) fn prepare(
    container: &mut Container<'_>,
    opening: &Opening,
) -> Result<Analysis, MediaError> {
    let format_name = container.format_name();
    if format_name.starts_with("mov") {
        container.read_packets_directly();
    }
    if handling(&format_name).headers_suffice && headers_are_complete(container) {
        return Ok(Analysis::default());
    }
    if format_name == "mpegts" {
        return Ok(Analysis { is_done: true, keyframes: transport::analyse(container, opening)? });
    }
    container.input_mut().prefetch(&[ByteRange::new(0, PROBE_READ)]);
    find_stream_info(container, PROBE_BYTES)?;
    Ok(Analysis { is_done: true, keyframes: Vec::new() })
}
