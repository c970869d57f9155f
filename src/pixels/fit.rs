//! The fit of a picture in the box that its bounds describe: the size of the result, and the part of the frame that the result contains.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{Bounds, Orientation};

/// Number of steps in the whole width or height of a picture.
const MILLION: u32 = 1_000_000;

/// The fit of a picture in the box that its [`Bounds`] describe. Neither fit enlarges the picture.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fit {
    /// The box contains the whole picture. One side of the result may be shorter than the box.
    #[default]
    Contain,
    /// The picture covers the whole box, and the parts beyond the box are cut off. The focal point is as near to the centre of the
    /// result as the edges of the picture allow.
    ///
    /// The result has the size of the box. When the picture is smaller than the box, the box shrinks and keeps its aspect ratio: a box
    /// of 640 x 640 yields 360 x 360 pixels of a 480 x 360 picture. When one of the sides has no bound, there is no box, and the result
    /// is the same as with `Contain`.
    Cover {
        /// The focal point, which must stay in view.
        #[serde(default)]
        focus: Focus,
    },
}

impl Fit {
    /// All fits; `Cover` has its focal point in the middle.
    pub const ALL: [Self; 2] = [Self::Contain, Self::Cover { focus: Focus::MIDDLE }];

    /// Returns the stable name, without the focal point.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Contain => "contain",
            Self::Cover { .. } => "cover",
        }
    }

    /// Returns the fit with this name (`Cover` with its focal point in the middle), or `None` for any other name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fit| fit.as_str() == name)
    }

    /// Returns the same fit with this focal point, or `None` for `Contain`, which has no focal point.
    #[must_use]
    pub const fn with_focus(self, focus: Focus) -> Option<Self> {
        match self {
            Self::Contain => None,
            Self::Cover { .. } => Some(Self::Cover { focus }),
        }
    }
}

/// A point of an upright picture, in fractions of its width and height, in steps of a millionth: `0,0` is the top left corner, `1,1` the
/// bottom right corner.
///
/// The notation in text and JSON is `0.5,0.25`. Percentages are accepted too: `50%,25%`.
///
/// ```
/// use posterframe::Focus;
///
/// # fn main() -> Result<(), posterframe::FocusError> {
/// let focus: Focus = "50%,0.25".parse()?;
/// assert_eq!((focus.x(), focus.y()), (0.5, 0.25));
/// assert_eq!(focus.to_string(), "0.5,0.25");
/// assert!("2,0".parse::<Focus>().is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Focus {
    x_millionths: u32,
    y_millionths: u32,
}

/// The error for a text that is not a valid [`Focus`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {}", Focus::FORMS)]
pub struct FocusError {
    text: String,
}

impl Focus {
    /// The middle of the picture, the default.
    pub const MIDDLE: Self = Self { x_millionths: MILLION / 2, y_millionths: MILLION / 2 };

    /// The valid notations, for error messages.
    pub(crate) const FORMS: &str =
        "a point such as 0.5,0.25 or 50%,25%: its distance from the left and from the top";

    /// Creates a point at these fractions of width and height, rounded to a millionth, or returns `None` outside of 0 to 1.
    pub fn new(x: f64, y: f64) -> Option<Self> {
        Some(Self { x_millionths: millionths(x)?, y_millionths: millionths(y)? })
    }

    /// Returns the distance from the left edge as a fraction of the width: 0 to 1.
    pub fn x(self) -> f64 {
        f64::from(self.x_millionths) / f64::from(MILLION)
    }

    /// Returns the distance from the top edge as a fraction of the height: 0 to 1.
    pub fn y(self) -> f64 {
        f64::from(self.y_millionths) / f64::from(MILLION)
    }

    /// Returns the position of this point of the upright picture in the decoded picture.
    const fn before(self, orientation: Orientation) -> Self {
        let Self { x_millionths: x, y_millionths: y } = self;
        let (far_x, far_y) = (MILLION - x, MILLION - y);
        let (x_millionths, y_millionths) = match orientation {
            Orientation::Upright => (x, y),
            Orientation::FlipHorizontal => (far_x, y),
            Orientation::Rotate180 => (far_x, far_y),
            Orientation::FlipVertical => (x, far_y),
            Orientation::Transpose => (y, x),
            Orientation::Rotate90 => (y, far_x),
            Orientation::Transverse => (far_y, far_x),
            Orientation::Rotate270 => (far_y, x),
        };
        Self { x_millionths, y_millionths }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "at most a million, and not negative"
)]
fn millionths(fraction: f64) -> Option<u32> {
    (0.0..=1.0).contains(&fraction).then(|| (fraction * f64::from(MILLION)).round() as u32)
}

impl Default for Focus {
    fn default() -> Self {
        Self::MIDDLE
    }
}

impl FromStr for Focus {
    type Err = FocusError;

    fn from_str(text: &str) -> Result<Self, FocusError> {
        let point = text.split_once(',').and_then(|(x, y)| Self::new(fraction(x)?, fraction(y)?));
        point.ok_or_else(|| FocusError { text: text.to_owned() })
    }
}

/// Parses a number or a percentage that consists of digits and a point only: Rust's parser also accepts `inf` and `1e-1`.
fn fraction(text: &str) -> Option<f64> {
    let (digits, whole) = text.strip_suffix('%').map_or((text, 1.0), |percent| (percent, 100.0));
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number: f64 = is_plain.then(|| digits.parse().ok()).flatten()?;
    Some(number / whole)
}

impl fmt::Display for Focus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{}", self.x(), self.y())
    }
}

/// Serializes the point as text, in the notation of [`Display`](fmt::Display).
impl Serialize for Focus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Deserializes the point from text.
impl<'de> Deserialize<'de> for Focus {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// The size of a picture and the picture's fit in that size. [`Bounds`] and [`Encoding`](crate::Encoding) convert into this type.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Framing {
    /// Largest size, upright.
    pub bounds: Bounds,
    /// The fit of the picture in this size.
    pub fit: Fit,
}

impl Framing {
    /// Creates a framing from a size and a fit.
    pub const fn new(bounds: Bounds, fit: Fit) -> Self {
        Self { bounds, fit }
    }

    /// Returns the size of a `width` x `height` picture with this framing. Each side is at least 1.
    pub fn size(self, width: u32, height: u32) -> (u32, u32) {
        match self.covering() {
            // The largest size with the aspect ratio of the box that fits into the box and into the picture.
            Some((box_width, box_height, _)) => {
                Bounds::new(width.max(1), height.max(1)).fit(box_width, box_height)
            }
            None => self.bounds.fit(width, height),
        }
    }

    /// The same part of a picture, which has this `size`, within smaller bounds.
    pub(crate) fn within(self, bounds: Bounds, size: (u32, u32)) -> Self {
        match self.covering() {
            Some(_) => {
                let (width, height) = bounds.fit(size.0, size.1);
                Self::new(Bounds::new(width, height), self.fit)
            }
            // The whole picture does not depend on the bounds that it had.
            None => bounds.into(),
        }
    }

    /// Returns the box to cover and the focal point.
    fn covering(self) -> Option<(u32, u32, Focus)> {
        match (self.fit, self.bounds) {
            (Fit::Cover { focus }, Bounds { max_width: Some(width), max_height: Some(height) }) => {
                Some((width.get(), height.get(), focus))
            }
            _ => None,
        }
    }

    /// Returns the part of a decoded picture that the result contains, or `None` if the result contains the whole picture.
    ///
    /// `decoded` is the size of the decoded picture. `upright` is its presented size, turned by `orientation` and with square pixels.
    /// The part begins at a multiple of `align` in decoded pixels: the multiple nearest to its ideal position, within the picture.
    pub(crate) fn part(
        self,
        decoded: (u32, u32),
        upright: (u32, u32),
        orientation: Orientation,
        align: (u32, u32),
    ) -> Option<Part> {
        let (_, _, focus) = self.covering()?;
        let (width, height) = (u64::from(upright.0.max(1)), u64::from(upright.1.max(1)));
        let shown = self.size(upright.0, upright.1);
        // One of the two sides is used in full. Compare shown.0/shown.1 with width/height without dividing.
        let (wide, high) = (u64::from(shown.0) * height, u64::from(shown.1) * width);
        let (mut across, mut down) = ((wide.min(high), high), (wide.min(high), wide));
        if orientation.swaps_sides() {
            (across, down) = (down, across);
        }
        let (width, height) = (share(decoded.0, across), share(decoded.1, down));
        let focus = focus.before(orientation);
        let part = Part {
            left: place(decoded.0, width, focus.x_millionths, align.0),
            top: place(decoded.1, height, focus.y_millionths, align.1),
            width,
            height,
        };
        ((part.width, part.height) != decoded).then_some(part)
    }
}

impl From<Bounds> for Framing {
    fn from(bounds: Bounds) -> Self {
        Self::new(bounds, Fit::Contain)
    }
}

/// A part of a picture, in pixels of the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    /// Pixels to the left of the part.
    pub(crate) left: u32,
    /// Pixels above the part.
    pub(crate) top: u32,
    /// Pixels from left to right.
    pub(crate) width: u32,
    /// Pixels from top to bottom.
    pub(crate) height: u32,
}

/// Returns the number of pixels in a fraction (at most 1) of a side, rounded to the nearest: at least 1, unless the side is 0.
fn share(side: u32, (numerator, denominator): (u64, u64)) -> u32 {
    let (numerator, denominator) = (u128::from(numerator), u128::from(denominator));
    let pixels = (u128::from(side) * numerator + denominator / 2) / denominator.max(1);
    u32::try_from(pixels).unwrap_or(side).clamp(1, side.max(1)).min(side)
}

/// Returns the start of `length` pixels of a side whose middle is nearest to the focal point.
fn place(side: u32, length: u32, focus_millionths: u32, align: u32) -> u32 {
    let (side, length, align) = (u64::from(side), u64::from(length), u64::from(align.max(1)));
    // In halves of a millionth of a pixel.
    let (whole, focus) = (2 * u64::from(MILLION), 2 * u64::from(focus_millionths));
    let begin = (side * focus).saturating_sub(length * whole / 2);
    let nearest = (begin + whole * align / 2) / (whole * align) * align;
    let last = side.saturating_sub(length) / align * align;
    u32::try_from(nearest.min(last)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cover(width: u32, height: u32, x: f64, y: f64) -> Framing {
        Framing::new(Bounds::new(width, height), Fit::Cover { focus: Focus::new(x, y).unwrap() })
    }

    /// Generates the length of a side. Short sides are more frequent.
    fn side() -> impl Strategy<Value = u32> {
        prop_oneof![1..=40_u32, 41..=2000_u32, 2001..=65_535_u32]
    }

    fn focus() -> impl Strategy<Value = Focus> {
        let fraction = || prop_oneof![Just(0), Just(MILLION), Just(MILLION / 2), 0..=MILLION];
        (fraction(), fraction()).prop_map(|(x_millionths, y_millionths)| Focus { x_millionths, y_millionths })
    }

    fn near(a: f64, b: f64, tolerance: f64) -> bool {
        (a - b).abs() <= tolerance + 1e-6 * a.abs()
    }

    proptest! {
        /// The result has the size of the box, or of the largest box with the same aspect ratio that fits into the picture.
        #[test]
        fn a_covered_box_keeps_its_shape(
            box_width in side(), box_height in side(), width in side(), height in side(), focus in focus()
        ) {
            let framing = Framing::new(Bounds::new(box_width, box_height), Fit::Cover { focus });
            let (shown_width, shown_height) = framing.size(width, height);
            prop_assert!(shown_width <= box_width.min(width) && shown_height <= box_height.min(height));
            if box_width <= width && box_height <= height {
                prop_assert_eq!((shown_width, shown_height), (box_width, box_height));
            } else {
                prop_assert!(shown_width == width || shown_height == height, "{shown_width} x {shown_height}");
                let shape = f64::from(box_width) / f64::from(box_height);
                let by_width = (f64::from(shown_width) / shape - f64::from(shown_height)).abs();
                let by_height = (f64::from(shown_height) * shape - f64::from(shown_width)).abs();
                // Rounded, but at least 1.
                let rounding = if shown_width.min(shown_height) == 1 { 1.0 } else { 0.51 };
                prop_assert!(by_width.min(by_height) <= rounding, "{shown_width} x {shown_height}");
            }
        }

        /// The part has the aspect ratio of the result, the full length of one side, and a middle as near to the focal point as the
        /// edges allow.
        #[test]
        fn the_part_lies_around_the_focal_point(
            box_width in side(), box_height in side(), decoded in (side(), side()), stretch in 0.2..5.0_f64,
            focus in focus(), orientation in prop::sample::select(Orientation::ALL.to_vec()),
            align in prop::sample::select(vec![(1, 1), (2, 1), (2, 2), (4, 4), (8, 1)]),
        ) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 327,675")]
            let square = ((f64::from(decoded.0) * stretch).round().max(1.0) as u32, decoded.1);
            let turned = |(across, down)| if orientation.swaps_sides() { (down, across) } else { (across, down) };
            let upright = turned(square);
            let framing = Framing::new(Bounds::new(box_width, box_height), Fit::Cover { focus });
            let shown = framing.size(upright.0, upright.1);
            let part = framing.part(decoded, upright, orientation, align);
            let part = part.unwrap_or(Part { left: 0, top: 0, width: decoded.0, height: decoded.1 });
            prop_assert!(part.width >= 1 && part.left + part.width <= decoded.0, "{part:?}");
            prop_assert!(part.height >= 1 && part.top + part.height <= decoded.1, "{part:?}");
            prop_assert!(part.left.is_multiple_of(align.0) && part.top.is_multiple_of(align.1), "{part:?}");
            // Upright and in fractions of the whole: turned about the middle.
            let (width, height) = (f64::from(decoded.0), f64::from(decoded.1));
            let part_size = turned((part.width, part.height));
            let whole_size = turned(decoded);
            let fraction = |part: u32, whole: u32| f64::from(part) / f64::from(whole);
            let size = (fraction(part_size.0, whole_size.0), fraction(part_size.1, whole_size.1));
            // One side in full. The other side keeps the aspect ratio, to half a decoded pixel.
            let scale = (fraction(shown.0, upright.0)).max(fraction(shown.1, upright.1));
            for (found, shown, upright, whole) in
                [(size.0, shown.0, upright.0, whole_size.0), (size.1, shown.1, upright.1, whole_size.1)]
            {
                let wanted = fraction(shown, upright) / scale;
                let tolerance = if found * f64::from(whole) < 1.5 { 1.0 } else { 0.5 } / f64::from(whole);
                prop_assert!(near(found, wanted, tolerance), "{part:?}: {found} of {wanted}");
            }
            // The middle of the part, upright.
            let middle = (
                (f64::from(part.left) + f64::from(part.width) / 2.0) / width,
                (f64::from(part.top) + f64::from(part.height) / 2.0) / height,
            );
            let (x, y) = orientation_by_definition(middle, orientation);
            let align = turned(align);
            for (middle, size, focus, whole, align) in
                [(x, size.0, focus.x(), whole_size.0, align.0), (y, size.1, focus.y(), whole_size.1, align.1)]
            {
                let nearest = focus.clamp(size / 2.0, 1.0 - size / 2.0);
                // An edge at no multiple of the alignment cannot be reached.
                let off = (middle - nearest).abs() * f64::from(whole);
                let allowed = if align == 1 { 0.5 } else { f64::from(align) - 1.0 };
                prop_assert!(off <= allowed + 0.01, "{part:?}: {off} pixels off");
                let inside = (focus - middle).abs() <= size / 2.0 + f64::from(align - 1) / f64::from(whole) + 1e-6;
                prop_assert!(inside, "{part:?} does not hold {focus}: {middle} and {size}");
            }
        }

        #[test]
        fn nothing_is_cut_off_without_a_box(
            box_width in side(), box_height in side(), width in side(), height in side(), focus in focus(),
            orientation in prop::sample::select(Orientation::ALL.to_vec()),
        ) {
            let cover = Fit::Cover { focus };
            let cases = [
                (Fit::Contain, Bounds::new(box_width, box_height)),
                (cover, Bounds::new(box_width, 0)),
                (cover, Bounds::new(0, box_height)),
                (cover, Bounds::default()),
            ];
            for (fit, bounds) in cases {
                let framing = Framing::new(bounds, fit);
                prop_assert_eq!(framing.size(width, height), bounds.fit(width, height));
                prop_assert_eq!(framing.part((width, height), (width, height), orientation, (2, 2)), None);
            }
        }

        #[test]
        fn a_printed_focus_parses_to_the_same_focus(focus in focus()) {
            prop_assert_eq!(focus.to_string().parse(), Ok(focus));
            let percent = format!("{}%,{}%", focus.x() * 100.0, focus.y() * 100.0);
            prop_assert_eq!(percent.parse(), Ok(focus), "{}", percent);
            let json = serde_json::to_string(&Fit::Cover { focus }).unwrap();
            prop_assert_eq!(serde_json::from_str::<Fit>(&json).unwrap(), Fit::Cover { focus }, "{}", json);
        }

        #[test]
        fn parsing_never_panics(text in "[0-9]{0,2}[.]?[0-9]{0,3}%?,[0-9]{0,2}[.]?[0-9]{0,3}%?|[0-9.,%-]{0,16}|\\PC*") {
            if let Ok(focus) = text.parse::<Focus>() {
                prop_assert!((0.0..=1.0).contains(&focus.x()) && (0.0..=1.0).contains(&focus.y()), "{}", text);
            }
        }
    }

    /// Follows the definition of the orientations: mirrored left to right first, then rotated clockwise.
    fn orientation_by_definition((x, y): (f64, f64), orientation: Orientation) -> (f64, f64) {
        let x = if orientation.is_mirrored() { 1.0 - x } else { x };
        match orientation.rotation_degrees() {
            90 => (1.0 - y, x),
            180 => (1.0 - x, 1.0 - y),
            270 => (y, 1.0 - x),
            _ => (x, y),
        }
    }

    #[test]
    fn boxes_of_other_shapes_cut_off_edges() {
        let part =
            |framing: Framing, orientation| framing.part((1920, 1080), (1920, 1080), orientation, (1, 1));
        let square = cover(100, 100, 0.5, 0.5);
        assert_eq!(square.size(1920, 1080), (100, 100));
        let middle = Part { left: 420, top: 0, width: 1080, height: 1080 };
        assert_eq!(part(square, Orientation::Upright), Some(middle));
        let left = cover(100, 100, 0.1, 0.9);
        assert_eq!(part(left, Orientation::Upright), Some(Part { left: 0, ..middle }));
        assert_eq!(part(left, Orientation::FlipHorizontal), Some(Part { left: 840, ..middle }));
        let right = cover(100, 100, 0.9, 0.1);
        assert_eq!(part(right, Orientation::Upright), Some(Part { left: 840, ..middle }));
        // The same aspect ratio.
        assert_eq!(part(cover(640, 360, 0.0, 0.0), Orientation::Upright), None);
        // Wider than the picture.
        let banner = cover(1920, 400, 0.5, 0.25);
        assert_eq!(
            part(banner, Orientation::Upright),
            Some(Part { left: 0, top: 70, width: 1920, height: 400 })
        );
        // Not enlarged.
        assert_eq!(cover(4000, 4000, 0.5, 0.5).size(1920, 1080), (1080, 1080));
        assert_eq!(cover(640, 640, 0.5, 0.5).size(480, 360), (360, 360));
    }

    #[test]
    fn invalid_points_are_rejected() {
        for text in [
            "", ",", "0.5", "0.5,", "1.1,0", "-0.1,0", "101%,0", "nan,0", "inf,0", "1e-1,0", "+1,0",
            "0.5 0.5", "0,0,0", "a,b", "0,50 %", ".,0",
        ] {
            let error = text.parse::<Focus>().map_err(|error| error.to_string());
            let expected = format!(
                "{text:?} is not a point such as 0.5,0.25 or 50%,25%: its distance from the left and from the top"
            );
            assert_eq!(error, Err(expected), "{text}");
        }
        assert_eq!(Focus::new(f64::NAN, 0.0), None);
        assert_eq!(Focus::new(0.0, 1.000_001), None);
    }

    #[test]
    fn names_equal_the_json_names() {
        for fit in Fit::ALL {
            let json = serde_json::to_value(fit).unwrap();
            let is_named = json == fit.as_str() || json.get(fit.as_str()).is_some();
            assert!(is_named, "{json}");
            assert_eq!(Fit::from_name(fit.as_str()), Some(fit));
        }
        assert_eq!(Fit::from_name(""), None);
    }

    #[test]
    fn json_may_omit_the_focus() {
        assert_eq!(serde_json::to_string(&Fit::Contain).ok().as_deref(), Some("\"contain\""));
        let read = |json: &str| serde_json::from_str::<Fit>(json).ok();
        assert_eq!(read("\"contain\""), Some(Fit::Contain));
        assert_eq!(read(r#"{"cover": {}}"#), Some(Fit::Cover { focus: Focus::MIDDLE }));
        assert_eq!(
            read(r#"{"cover": {"focus": "0,1"}}"#),
            Some(Fit::Cover { focus: Focus::new(0.0, 1.0).unwrap() })
        );
        assert_eq!(read(r#"{"cover": {"focus": "0,2"}}"#), None);
    }
}
