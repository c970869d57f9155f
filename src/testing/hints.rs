//! Requests ahead that are replaced on purpose, and parts of files that are not hidden.

use std::cell::{Cell, RefCell};
use std::fmt;

use crate::source::ByteRange;

/// Returns what is requested in place of some ranges of an object of a size.
type Replace = Box<dyn FnMut(u64, &[ByteRange]) -> Vec<ByteRange>>;

thread_local! {
    static REPLACE: RefCell<Option<Replace>> = const { RefCell::new(None) };
    static SHOWS_EVERYTHING: Cell<bool> = const { Cell::new(false) };
}

/// Ends the replacement that [`replace_hints`] began.
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

/// Replaces what media opened in this thread request ahead, until the guard is dropped: `replace` is given the size of the object
/// and the ranges that a plan or a search names, and returns others. Such hints decide about requests, never about a picture.
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

/// What is requested in place of `ranges`.
pub(crate) fn replaced(size: u64, ranges: &[ByteRange]) -> Vec<ByteRange> {
    let replaced = REPLACE.with_borrow_mut(|replace| Some(replace.as_mut()?(size, ranges)));
    replaced.unwrap_or_else(|| ranges.to_vec())
}

/// Ends what [`show_everything`] began.
#[must_use = "files are shown in part again when this is dropped"]
#[derive(Debug)]
pub struct ViewGuard(());

impl Drop for ViewGuard {
    fn drop(&mut self) {
        SHOWS_EVERYTHING.set(false);
    }
}

/// Lets libav see all that a file has, until the guard is dropped: media opened in this thread hide no boxes and no elements.
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

/// Whether nothing is hidden.
pub(crate) fn shows_everything() -> bool {
    SHOWS_EVERYTHING.get()
}
