//! The analysis of a transport stream.
//!
//! A transport stream has no header. libavformat reads packets from the start until each stream has revealed its codec, its size
//! and its first timestamp, and packets at the end for the last timestamps. By default it reads far more than necessary: it stops
//! only at a fixed number of bytes. This module first reads the packets of the start once, and tells libavformat to stop where
//! all of them have arrived. At the end a shorter piece suffices, if the timestamps in it show that no later timestamp comes
//! before it.
//!
//! Where one of the two is uncertain, libavformat reads the same amount as for every container without headers.

#![deny(clippy::arithmetic_side_effects)]

use std::collections::BTreeMap;
use std::ffi::CStr;

use super::formats::{MAX_PROBE_BYTES, Opening, PROBE_BYTES, PROBE_READ, find_stream_info};
use super::interval::{KeyframeInterval, frames_between_keyframes};
use super::reading::next_packet;
use crate::media::error::Error;
use crate::media::ffi::packet::Packet;
use crate::media::ffi::stream::{MediaType, Stream};
use crate::media::input::Container;
use crate::media::units::{Microseconds, Pts, Ticks, TimeBase};
use crate::source::ByteRange;

/// Bytes of the start that are requested at once: a large keyframe, and the audio after it. More bytes follow when they are read.
/// [`FirstReads::for_name`](crate::source::FirstReads::for_name) requests the same number.
const START_READ: u64 = 480 << 10;
/// Bytes of the end that suffice if they contain the last timestamps, instead of libavformat's 250,000.
const END_READ: u64 = 160 << 10;
/// libavformat first reads half of this number of bytes.
const END_PROBE: &CStr = c"327680";
/// Number of intervals between frames from which libavformat computes a frame rate, where it reads enough.
const USUAL_INTERVALS: u32 = 20;
/// Number of intervals that show a constant frame rate. They suffice where frames are so large that more would not fit into
/// [`START_READ`].
const MIN_INTERVALS: u32 = 4;
/// The position in the file from which more intervals would not fit, because reading is ahead of the packets that it returns.
const LARGE_START: u64 = 350_000;
/// Duration of each stream in which its first packet is searched: libavformat's default. [`MAX_PROBE_BYTES`] limits the bytes.
const MAX_LENGTH: Microseconds = Microseconds::new(7_000_000);
/// Data move the start of the presentation by less than this duration.
const DATA_REACH: Microseconds = Microseconds::new(1_000_000);
/// A presentation this long after the decoding time is expected in any video: five frames at 25 frames per second.
const MIN_DELAY: Microseconds = Microseconds::new(200_000);

/// Analyses the streams of a transport stream that was just opened. Returns the expected positions of the keyframes of each
/// stream.
///
/// # Errors
/// [`Error::NotMedia`], and the errors of reading.
pub(super) fn analyse(
    container: &mut Container<'_>,
    opening: &Opening,
) -> Result<Vec<Option<KeyframeInterval>>, Error> {
    opening.reopen(container)?;
    // libavformat collects packets of a stream without a codec until they reveal it.
    container.set_probe_bytes(PROBE_BYTES);
    container.input_mut().prefetch(&[ByteRange::new(0, START_READ)]);
    container.input_mut().prefetch_when_reached(ByteRange::new(START_READ, PROBE_READ));
    let mut start = Section::default();
    while !start.is_enough(container) && start.may_go_on(container) && start.read(container)? {}
    let is_enough = start.is_enough(container);
    let probe_bytes = if is_enough { start.payload } else { start.payload.max(PROBE_BYTES) };
    // The requested bytes may also reveal the distance between keyframes.
    while start.place < LARGE_START && start.read(container)? {}
    let keyframes = (0..container.stream_count()).map(|index| start.of(index).keyframe_interval()).collect();
    let mut again = opening.clone();
    if is_end_short(container, &start)? {
        again = again.with(c"duration_probesize", END_PROBE);
    }
    // libavformat does not wait for the first packet of data. With this option, it reads as many bytes as it may.
    if container.streams().any(|stream| stream.kind() == MediaType::Data) {
        again = again.with(c"scan_all_pmts", c"1");
    }
    again.reopen(container)?;
    find_stream_info(container, probe_bytes)?;
    if container.streams().any(|stream| stream.kind() == MediaType::Video)
        && container.streams().filter(|&stream| is_needed(stream)).all(is_known)
    {
        return Ok(keyframes);
    }
    opening.reopen(container)?;
    find_stream_info(container, MAX_PROBE_BYTES)?;
    Ok(keyframes)
}

/// Returns whether the last [`END_READ`] bytes contain the last timestamp of each stream.
fn is_end_short(container: &mut Container<'_>, start: &Section) -> Result<bool, Error> {
    let Some(place) = container.input().size().checked_sub(END_READ).and_then(|at| i64::try_from(at).ok())
    else {
        return Ok(false);
    };
    if container.seek_to_byte(place).is_err() {
        return Ok(false);
    }
    let mut end = Section::default();
    while end.read(container)? {}
    let mut needed = container.streams().enumerate().filter(|&(_, stream)| is_needed(stream));
    Ok(needed.all(|(index, stream)| end.of(index).has_last(&start.of(index), stream)))
}

/// Returns whether the start and end of a stream contribute to the reported totals.
fn is_needed(stream: Stream<'_>) -> bool {
    stream.kind().is_audiovisual() || stream.kind().is_text()
}

/// Returns whether libavformat has determined all available properties of a stream.
fn is_known(stream: Stream<'_>) -> bool {
    let has_codec = stream.codec_name().is_some_and(|name| name != "none");
    let is_sized = stream.kind() != MediaType::Video || (stream.width() > 0 && stream.height() > 0);
    has_codec && is_sized && stream.start_pts().is_some() && stream.duration_ts().is_some()
}

/// The content of the packets in one piece of the file.
#[derive(Default)]
struct Section {
    streams: BTreeMap<usize, Timestamps>,
    /// Bytes of the packets.
    payload: i64,
    /// Start of the last packet in the file.
    place: u64,
}

impl Section {
    /// Reads the next packet. Returns `false` at the end of the file, and where libavformat reports an error.
    fn read(&mut self, container: &mut Container<'_>) -> Result<bool, Error> {
        let Ok(Some(packet)) = next_packet(container)? else { return Ok(false) };
        let Some(index) = packet.stream_index() else { return Ok(false) };
        self.payload = self.payload.saturating_add_unsigned(packet.size());
        self.place = self.place.max(packet.position().unwrap_or(0));
        let stream = self.streams.entry(index).or_default();
        stream.note(packet.pts().map(Pts::new), packet.dts().map(Pts::new));
        if packet.is_key() {
            stream.note_keyframe(&packet);
        }
        Ok(true)
    }

    /// Returns the timestamps of one stream so far.
    fn of(&self, index: usize) -> Timestamps {
        self.streams.get(&index).copied().unwrap_or_default()
    }

    /// Returns whether to read further: longer for the first packet of a stream than for the frame rate.
    fn may_go_on(&self, container: &Container<'_>) -> bool {
        let is_missing = |(index, stream): (usize, Stream<'_>)| {
            stream.kind().is_audiovisual() && self.of(index).last_pts.is_none()
        };
        let has_all = !container.streams().enumerate().any(is_missing);
        let max_packets = if has_all { PROBE_BYTES } else { MAX_PROBE_BYTES };
        self.payload < max_packets && !self.is_long(container, MAX_LENGTH)
    }

    /// Returns whether the packets of a stream span more than this duration.
    fn is_long(&self, container: &Container<'_>, most: Microseconds) -> bool {
        container.streams().enumerate().any(|(index, stream)| self.of(index).is_longer(most, stream))
    }

    /// Returns whether the packets of the start are sufficient for libavformat to obtain the same result as from more packets.
    fn is_enough(&self, container: &Container<'_>) -> bool {
        let min_intervals = if self.place < LARGE_START { USUAL_INTERVALS } else { MIN_INTERVALS };
        let mut needed = container.streams().enumerate().filter(|&(_, stream)| is_needed(stream)).peekable();
        needed.peek().is_some()
            && needed.all(|(index, stream)| {
                let seen = self.of(index);
                match stream.kind() {
                    MediaType::Video => seen.last_pts.is_some() && seen.decoding.intervals() >= min_intervals,
                    MediaType::Data => seen.last_pts.is_some() || self.is_long(container, DATA_REACH),
                    _ => seen.last_pts.is_some(),
                }
            })
    }
}

/// A sequence of times.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Sequence {
    first: Option<Pts>,
    last: Option<Pts>,
    /// The first interval, and the number of intervals.
    interval: Option<Ticks>,
    count: u32,
    is_irregular: bool,
}

impl Sequence {
    fn note(&mut self, time: Pts) {
        self.first = self.first.or(Some(time));
        let Some(last) = self.last.replace(time) else { return };
        let interval = time.since(last);
        let first = *self.interval.get_or_insert(interval);
        // Halves of ticks may be rounded up or down.
        let is_same = (-1..=1).contains(&interval.saturating_sub(first).get());
        self.is_irregular |= interval <= Ticks::ZERO || !is_same;
        self.count = self.count.saturating_add(1);
    }

    /// Returns the number of intervals if all have the same length, apart from rounding.
    const fn intervals(&self) -> u32 {
        if self.is_irregular { 0 } else { self.count }
    }
}

/// The timestamps of one stream, in its ticks, in one piece of the file.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Timestamps {
    /// Decoding times.
    decoding: Sequence,
    /// The latest presentation time.
    last_pts: Option<Pts>,
    /// The longest time from decoding to presentation.
    delay: Ticks,
    /// Presentation times of keyframes.
    keyframes: Sequence,
    /// Bytes of the first keyframe.
    keyframe_bytes: u64,
    /// Frames between keyframes, as the encoder announces it.
    announced: Option<u32>,
}

impl Timestamps {
    fn note(&mut self, pts: Option<Pts>, dts: Option<Pts>) {
        self.last_pts = self.last_pts.max(pts);
        if let (Some(pts), Some(dts)) = (pts, dts) {
            self.delay = self.delay.max(pts.since(dts));
        }
        match dts {
            Some(dts) => self.decoding.note(dts),
            None => self.decoding.is_irregular = true,
        }
    }

    fn note_keyframe(&mut self, packet: &Packet) {
        let Some(pts) = packet.pts().map(Pts::new) else { return };
        if self.keyframes.first.is_none() {
            self.keyframe_bytes = packet.size();
            self.announced = frames_between_keyframes(packet.bytes());
        }
        self.keyframes.note(pts);
    }

    fn keyframe_interval(&self) -> Option<KeyframeInterval> {
        let first = self.keyframes.first.filter(|_| !self.keyframes.is_irregular)?;
        let announced = || {
            let frame = self.decoding.interval.filter(|_| self.decoding.intervals() > 0)?;
            Some(Ticks::new(i64::from(self.announced?).saturating_mul(frame.get())))
        };
        let interval = self.keyframes.interval.or_else(announced)?;
        Some(KeyframeInterval { first, interval, bytes: self.keyframe_bytes })
    }

    /// Returns whether the packets span more than this duration.
    fn is_longer(&self, most: Microseconds, stream: Stream<'_>) -> bool {
        let max_length = TimeBase::try_from(stream.time_base()).ok().and_then(|base| base.ticks(most));
        let length = self.decoding.first.zip(self.decoding.last).map(|(first, last)| last.since(first));
        length.zip(max_length).is_some_and(|(length, most)| length > most)
    }

    /// Returns whether no earlier packet is presented after these packets, as far as the packets of the `start` show how late
    /// packets are presented.
    fn has_last(&self, start: &Self, stream: Stream<'_>) -> bool {
        let (Some(first_dts), Some(last_pts)) = (self.decoding.first, self.last_pts) else { return false };
        if stream.kind() != MediaType::Video {
            return true;
        }
        let min_delay = TimeBase::try_from(stream.time_base()).ok().and_then(|base| base.ticks(MIN_DELAY));
        let delay = min_delay.unwrap_or(Ticks::MAX).max(start.delay).max(self.delay);
        // The packet before these is decoded one interval before the first of them.
        let interval = start.decoding.interval.unwrap_or(Ticks::ZERO);
        first_dts.saturating_sub(interval).saturating_add(delay) <= last_pts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(times: &[(i64, i64)]) -> Timestamps {
        let mut seen = Timestamps::default();
        for &(pts, dts) in times {
            seen.note(Some(Pts::new(pts)), Some(Pts::new(dts)));
        }
        seen
    }

    #[test]
    fn a_constant_frame_rate_shows_in_equal_intervals() {
        // 59.94 frames a second: intervals of 1501 and 1502 ticks.
        let steady = seen(&[(3003, 0), (9009, 1502), (6006, 3003), (4505, 4505), (7508, 6006)]);
        assert_eq!((steady.decoding.intervals(), steady.delay), (4, Ticks::new(7507)));
        // Telecine: frames of two and three fields.
        assert_eq!(seen(&[(0, 0), (3003, 3003), (7508, 7508), (10_511, 10_511)]).decoding.intervals(), 0);
        // Two packets with the same decoding time, and one without a time.
        assert_eq!(seen(&[(0, 0), (0, 0), (3600, 3600)]).decoding.intervals(), 0);
        let mut gap = seen(&[(0, 0), (3600, 3600)]);
        gap.note(Some(Pts::new(7200)), None);
        gap.note(Some(Pts::new(10_800)), Some(Pts::new(10_800)));
        assert_eq!(gap.decoding.intervals(), 0);
    }

    #[test]
    fn libavformat_reads_the_short_end_first() {
        let probe: u64 = END_PROBE.to_str().unwrap().parse().unwrap();
        assert_eq!(probe, 2 * END_READ);
    }
}
