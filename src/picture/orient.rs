//! Turning and mirroring, sample by sample. swscale cannot do it, and libavfilter is not compiled in.

use crate::pixels::{Orientation, Plane, RgbPicture, YuvPicture};

/// The picture as it stands upright.
pub(crate) fn orient_yuv(picture: YuvPicture, orientation: Orientation) -> YuvPicture {
    if orientation == Orientation::Upright {
        return picture;
    }
    YuvPicture {
        planes: picture.planes.map(|plane| {
            let (width, height) = turned(plane.width, plane.height, orientation);
            let samples = permute::<1>(&plane.samples, plane.width, plane.height, orientation);
            Plane { width, height, samples }
        }),
    }
}

/// The picture as it stands upright.
pub(crate) fn orient_rgb(picture: RgbPicture, orientation: Orientation) -> RgbPicture {
    if orientation == Orientation::Upright {
        return picture;
    }
    let (width, height) = turned(picture.width, picture.height, orientation);
    let pixels = permute::<3>(&picture.pixels, picture.width as usize, picture.height as usize, orientation);
    RgbPicture { width, height, pixels }
}

fn turned<T>(width: T, height: T, orientation: Orientation) -> (T, T) {
    if orientation.swaps_sides() { (height, width) } else { (width, height) }
}

/// Copies pixels of `N` bytes from where they lie to where they are shown.
fn permute<const N: usize>(pixels: &[u8], width: usize, height: usize, orientation: Orientation) -> Vec<u8> {
    let (out_width, out_height) = turned(width, height, orientation);
    let mut out = Vec::with_capacity(pixels.len());
    for y in 0..out_height {
        let (far_x, far_y) = (out_width - 1, out_height - 1 - y);
        for x in 0..out_width {
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
            let at = (row * width + column) * N;
            out.extend_from_slice(&pixels[at..at + N]);
        }
    }
    out
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
            let plane = Plane { width: 3, height: 2, samples: b"abcdef".to_vec() };
            let turned =
                orient_yuv(YuvPicture { planes: [plane.clone(), plane.clone(), plane] }, orientation);
            assert_eq!(turned.planes[0].samples, expected.as_bytes(), "{orientation:?}");
            assert_eq!(turned.planes[2].width, width);
            let pixels = b"abcdef".iter().flat_map(|&byte| [byte; 3]).collect();
            let rgb = orient_rgb(RgbPicture { width: 3, height: 2, pixels }, orientation);
            let first_bytes: Vec<u8> = rgb.pixels.iter().step_by(3).copied().collect();
            assert_eq!(first_bytes, expected.as_bytes(), "{orientation:?}");
        }
    }
}
