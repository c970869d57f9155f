//! Reading the fields of libav's structs.
//!
//! libav's structs are never borrowed as Rust references: a file can put numbers into their enum fields that the bindings
//! have no variant for, and libav writes to them behind our back. A [`Ref`] stands for such a struct; whoever makes one
//! promises that it is there. From then on `field!` reads single fields, of types that any bits are a value of, and
//! `int_field!` reads the enums as the `int` they are in C. Writing to a field takes an `unsafe` block of its own.

use std::ffi::c_int;
use std::marker::PhantomData;
use std::ptr::NonNull;

use ffmpeg_next::ffi;

/// A struct of libav's that may be read for `'a`.
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
    /// `None` for null.
    ///
    /// # Safety
    /// `pointer` is null, or points to a struct that libav allocated and initialised. For `'a` it stays allocated, and
    /// no other thread writes to the fields that are read.
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
        // SAFETY: the struct is allocated and initialised, as promised to `new`, and any bits are a value of a `Plain` type.
        unsafe { field.read() }
    }

    /// Reads an enum field as the `int` it is in C.
    ///
    /// # Safety
    /// `field` is the address of an enum field of this struct.
    pub(super) const unsafe fn read_int<F>(self, field: *const F) -> c_int {
        const { assert!(size_of::<F>() == size_of::<c_int>() && align_of::<F>() == align_of::<c_int>()) };
        // SAFETY: as in `read`, through `int`, which has the size and the alignment of the field's type.
        unsafe { field.cast::<c_int>().read() }
    }
}

/// A type that any initialised bits are a value of.
///
/// # Safety
/// No enum, reference, `bool` or `char`, nor anything that holds one.
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
        // SAFETY: the struct is allocated, as was promised when the reference was made; only an address is computed.
        let field = unsafe { &raw const (*reference.as_ptr()).$($field $([$index])?).+ };
        // SAFETY: the address of a field of this struct.
        unsafe { reference.read(field) }
    }};
}
/// Reads an enum field of the struct that a [`Ref`] stands for as the `int` it is in C.
macro_rules! int_field {
    ($reference:expr, $field:ident) => {{
        let reference: super::fields::Ref<'_, _> = $reference;
        // SAFETY: the struct is allocated, as was promised when the reference was made; only an address is computed.
        let field = unsafe { &raw const (*reference.as_ptr()).$field };
        // SAFETY: the address of an enum field of this struct.
        unsafe { reference.read_int(field) }
    }};
}
pub(super) use {field, int_field};
