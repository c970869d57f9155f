//! Compressed data from libavformat.

use std::ffi::c_int;
use std::ptr::NonNull;
use std::slice;

use ffmpeg_next::ffi;

use super::AvError;
use super::fields::{Ref, field};

/// 256 colours of four bytes each (`AVPALETTE_SIZE`).
pub(super) type Palette = [u8; 1024];

/// Owns an `AVPacket`.
pub(crate) struct Packet(NonNull<ffi::AVPacket>);

// SAFETY: owned alone; packets are plain structs with atomically counted buffers (libavcodec/packet.h).
unsafe impl Send for Packet {}

impl Packet {
    /// Creates a blank packet.
    pub(crate) fn new() -> Result<Self, AvError> {
        // SAFETY: plain allocation, checked for null.
        NonNull::new(unsafe { ffi::av_packet_alloc() }).map(Self).ok_or(AvError::NO_MEMORY)
    }

    const fn view(&self) -> Ref<'_, ffi::AVPacket> {
        // SAFETY: av_packet_alloc initialised it, and `Drop` frees it; whatever writes to it takes `&mut self`.
        unsafe { Ref::from_owner(self.0) }
    }

    pub(super) const fn as_ptr(&self) -> *const ffi::AVPacket {
        self.0.as_ptr()
    }

    pub(super) const fn as_mut_ptr(&mut self) -> *mut ffi::AVPacket {
        self.0.as_ptr()
    }

    /// Returns the index of the packet's stream.
    pub(crate) fn stream_index(&self) -> Option<usize> {
        usize::try_from(field!(self.view(), stream_index)).ok()
    }

    /// Returns the presentation time in ticks of the stream.
    pub(crate) fn pts(&self) -> Option<i64> {
        timestamp(field!(self.view(), pts))
    }

    /// Returns the decoding time in ticks of the stream.
    pub(crate) fn dts(&self) -> Option<i64> {
        timestamp(field!(self.view(), dts))
    }

    /// Moves both times by this number of ticks of the stream. A time that is unknown, or would leave the range, stays.
    pub(crate) fn shift_times(&mut self, ticks: i64) {
        let [pts, dts] = [self.pts(), self.dts()].map(|time| time.and_then(|time| time.checked_add(ticks)));
        if let Some(pts) = pts {
            // SAFETY: a valid packet, borrowed with `&mut self`.
            unsafe { (*self.as_mut_ptr()).pts = pts };
        }
        if let Some(dts) = dts {
            // SAFETY: as above.
            unsafe { (*self.as_mut_ptr()).dts = dts };
        }
    }

    /// Returns the start of the packet in the file, where it is known.
    pub(crate) fn position(&self) -> Option<u64> {
        u64::try_from(field!(self.view(), pos)).ok()
    }

    /// Returns the duration in ticks of the stream; `None` when unknown.
    pub(crate) fn duration(&self) -> Option<i64> {
        Some(field!(self.view(), duration)).filter(|&ticks| ticks > 0)
    }

    fn has_flag(&self, flag: c_int) -> bool {
        field!(self.view(), flags) & flag != 0
    }

    /// Returns whether decoding can begin with the packet.
    pub(crate) fn is_key(&self) -> bool {
        self.has_flag(ffi::AV_PKT_FLAG_KEY)
    }

    /// Returns whether the demuxer knows that bytes are missing or damaged.
    pub(crate) fn is_corrupt(&self) -> bool {
        self.has_flag(ffi::AV_PKT_FLAG_CORRUPT)
    }

    /// Returns the encryption parameters (`AV_PKT_DATA_ENCRYPTION_INFO`), in the layout of libavutil/encryption_info.c. Returns
    /// `None` where the demuxer attached none.
    pub(crate) fn encryption_parameters(&self) -> Option<&[u8]> {
        let kind = ffi::AVPacketSideDataType::AV_PKT_DATA_ENCRYPTION_INFO;
        let mut size = 0;
        // SAFETY: a valid packet, whose list of side data is only looked at; size is ours (libavcodec/packet.h).
        let bytes = unsafe { ffi::av_packet_get_side_data(self.as_ptr(), kind, &raw mut size) };
        if bytes.is_null() {
            return None;
        }
        // SAFETY: libav allocated `size` bytes there, which the packet owns.
        Some(unsafe { slice::from_raw_parts(bytes, size) })
    }

    /// Returns the palette that begins with this packet (`AV_PKT_DATA_PALETTE`), or `None` where the demuxer attached none.
    pub(super) fn palette(&self) -> Option<Palette> {
        let kind = ffi::AVPacketSideDataType::AV_PKT_DATA_PALETTE;
        let mut size = 0;
        // SAFETY: a valid packet, whose list of side data is only looked at; size is ours (libavcodec/packet.h).
        let bytes = unsafe { ffi::av_packet_get_side_data(self.as_ptr(), kind, &raw mut size) };
        if bytes.is_null() {
            return None;
        }
        // SAFETY: libav allocated `size` bytes there, which the packet owns.
        unsafe { slice::from_raw_parts(bytes, size) }.first_chunk().copied()
    }

    /// Attaches a palette.
    pub(super) fn set_palette(&mut self, palette: &Palette) -> Result<(), AvError> {
        let kind = ffi::AVPacketSideDataType::AV_PKT_DATA_PALETTE;
        // SAFETY: a valid packet, borrowed with `&mut self`; the call returns null, or a buffer of that many bytes (libavcodec/packet.h).
        let bytes = unsafe { ffi::av_packet_new_side_data(self.as_mut_ptr(), kind, palette.len()) };
        if bytes.is_null() {
            return Err(AvError::NO_MEMORY);
        }
        // SAFETY: the buffer was allocated just now for as many bytes; it does not overlap with the palette.
        unsafe { std::ptr::copy_nonoverlapping(palette.as_ptr(), bytes, palette.len()) };
        Ok(())
    }

    /// Returns the packet of this packet's transparency: a picture in the same codec, whose luma is alpha (VP8 and VP9 in WebM, in the
    /// `BlockAdditional` with the ID 1). Returns `None` for packets without transparency.
    pub(crate) fn alpha(&self) -> Result<Option<Self>, AvError> {
        let kind = ffi::AVPacketSideDataType::AV_PKT_DATA_MATROSKA_BLOCKADDITIONAL;
        let mut size = 0;
        // SAFETY: a valid packet, whose list of side data is only looked at; size is ours (libavcodec/packet.h).
        let bytes = unsafe { ffi::av_packet_get_side_data(self.as_ptr(), kind, &raw mut size) };
        if bytes.is_null() {
            return Ok(None);
        }
        // SAFETY: libav allocated `size` bytes there, which the packet owns.
        let bytes = unsafe { slice::from_raw_parts(bytes, size) };
        // The number comes first, in eight bytes.
        let Some((&[0, 0, 0, 0, 0, 0, 0, 1], data)) = bytes.split_first_chunk::<8>() else { return Ok(None) };
        let mut alpha = Self::new()?;
        let length = c_int::try_from(data.len()).map_err(|_| AvError::INVALID_ARGUMENT)?;
        // SAFETY: a blank packet, which gets a buffer of that many bytes and padding.
        AvError::check(unsafe { ffi::av_new_packet(alpha.as_mut_ptr(), length) })?;
        let start = field!(alpha.view(), data);
        // SAFETY: the buffer was allocated just now for as many bytes; it does not overlap with the side data.
        unsafe { std::ptr::copy_nonoverlapping(data.as_ptr(), start, data.len()) };
        let (pts, dts, flags) =
            (field!(self.view(), pts), field!(self.view(), dts), field!(self.view(), flags));
        // SAFETY: a valid packet that nobody else refers to, here and below.
        unsafe { (*alpha.as_mut_ptr()).pts = pts };
        // SAFETY: as above.
        unsafe { (*alpha.as_mut_ptr()).dts = dts };
        // SAFETY: as above.
        unsafe { (*alpha.as_mut_ptr()).flags = flags };
        Ok(Some(alpha))
    }

    /// Removes the first `bytes` bytes. A packet with fewer bytes becomes empty.
    pub(crate) fn skip_front(&mut self, bytes: usize) {
        let (start, size) = (field!(self.view(), data), field!(self.view(), size));
        let skipped = c_int::try_from(bytes).unwrap_or(c_int::MAX).min(size);
        let Ok(distance) = usize::try_from(skipped) else { return };
        if start.is_null() {
            return;
        }
        // SAFETY: within the `size` bytes of the packet, or at their end.
        let start = unsafe { start.add(distance) };
        // SAFETY: a valid packet, borrowed with `&mut self`. The bytes in front stay in its buffer.
        unsafe { (*self.as_mut_ptr()).data = start };
        // SAFETY: as above; `skipped` is at most `size`.
        unsafe { (*self.as_mut_ptr()).size = size - skipped };
    }

    /// Returns the size of the compressed data in bytes.
    pub(crate) fn size(&self) -> u64 {
        u64::try_from(field!(self.view(), size)).unwrap_or(0)
    }

    /// Returns the compressed data: null or a pointer to the first byte, and the number of bytes. Zeroed padding follows the last
    /// byte, for parsers and decoders that read beyond it (`AV_INPUT_BUFFER_PADDING_SIZE`).
    pub(super) fn data(&self) -> (*const u8, c_int) {
        (field!(self.view(), data).cast_const(), field!(self.view(), size))
    }

    /// Returns the compressed data; empty for a blank packet.
    pub(crate) fn bytes(&self) -> &[u8] {
        let (bytes, size) = self.data();
        match usize::try_from(size) {
            // SAFETY: libav filled `size` bytes there, which the packet's own reference keeps alive
            // (libavcodec/packet.h); whatever replaces or frees them takes the packet by `&mut`, or drops it.
            Ok(size) if !bytes.is_null() => unsafe { slice::from_raw_parts(bytes, size) },
            _ => &[],
        }
    }

    /// Truncates the packet to its first `bytes` bytes. Other references to the same bytes keep all of them.
    pub(crate) fn shorten(&mut self, bytes: usize) -> Result<(), AvError> {
        let size = c_int::try_from(bytes).map_err(|_| AvError::INVALID_ARGUMENT)?;
        // SAFETY: a valid packet; copies the bytes when they are shared, because cutting writes zeros behind the cut.
        AvError::check(unsafe { ffi::av_packet_make_writable(self.0.as_ptr()) })?;
        // SAFETY: a valid packet; one that is no longer than that stays as it is (libavcodec/packet.h).
        unsafe { ffi::av_shrink_packet(self.0.as_ptr(), size) };
        Ok(())
    }

    /// Returns the compressed data of a packet that has no other reference.
    #[cfg(test)]
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: a valid packet; copies the bytes when they are shared.
        AvError::check(unsafe { ffi::av_packet_make_writable(self.as_mut_ptr()) }).unwrap();
        let (bytes, size) = (field!(self.view(), data), field!(self.view(), size));
        // SAFETY: the packet has `size` bytes there, and is their only owner.
        unsafe { slice::from_raw_parts_mut(bytes, size.try_into().unwrap()) }
    }
}

impl Drop for Packet {
    fn drop(&mut self) {
        let mut packet = self.0.as_ptr();
        // SAFETY: allocated in `new`, freed only here.
        unsafe { ffi::av_packet_free(&raw mut packet) };
    }
}

/// Converts libav's "no timestamp" to `None`.
pub(super) const fn timestamp(value: i64) -> Option<i64> {
    if value == ffi::AV_NOPTS_VALUE { None } else { Some(value) }
}
