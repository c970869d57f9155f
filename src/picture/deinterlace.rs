//! Joins the two fields of an interlaced frame.
//!
//! The frame is all there is: no other frame is read. Where both fields show the same thing, the rows of both are kept, and a still picture
//! loses nothing. Where the second field shows a comb, its samples are replaced along the direction in which the rows of the first field
//! agree best, as the spatial half of FFmpeg's yadif does.
//!
//! Motion moves every row of the second field, so a comb has several teeth, one above the other. A still line that is one row high has one.
//! A sample is therefore part of a comb only when it stands out from its neighbours of the first field, and the next sample of the second
//! field above or below it stands out from its own neighbours to the same side: five rows in the middle of a comb, seven at its ends.

/// How far, in 8-bit steps, a sample must stand out to be a tooth of a comb that has teeth above and below it.
const INNER_THRESHOLD: i32 = 2;

/// The same for a tooth with another one on one side only: the first or the last row of what moved, or fine detail.
const OUTER_THRESHOLD: i32 = 6;

/// A tooth above or below counts when it stands out by more than this part of the tooth in question.
const LIKENESS: i32 = 4;

/// One component of a picture, as rows of samples.
pub(crate) trait Component {
    /// Samples across and down.
    fn size(&self) -> (usize, usize);
    /// Bits of a sample, 16 at most.
    fn depth(&self) -> u32;
    /// Copies a row into `samples`, one for each across. `None` where the picture has no such row.
    fn read(&self, row: usize, samples: &mut [u16]) -> Option<()>;
    /// Replaces a row by `samples`.
    fn write(&mut self, row: usize, samples: &[u16]) -> Option<()>;
}

/// Replaces the combs of a component. The rows of the first field are kept: the even ones when `keep_top`. `go_on` is called once a row
/// and ends the work with its error.
pub(crate) fn deinterlace<E>(
    component: &mut impl Component,
    keep_top: bool,
    mut go_on: impl FnMut(usize) -> Result<(), E>,
) -> Result<Option<()>, E> {
    let ((width, height), depth) = (component.size(), component.depth());
    let mut window = Window::new(component, usize::from(keep_top));
    let mut joined = vec![0; width];
    loop {
        if window.row >= height {
            return Ok(Some(()));
        }
        go_on(window.row)?;
        if window.fill(height).and_then(|()| window.join(height, depth, &mut joined)).is_none() {
            return Ok(None);
        }
        window.advance();
    }
}

/// A row of the second field, and three rows above and below it, as the decoder wrote them.
struct Window<'a, C> {
    component: &'a mut C,
    /// The row in the middle.
    row: usize,
    rows: [Vec<u16>; REACH * 2 + 1],
    /// Rows from the top that were read.
    read: usize,
}

/// Rows above and below the one in question: its neighbours of the first field, the next teeth of a comb, and the neighbours behind those.
const REACH: usize = 3;

impl<'a, C: Component> Window<'a, C> {
    fn new(component: &'a mut C, row: usize) -> Self {
        let width = component.size().0;
        Self { component, row, rows: [(); REACH * 2 + 1].map(|()| vec![0; width]), read: 0 }
    }

    /// Reads the rows of the window that were not read yet.
    fn fill(&mut self, height: usize) -> Option<()> {
        let end = height.min(self.row + REACH + 1);
        for row in self.read..end {
            let index = (row + REACH).checked_sub(self.row)?;
            self.component.read(row, self.rows.get_mut(index)?)?;
        }
        self.read = end;
        Some(())
    }

    /// Moves on to the next row of the second field.
    fn advance(&mut self) {
        self.rows.rotate_left(2);
        self.row += 2;
    }

    /// Replaces the combs in the row. `joined` has room for it.
    fn join(&mut self, height: usize, depth: u32, joined: &mut [u16]) -> Option<()> {
        let around: [Option<&[u16]>; REACH * 2 + 1] = std::array::from_fn(|index| {
            let row = (self.row + index).checked_sub(REACH).filter(|&row| row < height);
            row.and(self.rows.get(index)).map(Vec::as_slice)
        });
        let [_, _, above, current, below, _, _] = around;
        // At the top and at the bottom there is one neighbour of the first field: it stands for both. A picture of one row has no fields.
        let Some((above, below)) = above.or(below).zip(below.or(above)) else { return Some(()) };
        let current = current?;
        let mut kinds: Vec<Tooth> = (0..current.len()).map(|x| tooth(&around, x, depth)).collect();
        spread(kinds.iter_mut());
        spread(kinds.iter_mut().rev());
        if !kinds.contains(&Tooth::Certain) {
            return Some(());
        }
        joined.copy_from_slice(current);
        for (x, (sample, _)) in
            joined.iter_mut().zip(&kinds).enumerate().filter(|(_, (_, kind))| **kind == Tooth::Certain)
        {
            *sample = along_best_direction(above, below, x)?;
        }
        self.component.write(self.row, joined)
    }
}

/// Whether a sample is part of a comb.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tooth {
    No,
    /// If a sample beside it is: what a slanted edge leaves of a comb.
    Likely,
    Certain,
}

/// Makes likely teeth certain that come after a certain one.
fn spread<'a>(teeth: impl Iterator<Item = &'a mut Tooth>) {
    let mut last = Tooth::No;
    for tooth in teeth {
        if (last, *tooth) == (Tooth::Certain, Tooth::Likely) {
            *tooth = Tooth::Certain;
        }
        last = *tooth;
    }
}

/// Whether the sample at `x` of the row in the middle is part of a comb. Rows beyond the edge of the picture are `None`.
fn tooth(around: &[Option<&[u16]>; REACH * 2 + 1], x: usize, depth: u32) -> Tooth {
    let sample = |row: Option<&[u16]>| Some(i32::from(*row?.get(x)?));
    let [far_above, tooth_above, above, current, below, tooth_below, far_below] = around.map(sample);
    let scaled = |threshold: i32| (threshold << depth.min(16)) >> 8;
    let Some(side) = current.zip(above.or(below)).map(|(here, beside)| (here - beside).signum()) else {
        return Tooth::No;
    };
    // How far a sample of the second field stands out to this side, from both of its neighbours of the first where it has two.
    let stands_out = |here: Option<i32>, beside: [Option<i32>; 2]| {
        beside.into_iter().flatten().filter_map(|beside| Some((here? - beside) * side)).min()
    };
    let Some(height) = stands_out(current, [above, below]).filter(|&height| height > scaled(INNER_THRESHOLD))
    else {
        return Tooth::No;
    };
    let least = scaled(INNER_THRESHOLD).max(height / LIKENESS);
    let is_alike = |tooth, beside| stands_out(tooth, beside).map(|tooth| tooth > least);
    match (is_alike(tooth_above, [far_above, above]), is_alike(tooth_below, [below, far_below])) {
        // Nothing is known beyond the edge of the picture.
        (Some(true), Some(true) | None) | (None, Some(true)) => return Tooth::Certain,
        (Some(true), Some(false)) | (Some(false), Some(true)) if height > scaled(OUTER_THRESHOLD) => {
            return Tooth::Certain;
        }
        _ => {}
    }
    let is_near = |tooth, beside| is_alike(tooth, [beside, None]) == Some(true);
    if is_near(tooth_above, above) || is_near(tooth_below, below) { Tooth::Likely } else { Tooth::No }
}

/// The mean of the two neighbours on the line through `x` that differ least, three samples wide: upright, or leaning up to two samples to
/// either side where each step fits better than the one before.
fn along_best_direction(above: &[u16], below: &[u16], x: usize) -> Option<u16> {
    let difference = |lean: isize| -> Option<i32> {
        let mut sum = 0;
        for beside in [-1, 0, 1] {
            let up = above.get(x.checked_add_signed(lean + beside)?)?;
            let down = below.get(x.checked_add_signed(beside - lean)?)?;
            sum += (i32::from(*up) - i32::from(*down)).abs();
        }
        Some(sum)
    };
    let (mut best, mut best_lean) = (difference(0).unwrap_or(0), 0_isize);
    for side in [-1, 1] {
        for lean in [side, side * 2] {
            match difference(lean) {
                Some(found) if found < best => (best, best_lean) = (found, lean),
                _ => break,
            }
        }
    }
    let up = above.get(x.checked_add_signed(best_lean)?)?;
    let down = below.get(x.checked_add_signed(-best_lean)?)?;
    Some(up.midpoint(*down))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A component with eight bits or more.
    #[derive(Clone, Debug, PartialEq)]
    struct Plane {
        width: usize,
        depth: u32,
        samples: Vec<u16>,
    }

    impl Plane {
        fn new(width: usize, height: usize, depth: u32, sample: impl Fn(usize, usize) -> u16) -> Self {
            let samples = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
            let samples = samples.map(|(x, y)| sample(x, y) << (depth - 8)).collect();
            Self { width, depth, samples }
        }

        fn joined(mut self, keep_top: bool) -> Self {
            deinterlace::<()>(&mut self, keep_top, |_| Ok(())).unwrap().unwrap();
            self
        }
    }

    impl Component for Plane {
        fn size(&self) -> (usize, usize) {
            (self.width, self.samples.len() / self.width)
        }
        fn depth(&self) -> u32 {
            self.depth
        }
        fn read(&self, row: usize, samples: &mut [u16]) -> Option<()> {
            samples.copy_from_slice(self.samples.get(row * self.width..(row + 1) * self.width)?);
            Some(())
        }
        fn write(&mut self, row: usize, samples: &[u16]) -> Option<()> {
            self.samples.get_mut(row * self.width..(row + 1) * self.width)?.copy_from_slice(samples);
            Some(())
        }
    }

    #[test]
    fn a_still_gradient_is_kept() {
        let plane = Plane::new(64, 48, 8, |x, y| u16::try_from(x * 2 + y).unwrap());
        assert_eq!(plane.clone().joined(true), plane);
    }

    #[test]
    fn one_row_is_kept() {
        let plane = Plane::new(3, 1, 8, |x, _| u16::try_from(x).unwrap());
        assert_eq!(plane.clone().joined(false), plane);
    }

    #[test]
    fn a_broken_off_join_returns_the_reason() {
        let mut plane = Plane::new(4, 8, 8, |_, _| 0);
        let stopped = deinterlace(&mut plane, true, |row| if row > 4 { Err(row) } else { Ok(()) });
        assert_eq!(stopped, Err(5));
    }

    #[test]
    fn a_slanted_edge_stays_sharp() {
        // The fields are one moment apart: the edge of the second one is four samples further.
        let edge = |x: usize, y: usize| if x > y + 8 { 200 } else { 40 };
        let moved = Plane::new(64, 32, 8, |x, y| edge(if y % 2 == 0 { x } else { x + 4 }, y));
        let sharp = Plane::new(64, 32, 8, edge);
        let wrong = moved.joined(true).samples.iter().zip(&sharp.samples).filter(|(a, b)| a != b).count();
        // One sample of each row lies between its neighbours, and stays.
        assert!(wrong <= 20, "{wrong}");
    }

    proptest! {
        /// Lines one row high that are three rows apart or more are kept, wherever they are, in any depth.
        #[test]
        fn still_lines_are_kept(
            keep_top: bool, depth in 8_u32..=16, first in 0_usize..8, gap in 3_usize..9, line in 0_u16..256, ground in 0_u16..256,
        ) {
            let plane = Plane::new(16, 48, depth, |_, y| if y % gap == first % gap { line } else { ground });
            prop_assert_eq!(plane.clone().joined(keep_top), plane);
        }

        /// Two flat fields become the first one, from three steps of difference on.
        #[test]
        fn combs_vanish(keep_top: bool, depth in 8_u32..=16, first in 0_u16..256, second in 0_u16..256, rows in 4_usize..20) {
            prop_assume!(first.abs_diff(second) > 2);
            let kept = usize::from(!keep_top);
            let plane = Plane::new(8, rows, depth, |_, y| if y % 2 == kept { first } else { second });
            let expected = Plane::new(8, rows, depth, |_, _| first);
            prop_assert_eq!(plane.joined(keep_top), expected);
        }

        /// The rows of the first field are never changed.
        #[test]
        fn the_first_field_is_kept(keep_top: bool, samples in proptest::collection::vec(0_u16..1024, 12 * 9)) {
            let plane = Plane { width: 12, depth: 10, samples };
            let joined = plane.clone().joined(keep_top);
            for (index, (after, before)) in joined.samples.iter().zip(&plane.samples).enumerate() {
                if (index / 12) % 2 == usize::from(!keep_top) {
                    prop_assert_eq!(after, before);
                }
            }
        }
    }
}
