//! A decoded frame on its way to a picture.

mod bands;
pub(super) mod colour;
mod fields;
mod packed;
pub(super) mod poster;
mod render;
mod via_rgb;
