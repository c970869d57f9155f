//! The interface to libav and to libwebp. Every `unsafe` block of the crate is in this module or below it, and this module does not depend
//! on the rest of the crate.
//!
//! libavformat reads from an [`io::Source`], which `io` presents to libavformat as an `AVIOContext`. [`format::Container`] opens the
//! source and reads [`packet::Packet`]s. [`codec::Decoder`] decodes them into [`frame::Frame`]s. [`scale`] converts a frame to another
//! size and colour space, and [`codec::encode_jpeg`] encodes a frame. [`parser::Parser`] reads the headers of packets without decoding.
//! Getters return plain data: libav's numbers, and `None` where libav has a number for "unknown".
//!
//! This module follows these rules, so that the code above it can be safe:
//! - Each libav object has one owner, a struct with a `NonNull`, whose `Drop` frees the object. Owners are `Send` where libav allows a
//!   context to move between threads (and where the [`io::Source`] in it may), and never `Sync`: every call into a context takes
//!   `&mut self`.
//! - Fields are read through a `Ref`, which only an `unsafe` block can create; see `fields`. An `unsafe` block writes them.
//! - Some fields can contain any number from a file, but the bindings type them as a Rust `enum` (colour properties, field order). These
//!   fields are read as integers: a value without a variant would be undefined behaviour. An AV1 file with `color_primaries` 200 aborted a
//!   program that read the field through the enum.
//! - libav functions that take such enums are declared again in [`raw`] with integers in their place.
//! - libav's log goes through [`log`]. The last message in the current thread is the reason for the error that libav returns.
#![expect(unsafe_code, reason = "libav is a C library; this module is the fence around it")]

pub(crate) mod codec;
mod fields;
pub(crate) mod format;
pub(crate) mod frame;
pub(crate) mod io;
pub(crate) mod log;
pub(crate) mod packet;
pub(crate) mod parser;
pub(crate) mod pixel_format;
mod rational;
mod raw;
pub(crate) mod scale;
pub(crate) mod stream;
#[cfg(test)]
mod tests;
pub(crate) mod threads;
#[cfg(feature = "webp")]
pub(crate) mod webp;

use std::ffi::{CStr, c_char, c_int};
use std::fmt;

use ffmpeg_next::ffi;

pub(crate) use rational::Rational;

/// An error code of libav (`AVERROR`), always negative.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct AvError(c_int);

impl AvError {
    pub(crate) const EOF: Self = Self(ffi::AVERROR_EOF);
    pub(crate) const INVALID_DATA: Self = Self(ffi::AVERROR_INVALIDDATA);
    pub(crate) const EXIT: Self = Self(ffi::AVERROR_EXIT);
    pub(crate) const AGAIN: Self = Self(ffi::AVERROR(libc::EAGAIN));
    pub(crate) const NO_MEMORY: Self = Self(ffi::AVERROR(libc::ENOMEM));
    pub(crate) const INVALID_ARGUMENT: Self = Self(ffi::AVERROR(libc::EINVAL));

    /// Applies the convention of libav: a negative code is an error, and any other code is a result.
    pub(crate) const fn check(code: c_int) -> Result<c_int, Self> {
        if code < 0 { Err(Self(code)) } else { Ok(code) }
    }
}

impl fmt::Display for AvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0_u8; ffi::AV_ERROR_MAX_STRING_SIZE];
        // SAFETY: the buffer is ours, and its true length is passed. libav writes a terminated string into the buffer (libavutil/error.h,
        // av_strerror), for unknown codes too.
        unsafe { ffi::av_strerror(self.0, text.as_mut_ptr().cast::<c_char>(), text.len()) };
        let text = CStr::from_bytes_until_nul(&text).map(CStr::to_string_lossy).unwrap_or_default();
        write!(f, "{text}")
    }
}

impl std::error::Error for AvError {}

impl AvError {
    /// Returns the description of the error, and libav's last message in this thread, which is often the reason.
    pub(crate) fn in_words(self) -> String {
        log::last().map_or_else(|| self.to_string(), |line| format!("{self}: {line}"))
    }
}

impl fmt::Debug for AvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AvError({}: {self})", self.0)
    }
}

/// Sets the maximum number of bytes of one libav allocation, for the whole process.
pub(crate) fn limit_allocations(bytes: usize) {
    // SAFETY: sets an atomic in libavutil (libavutil/mem.h); no pointer is involved.
    unsafe { ffi::av_max_alloc(bytes) };
}

/// Lets glibc's malloc keep freed memory, including that of video frames, instead of returning it to the system and requesting it again
/// page by page. This saves a twentieth of the CPU time of a 1080p frame, and costs 2 MB. All threads share one heap: otherwise each
/// decoding thread would keep about 25 MB in its own heap. Programs call this function at their start; a library leaves its caller's
/// allocator alone. Other C libraries have no such setting.
#[cfg(any(feature = "cage", feature = "cli", feature = "lambda"))]
pub(crate) fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    for (parameter, value) in
        [(libc::M_MMAP_THRESHOLD, 32 << 20), (libc::M_TRIM_THRESHOLD, 128 << 20), (libc::M_ARENA_MAX, 1)]
    {
        // SAFETY: sets a number of malloc's under its own lock (mallopt(3)); a refusal leaves the default.
        unsafe { libc::mallopt(parameter, value) };
    }
}

/// Returns the memory that [`keep_freed_memory`] keeps to the system.
#[cfg(feature = "cage")]
pub(crate) fn return_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: takes malloc's own lock (malloc_trim(3)).
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Returns the licence of the linked libavcodec: `LGPL version 2.1 or later`.
#[cfg(feature = "cli")]
pub(crate) fn libav_licence() -> &'static str {
    // SAFETY: returns a constant of the library (libavcodec/avcodec.h, avcodec_license).
    let text = unsafe { ffi::avcodec_license() };
    // SAFETY: as above.
    unsafe { static_string(text) }.unwrap_or_default()
}

/// Returns the arguments of `configure` with which the linked libavcodec was built.
#[cfg(feature = "cli")]
pub(crate) fn libav_configuration() -> &'static str {
    // SAFETY: returns a constant of the library (libavcodec/avcodec.h, avcodec_configuration).
    let text = unsafe { ffi::avcodec_configuration() };
    // SAFETY: as above.
    unsafe { static_string(text) }.unwrap_or_default()
}

/// Copies a libav string. Returns `None` for null and for the empty string.
///
/// # Safety
/// `text` is null or points to a terminated string that does not change during the call.
unsafe fn owned_string(text: *const c_char) -> Option<String> {
    if text.is_null() {
        return None;
    }
    // SAFETY: not null, and terminated, as the caller guarantees.
    let text = unsafe { CStr::from_ptr(text) };
    (!text.is_empty()).then(|| text.to_string_lossy().into_owned())
}

/// Returns a name from libav's constant tables, like [`owned_string`].
///
/// # Safety
/// `text` is null or points to a terminated string constant.
unsafe fn static_string(text: *const c_char) -> Option<&'static str> {
    if text.is_null() {
        return None;
    }
    // SAFETY: not null, and a constant of the library's: it lives as long as the process.
    let text: &'static CStr = unsafe { CStr::from_ptr(text) };
    text.to_str().ok().filter(|text| !text.is_empty())
}

/// Returns the name of a number in one of libav's constant tables.
///
/// # Safety
/// `lookup` accepts any number, and returns null or a terminated string constant.
unsafe fn constant_name(
    lookup: unsafe extern "C" fn(c_int) -> *const c_char,
    value: c_int,
) -> Option<&'static str> {
    // SAFETY: guaranteed by the caller.
    let name = unsafe { lookup(value) };
    // SAFETY: as above.
    unsafe { static_string(name) }
}
