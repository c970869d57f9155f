//! Replacement of the byte ranges that media request ahead, and display of the parts of files that are hidden from libav.

use std::cell::{Cell, RefCell};
use std::fmt;

use crate::source::ByteRange;

/// Returns the byte ranges to request instead of these ranges. The first argument is the size of the object in bytes.
type Replace = Box<dyn FnMut(u64, &[ByteRange]) -> Vec<ByteRange>>;

thread_local! {
    static REPLACE: RefCell<Option<Replace>> = const { RefCell::new(None) };
    static SHOWS_EVERYTHING: Cell<bool> = const { Cell::new(false) };
}

/// Ends the replacement of [`replace_hints`] when dropped.
#[must_use = "the replacement ends when this is dropped"]
pub struct HintGuard(());

impl fmt::Debug for HintGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HintGuard")
    }
}

impl Drop for HintGuard {
    fn drop(&mut self) {
        REPLACE.with_borrow_mut(Option::take);
    }
}

/// Replaces the byte ranges that media opened in this thread request ahead, until the guard is dropped. `replace` receives the size
/// of the object in bytes and the ranges that a plan or a search names, and returns the ranges to request instead. These hints
/// affect requests only, never a picture.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use posterframe::source::MemorySource;
/// use posterframe::testing::replace_hints;
/// use posterframe::{Media, OpenOptions};
///
/// let _nothing = replace_hints(|_, _| Vec::new());
/// let source = MemorySource::new(std::fs::read("tests/fixtures/h264_end.mp4")?);
/// let mut media = Media::open_source(source, &OpenOptions::default())?;
/// assert_eq!(media.frame(Duration::from_secs(5))?.pts_seconds(), 5.0);
/// # Ok(())
/// # }
/// ```
pub fn replace_hints(replace: impl FnMut(u64, &[ByteRange]) -> Vec<ByteRange> + 'static) -> HintGuard {
    REPLACE.set(Some(Box::new(replace)));
    HintGuard(())
}

/// Returns the byte ranges to request instead of `ranges`.
pub(crate) fn replaced(size: u64, ranges: &[ByteRange]) -> Vec<ByteRange> {
    let replaced = REPLACE.with_borrow_mut(|replace| Some(replace.as_mut()?(size, ranges)));
    replaced.unwrap_or_else(|| ranges.to_vec())
}

/// Ends the effect of [`show_everything`] when dropped.
#[must_use = "files are shown in part again when this is dropped"]
#[derive(Debug)]
pub struct ViewGuard(());

impl Drop for ViewGuard {
    fn drop(&mut self) {
        SHOWS_EVERYTHING.set(false);
    }
}

/// Shows libav the whole contents of files, until the guard is dropped. Media opened in this thread hide no boxes and no elements.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use posterframe::testing::show_everything;
/// use posterframe::{Media, OpenOptions};
///
/// let part = Media::open_file("tests/fixtures/h264_end.mp4", &OpenOptions::default())?;
/// let _guard = show_everything();
/// let all = Media::open_file("tests/fixtures/h264_end.mp4", &OpenOptions::default())?;
/// assert_eq!(part.info(), all.info());
/// # Ok(())
/// # }
/// ```
pub fn show_everything() -> ViewGuard {
    SHOWS_EVERYTHING.set(true);
    ViewGuard(())
}

/// Returns whether all parts of files are shown.
pub(crate) fn shows_everything() -> bool {
    SHOWS_EVERYTHING.get()
}
