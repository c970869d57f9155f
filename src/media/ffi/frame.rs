//! Decoded pictures.

use std::ffi::c_int;
use std::ops::Range;
use std::ptr::{self, NonNull};
use std::slice;

use ffmpeg_next::ffi;

use super::fields::{Ref, field, int_field};
use super::packet::timestamp;
use super::pixel_format::PixelFormat;
use super::{AvError, Rational, constant_name, raw};

/// Colour properties as libav's numbers from ITU-T H.273, including unknown ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ColourCodes {
    /// 0 unspecified, 1 limited, 2 full (`AVColorRange`).
    pub(crate) range: c_int,
    /// Matrix coefficients; 2 unspecified.
    pub(crate) matrix: c_int,
    /// Transfer characteristics; 2 unspecified.
    pub(crate) transfer: c_int,
    /// Primaries; 2 unspecified.
    pub(crate) primaries: c_int,
    /// Position of chroma samples, one more than in H.273; 0 unspecified.
    pub(crate) chroma_location: c_int,
}

impl Default for ColourCodes {
    fn default() -> Self {
        Self::UNSPECIFIED
    }
}

/// Names of the codes that libav knows. The names of other codes and of "unspecified" are `None`.
impl ColourCodes {
    /// Nothing specified.
    pub(crate) const UNSPECIFIED: Self =
        Self { range: 0, matrix: 2, transfer: 2, primaries: 2, chroma_location: 0 };

    pub(crate) fn range_name(self) -> Option<&'static str> {
        // SAFETY: takes any number, and returns null or a constant (libavutil/pixdesc.h).
        known(unsafe { constant_name(raw::av_color_range_name, self.range) })
    }
    pub(crate) fn matrix_name(self) -> Option<&'static str> {
        // SAFETY: as above.
        known(unsafe { constant_name(raw::av_color_space_name, self.matrix) })
    }
    pub(crate) fn transfer_name(self) -> Option<&'static str> {
        // SAFETY: as above.
        known(unsafe { constant_name(raw::av_color_transfer_name, self.transfer) })
    }
    pub(crate) fn primaries_name(self) -> Option<&'static str> {
        // SAFETY: as above.
        known(unsafe { constant_name(raw::av_color_primaries_name, self.primaries) })
    }
    pub(crate) fn chroma_location_name(self) -> Option<&'static str> {
        // SAFETY: as above.
        known(unsafe { constant_name(raw::av_chroma_location_name, self.chroma_location) })
    }

    /// Returns the codes, with every code that libav does not know replaced by "unspecified".
    pub(crate) fn sanitised(self) -> Self {
        let keep = |name: Option<&str>, code, unspecified| if name.is_some() { code } else { unspecified };
        Self {
            range: keep(self.range_name(), self.range, 0),
            matrix: keep(self.matrix_name(), self.matrix, 2),
            transfer: keep(self.transfer_name(), self.transfer, 2),
            primaries: keep(self.primaries_name(), self.primaries, 2),
            chroma_location: keep(self.chroma_location_name(), self.chroma_location, 0),
        }
    }
}

/// Removes the names of reserved codes: they have a name in libav's tables, but no meaning.
fn known(name: Option<&'static str>) -> Option<&'static str> {
    name.filter(|name| !matches!(*name, "unknown" | "unspecified" | "reserved"))
}

/// The coding type of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PictureType {
    /// The decoder does not report it.
    Unknown,
    /// Coded without other pictures; also switching intra (SI) and bidirectional intra (BI).
    I,
    /// Predicted from other pictures, each block from one.
    P,
    /// Predicted from other pictures, a block from two.
    B,
    /// Predicted in another way: sprites, switching predicted.
    Other,
}

impl PictureType {
    /// Converts a number of `AVPictureType` (libavutil/avutil.h).
    pub(super) const fn from_code(code: c_int) -> Self {
        match code {
            1 | 5 | 7 => Self::I,
            2 => Self::P,
            3 => Self::B,
            4 | 6 => Self::Other,
            _ => Self::Unknown,
        }
    }
}

/// Owns an `AVFrame`.
pub(crate) struct Frame(NonNull<ffi::AVFrame>);

// SAFETY: owned alone; frames are plain structs with atomically counted buffers (libavutil/frame.h).
unsafe impl Send for Frame {}
// SAFETY: what takes `&self` reads plain fields and pixels, or makes a new reference, which counts atomically.
unsafe impl Sync for Frame {}

impl Frame {
    /// Creates a frame without pixels.
    pub(crate) fn new() -> Result<Self, AvError> {
        // SAFETY: plain allocation, checked for null.
        NonNull::new(unsafe { ffi::av_frame_alloc() }).map(Self).ok_or(AvError::NO_MEMORY)
    }

    /// Creates a frame with zeroed pixels.
    pub(crate) fn with_size(format: PixelFormat, width: u32, height: u32) -> Result<Self, AvError> {
        let side = |pixels: u32| c_int::try_from(pixels).map_err(|_| AvError::INVALID_ARGUMENT);
        let mut frame = Self::new()?;
        {
            // SAFETY: newly allocated: libavutil has set every field to a constant of its own, so that the enums among
            // them are valid; borrowed from `frame`.
            let fields = unsafe { frame.0.as_mut() };
            fields.format = format.0;
            fields.width = side(width)?;
            fields.height = side(height)?;
        }
        // SAFETY: format and size are set, as av_frame_get_buffer asks (libavutil/frame.h).
        AvError::check(unsafe { ffi::av_frame_get_buffer(frame.as_mut_ptr(), 0) })?;
        for buffer in field!(frame.view(), buf) {
            // SAFETY: null, or a buffer that the frame refers to, newly allocated.
            let Some(buffer) = (unsafe { Ref::new(buffer) }) else { break };
            let (bytes, size) = (field!(buffer, data), field!(buffer, size));
            // SAFETY: the buffer was newly allocated with that size, and no other code refers to it.
            unsafe { ptr::write_bytes(bytes, 0, size) };
        }
        Ok(frame)
    }

    /// Creates another reference to the same pixels, with separate properties.
    pub(crate) fn share(&self) -> Result<Self, AvError> {
        // SAFETY: clones a valid frame; null is out of memory.
        NonNull::new(unsafe { ffi::av_frame_clone(self.as_ptr()) }).map(Self).ok_or(AvError::NO_MEMORY)
    }

    const fn view(&self) -> Ref<'_, ffi::AVFrame> {
        // SAFETY: libavutil initialised it, and `Drop` frees it; whatever writes to it takes `&mut self`.
        unsafe { Ref::from_owner(self.0) }
    }

    pub(super) const fn as_ptr(&self) -> *const ffi::AVFrame {
        self.0.as_ptr()
    }

    pub(super) const fn as_mut_ptr(&mut self) -> *mut ffi::AVFrame {
        self.0.as_ptr()
    }

    /// Returns the width in pixels.
    pub(crate) fn width(&self) -> u32 {
        u32::try_from(field!(self.view(), width)).unwrap_or(0)
    }

    /// Returns the height in pixels.
    pub(crate) fn height(&self) -> u32 {
        u32::try_from(field!(self.view(), height)).unwrap_or(0)
    }

    /// Returns the pixel format.
    pub(crate) fn format(&self) -> PixelFormat {
        PixelFormat(field!(self.view(), format))
    }

    /// Returns the presentation time in ticks of the stream, as libavcodec computes it from the available timestamps.
    pub(crate) fn best_effort_timestamp(&self) -> Option<i64> {
        timestamp(field!(self.view(), best_effort_timestamp))
    }

    /// Returns the number of fields for which the frame is presented: two, or more where fields are repeated (`repeat_pict`).
    pub(crate) fn fields(&self) -> i64 {
        i64::from(field!(self.view(), repeat_pict)).saturating_add(2)
    }

    /// Returns the duration in ticks; 0 when unknown.
    pub(crate) fn duration(&self) -> i64 {
        #[cfg(ffmpeg_6_1)]
        return field!(self.view(), duration);
        #[cfg(not(ffmpeg_6_1))]
        return field!(self.view(), pkt_duration);
    }

    /// Returns whether the decoder concealed errors, or reports that the frame is damaged.
    pub(crate) fn is_damaged(&self) -> bool {
        let flags = field!(self.view(), flags);
        field!(self.view(), decode_error_flags) != 0 || flags & ffi::AV_FRAME_FLAG_CORRUPT != 0
    }

    /// Returns whether the decoder reports that decoding can begin with this frame.
    pub(crate) fn is_key(&self) -> bool {
        #[cfg(ffmpeg_6_1)]
        return field!(self.view(), flags) & ffi::AV_FRAME_FLAG_KEY != 0;
        #[cfg(not(ffmpeg_6_1))]
        return field!(self.view(), key_frame) != 0;
    }

    /// Returns the coding type of the frame.
    pub(crate) fn picture_type(&self) -> PictureType {
        PictureType::from_code(int_field!(self.view(), pict_type))
    }

    /// Returns whether the two fields of the frame belong to different times.
    pub(crate) fn is_interlaced(&self) -> bool {
        #[cfg(ffmpeg_6_1)]
        return field!(self.view(), flags) & ffi::AV_FRAME_FLAG_INTERLACED != 0;
        #[cfg(not(ffmpeg_6_1))]
        return field!(self.view(), interlaced_frame) != 0;
    }

    /// Returns whether the top field of an interlaced frame comes first.
    pub(crate) fn is_top_field_first(&self) -> bool {
        #[cfg(ffmpeg_6_1)]
        return field!(self.view(), flags) & ffi::AV_FRAME_FLAG_TOP_FIELD_FIRST != 0;
        #[cfg(not(ffmpeg_6_1))]
        return field!(self.view(), top_field_first) != 0;
    }

    /// Removes the interlaced mark: swscale refuses to mix interlaced and progressive frames.
    pub(crate) fn mark_progressive(&mut self) {
        #[cfg(ffmpeg_6_1)]
        {
            let flags = field!(self.view(), flags) & !ffi::AV_FRAME_FLAG_INTERLACED;
            // SAFETY: a valid frame, not used elsewhere.
            unsafe { (*self.as_mut_ptr()).flags = flags };
        }
        #[cfg(not(ffmpeg_6_1))]
        // SAFETY: a valid frame, not used elsewhere.
        unsafe {
            (*self.as_mut_ptr()).interlaced_frame = 0;
        }
    }

    /// Returns the width of a pixel divided by its height.
    pub(crate) fn sample_aspect_ratio(&self) -> Option<Rational> {
        Rational::from(field!(self.view(), sample_aspect_ratio)).positive()
    }

    pub(super) fn set_square_pixels(&mut self) {
        // SAFETY: a valid frame, not used elsewhere.
        unsafe { (*self.as_mut_ptr()).sample_aspect_ratio = ffi::AVRational { num: 1, den: 1 } };
    }

    pub(super) fn set_quality(&mut self, quality: c_int) {
        // SAFETY: a valid frame, not used elsewhere.
        unsafe { (*self.as_mut_ptr()).quality = quality };
    }

    /// Returns the colour properties that the decoder or [`set_colour`](Self::set_colour) set.
    pub(crate) fn colour(&self) -> ColourCodes {
        let frame = self.view();
        ColourCodes {
            range: int_field!(frame, color_range),
            matrix: int_field!(frame, colorspace),
            transfer: int_field!(frame, color_trc),
            primaries: int_field!(frame, color_primaries),
            chroma_location: int_field!(frame, chroma_location),
        }
    }

    /// Sets the colour properties. Writes only codes that libav knows: other codes are undefined behaviour for code that reads
    /// them as enums.
    pub(crate) fn set_colour(&mut self, codes: ColourCodes) {
        let codes = codes.sanitised();
        let frame = self.as_mut_ptr();
        // SAFETY: only the address of a field of an allocated frame is computed, here and below.
        let range = unsafe { &raw mut (*frame).color_range };
        // SAFETY: as above.
        let matrix = unsafe { &raw mut (*frame).colorspace };
        // SAFETY: as above.
        let transfer = unsafe { &raw mut (*frame).color_trc };
        // SAFETY: as above.
        let primaries = unsafe { &raw mut (*frame).color_primaries };
        // SAFETY: as above.
        let chroma_location = unsafe { &raw mut (*frame).chroma_location };
        for (field, code) in [
            (range.cast::<c_int>(), codes.range),
            (matrix.cast::<c_int>(), codes.matrix),
            (transfer.cast::<c_int>(), codes.transfer),
            (primaries.cast::<c_int>(), codes.primaries),
            (chroma_location.cast::<c_int>(), codes.chroma_location),
        ] {
            // SAFETY: C enums are ints, and this one is in a valid frame, not used elsewhere.
            unsafe { field.write(code) };
        }
    }

    /// Crops the edges, whose rows and columns stay in memory. The left and top edges must be whole chroma samples. For
    /// formats whose pixels do not begin at a byte boundary, libavutil crops nothing at the left and at the top.
    pub(crate) fn crop(&mut self, edges: Edges) -> Result<(), AvError> {
        let frame = self.as_mut_ptr();
        // SAFETY: a valid frame, not used elsewhere; any edges may be written, here and below.
        unsafe { (*frame).crop_top = edges.top };
        // SAFETY: as above.
        unsafe { (*frame).crop_bottom = edges.bottom };
        // SAFETY: as above.
        unsafe { (*frame).crop_left = edges.left };
        // SAFETY: as above.
        unsafe { (*frame).crop_right = edges.right };
        // SAFETY: a valid frame; edges that do not fit are an error of the call's (libavutil/frame.h).
        AvError::check(unsafe {
            ffi::av_frame_apply_cropping(frame, ffi::AV_FRAME_CROP_UNALIGNED as c_int)
        })?;
        Ok(())
    }

    fn side_data(&self, kind: ffi::AVFrameSideDataType) -> Option<&[u8]> {
        // SAFETY: a valid frame; the result is null or side data that the frame owns.
        let side_data = unsafe { ffi::av_frame_get_side_data(self.as_ptr(), kind) };
        // SAFETY: as returned by the previous call; it lives as long as the frame is borrowed.
        let side_data = unsafe { Ref::new(side_data) }?;
        let (bytes, size) = (field!(side_data, data), field!(side_data, size));
        if bytes.is_null() || size == 0 {
            return None;
        }
        // SAFETY: libav allocated `size` bytes there; they live and do not change as long as the frame is not written to,
        // which `&self` rules out.
        Some(unsafe { slice::from_raw_parts(bytes, size) })
    }

    /// Returns the display matrix, nine numbers in row order.
    pub(crate) fn display_matrix(&self) -> Option<[i32; 9]> {
        parse_display_matrix(self.side_data(ffi::AVFrameSideDataType::AV_FRAME_DATA_DISPLAYMATRIX)?)
    }

    /// Returns the peak luminance in cd/m2, from the content light level or else from the mastering display, where the stream
    /// contains it.
    pub(crate) fn peak_nits(&self) -> Option<f32> {
        // AVContentLightMetadata begins with MaxCLL as an unsigned int (libavutil/mastering_display_metadata.h).
        let content = self
            .side_data(ffi::AVFrameSideDataType::AV_FRAME_DATA_CONTENT_LIGHT_LEVEL)
            .and_then(|bytes| Some(u32::from_ne_bytes(bytes.get(..4)?.try_into().ok()?)))
            .filter(|&nits| nits > 0);
        if let Some(nits) = content {
            return Some(u16::try_from(nits).map_or(f32::from(u16::MAX), f32::from));
        }
        let mastering = self.side_data(ffi::AVFrameSideDataType::AV_FRAME_DATA_MASTERING_DISPLAY_METADATA)?;
        // AVMasteringDisplayMetadata (libavutil/mastering_display_metadata.h): eight chromaticities, darkest and brightest
        // light, each a fraction of two ints; then whether the chromaticities and whether the lights are set.
        let number = |index: usize| {
            Some(i32::from_ne_bytes(mastering.get(index * 4..index * 4 + 4)?.try_into().ok()?))
        };
        let (brightest_num, brightest_den, has_luminance) = (number(18)?, number(19)?, number(21)?);
        if has_luminance == 0 {
            return None;
        }
        let Rational { num, den } = Rational { num: brightest_num, den: brightest_den }.positive()?;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a ratio of two positive ints fits an f32, rounded"
        )]
        Some((f64::from(num) / f64::from(den)) as f32)
    }

    /// Removes the data that make swscale map tones itself: swscale needs 3.4 s of CPU time to build the table, and this crate
    /// maps tones itself.
    pub(crate) fn forget_light_levels(&mut self) {
        for kind in [
            ffi::AVFrameSideDataType::AV_FRAME_DATA_MASTERING_DISPLAY_METADATA,
            ffi::AVFrameSideDataType::AV_FRAME_DATA_CONTENT_LIGHT_LEVEL,
        ] {
            // SAFETY: a valid frame that we alone refer to; removing what is not there does nothing.
            unsafe { ffi::av_frame_remove_side_data(self.as_mut_ptr(), kind) };
        }
    }

    /// Returns the pixels, plane after plane, rows without padding, like `-f rawvideo`.
    pub(crate) fn copy_planes(&self) -> Result<Vec<u8>, AvError> {
        let frame = self.view();
        let (format, width, height) = (field!(frame, format), field!(frame, width), field!(frame, height));
        // SAFETY: plain arithmetic; bad arguments are an error code.
        let size = AvError::check(unsafe { raw::av_image_get_buffer_size(format, width, height, 1) })?;
        let mut bytes = vec![0; usize::try_from(size).map_err(|_| AvError::INVALID_ARGUMENT)?];
        let (data, linesize) = (field!(frame, data), field!(frame, linesize));
        // SAFETY: data and linesize describe a decoded picture of this format and size; the destination has the size that
        // libav itself asked for.
        AvError::check(unsafe {
            raw::av_image_copy_to_buffer(
                bytes.as_mut_ptr(),
                size,
                data.as_ptr().cast::<*const u8>(),
                linesize.as_ptr(),
                format,
                width,
                height,
                1,
            )
        })?;
        Ok(bytes)
    }

    /// Returns the position of a plane's rows: the first row, the distance to the next in bytes (negative for pictures stored
    /// bottom up), and the number of rows. Returns `None` where the frame has no such plane, or its rows contain less than
    /// `row_bytes`.
    fn plane_rows(&self, index: usize, row_bytes: usize) -> Option<(*mut u8, isize, usize)> {
        let layout = self.format().layout()?;
        if index > 0 && !layout.is_planar {
            return None;
        }
        let data = *field!(self.view(), data).get(index)?;
        let distance = isize::try_from(*field!(self.view(), linesize).get(index)?).ok()?;
        let (format, width) = (field!(self.view(), format), field!(self.view(), width));
        // SAFETY: plain arithmetic on numbers; bad ones are a negative result (libavutil/imgutils.h).
        let held = unsafe { raw::av_image_get_linesize(format, width, c_int::try_from(index).ok()?) };
        let is_chroma = !layout.is_rgb && matches!(index, 1 | 2);
        let shift = if is_chroma { layout.chroma_shift.1 } else { 0 };
        let rows = (self.height() as usize).div_ceil(1 << shift);
        let fits = usize::try_from(held).ok()? >= row_bytes && distance.unsigned_abs() >= row_bytes;
        (!data.is_null() && fits).then_some((data, distance, rows))
    }

    /// Returns the first `row_bytes` of a row.
    pub(crate) fn row(&self, index: usize, row: usize, row_bytes: usize) -> Option<&[u8]> {
        let (data, distance, rows) = self.plane_rows(index, row_bytes)?;
        if row >= rows {
            return None;
        }
        // SAFETY: the plane has `rows` rows that far apart, and this is one of them.
        let start = unsafe { data.offset(isize::try_from(row).ok()?.checked_mul(distance)?) };
        // SAFETY: the row holds at least `row_bytes`; no code writes while `&self` is borrowed.
        Some(unsafe { slice::from_raw_parts(start, row_bytes) })
    }

    /// Returns a row like [`row`](Self::row), for writing. Returns `None` also when the pixels are shared with another frame.
    pub(crate) fn row_mut(&mut self, index: usize, row: usize, row_bytes: usize) -> Option<&mut [u8]> {
        let (data, distance, rows) = self.plane_rows(index, row_bytes)?;
        // SAFETY: a valid frame; looks at its reference counts.
        let is_ours = unsafe { ffi::av_frame_is_writable(self.as_mut_ptr()) } > 0;
        if row >= rows || !is_ours {
            return None;
        }
        // SAFETY: the plane has `rows` rows that far apart, and this is one of them.
        let start = unsafe { data.offset(isize::try_from(row).ok()?.checked_mul(distance)?) };
        // SAFETY: the row holds at least `row_bytes`, and the buffer is this frame's alone, borrowed with `&mut self`.
        Some(unsafe { slice::from_raw_parts_mut(start, row_bytes) })
    }

    /// Returns the number of rows of a plane; 0 where the frame has no such plane.
    pub(crate) fn rows_of_plane(&self, index: usize) -> usize {
        self.plane_rows(index, 0).map_or(0, |(_, _, rows)| rows)
    }

    /// Copies the pixels if the frame shares them.
    pub(crate) fn make_writable(&mut self) -> Result<(), AvError> {
        // SAFETY: a valid frame, not used elsewhere; the call replaces its buffers by copies when others refer to them.
        AvError::check(unsafe { ffi::av_frame_make_writable(self.as_mut_ptr()) })?;
        Ok(())
    }

    /// Returns the samples of a component's row, as libavutil reads them.
    #[cfg(test)]
    pub(crate) fn samples_by_libav(&self, component: c_int, row: c_int, samples: usize) -> Vec<u16> {
        let mut out = vec![0_u16; samples];
        let frame = self.view();
        let (data, linesize) = (field!(frame, data), field!(frame, linesize));
        // SAFETY: takes any number, and returns null or an entry of a constant table.
        let descriptor = unsafe { raw::av_pix_fmt_desc_get(self.format().0) };
        assert!(!descriptor.is_null(), "{:?}", self.format());
        // SAFETY: the frame has pixels of its format, the component and the row are there, and `out` has room for the samples.
        unsafe {
            raw::av_read_image_line2(
                out.as_mut_ptr().cast(),
                data.as_ptr().cast::<*const u8>(),
                linesize.as_ptr(),
                descriptor,
                0,
                row,
                component,
                c_int::try_from(samples).unwrap(),
                0,
                2,
            );
        }
        out
    }

    /// Returns some rows of the frame. The result shares its pixels with the frame. The first row must begin a row of chroma.
    pub(crate) fn band(&self, rows: Range<usize>) -> Result<Self, AvError> {
        let mut band = self.share()?;
        let bottom = (self.height() as usize).checked_sub(rows.end).ok_or(AvError::INVALID_ARGUMENT)?;
        band.crop(Edges { top: rows.start, bottom, ..Edges::default() })?;
        Ok(band)
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        let mut frame = self.0.as_ptr();
        // SAFETY: allocated by libav, freed only here.
        unsafe { ffi::av_frame_free(&raw mut frame) };
    }
}

/// Rows and columns to crop.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Edges {
    pub(crate) top: usize,
    pub(crate) bottom: usize,
    pub(crate) left: usize,
    pub(crate) right: usize,
}

/// Reads nine 32-bit numbers (libavutil/display.h).
pub(crate) fn parse_display_matrix(bytes: &[u8]) -> Option<[i32; 9]> {
    let mut matrix = [0; 9];
    let numbers = bytes.get(..36)?.chunks_exact(4);
    for (slot, number) in matrix.iter_mut().zip(numbers) {
        *slot = i32::from_ne_bytes(number.try_into().ok()?);
    }
    Some(matrix)
}
