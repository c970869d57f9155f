//! An open container (`AVFormatContext`).

use std::collections::BTreeMap;
use std::ffi::{CStr, c_char, c_int};
use std::ptr::{self, NonNull};
use std::slice;

use ffmpeg_next::ffi;

#[cfg(ffmpeg_7_1)]
use super::fields::int_field;
use super::fields::{Ref, field};
use super::io::{Io, Source};
use super::log;
use super::packet::{Packet, Palette, timestamp};
use super::stream::{Stream, tags};
use super::{AvError, Rational, owned_string};

/// An open container, and its source.
pub(crate) struct Container<S> {
    // Before `io` in drop order: closing reads no more, but the context points to `io`.
    context: FormatContext,
    io: Io<S>,
    /// The palettes of the streams that have one.
    palettes: BTreeMap<usize, Palettes>,
}

/// The palettes of a stream. A demuxer attaches the first one to the first packet that it returns, and others where they change, but a
/// decoder that begins at another packet needs a palette, too.
struct Palettes {
    first: Palette,
    current: Palette,
}

// SAFETY: owns context and I/O alone, and the source may be sent. Demuxers keep no tie to the thread that made them
// (libavformat documents contexts as usable from one thread at a time), and everything goes through `&mut self` or reads
// plain fields.
unsafe impl<S: Send> Send for Container<S> {}

/// The reason why a container could not be opened: libavformat's error, and the source, which may contain a better reason.
pub(crate) struct OpenError<S> {
    /// libavformat's error.
    pub(crate) error: AvError,
    /// The source, at the position where libavformat left it.
    pub(crate) source: S,
}

/// Owns an open `AVFormatContext`.
struct FormatContext(NonNull<ffi::AVFormatContext>);

impl Drop for FormatContext {
    fn drop(&mut self) {
        let mut context = self.0.as_ptr();
        // SAFETY: open, and closed only here. Custom I/O is left alone (libavformat/avformat.h, AVFMT_FLAG_CUSTOM_IO), and
        // its owner frees it afterwards.
        unsafe { ffi::avformat_close_input(&raw mut context) };
    }
}

impl<S: Source> Container<S> {
    /// Opens the source without reading any packet. `options` are libavformat's own.
    pub(crate) fn open(
        source: S,
        max_streams: u32,
        options: &[(&CStr, &CStr)],
    ) -> Result<Self, OpenError<S>> {
        let mut io = Io::new(source).map_err(|(error, source)| OpenError { error, source })?;
        let callback = io.interrupt_callback();
        match open_format(io.as_mut_ptr(), callback, max_streams, options) {
            Ok(context) => Ok(Self { context, io, palettes: BTreeMap::new() }),
            Err(error) => Err(OpenError { error, source: io.into_source() }),
        }
    }

    /// Opens the same source again, which may now reveal more. On failure, the container remains unchanged.
    pub(crate) fn reopen(&mut self, max_streams: u32, options: &[(&CStr, &CStr)]) -> Result<(), AvError> {
        let mut fresh = self.io.new_context()?;
        let position = self.input().position();
        self.input_mut().seek(0);
        let callback = self.io.interrupt_callback();
        match open_format(fresh.as_mut_ptr(), callback, max_streams, options) {
            Ok(context) => {
                // In this order: the old context points to the old I/O context.
                self.context = context;
                self.palettes.clear();
                self.io.replace_context(fresh);
                Ok(())
            }
            Err(error) => {
                // The position of the old context.
                self.input_mut().seek(position);
                Err(error)
            }
        }
    }
}

impl<S> Container<S> {
    /// Reads packets directly into their own memory, and seeks whenever the next packet lies elsewhere. Otherwise
    /// libavformat reads the bytes in between, for example audio, up to megabytes.
    pub(crate) fn read_packets_directly(&mut self) {
        // SAFETY: the container's own I/O context, not used elsewhere; the user sets the field (libavformat/avio.h).
        unsafe { (*self.io.as_mut_ptr()).direct = 1 };
    }

    const fn view(&self) -> Ref<'_, ffi::AVFormatContext> {
        // SAFETY: avformat_open_input initialised it, and `Drop` frees it; libavformat writes to it in calls that take
        // `&mut self`.
        unsafe { Ref::from_owner(self.context.0) }
    }

    const fn as_mut_ptr(&mut self) -> *mut ffi::AVFormatContext {
        self.context.0.as_ptr()
    }

    /// Returns the source of the container.
    pub(crate) const fn input(&self) -> &S {
        self.io.source()
    }

    /// Returns the source like [`input`](Self::input), for changes. libavformat reads its position only when it seeks.
    pub(crate) const fn input_mut(&mut self) -> &mut S {
        self.io.source_mut()
    }

    /// Sets the maximum bytes of media that [`find_stream_info`](Self::find_stream_info) examines.
    pub(crate) fn set_probe_bytes(&mut self, bytes: i64) {
        // SAFETY: an open context, not used elsewhere; the user sets the field (libavformat/avformat.h).
        unsafe { (*self.as_mut_ptr()).probesize = bytes };
    }

    pub(crate) fn find_stream_info(&mut self) -> Result<(), AvError> {
        log::forget();
        // SAFETY: an open context; no per-stream options.
        AvError::check(unsafe { ffi::avformat_find_stream_info(self.as_mut_ptr(), ptr::null_mut()) })?;
        Ok(())
    }

    /// Reads the next packet of any stream that is not discarded. Returns `Ok(false)` at the end.
    pub(crate) fn read_packet(&mut self, packet: &mut Packet) -> Result<bool, AvError> {
        log::forget();
        // SAFETY: valid packet; drops the reference to the data of the packet before.
        unsafe { ffi::av_packet_unref(packet.as_mut_ptr()) };
        // SAFETY: an open context and a blank packet.
        match AvError::check(unsafe { ffi::av_read_frame(self.as_mut_ptr(), packet.as_mut_ptr()) }) {
            Ok(_) => {
                self.add_palette(packet)?;
                Ok(true)
            }
            Err(AvError::EOF) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Attaches the current palette to a packet without one, if the stream has palettes.
    fn add_palette(&mut self, packet: &mut Packet) -> Result<(), AvError> {
        let Some(stream) = packet.stream_index() else { return Ok(()) };
        match (packet.palette(), self.palettes.get_mut(&stream)) {
            (Some(palette), Some(known)) => known.current = palette,
            (Some(palette), None) => {
                self.palettes.insert(stream, Palettes { first: palette, current: palette });
            }
            (None, Some(known)) => packet.set_palette(&known.current)?,
            (None, None) => {}
        }
        Ok(())
    }

    /// Returns to the first palette of each stream, because the position changed.
    fn reset_palettes(&mut self) {
        for palettes in self.palettes.values_mut() {
            palettes.current = palettes.first;
        }
    }

    /// Moves to the last keyframe of the stream at or before `ticks`.
    pub(crate) fn seek_backward(&mut self, stream: usize, ticks: i64) -> Result<(), AvError> {
        self.seek(stream, ticks, SeekFlags { backward: true, any: false })
    }

    /// Moves to a packet of the stream near `ticks`.
    pub(crate) fn seek(&mut self, stream: usize, ticks: i64, flags: SeekFlags) -> Result<(), AvError> {
        if stream >= self.stream_count() {
            return Err(AvError::INVALID_ARGUMENT);
        }
        let stream = c_int::try_from(stream).map_err(|_| AvError::INVALID_ARGUMENT)?;
        self.reset_palettes();
        // SAFETY: an open context and one of its streams: libavformat does not check the number itself.
        AvError::check(unsafe { ffi::av_seek_frame(self.as_mut_ptr(), stream, ticks, flags.bits()) })?;
        Ok(())
    }

    /// Returns the stream's own picture (cover art) without reading, or `None` where it has none. The packet shares the
    /// bytes.
    pub(crate) fn attached_picture(&self, stream: usize) -> Result<Option<Packet>, AvError> {
        let Some(pointer) = self.stream_pointer(stream) else { return Ok(None) };
        // SAFETY: a stream of this container; only an address is computed.
        let picture = unsafe { &raw const (*pointer).attached_pic };
        // SAFETY: libavformat initialised it with the stream, which lives as long as the container is borrowed.
        let Some(view) = (unsafe { Ref::new(picture) }) else { return Ok(None) };
        if field!(view, data).is_null() || field!(view, size) <= 0 {
            return Ok(None);
        }
        let mut packet = Packet::new()?;
        // SAFETY: a blank packet, and one that libavformat filled when it opened the file (libavformat/avformat.h,
        // AVStream.attached_pic). The call counts another reference to the same bytes, or copies them.
        AvError::check(unsafe { ffi::av_packet_ref(packet.as_mut_ptr(), picture) })?;
        Ok(Some(packet))
    }

    /// Returns the current number of entries in the stream's index.
    pub(crate) fn index_entry_count(&self, stream: usize) -> usize {
        let Some(pointer) = self.stream_pointer(stream) else { return 0 };
        // SAFETY: a stream of this container; the call reads one number.
        usize::try_from(unsafe { ffi::avformat_index_get_entries_count(pointer) }).unwrap_or(0)
    }

    /// Returns an entry of the stream's index, counted from 0.
    pub(crate) fn index_entry_at(&self, stream: usize, number: usize) -> Option<IndexEntry> {
        // SAFETY: a stream of this container, which stays as it is during the call.
        unsafe { index_entry(self.stream_pointer(stream)?, number) }
    }

    /// Returns the number of the index entry nearest to `ticks`: at or before `ticks` with `backward`, otherwise at or after
    /// them. The search covers keyframes, or all packets with `any`.
    pub(crate) fn index_search(&self, stream: usize, ticks: i64, flags: SeekFlags) -> Option<usize> {
        let pointer = self.stream_pointer(stream)?;
        // SAFETY: a stream of this container; the call looks at its index only.
        usize::try_from(unsafe { ffi::av_index_search_timestamp(pointer, ticks, flags.bits()) }).ok()
    }

    /// Returns the time of the index entry that points to `position`. The search covers [`MAX_ENTRIES_BACK`] entries at or before `ticks`.
    pub(crate) fn index_timestamp(&self, stream: usize, position: u64, ticks: i64) -> Option<i64> {
        let last = self.index_search(stream, ticks, SeekFlags { backward: true, any: true })?;
        let mut entries =
            (0..=last).rev().take(MAX_ENTRIES_BACK).map_while(|number| self.index_entry_at(stream, number));
        let entry = entries.find(|entry| entry.position <= Some(position))?;
        entry.timestamp.filter(|_| entry.position == Some(position))
    }

    /// Returns whether the stream is one tile of a picture that consists of several streams (HEIF's grid).
    #[cfg(ffmpeg_7_1)]
    pub(crate) fn has_tile_grid(&self, stream: usize) -> bool {
        const TILE_GRID: c_int = ffi::AVStreamGroupParamsType::AV_STREAM_GROUP_PARAMS_TILE_GRID as c_int;
        let Some(pointer) = self.stream_pointer(stream) else { return false };
        let (groups, count) = (field!(self.view(), stream_groups), field!(self.view(), nb_stream_groups));
        // SAFETY: libavformat keeps that many pointers in the list, and changes it in calls that take `&mut self`.
        let groups = unsafe { pointers(groups, count) };
        groups.iter().any(|&group| {
            // SAFETY: a group of this container's, initialised by libavformat.
            let Some(group) = (unsafe { Ref::new(group) }) else { return false };
            let (members, count) = (field!(group, streams), field!(group, nb_streams));
            // SAFETY: as above, of the group's own list.
            let members = unsafe { pointers(members, count) };
            int_field!(group, type_) == TILE_GRID && members.contains(&pointer)
        })
    }

    /// Returns `false`: FFmpeg before 7.1 does not report tile grids.
    #[cfg(not(ffmpeg_7_1))]
    pub(crate) fn has_tile_grid(&self, _stream: usize) -> bool {
        false
    }

    /// Returns the bytes from the keyframe at or before `ticks` to the first packet at or after them, according to the
    /// stream's index.
    pub(crate) fn indexed_bytes(&self, stream: usize, ticks: i64) -> Option<(u64, u64)> {
        let entry = |flags| self.index_entry_at(stream, self.index_search(stream, ticks, flags)?);
        let first = entry(SeekFlags { backward: true, any: false })?.position?;
        let last = entry(SeekFlags { backward: false, any: true })?;
        let end = last.position.filter(|&position| first <= position)?.saturating_add(last.size);
        Some((first, end))
    }

    /// Moves to the first byte of media.
    pub(crate) fn seek_to_byte(&mut self, offset: i64) -> Result<(), AvError> {
        self.reset_palettes();
        // SAFETY: an open context; -1 is no stream in particular.
        AvError::check(unsafe { ffi::av_seek_frame(self.as_mut_ptr(), -1, offset, ffi::AVSEEK_FLAG_BYTE) })?;
        Ok(())
    }

    /// Skips the packets of every other stream. Before the analysis of the streams, this would hide their first timestamps,
    /// and cost more reads than it saves.
    pub(crate) fn keep_only(&mut self, stream: usize) {
        for (index, &pointer) in self.stream_pointers().iter().enumerate() {
            let discard = if index == stream {
                ffi::AVDiscard::AVDISCARD_DEFAULT
            } else {
                ffi::AVDiscard::AVDISCARD_ALL
            };
            // SAFETY: a stream of this container, borrowed with `&mut self`; the user sets the field
            // (libavformat/avformat.h).
            unsafe { (*pointer).discard = discard };
        }
    }

    /// Returns the number of streams that libavformat currently knows.
    pub(crate) fn stream_count(&self) -> usize {
        self.stream_pointers().len()
    }

    fn stream_pointers(&self) -> &[*mut ffi::AVStream] {
        let (list, count) = (field!(self.view(), streams), field!(self.view(), nb_streams));
        // SAFETY: libavformat keeps that many pointers in the list, and changes it in calls that take `&mut self`.
        unsafe { pointers(list, count) }
    }

    fn stream_pointer(&self, index: usize) -> Option<*mut ffi::AVStream> {
        self.stream_pointers().get(index).copied()
    }

    /// Returns one stream.
    pub(crate) fn stream(&self, index: usize) -> Option<Stream<'_>> {
        // SAFETY: a stream of this container, borrowed with it.
        unsafe { Stream::new(self.stream_pointer(index)?) }
    }

    /// Iterates over the streams, in the order of the container.
    pub(crate) fn streams(&self) -> impl Iterator<Item = Stream<'_>> {
        (0..self.stream_count()).filter_map(|index| self.stream(index))
    }

    /// Returns the frames per second, from the container, the codec and the timestamps.
    pub(crate) fn guess_frame_rate(&mut self, stream: usize) -> Option<Rational> {
        let pointer = self.stream_pointer(stream)?;
        // SAFETY: a stream of this container; no frame. The call looks at what the two hold.
        let rate = unsafe { ffi::av_guess_frame_rate(self.as_mut_ptr(), pointer, ptr::null_mut()) };
        Rational::from(rate).positive()
    }

    /// Returns the duration in microseconds.
    pub(crate) fn duration(&self) -> Option<i64> {
        timestamp(field!(self.view(), duration)).filter(|&microseconds| microseconds > 0)
    }

    /// Returns the start in microseconds.
    pub(crate) fn start_time(&self) -> Option<i64> {
        timestamp(field!(self.view(), start_time))
    }

    pub(crate) fn bit_rate(&self) -> Option<u64> {
        u64::try_from(field!(self.view(), bit_rate)).ok().filter(|&rate| rate > 0)
    }

    pub(crate) fn probe_score(&self) -> u32 {
        u32::try_from(field!(self.view(), probe_score)).unwrap_or(0)
    }

    fn format(&self) -> Option<Ref<'_, ffi::AVInputFormat>> {
        let format = field!(self.view(), iformat);
        // SAFETY: null, or the demuxer that libavformat opened the file with, a constant of its own.
        unsafe { Ref::new(format) }
    }

    /// Returns libavformat's short names for the demuxer, comma separated.
    pub(crate) fn format_name(&self) -> String {
        let name = self.format().map(|format| field!(format, name));
        // SAFETY: null or a constant string.
        name.and_then(|name| unsafe { owned_string(name) }).unwrap_or_default()
    }

    /// Returns libavformat's long name of the demuxer.
    pub(crate) fn format_long_name(&self) -> String {
        let name = self.format().map(|format| field!(format, long_name));
        // SAFETY: as above.
        name.and_then(|name| unsafe { owned_string(name) }).unwrap_or_default()
    }

    /// Returns the chapters, in the order of the container.
    pub(crate) fn chapters(&self) -> Vec<Chapter> {
        let (list, count) = (field!(self.view(), chapters), field!(self.view(), nb_chapters));
        // SAFETY: libavformat keeps that many pointers in the list, and changes it in calls that take `&mut self`.
        let list = unsafe { pointers(list, count) };
        let chapter = |&chapter: &*mut ffi::AVChapter| {
            // SAFETY: a chapter of this container's, initialised by libavformat.
            let chapter = unsafe { Ref::new(chapter) }?;
            let dictionary = field!(chapter, metadata);
            Some(Chapter {
                id: field!(chapter, id),
                time_base: field!(chapter, time_base).into(),
                start: field!(chapter, start),
                end: timestamp(field!(chapter, end)),
                // SAFETY: the chapter's dictionary, which lives as long as the container.
                tags: unsafe { tags(dictionary) },
            })
        };
        list.iter().filter_map(chapter).collect()
    }

    /// Returns the metadata of the container.
    pub(crate) fn tags(&self) -> BTreeMap<String, String> {
        let dictionary = field!(self.view(), metadata);
        // SAFETY: the container's dictionary, borrowed with it.
        unsafe { tags(dictionary) }
    }
}

/// Borrows a libav list.
///
/// # Safety
/// `list` has `count` pointers that are not written for `'a`. It may be null when there are none.
const unsafe fn pointers<'a, T>(list: *mut *mut T, count: u32) -> &'a [*mut T] {
    if list.is_null() || count == 0 {
        return &[];
    }
    // SAFETY: guaranteed by the caller.
    unsafe { slice::from_raw_parts(list, count as usize) }
}

/// A chapter, as the container stores it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chapter {
    /// The container's identifier of the chapter.
    pub(crate) id: i64,
    /// Seconds of one tick.
    pub(crate) time_base: Rational,
    /// Start in ticks.
    pub(crate) start: i64,
    /// End in ticks; `None` where the container does not contain it.
    pub(crate) end: Option<i64>,
    /// Metadata.
    pub(crate) tags: BTreeMap<String, String>,
}

/// The packet that a time selects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct SeekFlags {
    /// Selects the packet at or before the time; otherwise the packet at or after the time.
    pub(crate) backward: bool,
    /// Selects among all packets instead of keyframes.
    pub(crate) any: bool,
}

impl SeekFlags {
    const fn bits(self) -> c_int {
        let backward = if self.backward { ffi::AVSEEK_FLAG_BACKWARD } else { 0 };
        let any = if self.any { ffi::AVSEEK_FLAG_ANY } else { 0 };
        backward | any
    }
}

/// The index entry of one packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IndexEntry {
    /// In ticks of the stream; a decoding time in MP4, `None` where the demuxer does not know it.
    pub(crate) timestamp: Option<i64>,
    /// The packet's first byte in the file.
    pub(crate) position: Option<u64>,
    /// Size in bytes; 0 when unknown.
    pub(crate) size: u64,
    pub(crate) is_key: bool,
}

/// Maximum number of entries among which [`Container::index_timestamp`] searches.
const MAX_ENTRIES_BACK: usize = 4096;

/// # Safety
/// `stream` is a stream of an open container; nothing changes its index during the call.
unsafe fn index_entry(stream: *mut ffi::AVStream, number: usize) -> Option<IndexEntry> {
    let number = c_int::try_from(number).ok()?;
    // SAFETY: a valid stream; any number that is not in the index gives null.
    let entry = unsafe { ffi::avformat_index_get_entry(stream, number) };
    // SAFETY: null, or an entry of the stream's index: a struct of numbers, all of them initialised.
    let entry = unsafe { entry.as_ref() }?;
    Some(IndexEntry {
        timestamp: timestamp(entry.timestamp),
        position: u64::try_from(entry.pos).ok(),
        size: u64::try_from(entry.size()).unwrap_or(0),
        is_key: entry.flags() & ffi::AVINDEX_KEYFRAME != 0,
    })
}

/// Opens a source through its I/O context.
fn open_format(
    io: *mut ffi::AVIOContext,
    interrupt_callback: ffi::AVIOInterruptCB,
    max_streams: u32,
    options: &[(&CStr, &CStr)],
) -> Result<FormatContext, AvError> {
    log::forget();
    // SAFETY: plain allocation; null is checked below.
    let mut context = unsafe { ffi::avformat_alloc_context() };
    // SAFETY: null, or a context that no other code has yet, and whose every field libavformat has set to a constant of its
    // own, so that the enums among them are valid.
    let Some(fresh) = (unsafe { context.as_mut() }) else { return Err(AvError::NO_MEMORY) };
    fresh.pb = io;
    fresh.max_streams = c_int::try_from(max_streams).unwrap_or(c_int::MAX);
    // No demuxer may open another file, whatever the content of the file.
    fresh.io_open = Some(refuse_to_open);
    fresh.interrupt_callback = interrupt_callback;
    let mut dictionary = Dictionary::new(options);
    // SAFETY: a context from avformat_alloc_context with custom I/O, no URL, and a dictionary of ours. On failure
    // libavformat frees the context (not the I/O) and nulls the pointer (libavformat/avformat.h).
    let code = unsafe {
        ffi::avformat_open_input(&raw mut context, ptr::null(), ptr::null(), dictionary.as_mut_ptr())
    };
    AvError::check(code)?;
    NonNull::new(context).map(FormatContext).ok_or(AvError::INVALID_DATA)
}

/// # Safety
/// Called by libavformat only.
unsafe extern "C" fn refuse_to_open(
    _: *mut ffi::AVFormatContext,
    _: *mut *mut ffi::AVIOContext,
    _: *const c_char,
    _: c_int,
    _: *mut *mut ffi::AVDictionary,
) -> c_int {
    ffi::AVERROR(libc::EPERM)
}

/// Options for a call, freed after it.
struct Dictionary(*mut ffi::AVDictionary);

impl Dictionary {
    fn new(options: &[(&CStr, &CStr)]) -> Self {
        let mut dictionary = Self(ptr::null_mut());
        for (key, value) in options {
            // SAFETY: terminated strings, which av_dict_set copies; out of memory leaves the option out, and with it only
            // a restriction that opening without memory will not need.
            unsafe { ffi::av_dict_set(dictionary.as_mut_ptr(), key.as_ptr(), value.as_ptr(), 0) };
        }
        dictionary
    }

    const fn as_mut_ptr(&mut self) -> *mut *mut ffi::AVDictionary {
        &raw mut self.0
    }
}

impl Drop for Dictionary {
    fn drop(&mut self) {
        // SAFETY: made by av_dict_set, freed only here; null is allowed.
        unsafe { ffi::av_dict_free(&raw mut self.0) };
    }
}
