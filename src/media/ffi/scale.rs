//! Conversion of a frame to another size, pixel format and colour space, in one step of libswscale.

use std::ptr::NonNull;

use ffmpeg_next::ffi;

use super::AvError;
use super::frame::Frame;
use super::log;

/// Bicubic, all chroma in, rounding without shortcuts (`SWS_BICUBIC`, `SWS_FULL_CHR_H_INP`, `SWS_FULL_CHR_H_INT`,
/// `SWS_ACCURATE_RND` of libswscale/swscale.h; the bindings type them differently from version to version).
const FLAGS: u32 = 4 | 0x4000 | 0x2000 | 0x4_0000;

struct Scaler(NonNull<ffi::SwsContext>);

impl Drop for Scaler {
    fn drop(&mut self) {
        // SAFETY: allocated below, freed only here.
        unsafe { ffi::sws_freeContext(self.0.as_ptr()) };
    }
}

/// Scales `source` into `destination`, whose size, format and colour properties define the result.
#[cfg(ffmpeg_8_0)]
pub(crate) fn scale(source: &Frame, destination: &mut Frame) -> Result<(), AvError> {
    log::forget();
    // SAFETY: plain allocation, checked for null.
    let scaler = NonNull::new(unsafe { ffi::sws_alloc_context() }).map(Scaler).ok_or(AvError::NO_MEMORY)?;
    // SAFETY: newly allocated, and no other code has it; the user sets the field (libswscale/swscale.h).
    unsafe { (*scaler.0.as_ptr()).flags = FLAGS as _ };
    // SAFETY: as above.
    unsafe { (*scaler.0.as_ptr()).threads = 1 };
    // SAFETY: a fresh context, which takes all it needs from the two frames (libswscale/swscale.h).
    AvError::check(unsafe {
        ffi::sws_scale_frame(scaler.0.as_ptr(), destination.as_mut_ptr(), source.as_ptr())
    })?;
    Ok(())
}

/// Scales `source` into `destination`. Before FFmpeg 8.0, libswscale does not read the frames' colour properties, so
/// this function passes them separately.
#[cfg(not(ffmpeg_8_0))]
pub(crate) fn scale(source: &Frame, destination: &mut Frame) -> Result<(), AvError> {
    use std::ffi::c_int;
    use std::ptr;

    unsafe extern "C" {
        fn sws_getContext(
            source_width: c_int,
            source_height: c_int,
            source_format: c_int,
            width: c_int,
            height: c_int,
            format: c_int,
            flags: c_int,
            source_filter: *mut ffi::SwsFilter,
            filter: *mut ffi::SwsFilter,
            parameters: *const f64,
        ) -> *mut ffi::SwsContext;
    }
    log::forget();
    let side = |pixels: u32| c_int::try_from(pixels).map_err(|_| AvError::INVALID_ARGUMENT);
    let (source_width, source_height) = (side(source.width())?, side(source.height())?);
    let (width, height) = (side(destination.width())?, side(destination.height())?);
    // SAFETY: plain numbers, no filters, default parameters; null is checked. The formats are ints in C.
    let scaler = NonNull::new(unsafe {
        sws_getContext(
            source_width,
            source_height,
            source.format().0,
            width,
            height,
            destination.format().0,
            c_int::try_from(FLAGS).unwrap_or(0),
            ptr::null_mut(),
            ptr::null_mut(),
            ptr::null(),
        )
    })
    .map(Scaler)
    .ok_or(AvError::INVALID_ARGUMENT)?;
    // SAFETY: takes any number, and returns one of the constant tables (SWS_CS_* are the numbers of AVColorSpace).
    let source_table = unsafe { ffi::sws_getCoefficients(source.colour().matrix) };
    // SAFETY: as above.
    let table = unsafe { ffi::sws_getCoefficients(destination.colour().matrix) };
    let full = |frame: &Frame| c_int::from(frame.colour().range == 2);
    // SAFETY: a valid context and constant tables; unity for brightness, contrast and saturation.
    unsafe {
        ffi::sws_setColorspaceDetails(
            scaler.0.as_ptr(),
            source_table,
            full(source),
            table,
            full(destination),
            0,
            1 << 16,
            1 << 16,
        )
    };
    // SAFETY: the context was made for frames of these sizes and formats.
    AvError::check(unsafe {
        ffi::sws_scale_frame(scaler.0.as_ptr(), destination.as_mut_ptr(), source.as_ptr())
    })?;
    Ok(())
}
