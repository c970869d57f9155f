//! Turning and mirroring, sample by sample. swscale cannot do it, and libavfilter is not compiled in.

use crate::pixels::Orientation;

/// Width and height of a picture that stands upright.
pub(crate) fn turned<T>(width: T, height: T, orientation: Orientation) -> (T, T) {
    if orientation.swaps_sides() { (height, width) } else { (width, height) }
}

/// Fills the row `y` of the upright picture with pixels of `N` bytes, from the rows of the one that is to be turned. `None` where those
/// are not all there.
pub(crate) fn fill_row<const N: usize>(
    rows: &[&[u8]],
    orientation: Orientation,
    y: usize,
    out: &mut [u8],
) -> Option<()> {
    let width = rows.first()?.len() / N;
    let (out_width, out_height) = turned(width, rows.len(), orientation);
    let (far_x, far_y) = (out_width.checked_sub(1)?, out_height.checked_sub(1)?.checked_sub(y)?);
    for (x, pixel) in out.chunks_exact_mut(N).enumerate().take(out_width) {
        // (column, row) of the source.
        let (column, row) = match orientation {
            Orientation::Upright => (x, y),
            Orientation::FlipHorizontal => (far_x - x, y),
            Orientation::Rotate180 => (far_x - x, far_y),
            Orientation::FlipVertical => (x, far_y),
            Orientation::Transpose => (y, x),
            Orientation::Rotate90 => (y, far_x - x),
            Orientation::Transverse => (far_y, far_x - x),
            Orientation::Rotate270 => (far_y, x),
        };
        let at = column * N;
        pixel.copy_from_slice(rows.get(row)?.get(at..at + N)?);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ```text
    /// a b c
    /// d e f
    /// ```
    #[test]
    fn each_orientation_of_six_pixels() {
        let cases = [
            (Orientation::Upright, "abcdef", 3),
            (Orientation::FlipHorizontal, "cbafed", 3),
            (Orientation::Rotate180, "fedcba", 3),
            (Orientation::FlipVertical, "defabc", 3),
            (Orientation::Transpose, "adbecf", 2),
            (Orientation::Rotate90, "daebfc", 2),
            (Orientation::Transverse, "fcebda", 2),
            (Orientation::Rotate270, "cfbead", 2),
        ];
        for (orientation, expected, width) in cases {
            let mut out = [0; 6];
            for (y, row) in out.chunks_exact_mut(width).enumerate() {
                fill_row::<1>(&[b"abc", b"def"], orientation, y, row).unwrap();
            }
            assert_eq!(out, expected.as_bytes(), "{orientation:?}");
            // Pixels of three bytes are moved whole.
            let mut out = [0; 18];
            for (y, row) in out.chunks_exact_mut(width * 3).enumerate() {
                fill_row::<3>(&[b"aAxbBxcCx", b"dDxeExfFx"], orientation, y, row).unwrap();
            }
            let letters: Vec<u8> = out.chunks_exact(3).map(|pixel| pixel[0]).collect();
            let capitals: Vec<u8> = out.chunks_exact(3).map(|pixel| pixel[1].to_ascii_lowercase()).collect();
            assert_eq!((&letters[..], &capitals[..]), (expected.as_bytes(), expected.as_bytes()));
        }
    }

    #[test]
    fn rows_that_are_not_there_are_told() {
        let mut out = [0; 2];
        assert_eq!(fill_row::<1>(&[], Orientation::Upright, 0, &mut out), None);
        assert_eq!(fill_row::<1>(&[b"ab"], Orientation::Upright, 1, &mut out), None);
        assert_eq!(fill_row::<1>(&[b"ab", b"c"], Orientation::Rotate90, 1, &mut out), None);
    }
}
