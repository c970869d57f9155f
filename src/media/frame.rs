//! A decoded frame on its way to a picture.

mod bands;
pub(super) mod colour;
mod fields;
pub(super) mod poster;
mod render;
mod via_rgb;
