//! Packets that are read before a search, to learn properties that headers do not contain, such as the start of the
//! streams.

use std::collections::VecDeque;

use super::formats::MAX_PROBE_BYTES;
use crate::media::error::Error;
use crate::media::ffi::AvError;
use crate::media::ffi::packet::Packet;
use crate::media::ffi::stream::{MediaType, Stream};
use crate::media::input::Container;
use crate::media::layout::Layout;
use crate::media::ratio::Ratio;
use crate::media::timeline;
use crate::media::units::{Microseconds, Ticks, TimeBase};

/// Maximum number of packets, and of bytes of packets, that are read to learn properties that headers do not contain.
const MAX_PACKETS: usize = 100;
const MAX_BYTES: u64 = 2 << 20;
/// Maximum number of packets that are read for properties that only packets contain.
const MAX_PACKETS_IN_DEPTH: usize = 2000;

/// Reads the next packet, or returns `Ok(None)` at the end of the file. The inner result contains libav's error.
///
/// # Errors
/// The errors of the source.
pub(in crate::media) fn next_packet(
    container: &mut Container<'_>,
) -> Result<Result<Option<Packet>, AvError>, Error> {
    let mut packet = Packet::new().map_err(Error::library("allocating a packet"))?;
    let result = container.read_packet(&mut packet);
    // libav may have turned a failed read into an end of file. The source knows the difference.
    container.input_mut().check()?;
    Ok(result.map(|is_there| is_there.then_some(packet)))
}

/// Reads packets as long as `wants_more` returns `true`, and keeps them for decoding.
///
/// # Errors
/// The errors of the source.
pub(super) fn read_ahead(
    container: &mut Container<'_>,
    wants_more: impl FnMut(&Container<'_>, &VecDeque<Packet>) -> bool,
) -> Result<VecDeque<Packet>, Error> {
    read_within(container, (MAX_PACKETS, MAX_BYTES), wants_more)
}

/// Reads packets like [`read_ahead`], but with libavformat's limits on packets and bytes of an analysis.
///
/// # Errors
/// The errors of the source.
pub(in crate::media) fn read_in_depth(
    container: &mut Container<'_>,
    wants_more: impl FnMut(&Container<'_>, &VecDeque<Packet>) -> bool,
) -> Result<VecDeque<Packet>, Error> {
    read_within(container, (MAX_PACKETS_IN_DEPTH, MAX_PROBE_BYTES.unsigned_abs()), wants_more)
}

fn read_within(
    container: &mut Container<'_>,
    (max_packets, max_bytes): (usize, u64),
    mut wants_more: impl FnMut(&Container<'_>, &VecDeque<Packet>) -> bool,
) -> Result<VecDeque<Packet>, Error> {
    let mut packets = VecDeque::new();
    let mut bytes = 0_u64;
    while wants_more(container, &packets) && packets.len() < max_packets && bytes < max_bytes {
        // Decoding meets an end or an error again, and handles it.
        let Ok(Some(packet)) = next_packet(container)? else { break };
        bytes = bytes.saturating_add(packet.size());
        packets.push_back(packet);
    }
    Ok(packets)
}

/// Reads packets until the start of each video and audio stream is known, and keeps them.
pub(super) fn read_starts(container: &mut Container<'_>, layout: &Layout) -> Result<VecDeque<Packet>, Error> {
    read_ahead(container, |container, pending| {
        container.streams().enumerate().any(|(index, stream)| {
            stream.kind().is_audiovisual() && stream_start(index, stream, layout, pending).is_none()
        })
    })
}

/// Returns whether text or timed data may begin before the first video or audio. libavformat then counts all times from
/// there, if its analysis reaches the first packet and the distance is less than a second.
pub(super) fn text_may_come_first(
    container: &Container<'_>,
    layout: &Layout,
    pending: &VecDeque<Packet>,
) -> bool {
    let microseconds = |stream: Stream<'_>, ticks: i64| -> Option<Microseconds> {
        TimeBase::try_from(stream.time_base()).ok()?.microseconds(Ticks::new(ticks))
    };
    let streams = || container.streams().enumerate();
    let start = |(index, stream): (usize, Stream<'_>)| {
        microseconds(stream, stream_start(index, stream, layout, pending)?)
    };
    let media = streams().filter(|(_, stream)| stream.kind().is_audiovisual()).filter_map(start).min();
    let Some(media) = media else { return false };
    streams().filter(|(_, stream)| stream.kind().is_text()).any(|(index, stream)| {
        let is_unknown = stream_start(index, stream, layout, pending).is_none() && !stream.is_discarded();
        let listed = stream.first_index_timestamp().and_then(|ticks| microseconds(stream, ticks));
        // Text that no index lists may begin at zero.
        is_unknown && listed.unwrap_or_default() < media
    })
}

/// Returns the start of a stream in its ticks: from the container, from its index, from the layout, or from its first
/// packets.
pub(in crate::media) fn stream_start(
    index: usize,
    stream: Stream<'_>,
    layout: &Layout,
    pending: &VecDeque<Packet>,
) -> Option<i64> {
    // Samples before zero are priming, and inaudible. In fragments, libavformat knows this of AAC only, and adds the duration of the priming
    // even where the first fragment is a later one.
    let of_index = || {
        let first = stream.first_index_timestamp().filter(|_| stream.kind() == MediaType::Audio)?;
        match layout.mp4().is_some_and(|layout| layout.fragmented) {
            false => Some(first.max(0)),
            true if stream.codec_name() != Some("aac") => Some(first),
            true => Some(first.saturating_add(priming(stream)).max(0)),
        }
    };
    // libavformat counts text only if its analysis reaches the first packet.
    let of_layout = || layout.stream_start(index, stream.id()).filter(|_| stream.kind().is_audiovisual());
    stream.start_pts().or_else(of_index).or_else(of_layout).or_else(|| {
        let own = pending.iter().filter(|packet| packet.stream_index() == Some(index));
        own.filter_map(|packet| packet.pts().or_else(|| packet.dts())).min()
    })
}

/// Returns the duration of the samples before the presentation of an audio stream, in ticks.
fn priming(stream: Stream<'_>) -> i64 {
    let rate = stream.audio().sample_rate.and_then(|rate| i32::try_from(rate).ok()).unwrap_or(0);
    let samples = Ratio { num: 1, den: rate };
    timeline::rescale(stream.initial_padding(), samples, stream.time_base().into()).unwrap_or(0)
}
