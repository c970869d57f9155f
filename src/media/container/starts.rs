//! When the streams of a container begin, for containers whose headers do not tell.

use std::collections::VecDeque;

use super::reading::read_ahead;
use crate::media::error::MediaError;
use crate::media::ffi::packet::Packet;
use crate::media::ffi::stream::{MediaType, Stream};
use crate::media::input::Container;
use crate::media::layout::Layout;

/// Reads packets until each stream of sound or pictures has told where it starts, and keeps them.
pub(in crate::media) fn read_starts(
    container: &mut Container<'_>,
    layout: &Layout,
) -> Result<VecDeque<Packet>, MediaError> {
    read_ahead(container, |container, pending| {
        container.streams().enumerate().any(|(index, stream)| {
            matches!(stream.kind(), MediaType::Video | MediaType::Audio)
                && stream_start(index, stream, layout, pending).is_none()
        })
    })
}

/// Where a stream starts, in its ticks: by the container, by its index, by what we saw of it, or by its first packets.
pub(in crate::media) fn stream_start(
    index: usize,
    stream: Stream<'_>,
    layout: &Layout,
    pending: &VecDeque<Packet>,
) -> Option<i64> {
    let told = stream.start_pts().or_else(|| stream.first_index_timestamp());
    told.or_else(|| layout.stream_start(index, stream.id())).or_else(|| {
        let own = pending.iter().filter(|packet| packet.stream_index() == Some(index));
        own.filter_map(|packet| packet.pts().or_else(|| packet.dts())).min()
    })
}
