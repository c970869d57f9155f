//! The conversion of a decoded frame into a picture.

mod bands;
pub(super) mod colour;
mod fields;
mod packed;
pub(super) mod poster;
mod render;
mod via_rgb;
