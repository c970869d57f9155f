//! Joining the two fields of an interlaced frame.
//!
//! One frame is all there is, so the choice is made inside it: where the two fields show the same thing the lines of
//! both are kept, and a still picture loses nothing; where a sample of the second field stands out from both its
//! neighbours of the first (a comb, the trace of motion), it is replaced along the direction in which the neighbours
//! agree best. This is the spatial half of what ffmpeg's yadif does, with a test for motion that needs no other frame.

/// How far, in 8-bit steps, a sample must stand out on the same side of both neighbours to be a comb tooth. Noise and
/// fine detail stay below; moving edges are far above.
const COMB_THRESHOLD: i32 = 10;

/// Samples as the frame stores them: one byte, or two in little-endian order for more than 8 bits.
pub(crate) trait Sample: Copy {
    fn read(self) -> i32;
    fn mean(a: Self, b: Self) -> Self;
}

impl Sample for u8 {
    fn read(self) -> i32 {
        i32::from(self)
    }
    fn mean(a: Self, b: Self) -> Self {
        a.midpoint(b)
    }
}

impl Sample for [u8; 2] {
    fn read(self) -> i32 {
        i32::from(u16::from_le_bytes(self))
    }
    fn mean(a: Self, b: Self) -> Self {
        u16::from_le_bytes(a).midpoint(u16::from_le_bytes(b)).to_le_bytes()
    }
}

/// The rows of the second field, odd ones when `keep_top`, each with its neighbours above and below in the first.
pub(crate) fn rows_of_second_field(
    height: usize,
    keep_top: bool,
) -> impl Iterator<Item = (usize, usize, usize)> {
    (usize::from(keep_top)..height).step_by(2).filter_map(move |row| {
        // At the top and bottom edge there is one neighbour: it stands for both.
        let above = if row == 0 { row + 1 } else { row - 1 };
        let below = if row + 1 == height { above } else { row + 1 };
        (above < height).then_some((row, above, below))
    })
}

/// Replaces the comb teeth in a row of the second field. `depth` is the number of bits in use.
pub(crate) fn deinterlace_row<S: Sample>(current: &mut [S], above: &[S], below: &[S], depth: u32) {
    let threshold = COMB_THRESHOLD << depth.saturating_sub(8);
    let width = current.len().min(above.len()).min(below.len());
    for x in 0..width {
        let over_above = current[x].read() - above[x].read();
        let over_below = current[x].read() - below[x].read();
        let is_tooth = (over_above > threshold && over_below > threshold)
            || (over_above < -threshold && over_below < -threshold);
        if is_tooth {
            current[x] = along_best_direction(above, below, x);
        }
    }
}

/// The mean of the two neighbours on the line through `x` (leaning up to two samples to either side) that differ least.
fn along_best_direction<S: Sample>(above: &[S], below: &[S], x: usize) -> S {
    let mut best = (i32::MAX, S::mean(above[x], below[x]));
    // The upright direction first: it wins ties.
    for lean in [0_isize, -1, 1, -2, 2] {
        let (Some(up), Some(down)) = (x.checked_add_signed(lean), x.checked_add_signed(-lean)) else {
            continue;
        };
        let (Some(&a), Some(&b)) = (above.get(up), below.get(down)) else { continue };
        let difference = (a.read() - b.read()).abs();
        if difference < best.0 {
            best = (difference, S::mean(a, b));
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both fields of a plane joined.
    fn deinterlace_plane<S: Sample>(samples: &mut [S], width: usize, depth: u32, keep_top: bool) {
        let row = |row: usize| row * width..(row + 1) * width;
        for (current, above, below) in rows_of_second_field(samples.len() / width, keep_top) {
            let (above, below) = (samples[row(above)].to_vec(), samples[row(below)].to_vec());
            deinterlace_row(&mut samples[row(current)], &above, &below, depth);
        }
    }

    #[test]
    fn a_still_picture_is_kept() {
        let mut samples: Vec<u8> =
            (0..64 * 48).map(|i| u8::try_from((i % 64) * 2 + (i / 64)).unwrap_or(255)).collect();
        let before = samples.clone();
        deinterlace_plane(&mut samples, 64, 8, true);
        assert_eq!(samples, before);
    }

    #[test]
    fn combs_of_either_field_vanish() {
        for keep_top in [true, false] {
            // The fields show different flat greys: every line of the other field is a tooth.
            let kept = usize::from(!keep_top);
            let mut samples: Vec<u8> =
                (0..16 * 8).map(|i| if (i / 16) % 2 == kept { 40 } else { 200 }).collect();
            deinterlace_plane(&mut samples, 16, 8, keep_top);
            assert!(samples.iter().all(|&sample| sample == 40), "{keep_top}");
        }
    }

    #[test]
    fn ten_bits() {
        let mut samples: Vec<[u8; 2]> =
            (0..16 * 8).map(|i| if (i / 16) % 2 == 0 { 100_u16 } else { 900 }.to_le_bytes()).collect();
        deinterlace_plane(&mut samples, 16, 10, true);
        assert!(samples.iter().all(|&sample| u16::from_le_bytes(sample) == 100));
    }

    #[test]
    fn one_line_is_left_alone() {
        let mut samples = [1_u8, 2, 3];
        deinterlace_plane(&mut samples, 3, 8, false);
        assert_eq!(samples, [1, 2, 3]);
    }
}
