//! Compressed data as libavformat hands it out.

use std::ptr::NonNull;

use ffmpeg_next::ffi;

use super::{AvError, field};

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

    /// Whether decoding can begin with it.
    pub(in crate::media) fn is_key(&self) -> bool {
        field!(self.0.as_ptr(), flags) & ffi::AV_PKT_FLAG_KEY != 0
    }

    pub(in crate::media) fn size(&self) -> u64 {
        u64::try_from(field!(self.0.as_ptr(), size)).unwrap_or(0)
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
