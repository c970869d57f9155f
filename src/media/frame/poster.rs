//! A decoded frame, and the properties that its presentation needs.

use std::sync::OnceLock;

use crate::media::container::describe::orientation;
use crate::media::error::Error;
use crate::media::ffi::frame::{ColourCodes, Edges, Frame};
use crate::media::ffi::stream::Stream;
use crate::media::info::Ratio;
use crate::media::search::{Found, FrameReason};
use crate::media::units::{Microseconds, TimeBase};
use crate::media::work::Work;
use crate::picture::{ConsideredFrame, Encoding};
use crate::pixels::{Framing, Orientation};

/// Pixel aspect ratios beyond this value (either way) are treated as damage.
const MAX_ASPECT: u64 = 16;

/// The selected frame, as decoded, and the properties that its presentation needs.
///
/// The frame owns its pixels: the [`Media`](crate::Media) can be used further or dropped. Encoding does not change the frame. One decoded
/// frame can be encoded in several sizes and formats, also by several threads. Shared work is done once: a second size costs only its
/// scaling, the tone mapping, and the rotation of the small picture.
///
/// The limits of the `Media` also apply to its pictures: a picture has at most [`max_pixels`](crate::Limits::max_pixels), and each call
/// may take [`max_time`](crate::Limits::max_time) and [`max_cpu_time`](crate::Limits::max_cpu_time). These limits are checked every 64
/// rows. A single call of libswscale, or of the JPEG and PNG encoders, cannot be interrupted.
#[derive(Debug)]
pub struct PosterFrame {
    pub(super) frame: Frame,
    /// The picture whose luma is its alpha, where the container has it apart.
    pub(super) alpha: Option<Frame>,
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
    /// The frame as the scaler receives it, created for the first picture, and not rotated. Measured on 3840 x 2160, in CPU time: a
    /// second picture of 320 x 180 takes 5 ms. It takes the same time with rotation, and after interlaced video (joining fields, done
    /// once, takes 130 ms). It takes 14 ms for HDR, because the tones are mapped at the small size. Rotating all planes first would take
    /// 70 ms and 12 MB more; rotating 320 x 180 pixels takes 0.3 ms.
    pub(super) prepared: OnceLock<(Frame, ColourCodes)>,
    /// The examined frames, including this one.
    pub(in crate::media) considered: Vec<ConsideredFrame>,
}

/// The picture that was requested of a frame, and the limits of its pictures.
#[derive(Debug)]
pub(in crate::media) struct Terms {
    pub(in crate::media) encoding: Encoding,
    pub(in crate::media) max_pixels: u64,
    /// The limits of a call.
    pub(in crate::media) work: Work,
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Frame({}x{} {})", self.width(), self.height(), self.format().name().unwrap_or("?"))
    }
}

impl PosterFrame {
    /// Creates a poster frame from a frame of `stream`, the `index`th stream of its container. Times count from `start`. `cost` is the
    /// number of decoded packets and of passes.
    pub(in crate::media) fn new(
        stream: Stream<'_>,
        index: usize,
        start: Microseconds,
        found: Found,
        cost: (u64, u32),
        terms: Terms,
    ) -> Result<Self, Error> {
        let Found { mut frame, mut alpha, pts, reason } = found;
        let time_base = Ratio::from(stream.time_base());
        if let Some(edges) = stream.cropping() {
            crop(&mut frame, edges)?;
            if let Some(alpha) = &mut alpha {
                crop(alpha, edges)?;
            }
        }
        // The container's aspect ratio takes precedence over the codec's, and the frame's over the headers'.
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
            alpha,
            considered: Vec::new(),
            frame,
        })
    }

    /// Returns the presentation time in seconds, counted from the container's start.
    pub const fn pts_seconds(&self) -> f64 {
        self.pts_seconds
    }

    /// Returns the presentation time in ticks of [`time_base`](Self::time_base), as the stream counts it.
    pub const fn pts(&self) -> i64 {
        self.pts
    }

    /// Returns the seconds in one tick of the stream.
    pub const fn time_base(&self) -> Ratio {
        self.time_base
    }

    /// Returns the reason why this frame was taken.
    pub const fn reason(&self) -> FrameReason {
        self.reason
    }

    /// Returns the frames that [`Pick::Auto`](crate::Pick::Auto) examined, in that order and including this frame. The list is empty for
    /// other rules.
    pub fn considered(&self) -> &[ConsideredFrame] {
        &self.considered
    }

    /// Returns the index of the frame's stream.
    pub const fn stream_index(&self) -> usize {
        self.stream_index
    }

    /// Returns the number of packets that were sent to the decoder for this frame, over all passes.
    pub const fn packets_decoded(&self) -> u64 {
        self.packets_decoded
    }

    /// Returns the number of decoding passes. A value above 1 means that the first, economical pass returned another frame than the
    /// packets promise, or met damage.
    pub const fn passes(&self) -> u32 {
        self.passes
    }

    /// Returns the decoded width and height: cropped, but neither rotated nor stretched.
    pub fn decoded_size(&self) -> (u32, u32) {
        (self.frame.width(), self.frame.height())
    }

    /// Returns FFmpeg's name of the decoded pixel format (`yuv420p`).
    pub fn pixel_format(&self) -> &'static str {
        self.frame.format().name().unwrap_or("unknown")
    }

    /// Returns the transformation that turns the decoded picture upright.
    pub const fn orientation(&self) -> Orientation {
        self.orientation
    }

    /// Returns the decoded samples, plane after plane, rows without padding: the output of `ffmpeg -f rawvideo`.
    ///
    /// # Errors
    /// [`Error::Picture`] for pixel formats that have no such representation.
    pub fn copy_planes(&self) -> Result<Vec<u8>, Error> {
        self.frame.copy_planes().map_err(Error::picture("copied"))
    }

    /// Returns the presented width and height: upright, with square pixels, within these bounds, or with the fit of this encoding.
    pub fn display_size(&self, framing: impl Into<Framing>) -> (u32, u32) {
        let (width, height) = self.upright_size();
        framing.into().size(width, height)
    }

    /// Returns the width and height of the whole picture, upright and with square pixels.
    pub(super) fn upright_size(&self) -> (u32, u32) {
        let (width, height) = self.square_size();
        if self.orientation.swaps_sides() { (height, width) } else { (width, height) }
    }

    /// Returns the decoded size, with the width stretched by the sample aspect ratio like `scale=iw*sar:ih`. If the result would exceed
    /// the allowed number of pixels, the height shrinks instead.
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

/// Crops the edges, by whole chroma samples on the left and at the top, like ffmpeg's crop filter.
pub(super) fn crop(frame: &mut Frame, mut edges: Edges) -> Result<(), Error> {
    let (shift_x, shift_y) = frame.format().layout().map_or((0, 0), |layout| layout.chroma_shift);
    let (odd_x, odd_y) = (edges.left & ((1 << shift_x) - 1), edges.top & ((1 << shift_y) - 1));
    edges.left -= odd_x;
    edges.right += odd_x;
    edges.top -= odd_y;
    edges.bottom += odd_y;
    // Edges that leave no pixels are damage: the whole picture is kept.
    let (width, height) = (frame.width() as usize, frame.height() as usize);
    let fits = |a: usize, b: usize, side: usize| a.checked_add(b).is_some_and(|sum| sum < side);
    if fits(edges.left, edges.right, width) && fits(edges.top, edges.bottom, height) {
        frame.crop(edges).map_err(Error::picture("cropped"))?;
    }
    Ok(())
}
