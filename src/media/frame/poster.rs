//! A decoded frame with what is needed to show it.

use std::sync::OnceLock;

use crate::media::container::describe::orientation;
use crate::media::error::Error;
use crate::media::ffi::frame::{ColourCodes, Edges, Frame};
use crate::media::ffi::stream::Stream;
use crate::media::info::Ratio;
use crate::media::search::{Found, FrameReason};
use crate::media::units::{Microseconds, TimeBase};
use crate::media::work::Work;
use crate::picture::{Considered, Encoding};
use crate::pixels::{Framing, Orientation};

/// Pixel shapes beyond this (either way) are taken for damage.
const MAX_ASPECT: u64 = 16;

/// The frame chosen, as decoded, and how to show it.
///
/// It owns its pixels: the [`Media`](crate::Media) may go on or be dropped. Encoding leaves it as it is: several sizes and formats
/// can be made of one decode, also by several threads. What they have in common is done once, so a second size costs its scaling, and the
/// mapping of tones and the turning of the small picture.
///
/// The limits of the `Media` hold for its pictures, too: a picture has at most [`max_pixels`](crate::Limits::max_pixels), and each call
/// may take [`max_time`](crate::Limits::max_time) and [`max_cpu_time`](crate::Limits::max_cpu_time). They are looked at every 64 rows;
/// what cannot be interrupted is a call of libswscale, and of the encoders of JPEG and PNG.
#[derive(Debug)]
pub struct PosterFrame {
    pub(super) frame: Frame,
    pub(super) orientation: Orientation,
    pub(super) sample_aspect_ratio: Option<Ratio>,
    pub(super) pts: i64,
    pub(super) time_base: Ratio,
    pub(super) pts_seconds: f64,
    pub(super) reason: FrameReason,
    pub(super) stream_index: usize,
    pub(super) packets_decoded: u64,
    pub(super) passes: u32,
    pub(super) terms: Terms,
    /// The frame as the scaler should see it, made for the first picture, and as it was decoded, not turned. Measured on 3840 x 2160, in
    /// processor time: a second picture of 320 x 180 takes 5 ms, the same turned or after interlaced video (joining fields, done once, takes
    /// 130 ms), and 14 ms after HDR, whose tones are mapped at the small size. Turning all planes first would take 70 ms and 12 MB more,
    /// turning 320 x 180 pixels 0.3 ms.
    pub(super) prepared: OnceLock<(Frame, ColourCodes)>,
    /// The frames that were looked at, this one among them.
    pub(in crate::media) considered: Vec<Considered>,
}

/// The picture that was requested of a frame, and what pictures of it may cost.
#[derive(Debug)]
pub(in crate::media) struct Terms {
    pub(in crate::media) encoding: Encoding,
    pub(in crate::media) max_pixels: u64,
    /// What a call may take.
    pub(in crate::media) work: Work,
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Frame({}x{} {})", self.width(), self.height(), self.format().name().unwrap_or("?"))
    }
}

impl PosterFrame {
    /// Of a frame of `stream`, which is the `index`th of its container and is counted from `start`. `cost` is
    /// how many packets were decoded, in how many passes.
    pub(in crate::media) fn new(
        stream: Stream<'_>,
        index: usize,
        start: Microseconds,
        found: Found,
        cost: (u64, u32),
        terms: Terms,
    ) -> Result<Self, Error> {
        let Found { mut frame, pts, reason, .. } = found;
        let time_base = Ratio::from(stream.time_base());
        if let Some(edges) = stream.cropping() {
            crop(&mut frame, edges)?;
        }
        // The container's word on shape goes before the codec's, and the frame's before that of the headers.
        let sample_aspect_ratio = stream
            .container_sample_aspect_ratio()
            .or_else(|| frame.sample_aspect_ratio())
            .or_else(|| stream.sample_aspect_ratio())
            .map(Ratio::from);
        let matrix = frame.display_matrix().or_else(|| stream.display_matrix());
        Ok(Self {
            orientation: matrix.map_or(Orientation::Upright, orientation),
            sample_aspect_ratio,
            pts: pts.get(),
            time_base,
            pts_seconds: TimeBase::try_from(time_base).map_or(0.0, |base| base.seconds_since(start, pts)),
            reason,
            stream_index: index,
            packets_decoded: cost.0,
            passes: cost.1,
            terms,
            prepared: OnceLock::new(),
            considered: Vec::new(),
            frame,
        })
    }

    /// Presentation time in seconds, counted from the container's start.
    pub const fn pts_seconds(&self) -> f64 {
        self.pts_seconds
    }

    /// Presentation time in ticks of [`time_base`](Self::time_base), as the stream counts it.
    pub const fn pts(&self) -> i64 {
        self.pts
    }

    /// Seconds of a tick of the stream.
    pub const fn time_base(&self) -> Ratio {
        self.time_base
    }

    /// Why this frame was taken.
    pub const fn reason(&self) -> FrameReason {
        self.reason
    }

    /// The frames that [`Pick::Auto`](crate::Pick::Auto) looked at, in that order, this one among them; empty for the other choices.
    pub fn considered(&self) -> &[Considered] {
        &self.considered
    }

    /// The stream it comes from.
    pub const fn stream_index(&self) -> usize {
        self.stream_index
    }

    /// Packets that were given to the decoder to get it, in all passes.
    pub const fn packets_decoded(&self) -> u64 {
        self.packets_decoded
    }

    /// Passes of decoding that it took. More than one means that the first, economical one gave something else than the
    /// packets promise, or met damage.
    pub const fn passes(&self) -> u32 {
        self.passes
    }

    /// Width and height as decoded: cropped, but neither turned nor stretched.
    pub fn decoded_size(&self) -> (u32, u32) {
        (self.frame.width(), self.frame.height())
    }

    /// The decoded pixel format under FFmpeg's name (`yuv420p`).
    pub fn pixel_format(&self) -> &'static str {
        self.frame.format().name().unwrap_or("unknown")
    }

    /// How the decoded picture is turned to stand upright.
    pub const fn orientation(&self) -> Orientation {
        self.orientation
    }

    /// The decoded samples, plane after plane, rows without padding: what `ffmpeg -f rawvideo` writes.
    ///
    /// # Errors
    /// [`Error::Picture`] for pixel formats that have no such form.
    pub fn copy_planes(&self) -> Result<Vec<u8>, Error> {
        self.frame.copy_planes().map_err(Error::picture("copied"))
    }

    /// Width and height as shown: upright, with square pixels, within these bounds, or as this encoding fills them.
    pub fn display_size(&self, framing: impl Into<Framing>) -> (u32, u32) {
        let (width, height) = self.upright_size();
        framing.into().size(width, height)
    }

    /// The whole picture's width and height, upright and with square pixels.
    pub(super) fn upright_size(&self) -> (u32, u32) {
        let (width, height) = self.square_size();
        if self.orientation.swaps_sides() { (height, width) } else { (width, height) }
    }

    /// The decoded size with the width stretched by the sample aspect ratio, as `scale=iw*sar:ih` does. Where that would be more pixels
    /// than are allowed, the height shrinks instead.
    fn square_size(&self) -> (u32, u32) {
        let (width, height) = self.decoded_size();
        let shape = self.sample_aspect_ratio.and_then(|Ratio { num, den }| {
            let (num, den) = (u64::try_from(num).ok()?, u64::try_from(den).ok()?);
            let is_sound = num > 0 && den > 0 && num / den < MAX_ASPECT && den / num < MAX_ASPECT;
            is_sound.then_some((num, den))
        });
        let Some((num, den)) = shape else { return (width, height) };
        let side = |pixels: u32, num: u64, den: u64| (u64::from(pixels) * num + den / 2) / den;
        let (stretched, shrunk) = (side(width, num, den).max(1), side(height, den, num).max(1));
        if stretched.saturating_mul(height.into()) > self.terms.max_pixels {
            (width, u32::try_from(shrunk).unwrap_or(height))
        } else {
            (u32::try_from(stretched).unwrap_or(width), height)
        }
    }
}

/// Cuts off edges, whole chroma samples only on the left and at the top, as ffmpeg's crop filter does.
fn crop(frame: &mut Frame, mut edges: Edges) -> Result<(), Error> {
    let (shift_x, shift_y) = frame.format().layout().map_or((0, 0), |layout| layout.chroma_shift);
    let (odd_x, odd_y) = (edges.left & ((1 << shift_x) - 1), edges.top & ((1 << shift_y) - 1));
    edges.left -= odd_x;
    edges.right += odd_x;
    edges.top -= odd_y;
    edges.bottom += odd_y;
    // Edges that leave nothing are damage: the picture is shown whole.
    let (width, height) = (frame.width() as usize, frame.height() as usize);
    let fits = |a: usize, b: usize, side: usize| a.checked_add(b).is_some_and(|sum| sum < side);
    if fits(edges.left, edges.right, width) && fits(edges.top, edges.bottom, height) {
        frame.crop(edges).map_err(Error::picture("cropped"))?;
    }
    Ok(())
}
