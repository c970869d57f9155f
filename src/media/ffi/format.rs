//! An open container (`AVFormatContext`).

use std::collections::BTreeMap;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::{self, NonNull};

use ffmpeg_next::ffi;

#[cfg(ffmpeg_7_1)]
use super::int_field;
use super::io::{Io, interrupted};
use super::packet::{Packet, timestamp};
use super::stream::{Stream, ratio, tags};
use super::{AvError, field, owned_string, set_field};
use crate::media::info::Ratio;
use crate::media::input::{Fault, Input};

pub(in crate::media) struct Container<'r> {
    // Before `io` in drop order: closing reads no more, but the context points there.
    context: NonNull<ffi::AVFormatContext>,
    io: Io<'r>,
}

// SAFETY: owns context and I/O alone. Demuxers keep no tie to the thread that made them (libavformat documents contexts as
// usable from one thread at a time), and everything goes through `&mut self` or reads plain fields.
unsafe impl Send for Container<'_> {}

/// Why a container could not be opened: the fault of the source if there was one, else libav's word.
pub(in crate::media) enum OpenError {
    Fault(Fault),
    Libav(AvError),
}

impl<'r> Container<'r> {
    /// Opens without looking at any packet. `options` are libavformat's own.
    pub(in crate::media) fn open(
        input: Input<'r>,
        max_streams: u32,
        options: &[(&CStr, &CStr)],
    ) -> Result<Self, OpenError> {
        let io = Io::new(input).map_err(OpenError::Libav)?;
        match open_format(io.as_ptr(), io.opaque(), max_streams, options) {
            Ok(context) => Ok(Self { context, io }),
            Err(error) => Err(match io.input().fault() {
                Some(fault) => OpenError::Fault(fault.clone()),
                None => OpenError::Libav(error),
            }),
        }
    }

    /// Opens the same input again, which may show more of itself now. When that fails, the container stays as it was.
    pub(in crate::media) fn reopen(
        &mut self,
        max_streams: u32,
        options: &[(&CStr, &CStr)],
    ) -> Result<(), OpenError> {
        let fresh = self.io.new_context().map_err(OpenError::Libav)?;
        let position = self.input().position();
        self.input_mut().seek(0);
        match open_format(fresh.as_ptr(), self.io.opaque(), max_streams, options) {
            Ok(context) => {
                let mut old = std::mem::replace(&mut self.context, context).as_ptr();
                // SAFETY: open, and closed here only: `self` has the new one. Its I/O context is freed after it, below.
                unsafe { ffi::avformat_close_input(&raw mut old) };
                self.io.replace_context(fresh);
                Ok(())
            }
            Err(error) => {
                // Where the old context left off.
                self.input_mut().seek(position);
                Err(match self.input().fault() {
                    Some(fault) => OpenError::Fault(fault.clone()),
                    None => OpenError::Libav(error),
                })
            }
        }
    }

    /// Reads packets straight into their own memory, and seeks whenever the next one lies elsewhere. Otherwise libavformat
    /// reads over what lies between, sound for instance, up to megabytes of it.
    pub(in crate::media) fn read_packets_directly(&mut self) {
        set_field!(self.io.as_ptr(), direct, 1);
    }

    const fn as_ptr(&self) -> *const ffi::AVFormatContext {
        self.context.as_ptr()
    }

    pub(in crate::media) const fn input(&self) -> &Input<'r> {
        self.io.input()
    }

    pub(in crate::media) const fn input_mut(&mut self) -> &mut Input<'r> {
        self.io.input_mut()
    }

    /// Bytes of media that [`find_stream_info`](Self::find_stream_info) may look at.
    pub(in crate::media) fn set_probe_bytes(&mut self, bytes: i64) {
        set_field!(self.context.as_ptr(), probesize, bytes);
    }

    pub(in crate::media) fn find_stream_info(&mut self) -> Result<(), AvError> {
        // SAFETY: an open context; no per-stream options.
        AvError::check(unsafe { ffi::avformat_find_stream_info(self.context.as_ptr(), ptr::null_mut()) })?;
        Ok(())
    }

    /// The next packet of any stream that is not discarded; `Ok(false)` at the end.
    pub(in crate::media) fn read_packet(&mut self, packet: &mut Packet) -> Result<bool, AvError> {
        // SAFETY: valid packet; drops the reference to the data of the packet before.
        unsafe { ffi::av_packet_unref(packet.as_ptr()) };
        // SAFETY: an open context and a blank packet.
        match AvError::check(unsafe { ffi::av_read_frame(self.context.as_ptr(), packet.as_ptr()) }) {
            Ok(_) => Ok(true),
            Err(AvError::EOF) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Moves to the last keyframe of the stream at or before `ticks`.
    pub(in crate::media) fn seek_backward(&mut self, stream: usize, ticks: i64) -> Result<(), AvError> {
        self.seek(stream, ticks, SeekFlags { backward: true, any: false })
    }

    /// Moves to a packet of the stream near `ticks`.
    pub(in crate::media) fn seek(
        &mut self,
        stream: usize,
        ticks: i64,
        flags: SeekFlags,
    ) -> Result<(), AvError> {
        if stream >= self.stream_count() {
            return Err(AvError::INVALID_ARGUMENT);
        }
        let stream = c_int::try_from(stream).map_err(|_| AvError::INVALID_ARGUMENT)?;
        // SAFETY: an open context and one of its streams: libavformat does not check the number itself.
        AvError::check(unsafe { ffi::av_seek_frame(self.context.as_ptr(), stream, ticks, flags.bits()) })?;
        Ok(())
    }

    /// The stream's own picture (cover art), without reading; `None` where it has none. The packet shares the bytes.
    pub(in crate::media) fn attached_picture(&self, stream: usize) -> Result<Option<Packet>, AvError> {
        let Some(pointer) = self.stream_pointers().nth(stream) else { return Ok(None) };
        // SAFETY: address of a field of a stream of this container.
        let picture = unsafe { &raw const (*pointer).attached_pic };
        if field!(picture, data).is_null() || field!(picture, size) <= 0 {
            return Ok(None);
        }
        let packet = Packet::new()?;
        // SAFETY: a blank packet, and one that libavformat filled when it opened the file (libavformat/avformat.h,
        // AVStream.attached_pic). The call counts another reference to the same bytes, or copies them.
        AvError::check(unsafe { ffi::av_packet_ref(packet.as_ptr(), picture) })?;
        Ok(Some(packet))
    }

    /// Entries that the stream's index has now.
    pub(in crate::media) fn index_entry_count(&self, stream: usize) -> usize {
        let Some(pointer) = self.stream_pointers().nth(stream) else { return 0 };
        // SAFETY: a stream of this container; the call reads one number.
        usize::try_from(unsafe { ffi::avformat_index_get_entries_count(pointer) }).unwrap_or(0)
    }

    /// An entry of the stream's index, counted from 0.
    pub(in crate::media) fn index_entry_at(&self, stream: usize, number: usize) -> Option<IndexEntry> {
        index_entry_at(self.stream_pointers().nth(stream)?, c_int::try_from(number).ok()?)
    }

    /// The number of the index entry nearest to `ticks`: at or before them with `backward`, else at or after them; of
    /// keyframes, or with `any` of all packets.
    pub(in crate::media) fn index_search(
        &self,
        stream: usize,
        ticks: i64,
        flags: SeekFlags,
    ) -> Option<usize> {
        let pointer = self.stream_pointers().nth(stream)?;
        // SAFETY: a stream of this container; the call looks at its index only.
        usize::try_from(unsafe { ffi::av_index_search_timestamp(pointer, ticks, flags.bits()) }).ok()
    }

    /// Whether the stream is one tile of a picture that several streams make up (HEIF's grid).
    #[cfg(ffmpeg_7_1)]
    pub(in crate::media) fn has_tile_grid(&self, stream: usize) -> bool {
        const TILE_GRID: c_int = ffi::AVStreamGroupParamsType::AV_STREAM_GROUP_PARAMS_TILE_GRID as c_int;
        let Some(pointer) = self.stream_pointers().nth(stream) else { return false };
        let groups = field!(self.as_ptr(), stream_groups);
        (0..field!(self.as_ptr(), nb_stream_groups) as usize).any(|index| {
            // SAFETY: libavformat keeps `nb_stream_groups` pointers in the list.
            let slot = unsafe { groups.add(index) };
            // SAFETY: within the list, as above.
            let group = unsafe { *slot };
            let members = field!(group, streams);
            int_field!(group, type_) == TILE_GRID
                && (0..field!(group, nb_streams) as usize).any(|index| {
                    // SAFETY: libavformat keeps `nb_streams` pointers in the group's list.
                    let slot = unsafe { members.add(index) };
                    // SAFETY: within the list, as above.
                    let member = unsafe { *slot };
                    ptr::eq(member, pointer)
                })
        })
    }

    /// FFmpeg before 7.1 does not report tile grids.
    #[cfg(not(ffmpeg_7_1))]
    pub(in crate::media) fn has_tile_grid(&self, _stream: usize) -> bool {
        false
    }

    /// The bytes from the keyframe at or before `ticks` to the first packet at or after them, by the stream's index.
    pub(in crate::media) fn indexed_bytes(&self, stream: usize, ticks: i64) -> Option<(u64, u64)> {
        let pointer = self.stream_pointers().nth(stream)?;
        let any_frame = ffi::AVSEEK_FLAG_ANY;
        let (first, _) = index_entry(pointer, ticks, ffi::AVSEEK_FLAG_BACKWARD)?;
        let (last, size) = index_entry(pointer, ticks, any_frame)?;
        (first <= last).then_some((first, last.saturating_add(size)))
    }

    /// Moves to the first byte of media.
    pub(in crate::media) fn seek_to_byte(&mut self, offset: i64) -> Result<(), AvError> {
        // SAFETY: an open context; -1 is no stream in particular.
        AvError::check(unsafe {
            ffi::av_seek_frame(self.context.as_ptr(), -1, offset, ffi::AVSEEK_FLAG_BYTE)
        })?;
        Ok(())
    }

    /// Leaves out the packets of every other stream. Before the streams are analysed this would hide what their first
    /// timestamps are, and cost more reads than it saves.
    pub(in crate::media) fn keep_only(&mut self, stream: usize) {
        for (index, pointer) in self.stream_pointers().enumerate() {
            let discard = if index == stream {
                ffi::AVDiscard::AVDISCARD_DEFAULT
            } else {
                ffi::AVDiscard::AVDISCARD_ALL
            };
            set_field!(pointer, discard, discard);
        }
    }

    pub(in crate::media) fn stream_count(&self) -> usize {
        field!(self.as_ptr(), nb_streams) as usize
    }

    fn stream_pointers(&self) -> impl Iterator<Item = *mut ffi::AVStream> + use<> {
        let list = field!(self.as_ptr(), streams);
        (0..self.stream_count()).map(move |index| {
            // SAFETY: libavformat keeps `nb_streams` pointers in the list.
            let slot = unsafe { list.add(index) };
            // SAFETY: within the list, as above.
            unsafe { *slot }
        })
    }

    pub(in crate::media) fn stream(&self, index: usize) -> Option<Stream<'_>> {
        // SAFETY: a stream of this container, borrowed with it.
        self.stream_pointers().nth(index).map(|pointer| unsafe { Stream::new(pointer) })
    }

    pub(in crate::media) fn streams(&self) -> impl Iterator<Item = Stream<'_>> {
        // SAFETY: as above.
        self.stream_pointers().map(|pointer| unsafe { Stream::new(pointer) })
    }

    /// Frames a second, from what container, codec and timestamps say.
    pub(in crate::media) fn guess_frame_rate(&mut self, stream: usize) -> Option<Ratio> {
        let pointer = self.stream_pointers().nth(stream)?;
        // SAFETY: a stream of this container; no frame. The call looks at what the two hold.
        ratio(unsafe { ffi::av_guess_frame_rate(self.context.as_ptr(), pointer, ptr::null_mut()) }).positive()
    }

    /// In microseconds.
    pub(in crate::media) fn duration(&self) -> Option<i64> {
        timestamp(field!(self.as_ptr(), duration)).filter(|&microseconds| microseconds > 0)
    }

    /// In microseconds.
    pub(in crate::media) fn start_time(&self) -> Option<i64> {
        timestamp(field!(self.as_ptr(), start_time))
    }

    pub(in crate::media) fn bit_rate(&self) -> Option<u64> {
        u64::try_from(field!(self.as_ptr(), bit_rate)).ok().filter(|&rate| rate > 0)
    }

    pub(in crate::media) fn probe_score(&self) -> u32 {
        u32::try_from(field!(self.as_ptr(), probe_score)).unwrap_or(0)
    }

    pub(in crate::media) fn format_name(&self) -> String {
        let format = field!(self.as_ptr(), iformat);
        let name = field!(format, name);
        // SAFETY: set by libavformat on opening; a constant string.
        unsafe { owned_string(name) }.unwrap_or_default()
    }

    pub(in crate::media) fn format_long_name(&self) -> String {
        let format = field!(self.as_ptr(), iformat);
        let name = field!(format, long_name);
        // SAFETY: as above; null or a constant string.
        unsafe { owned_string(name) }.unwrap_or_default()
    }

    pub(in crate::media) fn tags(&self) -> BTreeMap<String, String> {
        tags(field!(self.as_ptr(), metadata))
    }
}

/// Which packet a time stands for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::media) struct SeekFlags {
    /// The one at or before the time; without it, the one at or after.
    pub(in crate::media) backward: bool,
    /// Not keyframes alone.
    pub(in crate::media) any: bool,
}

impl SeekFlags {
    const fn bits(self) -> c_int {
        let backward = if self.backward { ffi::AVSEEK_FLAG_BACKWARD } else { 0 };
        let any = if self.any { ffi::AVSEEK_FLAG_ANY } else { 0 };
        backward | any
    }
}

/// What the index of a stream has for one packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::media) struct IndexEntry {
    /// In ticks of the stream; a decoding time in MP4, `None` where the demuxer does not know it.
    pub(in crate::media) timestamp: Option<i64>,
    /// The packet's first byte in the file.
    pub(in crate::media) position: Option<u64>,
    /// Bytes; 0 when unknown.
    pub(in crate::media) size: u64,
    pub(in crate::media) is_key: bool,
}

fn index_entry_at(stream: *mut ffi::AVStream, number: c_int) -> Option<IndexEntry> {
    // SAFETY: a stream of an open container; any number that is not in the index gives null.
    let entry = unsafe { ffi::avformat_index_get_entry(stream, number) };
    // SAFETY: null, or an entry of the stream's index, which nothing changes while the container is borrowed.
    let entry = unsafe { entry.as_ref() }?;
    Some(IndexEntry {
        timestamp: timestamp(entry.timestamp),
        position: u64::try_from(entry.pos).ok(),
        size: u64::try_from(entry.size()).unwrap_or(0),
        is_key: entry.flags() & ffi::AVINDEX_KEYFRAME != 0,
    })
}

/// Place and size of the packet that the stream's index has for a time.
fn index_entry(stream: *mut ffi::AVStream, ticks: i64, flags: c_int) -> Option<(u64, u64)> {
    // SAFETY: a stream of an open container; the call looks at its index only.
    let place = unsafe { ffi::av_index_search_timestamp(stream, ticks, flags) };
    // SAFETY: as above; any place that is not in the index gives null.
    let entry = unsafe { ffi::avformat_index_get_entry(stream, place) };
    if place < 0 || entry.is_null() {
        return None;
    }
    // SAFETY: not null, and an entry of the stream's index, which nothing changes meanwhile.
    let entry = unsafe { &*entry };
    Some((u64::try_from(entry.pos).ok()?, u64::try_from(entry.size()).ok()?))
}

/// Opens an input through its I/O context.
fn open_format(
    io: *mut ffi::AVIOContext,
    opaque: *mut c_void,
    max_streams: u32,
    options: &[(&CStr, &CStr)],
) -> Result<NonNull<ffi::AVFormatContext>, AvError> {
    // SAFETY: plain allocation, checked for null.
    let mut context = unsafe { ffi::avformat_alloc_context() };
    if context.is_null() {
        return Err(AvError::NO_MEMORY);
    }
    set_field!(context, pb, io);
    set_field!(context, max_streams, c_int::try_from(max_streams).unwrap_or(c_int::MAX));
    // No demuxer may open another file, whatever the file says.
    set_field!(context, io_open, Some(refuse_to_open));
    let callback = ffi::AVIOInterruptCB { callback: Some(interrupted), opaque };
    set_field!(context, interrupt_callback, callback);
    let mut dictionary = Dictionary::new(options);
    // SAFETY: a context from avformat_alloc_context with custom I/O, no URL, and a dictionary of ours. On failure
    // libavformat frees the context (not the I/O) and nulls the pointer (libavformat/avformat.h).
    let code = unsafe {
        ffi::avformat_open_input(&raw mut context, ptr::null(), ptr::null(), dictionary.as_mut_ptr())
    };
    AvError::check(code)?;
    NonNull::new(context).ok_or(AvError::INVALID_DATA)
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        let mut context = self.context.as_ptr();
        // SAFETY: open, and closed here only. Custom I/O is left alone, and freed by `Io` afterwards.
        unsafe { ffi::avformat_close_input(&raw mut context) };
    }
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
        // SAFETY: made by av_dict_set, freed here only; null is allowed.
        unsafe { ffi::av_dict_free(&raw mut self.0) };
    }
}
