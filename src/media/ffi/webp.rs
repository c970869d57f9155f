//! Lossy WebP by libwebp, with a progress callback that can stop the encoder.

use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};

use libwebp_sys as libwebp;

/// The reason why there is no file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum WebPError {
    /// The callback stopped the encoder.
    Stopped,
    /// libwebp's message.
    Failed(String),
}

/// Owns a `WebPPicture`: libwebp's copy of the caller's samples.
struct Picture(libwebp::WebPPicture);

impl Drop for Picture {
    fn drop(&mut self) {
        // SAFETY: initialised in `encode_webp`, and freed only here; libwebp frees the samples that it allocated (encode.h).
        unsafe { libwebp::WebPPictureFree(&raw mut self.0) };
    }
}

/// Owns libwebp's output.
struct Output(libwebp::WebPMemoryWriter);

impl Output {
    fn new() -> Self {
        let mut writer = MaybeUninit::uninit();
        // SAFETY: fills every field of the struct (encode.h).
        unsafe { libwebp::WebPMemoryWriterInit(writer.as_mut_ptr()) };
        // SAFETY: filled just now.
        Self(unsafe { writer.assume_init() })
    }

    fn bytes(&self) -> &[u8] {
        if self.0.mem.is_null() {
            return &[];
        }
        // SAFETY: libwebp allocated at least `size` bytes there and wrote them; nothing writes while `self` is borrowed.
        unsafe { std::slice::from_raw_parts(self.0.mem, self.0.size) }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        // SAFETY: initialised in `new`, and cleared only here.
        unsafe { libwebp::WebPMemoryWriterClear(&raw mut self.0) };
    }
}

/// A function of libwebp that copies packed pixels: the picture, the first byte, and the bytes from row to row (encode.h).
type Import = unsafe extern "C" fn(*mut libwebp::WebPPicture, *const u8, c_int) -> c_int;
/// The callback for libwebp.
type GoesOn<'a> = &'a mut dyn FnMut() -> bool;

/// Encodes packed pixels of `width` x `height` as lossy WebP with a quality from 0 to 100. Of four channels the fourth is alpha. libwebp
/// calls `goes_on` for each row of blocks.
///
/// # Errors
/// [`WebPError::Stopped`] as soon as `goes_on` returns `false`. Otherwise libwebp's error.
pub(crate) fn encode_webp(
    (pixels, channels): (&[u8], usize),
    (width, height): (u32, u32),
    quality: f32,
    mut goes_on: GoesOn<'_>,
) -> Result<Vec<u8>, WebPError> {
    let failed = |what: &str| WebPError::Failed(what.to_owned());
    let side = |side: u32| c_int::try_from(side).map_err(|_| failed("a side is too long"));
    let (columns, rows) = (side(width)?, side(height)?);
    let (import, bytes_per_pixel): (Import, c_int) = match channels {
        4 => (libwebp::WebPPictureImportRGBA, 4),
        _ => (libwebp::WebPPictureImportRGB, 3),
    };
    let row_bytes = columns.checked_mul(bytes_per_pixel).ok_or_else(|| failed("a side is too long"))?;
    let needed = u64::from(width) * u64::from(height) * u64::from(bytes_per_pixel.unsigned_abs());
    if needed > pixels.len() as u64 {
        return Err(failed("there are fewer samples than pixels"));
    }
    let mut config = libwebp::WebPConfig::new().map_err(|()| failed("another version of libwebp"))?;
    config.quality = quality;
    let mut picture =
        Picture(libwebp::WebPPicture::new().map_err(|()| failed("another version of libwebp"))?);
    picture.0.use_argb = 1;
    (picture.0.width, picture.0.height) = (columns, rows);
    // SAFETY: an initialised picture with its size; the samples are as many as rows of that many bytes hold, and are copied.
    if unsafe { import(&raw mut picture.0, pixels.as_ptr(), row_bytes) } == 0 {
        return Err(failed("there is no memory for the picture"));
    }
    let mut output = Output::new();
    picture.0.writer = Some(libwebp::WebPMemoryWrite);
    picture.0.custom_ptr = (&raw mut output.0).cast::<c_void>();
    picture.0.progress_hook = Some(ask);
    picture.0.user_data = (&raw mut goes_on).cast::<c_void>();
    // SAFETY: a valid configuration, and a picture with samples, a writer with its memory, and a hook with what it asks; the last two
    // outlive the call.
    if unsafe { libwebp::WebPEncode(&raw const config, &raw mut picture.0) } != 0 {
        return Ok(output.bytes().to_vec());
    }
    match picture.0.error_code {
        libwebp::WebPEncodingError::VP8_ENC_ERROR_USER_ABORT => Err(WebPError::Stopped),
        code => Err(WebPError::Failed(format!("{code:?}"))),
    }
}

/// `WebPProgressHook`.
///
/// # Safety
/// Called by libwebp only, within [`encode_webp`], with its picture.
unsafe extern "C" fn ask(_percent: c_int, picture: *const libwebp::WebPPicture) -> c_int {
    // SAFETY: the picture of the call that is in progress; only a pointer is read.
    let asked = unsafe { (*picture).user_data }.cast::<GoesOn<'_>>();
    // SAFETY: `encode_webp` put it there, and does not touch it before libwebp returns, which asks from one thread.
    let goes_on = unsafe { &mut *asked };
    // A panic must not unwind through C.
    c_int::from(catch_unwind(AssertUnwindSafe(goes_on)).unwrap_or(false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoding_succeeds_and_can_be_stopped() {
        let rgb: Vec<u8> = (0..=255).cycle().take(300 * 200 * 3).collect();
        let mut asked = 0;
        let file = encode_webp((&rgb, 3), (300, 200), 80.0, &mut || {
            asked += 1;
            true
        });
        let file = file.unwrap();
        assert!(file.starts_with(b"RIFF") && file.get(8..12) == Some(b"WEBP"));
        assert!(asked > 5, "{asked}");
        let mut left = 3;
        let stopped = encode_webp((&rgb, 3), (300, 200), 80.0, &mut || {
            left -= 1;
            left > 0
        });
        assert_eq!(stopped, Err(WebPError::Stopped));
        let panicked = encode_webp((&rgb, 3), (300, 200), 80.0, &mut || panic!("on purpose"));
        assert_eq!(panicked, Err(WebPError::Stopped));
    }

    #[test]
    fn missing_samples_are_an_error() {
        let short = encode_webp((&[0; 11], 3), (2, 2), 80.0, &mut || true);
        assert!(matches!(short, Err(WebPError::Failed(_))), "{short:?}");
    }
}
