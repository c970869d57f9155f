//! Access to the fields of libav's structs.
//!
//! libav's structs are never borrowed as Rust references: a file can put numbers into their enum fields that have no variant
//! in the bindings, and libav writes to the structs at any call. A [`Ref`] stands for such a struct, and the code that
//! creates a `Ref` guarantees that the struct exists. After that, `field!` reads single fields of types for which all bits
//! are valid, and `int_field!` reads enums as the `int` that they are in C. Writing to a field requires a separate `unsafe`
//! block.

use std::ffi::c_int;
use std::marker::PhantomData;
use std::ptr::NonNull;

use ffmpeg_next::ffi;

/// A libav struct that may be read for `'a`.
pub(super) struct Ref<'a, T> {
    pointer: NonNull<T>,
    lifetime: PhantomData<&'a T>,
}

impl<T> Clone for Ref<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Ref<'_, T> {}

impl<T> Ref<'_, T> {
    /// Creates a reference, or returns `None` for null.
    ///
    /// # Safety
    /// `pointer` is null, or points to a struct that libav allocated and initialised. For `'a` the struct stays allocated,
    /// and no other thread writes to the fields that are read.
    pub(super) const unsafe fn new(pointer: *const T) -> Option<Self> {
        match NonNull::new(pointer.cast_mut()) {
            Some(pointer) => Some(Self { pointer, lifetime: PhantomData }),
            None => None,
        }
    }

    /// # Safety
    /// As for [`new`](Self::new).
    pub(super) const unsafe fn from_owner(pointer: NonNull<T>) -> Self {
        Self { pointer, lifetime: PhantomData }
    }

    pub(super) const fn as_ptr(self) -> *const T {
        self.pointer.as_ptr()
    }

    /// Reads a field.
    ///
    /// # Safety
    /// `field` is the address of a field of this struct.
    pub(super) const unsafe fn read<F: Plain>(self, field: *const F) -> F {
        // SAFETY: the struct is allocated and initialised, as guaranteed to `new`, and any bits are a value of a `Plain` type.
        unsafe { field.read() }
    }

    /// Reads an enum field as an `int`, its type in C.
    ///
    /// # Safety
    /// `field` is the address of an enum field of this struct.
    pub(super) const unsafe fn read_int<F>(self, field: *const F) -> c_int {
        const { assert!(size_of::<F>() == size_of::<c_int>() && align_of::<F>() == align_of::<c_int>()) };
        // SAFETY: as in `read`, through `int`, which has the size and the alignment of the field's type.
        unsafe { field.cast::<c_int>().read() }
    }
}

/// A type for which any initialised bits are a valid value.
///
/// # Safety
/// The type is no enum, reference, `bool` or `char`, and contains none.
pub(super) unsafe trait Plain: Copy {}

macro_rules! plain {
    ($($name:ty),+) => {
        $(
            // SAFETY: a number, or a struct of numbers.
            unsafe impl Plain for $name {}
        )+
    };
}
plain!(u8, i32, u32, i64, u64, usize, ffi::AVRational, ffi::AVComponentDescriptor);
// SAFETY: an address; following it takes `unsafe` again.
unsafe impl<T> Plain for *const T {}
// SAFETY: as above.
unsafe impl<T> Plain for *mut T {}
// SAFETY: as its elements.
unsafe impl<T: Plain, const N: usize> Plain for [T; N] {}

/// Reads a field of the struct that a [`Ref`] stands for.
macro_rules! field {
    ($reference:expr, $($field:ident $([$index:literal])?).+) => {{
        let reference: super::fields::Ref<'_, _> = $reference;
        // SAFETY: the struct is allocated, as guaranteed when the reference was created; only an address is computed.
        let field = unsafe { &raw const (*reference.as_ptr()).$($field $([$index])?).+ };
        // SAFETY: the address of a field of this struct.
        unsafe { reference.read(field) }
    }};
}
/// Reads an enum field of the struct that a [`Ref`] stands for as an `int`, its type in C.
macro_rules! int_field {
    ($reference:expr, $field:ident) => {{
        let reference: super::fields::Ref<'_, _> = $reference;
        // SAFETY: the struct is allocated, as guaranteed when the reference was created; only an address is computed.
        let field = unsafe { &raw const (*reference.as_ptr()).$field };
        // SAFETY: the address of an enum field of this struct.
        unsafe { reference.read_int(field) }
    }};
}
pub(super) use {field, int_field};
