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

/// Replaces the comb teeth in every second line of a plane: in the odd lines when `keep_top`, else in the even ones.
///
/// `samples` are rows of `width` without padding; `depth` is the number of bits in use.
pub(crate) fn deinterlace_plane<S: Sample>(samples: &mut [S], width: usize, depth: u32, keep_top: bool) {
    if width == 0 {
        return;
    }
    let height = samples.len() / width;
    let threshold = COMB_THRESHOLD << depth.saturating_sub(8);
    let mut line = Vec::with_capacity(width);
    let mut y = usize::from(keep_top);
    while y < height {
        // At the top and bottom edge there is one neighbour: it stands for both.
        let above = if y == 0 { y + 1 } else { y - 1 };
        let below = if y + 1 == height { above } else { y + 1 };
        if above >= height {
            return;
        }
        line.clear();
        {
            let row = |row: usize| &samples[row * width..(row + 1) * width];
            let (current, above, below) = (row(y), row(above), row(below));
            line.extend((0..width).map(|x| {
                let over_above = current[x].read() - above[x].read();
                let over_below = current[x].read() - below[x].read();
                let is_tooth = (over_above > threshold && over_below > threshold)
                    || (over_above < -threshold && over_below < -threshold);
                if is_tooth { along_best_direction(above, below, x) } else { current[x] }
            }));
        }
        samples[y * width..(y + 1) * width].copy_from_slice(&line);
        y += 2;
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
