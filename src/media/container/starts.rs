//! When the streams of a container begin, for containers whose headers do not tell.

use std::collections::VecDeque;

use crate::media::error::MediaError;
use crate::media::ffi::packet::Packet;
use crate::media::ffi::stream::{MediaType, Stream};
use crate::media::input::Container;
use crate::media::layout::Layout;

/// Packets read to learn where streams start, for containers whose headers do not say it.
pub(in crate::media) const MAX_START_PACKETS: usize = 100;
/// Bytes of packets read for the same.
pub(in crate::media) const MAX_START_BYTES: u64 = 2 << 20;

/// Reads packets until each stream of sound or pictures has told where it starts, and keeps them.
pub(in crate::media) fn read_starts(
    container: &mut Container<'_>,
    layout: &Layout,
) -> Result<VecDeque<Packet>, MediaError> {
    let mut pending = VecDeque::new();
    let mut bytes = 0;
    while pending.len() < MAX_START_PACKETS && bytes < MAX_START_BYTES {
        let unknown = container.streams().enumerate().any(|(index, stream)| {
            matches!(stream.kind(), MediaType::Video | MediaType::Audio)
                && stream_start(index, stream, layout, &pending).is_none()
        });
        if !unknown {
            break;
        }
        let mut packet = Packet::new().map_err(MediaError::library("allocating a packet"))?;
        let result = container.read_packet(&mut packet);
        container.input_mut().check()?;
        // An end or an error here is met again, and dealt with, when packets are read to be decoded.
        if !matches!(result, Ok(true)) {
            break;
        }
        bytes += packet.size();
        pending.push_back(packet);
    }
    Ok(pending)
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
