//! An [`Input`] as an `AVIOContext`.

use std::ffi::{c_int, c_void};
use std::io::SeekFrom;
use std::ptr::{self, NonNull};

use ffmpeg_next::ffi;

use super::{AvError, field, set_field};
use crate::media::input::{Fault, Input, catch};

/// libavformat's read buffer. Small, because every seek throws it away; large reads go around it.
const BUFFER_BYTES: c_int = 32 << 10;

/// An `AVIOContext` and its buffer.
pub(super) struct IoContext(NonNull<ffi::AVIOContext>);

impl IoContext {
    fn new(opaque: *mut c_void) -> Result<Self, AvError> {
        // SAFETY: plain allocation; null is checked below.
        let buffer = unsafe { ffi::av_malloc(BUFFER_BYTES as usize) };
        if buffer.is_null() {
            return Err(AvError::NO_MEMORY);
        }
        // SAFETY: the buffer is av_malloc'ed as avio.h asks, of the length passed; `opaque` is the input of an `Io`, which
        // outlives its contexts.
        let context = unsafe {
            ffi::avio_alloc_context(
                buffer.cast::<u8>(),
                BUFFER_BYTES,
                0,
                opaque,
                Some(read_packet),
                None,
                Some(seek),
            )
        };
        let Some(context) = NonNull::new(context) else {
            // SAFETY: the context was not made, so the buffer is still ours, and is freed once.
            unsafe { ffi::av_free(buffer) };
            return Err(AvError::NO_MEMORY);
        };
        set_field!(context.as_ptr(), seekable, ffi::AVIO_SEEKABLE_NORMAL);
        Ok(Self(context))
    }

    pub(super) const fn as_ptr(&self) -> *mut ffi::AVIOContext {
        self.0.as_ptr()
    }
}

impl Drop for IoContext {
    fn drop(&mut self) {
        // libav may have replaced the buffer, so the one in the context is the one to free (avio.h, avio_alloc_context).
        let buffer = field!(self.0.as_ptr(), buffer);
        // SAFETY: owned by the context, which does not free it itself.
        unsafe { ffi::av_free(buffer.cast::<c_void>()) };
        let mut context = self.0.as_ptr();
        // SAFETY: allocated in `new`, and freed here only. Nothing is written, so the input behind it is not touched.
        unsafe { ffi::avio_context_free(&raw mut context) };
    }
}

pub(in crate::media) struct Io<'r> {
    context: IoContext,
    input: NonNull<Input<'r>>,
}

// SAFETY: `Io` owns both allocations alone. The input holds a `Send` reader; the AVIOContext has no tie to the thread that
// made it (libavformat/avio.h: an unlocked plain struct), and is used through `&mut` only.
unsafe impl Send for Io<'_> {}

impl<'r> Io<'r> {
    pub(super) fn new(input: Input<'r>) -> Result<Self, AvError> {
        let input = NonNull::from(Box::leak(Box::new(input)));
        match IoContext::new(input.as_ptr().cast::<c_void>()) {
            Ok(context) => Ok(Self { context, input }),
            Err(error) => {
                // SAFETY: leaked above, and nobody else has it.
                drop(unsafe { Box::from_raw(input.as_ptr()) });
                Err(error)
            }
        }
    }

    /// Another context on the same input, with nothing in its buffer, that believes it is at the start.
    pub(super) fn new_context(&self) -> Result<IoContext, AvError> {
        IoContext::new(self.opaque())
    }

    /// Uses this context from now on.
    pub(super) fn replace_context(&mut self, context: IoContext) {
        self.context = context;
    }

    pub(super) const fn as_ptr(&self) -> *mut ffi::AVIOContext {
        self.context.as_ptr()
    }

    pub(super) const fn opaque(&self) -> *mut c_void {
        self.input.as_ptr().cast::<c_void>()
    }

    pub(in crate::media) const fn input(&self) -> &Input<'r> {
        // SAFETY: allocated in `new`, freed in `drop`. libav uses it inside its calls only, and those need `&mut` of what
        // owns this `Io`.
        unsafe { self.input.as_ref() }
    }

    pub(in crate::media) const fn input_mut(&mut self) -> &mut Input<'r> {
        // SAFETY: as above, and `&mut self` makes this the only reference.
        unsafe { self.input.as_mut() }
    }
}

impl Drop for Io<'_> {
    fn drop(&mut self) {
        // SAFETY: leaked in `new`, and freed here only. The context that also knows it is freed right after this, and does
        // not look at it any more.
        drop(unsafe { Box::from_raw(self.input.as_ptr()) });
    }
}

/// Runs our side of a callback; a panic becomes a fault.
fn guarded<'r, T>(
    input: &mut Input<'r>,
    action: impl FnOnce(&mut Input<'r>) -> Result<T, Fault>,
) -> Result<T, Fault> {
    catch(|| action(input)).unwrap_or_else(|fault| Err(input.fail(fault)))
}

/// # Safety
/// Called by libavformat only, with the `opaque` of [`Io::new`] and a buffer of `length` bytes.
unsafe extern "C" fn read_packet(opaque: *mut c_void, buffer: *mut u8, length: c_int) -> c_int {
    let Ok(length) = usize::try_from(length) else { return AvError::INVALID_ARGUMENT.0 };
    // SAFETY: `opaque` is the input leaked in `Io::new`. libavformat calls back inside calls made through `&mut` of the
    // owner, one at a time, so there is no other reference now.
    let input = unsafe { &mut *opaque.cast::<Input<'_>>() };
    // The reader fills memory of ours, for two reasons. The buffer may be uninitialised, which a safe reader must not see;
    // and at the end of the file it must stay untouched: libavformat seeks back into what it holds without reading again.
    match guarded(input, |input| input.read(length)) {
        // 0 is not an end of file to libavformat (avio.h, read_packet).
        Ok(0) => AvError::EOF.0,
        Ok(count) => {
            let bytes = &input.last_read()[..count];
            // SAFETY: libavformat's buffer has room for `length` bytes, and `read` gives no more than that; ours is
            // elsewhere.
            unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), buffer, bytes.len()) };
            c_int::try_from(bytes.len()).unwrap_or(AvError::INVALID_ARGUMENT.0)
        }
        Err(_) => AvError::EXIT.0,
    }
}

/// # Safety
/// Called by libavformat only, with the `opaque` of [`Io::new`].
unsafe extern "C" fn seek(opaque: *mut c_void, offset: i64, whence: c_int) -> i64 {
    // SAFETY: as in `read_packet`.
    let input = unsafe { &mut *opaque.cast::<Input<'_>>() };
    let target = match whence & !ffi::AVSEEK_FORCE {
        ffi::AVSEEK_SIZE => return i64::try_from(input.visible_size()).unwrap_or(i64::MAX),
        libc::SEEK_SET => u64::try_from(offset).ok().map(SeekFrom::Start),
        libc::SEEK_CUR => Some(SeekFrom::Current(offset)),
        libc::SEEK_END => Some(SeekFrom::End(offset)),
        _ => None,
    };
    let position = match target {
        Some(SeekFrom::Start(position)) => Some(position),
        Some(SeekFrom::Current(by)) => input.position().checked_add_signed(by),
        Some(SeekFrom::End(by)) => input.visible_size().checked_add_signed(by),
        None => None,
    };
    match position.and_then(|position| Some((position, i64::try_from(position).ok()?))) {
        Some((position, answer)) => {
            input.seek(position);
            answer
        }
        None => i64::from(AvError::INVALID_ARGUMENT.0),
    }
}

/// `AVIOInterruptCB`: asked by libavformat in its own loops.
///
/// # Safety
/// Called by libavformat only, with the `opaque` of [`Io::new`].
pub(super) unsafe extern "C" fn interrupted(opaque: *mut c_void) -> c_int {
    // SAFETY: as in `read_packet`.
    let input = unsafe { &mut *opaque.cast::<Input<'_>>() };
    c_int::from(guarded(input, |input| input.check()).is_err())
}
