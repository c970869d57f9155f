//! The two fields of an interlaced frame, in every pixel format with integer samples of at most 16 bits.

use crate::media::error::Error;
use crate::media::ffi::frame::Frame;
use crate::media::ffi::pixel_format::{Component, PixelLayout};
use crate::media::frame::bands::{check_at_row, unreadable};
use crate::media::work::Work;
use crate::picture::deinterlace::{self, deinterlace};

/// Removes combing in all components of a frame. Palettes, mosaics and floating point formats stay unchanged.
pub(super) fn join_fields(frame: &mut Frame, layout: PixelLayout, work: &Work) -> Result<(), Error> {
    frame.make_writable().map_err(Error::picture("deinterlaced"))?;
    let keep_top = frame.is_top_field_first();
    for index in 0..layout.components {
        let Some(component) = frame.format().component(index) else { continue };
        let size = component_size(frame, layout, index);
        let mut rows = Rows { frame, component, size };
        deinterlace(&mut rows, keep_top, |row| check_at_row(work, row))?
            .ok_or_else(|| unreadable("a row is missing"))?;
    }
    Ok(())
}

/// Returns the width and height of a component in samples.
fn component_size(frame: &Frame, layout: PixelLayout, index: usize) -> (usize, usize) {
    let is_chroma = !layout.is_rgb && layout.components > 2 && matches!(index, 1 | 2);
    let (across, down) = if is_chroma { layout.cut_step() } else { (1, 1) };
    (frame.width().div_ceil(across) as usize, frame.height().div_ceil(down) as usize)
}

/// A component of a frame.
struct Rows<'a> {
    frame: &'a mut Frame,
    component: Component,
    size: (usize, usize),
}

impl deinterlace::Component for Rows<'_> {
    fn size(&self) -> (usize, usize) {
        self.size
    }

    fn depth(&self) -> u32 {
        self.component.depth
    }

    fn read(&self, row: usize, samples: &mut [u16]) -> Option<()> {
        let bytes = self.frame.row(self.component.plane, row, self.component.row_bytes(self.size.0))?;
        self.component.read(bytes, samples);
        Some(())
    }

    fn write(&mut self, row: usize, samples: &[u16]) -> Option<()> {
        let row_bytes = self.component.row_bytes(self.size.0);
        let bytes = self.frame.row_mut(self.component.plane, row, row_bytes)?;
        self.component.write(samples, bytes);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::OpenOptions;
    use crate::media::ffi::frame::ColourCodes;
    use crate::media::ffi::pixel_format::PixelFormat;
    use crate::media::frame::bands::blank;

    const SIZE: (u32, u32) = (13, 10);

    /// Creates a frame from the values that `sample` returns for a component, a column and a row, cut to their
    /// bits.
    fn drawn(format: PixelFormat, sample: impl Fn(usize, usize, usize) -> u16) -> Frame {
        let layout = format.layout().unwrap();
        let mut frame = blank(format, SIZE, ColourCodes::UNSPECIFIED).unwrap();
        for index in 0..layout.components {
            let component = format.component(index).unwrap();
            let (width, height) = component_size(&frame, layout, index);
            for row in 0..height {
                let samples: Vec<u16> = (0..width).map(|x| sample(index, x, row)).collect();
                let bytes = frame.row_mut(component.plane, row, component.row_bytes(width));
                let bytes = bytes.unwrap_or_else(|| panic!("{:?}: {component:?}", format.name()));
                component.write(&samples, bytes);
            }
        }
        frame
    }

    /// Returns all pixel formats whose fields are joined, by name.
    fn formats() -> Vec<(PixelFormat, PixelLayout)> {
        let known =
            (0..1000).map(PixelFormat::from_number).filter_map(|format| Some((format, format.layout()?)));
        known.filter(|(format, _)| format.component(0).is_some()).collect()
    }

    #[test]
    fn samples_of_every_layout_equal_those_of_libav() {
        let formats = formats();
        let value =
            |index: usize, x: usize, row: usize| u16::try_from(index * 7919 + x * 911 + row * 101).unwrap();
        for &(format, layout) in &formats {
            let frame = drawn(format, value);
            for index in 0..layout.components {
                let component = format.component(index).unwrap();
                let (width, height) = component_size(&frame, layout, index);
                let mask = u16::MAX >> (16 - component.depth);
                for row in 0..height {
                    let expected: Vec<u16> = (0..width).map(|x| value(index, x, row) & mask).collect();
                    assert_eq!(
                        frame.samples_by_libav(
                            i32::try_from(index).unwrap(),
                            i32::try_from(row).unwrap(),
                            width
                        ),
                        expected,
                        "{:?}, component {index}, row {row}",
                        format.name()
                    );
                }
            }
        }
        let names: Vec<&str> = formats.iter().filter_map(|(format, _)| format.name()).collect();
        for name in [
            "nv12",
            "p010le",
            "uyvy422",
            "yuyv422",
            "yuv422p10be",
            "yuva444p10le",
            "gbrp",
            "rgb48be",
            "y210le",
        ] {
            assert!(names.contains(&name), "{name} of {names:?}");
        }
    }

    #[test]
    fn combing_is_removed_in_every_layout() {
        let work = OpenOptions::default().work();
        for (format, layout) in formats() {
            let level = |index: usize, row: usize| {
                let depth = format.component(index).unwrap().depth;
                let top = u16::MAX >> (16 - depth);
                if row.is_multiple_of(2) { top / 4 * 3 } else { top / 4 }
            };
            let mut frame = drawn(format, |index, _, row| level(index, row));
            join_fields(&mut frame, layout, &work).unwrap();
            // Bits that belong to no component stay unchanged.
            let expected = drawn(format, |index, _, _| level(index, 1));
            assert!(frame.copy_planes().unwrap() == expected.copy_planes().unwrap(), "{:?}", format.name());
        }
    }
}
