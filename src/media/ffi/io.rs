//! A [`Source`] as an `AVIOContext`.

use std::any::Any;
use std::ffi::{c_int, c_void};
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};

use ffmpeg_next::ffi;

use super::AvError;
use super::fields::{Ref, field};

/// libavformat's read buffer. The buffer is small because every seek discards it. Large reads bypass the buffer.
const BUFFER_BYTES: c_int = 32 << 10;

/// The source that libavformat reads: bytes with an end, and a position that libavformat moves.
///
/// A panic of any of these methods is caught before it reaches C. After a panic, libavformat receives errors, and none of the
/// methods is called again except [`panicked`](Self::panicked), once.
pub(crate) trait Source {
    /// Reads at the position, and moves the position after the returned bytes. Returns at most `length` bytes, possibly fewer.
    /// No bytes mean the end.
    ///
    /// # Errors
    /// [`Stopped`], for a read that failed or is not allowed: the source keeps the reason.
    fn read(&mut self, length: usize) -> Result<&[u8], Stopped>;

    /// Returns the position of the next read, in bytes from the start.
    fn position(&self) -> u64;

    /// Moves the position. Past the end is allowed, as in files.
    fn seek(&mut self, position: u64);

    /// Returns the end of the bytes that libavformat sees.
    fn end(&self) -> u64;

    /// Returns whether libavformat must stop. libavformat calls this method while it works, even without reading.
    fn is_stopped(&mut self) -> bool;

    /// Takes the payload of a panic in one of the other methods.
    fn panicked(&mut self, payload: Box<dyn Any + Send>);
}

/// Reading has failed or was cancelled. The [`Source`] knows the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stopped;

/// An `AVIOContext` and its buffer.
pub(super) struct IoContext(NonNull<ffi::AVIOContext>);

impl IoContext {
    fn new<S: Source>(guard: &Guard<S>) -> Result<Self, AvError> {
        // SAFETY: plain allocation; null is checked below.
        let buffer = unsafe { ffi::av_malloc(BUFFER_BYTES as usize) };
        if buffer.is_null() {
            return Err(AvError::NO_MEMORY);
        }
        // SAFETY: the buffer is av_malloc'ed as avio.h asks, of the length passed; the callbacks are those for the type that
        // `opaque` points to, the source of an `Io`, which outlives its contexts.
        let context = unsafe {
            ffi::avio_alloc_context(
                buffer.cast::<u8>(),
                BUFFER_BYTES,
                0,
                guard.opaque(),
                Some(read_packet::<S>),
                None,
                Some(seek::<S>),
            )
        };
        let Some(context) = NonNull::new(context) else {
            // SAFETY: the context was not made, so the buffer is still ours, and is freed once.
            unsafe { ffi::av_free(buffer) };
            return Err(AvError::NO_MEMORY);
        };
        // SAFETY: newly allocated, and no other code has it; the user says whether seeking is possible (avio.h).
        unsafe { (*context.as_ptr()).seekable = ffi::AVIO_SEEKABLE_NORMAL };
        Ok(Self(context))
    }

    const fn view(&self) -> Ref<'_, ffi::AVIOContext> {
        // SAFETY: avio_alloc_context initialised it, and `Drop` frees it; libavformat writes to it in calls that take `&mut`
        // of what owns this.
        unsafe { Ref::from_owner(self.0) }
    }

    pub(super) const fn as_mut_ptr(&mut self) -> *mut ffi::AVIOContext {
        self.0.as_ptr()
    }
}

impl Drop for IoContext {
    fn drop(&mut self) {
        // libav may have replaced the buffer, so the context's current buffer must be freed (avio.h, avio_alloc_context).
        let buffer = field!(self.view(), buffer);
        // SAFETY: owned by the context, which does not free it itself.
        unsafe { ffi::av_free(buffer.cast::<c_void>()) };
        let mut context = self.0.as_ptr();
        // SAFETY: allocated in `new`, and freed only here. Nothing is written, so the source behind it is not touched.
        unsafe { ffi::avio_context_free(&raw mut context) };
    }
}

/// A source, and whether it has panicked.
struct Guarded<S> {
    source: S,
    has_panicked: bool,
}

/// Owns a [`Guarded`] source at an address that libav also knows.
struct Guard<S>(NonNull<Guarded<S>>);

impl<S> Guard<S> {
    fn new(source: S) -> Self {
        Self(NonNull::from(Box::leak(Box::new(Guarded { source, has_panicked: false }))))
    }

    const fn opaque(&self) -> *mut c_void {
        self.0.as_ptr().cast::<c_void>()
    }

    const fn source(&self) -> &S {
        // SAFETY: allocated in `new`, freed in `drop`. libav uses it inside its calls only, and those need `&mut` of what
        // owns this guard.
        let guarded = unsafe { self.0.as_ref() };
        &guarded.source
    }

    const fn source_mut(&mut self) -> &mut S {
        // SAFETY: as above, and `&mut self` makes this the only reference.
        let guarded = unsafe { self.0.as_mut() };
        &mut guarded.source
    }

    fn into_source(self) -> S {
        let guard = ManuallyDrop::new(self);
        // SAFETY: leaked in `new`, and taken back once: `guard` is not dropped.
        let guarded = unsafe { Box::from_raw(guard.0.as_ptr()) };
        guarded.source
    }
}

impl<S> Drop for Guard<S> {
    fn drop(&mut self) {
        // SAFETY: leaked in `new`, and taken back here, or in `into_source` instead.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

/// A source, with the `AVIOContext` through which libavformat reads it.
pub(super) struct Io<S> {
    // Before the source in drop order: the context points there.
    context: IoContext,
    guard: Guard<S>,
}

// SAFETY: `Io` owns both allocations alone. The source may be sent. The AVIOContext has no tie to the thread that made it
// (libavformat/avio.h: an unlocked plain struct), and is used through `&mut` only.
unsafe impl<S: Send> Send for Io<S> {}

impl<S: Source> Io<S> {
    /// Creates the context, or returns the source when there is no memory.
    pub(super) fn new(source: S) -> Result<Self, (AvError, S)> {
        let guard = Guard::new(source);
        match IoContext::new(&guard) {
            Ok(context) => Ok(Self { context, guard }),
            Err(error) => Err((error, guard.into_source())),
        }
    }

    /// Creates another context for the same source, with an empty buffer and its position at the start.
    pub(super) fn new_context(&self) -> Result<IoContext, AvError> {
        IoContext::new(&self.guard)
    }

    /// Returns the `AVIOInterruptCB` for this source.
    pub(super) fn interrupt_callback(&self) -> ffi::AVIOInterruptCB {
        ffi::AVIOInterruptCB { callback: Some(interrupted::<S>), opaque: self.guard.opaque() }
    }
}

impl<S> Io<S> {
    /// Replaces the context.
    pub(super) fn replace_context(&mut self, context: IoContext) {
        self.context = context;
    }

    pub(super) const fn as_mut_ptr(&mut self) -> *mut ffi::AVIOContext {
        self.context.as_mut_ptr()
    }

    pub(super) const fn source(&self) -> &S {
        self.guard.source()
    }

    pub(super) const fn source_mut(&mut self) -> &mut S {
        self.guard.source_mut()
    }

    /// Returns the source without its context.
    pub(super) fn into_source(self) -> S {
        let Self { context, guard } = self;
        drop(context);
        guard.into_source()
    }
}

/// Calls a method of the source. Returns `None` after a panic in this call or in an earlier one.
///
/// # Safety
/// `opaque` is the source of an [`Io`], of the type that the `Io` was created with, and nothing else refers to it now.
unsafe fn guarded<S: Source, T>(opaque: *mut c_void, action: impl FnOnce(&mut S) -> T) -> Option<T> {
    // SAFETY: guaranteed by the caller.
    let guarded = unsafe { &mut *opaque.cast::<Guarded<S>>() };
    if guarded.has_panicked {
        return None;
    }
    let source = &mut guarded.source;
    match catch_unwind(AssertUnwindSafe(|| action(source))) {
        Ok(result) => Some(result),
        Err(payload) => {
            guarded.has_panicked = true;
            // A panic in this method has no recipient.
            let _ = catch_unwind(AssertUnwindSafe(|| guarded.source.panicked(payload)));
            None
        }
    }
}

/// # Safety
/// Called by libavformat only, with the `opaque` of an [`Io`] of this type and a buffer of `length` bytes.
unsafe extern "C" fn read_packet<S: Source>(opaque: *mut c_void, buffer: *mut u8, length: c_int) -> c_int {
    let Ok(length) = usize::try_from(length) else { return AvError::INVALID_ARGUMENT.0 };
    // The source returns its own memory, for two reasons. The buffer may be uninitialised, which safe code must not see. And
    // at the end of the file the buffer must stay untouched: libavformat seeks back into the buffer without reading again.
    let copy = |source: &mut S| {
        let bytes = source.read(length)?;
        // There is no room for more bytes than requested.
        let Ok(count) = c_int::try_from(bytes.len().min(length)) else { return Err(Stopped) };
        // SAFETY: libavformat's buffer has room for `length` bytes, and no more are copied; the source's are elsewhere.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), buffer, bytes.len().min(length)) };
        Ok(count)
    };
    // SAFETY: `opaque` is as promised. libavformat calls back inside calls made through `&mut` of the owner, one at a time,
    // so there is no other reference now.
    match unsafe { guarded(opaque, copy) } {
        // 0 is not an end of file to libavformat (avio.h, read_packet).
        Some(Ok(0)) => AvError::EOF.0,
        Some(Ok(count)) => count,
        Some(Err(Stopped)) | None => AvError::EXIT.0,
    }
}

/// # Safety
/// Called by libavformat only, with the `opaque` of an [`Io`] of this type.
unsafe extern "C" fn seek<S: Source>(opaque: *mut c_void, offset: i64, whence: c_int) -> i64 {
    let action = |source: &mut S| {
        let position = match whence & !ffi::AVSEEK_FORCE {
            ffi::AVSEEK_SIZE => return Some(i64::try_from(source.end()).unwrap_or(i64::MAX)),
            libc::SEEK_SET => u64::try_from(offset).ok(),
            libc::SEEK_CUR => source.position().checked_add_signed(offset),
            libc::SEEK_END => source.end().checked_add_signed(offset),
            _ => None,
        };
        let answer = position.and_then(|position| i64::try_from(position).ok())?;
        source.seek(position?);
        Some(answer)
    };
    // SAFETY: as in `read_packet`.
    match unsafe { guarded(opaque, action) } {
        Some(Some(answer)) => answer,
        Some(None) => i64::from(AvError::INVALID_ARGUMENT.0),
        None => i64::from(AvError::EXIT.0),
    }
}

/// The `AVIOInterruptCB`, which libavformat calls in its own loops.
///
/// # Safety
/// Called by libavformat only, with the `opaque` of an [`Io`] of this type.
unsafe extern "C" fn interrupted<S: Source>(opaque: *mut c_void) -> c_int {
    // SAFETY: as in `read_packet`.
    let stopped = unsafe { guarded(opaque, S::is_stopped) };
    c_int::from(stopped.unwrap_or(true))
}
