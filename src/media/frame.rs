//! The conversion of a decoded frame into a picture.

mod bands;
pub(super) mod colour;
mod fields;
#[cfg(test)]
mod geometry;
mod packed;
pub(super) mod poster;
mod render;
mod via_rgb;
