//! How a picture looks at first sight: whether it is worth being a thumbnail.
//!
//! Three measures of a small copy. The entropy of the histogram of luma (C. E. Shannon, "A Mathematical Theory of Communication", 1948, section 6)
//! separates pictures from blank frames: a scene in the dark spreads over few levels, but over more than a black frame with noise does.
//! Brightness is asked separately, so that dark scenes pass. A title card is bright writing on one level that fills most of the picture.
//! Something that is lit before one level, as the moon is at night, has many shades inside; letters and signs have few.
//! Sharpness is the steepest step between two neighbours, in parts of the range of luma.

use serde::{Deserialize, Serialize};

use crate::pixels::RgbPicture;

/// Levels of luma that a blank frame covers at most, but for a fiftieth of its pixels: noise, and the traces of coding.
const BLANK_RANGE: usize = 10;
/// Bits of entropy of a blank frame at most.
const BLANK_ENTROPY: f32 = 1.2;
/// A frame with a mean luma below this is black where it is blank, and above 255 minus this white.
const DARK: f32 = 48.0;
/// The part of a picture that one level of luma, and two to either side, fill in a title card.
const TITLE_GROUND: f32 = 0.72;
/// How far its writing lies from that level.
const TITLE_CONTRAST: usize = 96;
/// How far the pixels of a subject lie from that level.
const SUBJECT_CONTRAST: u8 = 12;
/// The least part of a picture that lies inside a subject, two pixels from its edge: strokes of letters are thinner.
const SUBJECT_SHARE: f32 = 0.02;
/// Bits of entropy inside a subject at least. A letter or a sign has one level, and the noise of coding, which has three bits.
const SUBJECT_ENTROPY: f32 = 4.5;
/// The steepest step of a blurred picture at most, in parts of its range.
const BLURRED_STEP: f32 = 0.085;

/// The class of a picture, as `Pick::Auto` judges it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// Worth showing. Dark scenes are good, too.
    Good,
    /// Blurred all over.
    Blurred,
    /// Writing on one level of luma.
    TitleCard,
    /// Blank, neither dark nor bright.
    Flat,
    /// Blank and bright.
    White,
    /// Blank and dark.
    Black,
}

/// Measures of a picture that tell whether it is worth showing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Appearance {
    /// The class of the picture, by the other fields.
    pub verdict: Verdict,
    /// Entropy of the histogram of luma in bits, 0 to 8.
    pub entropy: f32,
    /// Mean of luma, 0 to 1.
    pub brightness: f32,
    /// The steepest step of luma between two neighbouring pixels, but for a two-hundredth of them, in parts of the picture's range, 0 to 1.
    pub sharpness: f32,
}

/// A frame that [`Pick::Auto`](crate::Pick::Auto) judged.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ConsideredFrame {
    /// Its presentation time in seconds, counted from the container's start.
    pub pts_seconds: f64,
    /// Its measures and its class.
    #[serde(flatten)]
    pub appearance: Appearance,
}

impl Appearance {
    /// Measures a picture. Pass a small copy, about 320 pixels wide: details that cannot be seen at that size do not count.
    ///
    /// ```
    /// use posterframe::{Appearance, RgbPicture, Verdict};
    ///
    /// let black = RgbPicture::new(64, 36, vec![3; 64 * 36 * 3]);
    /// assert_eq!(Appearance::of(&black).verdict, Verdict::Black);
    /// ```
    pub fn of(picture: &RgbPicture) -> Self {
        let luma: Vec<u8> = picture.pixels.chunks_exact(3).map(luma).collect();
        let mut histogram = [0_u32; 256];
        for &level in &luma {
            if let Some(count) = histogram.get_mut(usize::from(level)) {
                *count = count.saturating_add(1);
            }
        }
        let (low, high) = (percentile(&histogram, 0.01), percentile(&histogram, 0.99));
        let range = high.saturating_sub(low);
        let steepest = percentile(&steps(&luma, picture.width as usize), 0.995);
        let sharpness = if range == 0 { 0.0 } else { (level(steepest) / level(range)).min(1.0) };
        let (entropy, mean) = (entropy(&histogram), mean(&histogram));
        let verdict = match () {
            () if range <= BLANK_RANGE || entropy <= BLANK_ENTROPY && !has_contrast(&histogram) => match mean
            {
                mean if mean < DARK => Verdict::Black,
                mean if mean > 255.0 - DARK => Verdict::White,
                _ => Verdict::Flat,
            },
            () if is_title_card(&histogram) && !has_subject(&luma, picture.width as usize, &histogram) => {
                Verdict::TitleCard
            }
            () if sharpness <= BLURRED_STEP => Verdict::Blurred,
            () => Verdict::Good,
        };
        Self { verdict, entropy, brightness: mean / 255.0, sharpness }
    }

    /// Sorts appearances: the more a frame is worth, the larger.
    pub(crate) fn rank(&self) -> (std::cmp::Reverse<u8>, u32) {
        let class = match self.verdict {
            Verdict::Good => 0,
            Verdict::Blurred => 1,
            Verdict::TitleCard => 2,
            Verdict::Flat | Verdict::White | Verdict::Black => 3,
        };
        // Positive numbers sort as their bits do (IEEE 754).
        (std::cmp::Reverse(class), self.entropy.max(0.0).to_bits())
    }
}

/// Luma of a pixel by the weights of BT.601 (ITU-R BT.601-7, 2.5.1), which are what JFIF uses.
fn luma(pixel: &[u8]) -> u8 {
    let [red, green, blue] = [0, 1, 2].map(|index| u32::from(pixel.get(index).copied().unwrap_or(0)));
    u8::try_from((red * 299 + green * 587 + blue * 114 + 500) / 1000).unwrap_or(u8::MAX)
}

/// A level of luma, or a difference of two, as a number.
fn level(level: usize) -> f32 {
    u8::try_from(level).map_or(255.0, f32::from)
}

#[expect(clippy::cast_precision_loss, reason = "shares of a small picture need no more than 24 bits")]
fn share(count: u32, of: u32) -> f32 {
    if of == 0 { 0.0 } else { count as f32 / of as f32 }
}

fn total(histogram: &[u32; 256]) -> u32 {
    histogram.iter().fold(0, |sum, count| sum.saturating_add(*count))
}

/// How often the luma of two neighbours, side by side or one above the other, differs by how much.
fn steps(luma: &[u8], width: usize) -> [u32; 256] {
    let mut histogram = [0_u32; 256];
    let mut count = |a: u8, b: u8| {
        if let Some(count) = histogram.get_mut(usize::from(a.abs_diff(b))) {
            *count = count.saturating_add(1);
        }
    };
    for row in luma.chunks_exact(width.max(1)) {
        row.iter().zip(row.iter().skip(1)).for_each(|(a, b)| count(*a, *b));
    }
    luma.iter().zip(luma.iter().skip(width)).for_each(|(a, b)| count(*a, *b));
    histogram
}

/// The level that this part of the pixels does not exceed.
fn percentile(histogram: &[u32; 256], part: f32) -> usize {
    let total = total(histogram);
    let mut sum = 0_u32;
    histogram
        .iter()
        .position(|count| {
            sum = sum.saturating_add(*count);
            share(sum, total) >= part
        })
        .unwrap_or(255)
}

fn entropy(histogram: &[u32; 256]) -> f32 {
    let total = total(histogram);
    let bits = |&count: &u32| {
        let share = share(count, total);
        if share > 0.0 { -share * share.log2() } else { 0.0 }
    };
    histogram.iter().map(bits).sum()
}

fn mean(histogram: &[u32; 256]) -> f32 {
    let total = total(histogram);
    histogram.iter().enumerate().map(|(index, &count)| level(index) * share(count, total)).sum()
}

/// The level that most pixels have, counted with two to either side, and the part of the pixels that have it.
fn ground(histogram: &[u32; 256]) -> (usize, f32) {
    let around = |index: usize| {
        let window = index.saturating_sub(2)..=index.saturating_add(2).min(255);
        histogram.get(window).unwrap_or_default().iter().fold(0_u32, |sum, count| sum.saturating_add(*count))
    };
    let best = (0..256).max_by_key(|&index| around(index)).unwrap_or(0);
    (best, share(around(best), total(histogram)))
}

/// Whether a hundredth of the pixels lies far from the level of most.
fn has_contrast(histogram: &[u32; 256]) -> bool {
    let (ground, _) = ground(histogram);
    percentile(histogram, 0.99).abs_diff(ground).max(percentile(histogram, 0.01).abs_diff(ground))
        >= TITLE_CONTRAST
}

fn is_title_card(histogram: &[u32; 256]) -> bool {
    ground(histogram).1 >= TITLE_GROUND && has_contrast(histogram)
}

/// Whether something with many shades inside lies before the level of most pixels.
fn has_subject(luma: &[u8], width: usize, histogram: &[u32; 256]) -> bool {
    let (ground, _) = ground(histogram);
    let ground = u8::try_from(ground).unwrap_or(u8::MAX);
    let is_apart: Vec<bool> = luma.iter().map(|level| level.abs_diff(ground) > SUBJECT_CONTRAST).collect();
    // Inside is what lies apart with two pixels in each direction: first along the rows, then along the columns.
    let inside_row = |row: &[bool]| {
        let mut inside = vec![false; row.len()];
        for (to, around) in inside.iter_mut().skip(2).zip(row.windows(5)) {
            *to = around.iter().all(|is_apart| *is_apart);
        }
        inside
    };
    let rows: Vec<Vec<bool>> = is_apart.chunks_exact(width.max(1)).map(inside_row).collect();
    let mut shades = [0_u32; 256];
    for (around, levels) in rows.windows(5).zip(luma.chunks_exact(width.max(1)).skip(2)) {
        for (column, level) in levels.iter().enumerate() {
            let is_inside = around.iter().all(|row| row.get(column).is_some_and(|is_apart| *is_apart));
            if let (true, Some(count)) = (is_inside, shades.get_mut(usize::from(*level))) {
                *count = count.saturating_add(1);
            }
        }
    }
    share(total(&shades), total(histogram)) >= SUBJECT_SHARE && entropy(&shades) >= SUBJECT_ENTROPY
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SIZE: (u32, u32) = (64, 36);

    fn drawn(pixel: impl Fn(u32, u32) -> [u8; 3]) -> RgbPicture {
        let pixels = (0..SIZE.1).flat_map(|y| (0..SIZE.0).map(move |x| (x, y)));
        RgbPicture::new(SIZE.0, SIZE.1, pixels.flat_map(|(x, y)| pixel(x, y)).collect())
    }

    /// Numbers without a pattern (SplitMix64's mixing), 0 to 255.
    fn noise(x: u32, y: u32, seed: u64) -> u8 {
        let state =
            (u64::from(y) << 32 | u64::from(x)).wrapping_add(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed >> 40).to_le_bytes()[0]
    }

    proptest! {
        #[test]
        fn blank_frames_with_noise_are_blank(grey: u8, amplitude in 1_u8..8, seed: u64) {
            let picture = drawn(|x, y| [grey.saturating_add(noise(x, y, seed) % amplitude); 3]);
            let expected = match grey {
                0..40 => [Verdict::Black; 2],
                40..48 => [Verdict::Black, Verdict::Flat],
                48..196 => [Verdict::Flat; 2],
                196..212 => [Verdict::Flat, Verdict::White],
                _ => [Verdict::White; 2],
            };
            let found = Appearance::of(&picture);
            prop_assert!(expected.contains(&found.verdict), "{:?}", found);
        }

        /// Objects of many shades, with edges, none brighter than the darkest tenth of a screen.
        #[test]
        fn dark_scenes_are_good(seed: u64, top in 30_u8..80, block in 3_u32..9) {
            let picture = drawn(|x, y| [noise(x / block, y / block, seed) % top; 3]);
            let found = Appearance::of(&picture);
            prop_assert_eq!(found.verdict, Verdict::Good, "{:?}", found);
        }

        #[test]
        fn writing_on_one_level_is_a_title_card(ground in 0_u8..60, ink in 180_u8..=255, seed: u64, inverted: bool) {
            let is_ink = |x: u32, y: u32| (12..24).contains(&y) && (8..56).contains(&x) && noise(x / 2, y / 3, seed) < 100;
            let grey = |x, y| if is_ink(x, y) { ink } else { ground };
            let picture = drawn(|x, y| [if inverted { 255 - grey(x, y) } else { grey(x, y) }; 3]);
            let found = Appearance::of(&picture);
            prop_assert_eq!(found.verdict, Verdict::TitleCard, "{:?}", found);
        }

        /// A ball in the light of one side, on a level that fills most of the picture; without shades it is a sign.
        #[test]
        fn a_lit_subject_is_no_title_card(
            ground in 0_u8..30, radius in 9.0..13.0_f64, light in -1.0..1.0_f64, seed: u64, inverted: bool, is_shaded: bool
        ) {
            let grey = |x: u32, y: u32| {
                let (across, down) = ((f64::from(x) - 31.5) / radius, (f64::from(y) - 17.5) / radius);
                let height = (1.0 - across * across - down * down).max(0.0).sqrt();
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "60 to 230")]
                let lit = (60.0 + 85.0 * (1.0 + (light * across + height).clamp(-1.0, 1.0))) as u8;
                match (height > 0.0, is_shaded) {
                    (false, _) => ground,
                    (true, true) => lit.saturating_add(noise(x, y, seed) % 12),
                    (true, false) => 200 + noise(x, y, seed) % 4,
                }
            };
            let picture = drawn(|x, y| [if inverted { 255 - grey(x, y) } else { grey(x, y) }; 3]);
            let found = Appearance::of(&picture);
            let expected = if is_shaded { Verdict::Good } else { Verdict::TitleCard };
            prop_assert_eq!(found.verdict, expected, "{:?}", found);
        }

        #[test]
        fn any_pixels_have_measures_in_range(width in 0_u32..9, height in 0_u32..9, pixels: Vec<u8>) {
            let found = Appearance::of(&RgbPicture::new(width, height, pixels));
            prop_assert!((0.0..=8.0).contains(&found.entropy) && (0.0..=1.0).contains(&found.sharpness), "{:?}", found);
            prop_assert!((0.0..=1.001).contains(&found.brightness), "{:?}", found);
        }
    }

    #[test]
    fn soft_pictures_are_blurred() {
        let wave = |x: u32| (f64::from(x) / 14.0).sin() * 100.0 + 127.0;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "27 to 227")]
        let picture = drawn(|x, y| [wave(x + y) as u8; 3]);
        assert_eq!(Appearance::of(&picture).verdict, Verdict::Blurred, "{:?}", Appearance::of(&picture));
    }
}
