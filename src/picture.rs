//! Pixels made fit to be seen, and the files they are written to. Nothing here knows libav.
//!
//! A decoded frame comes in as planes. [`deinterlace`] joins the two fields of interlaced video where they differ,
//! [`components`] makes red, green and blue of components that libswscale does not know, [`tone_map`] brings light of other kinds and
//! [`primaries`] into the range of a screen, [`orient`] turns and mirrors until the picture stands
//! upright, [`matrix`] puts the planes into the numbers of JFIF, and [`encode`] writes PNG into memory. (JPEG is written from the planes by libav's encoder, and WebP by
//! libwebp, in `media`.) `compare` tells how alike two finished pictures are.

pub(crate) mod appearance;
#[cfg(feature = "lambda")]
pub(crate) mod compare;
pub(crate) mod components;
pub(crate) mod deinterlace;
pub(crate) mod encode;
pub(crate) mod matrix;
pub(crate) mod orient;
mod placeholder;
pub(crate) mod primaries;
#[cfg(feature = "lambda")]
pub(crate) mod shrink;
pub(crate) mod tone_map;

pub use appearance::{Appearance, ConsideredFrame, Verdict};
pub use encode::{Encoding, ImageFormat, Quality, Thumbnail, Transparency};
pub use placeholder::{Colour, Placeholder, PlaceholderError, ThumbHash};
