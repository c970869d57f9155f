//! Compressed data as libavformat hands it out.

use std::num::NonZeroUsize;
use std::ptr::{self, NonNull};
use std::slice;

use ffmpeg_next::ffi;

use super::{AvError, field, set_field};

pub(in crate::media) struct Packet(NonNull<ffi::AVPacket>);

// SAFETY: owned alone; packets are plain structs with atomically counted buffers (libavcodec/packet.h).
unsafe impl Send for Packet {}

impl Packet {
    pub(in crate::media) fn new() -> Result<Self, AvError> {
        // SAFETY: plain allocation, checked for null.
        NonNull::new(unsafe { ffi::av_packet_alloc() }).map(Self).ok_or(AvError::NO_MEMORY)
    }

    pub(super) const fn as_ptr(&self) -> *mut ffi::AVPacket {
        self.0.as_ptr()
    }

    pub(in crate::media) fn stream_index(&self) -> Option<usize> {
        usize::try_from(field!(self.0.as_ptr(), stream_index)).ok()
    }

    pub(in crate::media) fn pts(&self) -> Option<i64> {
        timestamp(field!(self.0.as_ptr(), pts))
    }

    pub(in crate::media) fn dts(&self) -> Option<i64> {
        timestamp(field!(self.0.as_ptr(), dts))
    }

    /// Where it begins in the file, where that is known.
    pub(in crate::media) fn position(&self) -> Option<u64> {
        u64::try_from(field!(self.0.as_ptr(), pos)).ok()
    }

    /// Whether decoding can begin with it.
    pub(in crate::media) fn is_key(&self) -> bool {
        field!(self.0.as_ptr(), flags) & ffi::AV_PKT_FLAG_KEY != 0
    }

    pub(in crate::media) fn size(&self) -> u64 {
        u64::try_from(field!(self.0.as_ptr(), size)).unwrap_or(0)
    }

    /// The compressed data; empty for a blank packet.
    pub(in crate::media) fn bytes(&self) -> &[u8] {
        let (bytes, size) = (field!(self.0.as_ptr(), data), field!(self.0.as_ptr(), size));
        match usize::try_from(size) {
            // SAFETY: libav filled `size` bytes there, which the packet's own reference keeps alive
            // (libavcodec/packet.h); whatever replaces or frees them takes the packet by `&mut`, or drops it.
            Ok(size) if !bytes.is_null() => unsafe { slice::from_raw_parts(bytes, size) },
            _ => &[],
        }
    }

    /// The compressed data of a packet that nobody else refers to.
    #[cfg(test)]
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: a valid packet; copies the bytes when they are shared.
        AvError::check(unsafe { ffi::av_packet_make_writable(self.0.as_ptr()) }).unwrap();
        let (bytes, size) = (field!(self.0.as_ptr(), data), field!(self.0.as_ptr(), size));
        // SAFETY: the packet has `size` bytes there, and is their only owner.
        unsafe { slice::from_raw_parts_mut(bytes, size.try_into().unwrap()) }
    }

    /// Length in ticks of the stream; `None` when unknown.
    pub(in crate::media) fn duration(&self) -> Option<i64> {
        Some(field!(self.0.as_ptr(), duration)).filter(|&ticks| ticks > 0)
    }

    /// Whether the demuxer knows that bytes are missing or damaged.
    pub(in crate::media) fn is_corrupt(&self) -> bool {
        field!(self.0.as_ptr(), flags) & ffi::AV_PKT_FLAG_CORRUPT != 0
    }

    /// Whether the container says that it is decoded for the sake of later ones, and not presented (edit lists).
    pub(in crate::media) fn is_discardable(&self) -> bool {
        field!(self.0.as_ptr(), flags) & ffi::AV_PKT_FLAG_DISCARD != 0
    }

    /// Whether the bytes are encrypted still: the container says how, and the demuxer had no key.
    pub(in crate::media) fn is_encrypted(&self) -> bool {
        let kind = ffi::AVPacketSideDataType::AV_PKT_DATA_ENCRYPTION_INFO;
        // SAFETY: a valid packet, whose list of side data is only looked at; a null size is allowed
        // (libavcodec/packet.h).
        !unsafe { ffi::av_packet_get_side_data(self.0.as_ptr(), kind, ptr::null_mut()) }.is_null()
    }

    /// Numbers the packet; the frame that is decoded from it has the same [`mark`](super::frame::Frame::mark). Reading
    /// into the packet again removes the mark.
    pub(in crate::media) fn set_mark(&mut self, mark: NonZeroUsize) {
        // A pointer that nobody follows: the field is for the caller's use (libavcodec/packet.h).
        set_field!(self.0.as_ptr(), opaque, ptr::without_provenance_mut(mark.get()));
    }
}

impl Drop for Packet {
    fn drop(&mut self) {
        let mut packet = self.0.as_ptr();
        // SAFETY: allocated in `new`, freed here only.
        unsafe { ffi::av_packet_free(&raw mut packet) };
    }
}

/// libav's "no timestamp" as `None`.
pub(super) const fn timestamp(value: i64) -> Option<i64> {
    if value == ffi::AV_NOPTS_VALUE { None } else { Some(value) }
}
