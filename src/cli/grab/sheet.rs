//! A contact sheet: pictures in rows, each with its time below it.

use std::convert::Infallible;

use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{OriginDimensions, Point, Size};
use embedded_graphics::mono_font::ascii::{FONT_6X10, FONT_10X20};
use embedded_graphics::mono_font::{MonoFont, MonoTextStyle};
use embedded_graphics::pixelcolor::{Rgb888, RgbColor as _};
use embedded_graphics::text::{Alignment, Baseline, Text, TextStyleBuilder};
use embedded_graphics::{Drawable as _, Pixel};

use super::super::output;
use crate::{Candidate, Error, Limit, Limits, RgbPicture};

/// Margin around each picture and its time, in pixels.
const MARGIN: u32 = 4;
/// Minimum width of pictures whose times use the large font, in pixels.
const LARGE: u32 = 160;

pub(super) struct ContactSheet {
    pub(super) picture: RgbPicture,
    /// Top left corner of each candidate's picture, in pixels.
    pub(super) places: Vec<(u32, u32)>,
}

/// Layout of the sheet.
struct Grid {
    columns: u32,
    /// Width of the widest picture and height of the highest picture, in pixels.
    picture: (u32, u32),
    cell: (u32, u32),
    font: &'static MonoFont<'static>,
}

impl ContactSheet {
    /// Arranges the candidates row by row, with about as many rows as columns.
    pub(super) fn of(candidates: &[Candidate], limits: &Limits) -> Result<Self, Error> {
        let times: Vec<String> = candidates.iter().map(|candidate| time(candidate.pts_seconds)).collect();
        let grid = Grid::new(candidates, &times);
        let count = u32::try_from(candidates.len()).unwrap_or(u32::MAX);
        let rows = count.div_ceil(grid.columns);
        let too_large = Error::LimitExceeded { limit: Limit::MaxPixels, allowed: limits.max_pixels };
        let size = grid.cell.0.checked_mul(grid.columns).zip(grid.cell.1.checked_mul(rows));
        let size = size.filter(|&(width, height)| u64::from(width) * u64::from(height) <= limits.max_pixels);
        let (width, height) = size.ok_or(too_large)?;
        let mut canvas = Canvas(RgbPicture::new(width, height, Vec::new()));
        let mut places = Vec::with_capacity(candidates.len());
        for (index, (candidate, time)) in (0_u32..).zip(candidates.iter().zip(&times)) {
            let (left, top) = (index % grid.columns * grid.cell.0, index / grid.columns * grid.cell.1);
            places.push(canvas.put(&grid, (left, top), &candidate.picture));
            canvas.write(&grid, (left, top), time);
        }
        Ok(Self { picture: canvas.0, places })
    }
}

/// Formats a time, rounded down to the millisecond. A request for the rounded time returns this frame, not the next one.
pub(super) fn time(seconds: f64) -> String {
    output::time((seconds * 1000.0).floor().max(0.0) / 1000.0)
}

impl Grid {
    fn new(candidates: &[Candidate], times: &[String]) -> Self {
        let most = |side: fn(&RgbPicture) -> u32| {
            candidates.iter().map(|candidate| side(&candidate.picture)).max().unwrap_or(1)
        };
        let picture = (most(|picture| picture.width), most(|picture| picture.height));
        let font = if picture.0 >= LARGE { &FONT_10X20 } else { &FONT_6X10 };
        let letters = times.iter().map(String::len).max().unwrap_or(0);
        let letters = u32::try_from(letters).unwrap_or(u32::MAX);
        let text = font.character_size.width.saturating_mul(letters);
        let width = picture.0.max(text).saturating_add(2 * MARGIN);
        let height = picture.1.saturating_add(font.character_size.height).saturating_add(3 * MARGIN);
        let mut columns = 1_u32;
        while columns.saturating_mul(columns) < u32::try_from(candidates.len()).unwrap_or(u32::MAX) {
            columns = columns.saturating_add(1);
        }
        Self { columns, picture, cell: (width, height), font }
    }
}

/// A picture on which text is drawn.
struct Canvas(RgbPicture);

impl Canvas {
    /// Draws a picture in the centre of its area in a cell. Returns its top left corner.
    fn put(&mut self, grid: &Grid, (left, top): (u32, u32), picture: &RgbPicture) -> (u32, u32) {
        let left = left + (grid.cell.0 - picture.width) / 2;
        let top = top + MARGIN + (grid.picture.1 - picture.height) / 2;
        let row_bytes = (picture.width as usize * 3).max(1);
        for (row, from) in (top as usize..).zip(picture.pixels.chunks_exact(row_bytes)) {
            let start = (row * self.0.width as usize + left as usize) * 3;
            if let Some(to) = self.0.pixels.get_mut(start..start.saturating_add(row_bytes)) {
                to.copy_from_slice(from);
            }
        }
        (left, top)
    }

    /// Writes a time centred below a picture.
    fn write(&mut self, grid: &Grid, (left, top): (u32, u32), time: &str) {
        let point = (left + grid.cell.0 / 2, top + grid.picture.1 + 2 * MARGIN);
        let Some((x, y)) = i32::try_from(point.0).ok().zip(i32::try_from(point.1).ok()) else { return };
        let placed = TextStyleBuilder::new().alignment(Alignment::Center).baseline(Baseline::Top).build();
        let style = MonoTextStyle::new(grid.font, Rgb888::WHITE);
        let Ok(_) = Text::with_text_style(time, Point::new(x, y), style, placed).draw(self);
    }
}

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        Size::new(self.0.width, self.0.height)
    }
}

impl DrawTarget for Canvas {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        let width = self.0.width as usize;
        for Pixel(point, colour) in pixels {
            let Some((x, y)) = usize::try_from(point.x).ok().zip(usize::try_from(point.y).ok()) else {
                continue;
            };
            let start = y.saturating_mul(width).saturating_add(x).saturating_mul(3);
            if x < width
                && let Some(to) = self.0.pixels.get_mut(start..start.saturating_add(3))
            {
                to.copy_from_slice(&[colour.r(), colour.g(), colour.b()]);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_not_behind_its_frame() {
        assert_eq!(time(0.9179), "0:00.917");
        assert_eq!(time(10.3019), "0:10.301");
        assert_eq!(time(62.5), "1:02.500");
        assert_eq!(time(-0.04), "0:00.000");
    }
}
