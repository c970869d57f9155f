//! Properties of a container: the permitted demuxers and their options, the start of streams, and their
//! contents.

mod aac;
pub(super) mod analysis;
pub(super) mod chapters;
pub(super) mod describe;
pub(super) mod encryption;
pub(super) mod foreign;
pub(super) mod formats;
mod frame_rate;
mod h264_sps;
mod interval;
pub(super) mod last_sound;
pub(super) mod pace;
pub(super) mod parameters;
mod pes;
mod picture_headers;
mod reading;
mod side_data;
mod transport;
pub(super) mod undecoded;

pub(super) use h264_sps::Sps;
pub(super) use interval::{KeyframeInterval, number_behind};
pub(super) use pes::first_timestamp;
pub(super) use reading::{next_packet, read_in_depth, stream_start};
