//! The bytes of a file in memory, for libav and for the planners of the layout.

#![deny(clippy::arithmetic_side_effects)]

use std::collections::VecDeque;

use crate::media::parser_work::ParserWork;
use crate::source::ByteRange;

/// Maximum number of windows, and of bytes in the windows that do not stay. libavformat discards its buffer at every seek, and seeks
/// back and forth between header, index and samples.
const MAX_WINDOWS: usize = 256;
const MAX_BYTES: usize = 8 << 20;

/// Windows of a file.
pub(crate) struct Seen {
    size: u64,
    /// Windows in order of offset.
    windows: Vec<Window>,
    /// Offsets and numbers of the windows that do not stay, oldest first, and the number of the next window.
    oldest: VecDeque<(u64, u64)>,
    next_number: u64,
    /// Bytes in the windows that do not stay.
    held: usize,
    /// The cost of examining the bytes.
    work: ParserWork,
}

struct Window {
    offset: u64,
    number: u64,
    bytes: Vec<u8>,
    /// The greatest end of this window and the earlier ones. A look-up goes back only as far as a window can extend to its position.
    reach: u64,
}

impl Window {
    fn end(&self) -> u64 {
        self.offset.saturating_add(self.bytes.len() as u64)
    }

    fn rest_from(&self, offset: u64) -> Option<&[u8]> {
        let skip = usize::try_from(offset.checked_sub(self.offset)?).ok()?;
        self.bytes.get(skip..).filter(|rest| !rest.is_empty())
    }
}

impl Seen {
    /// Begins with no bytes of a file of `size` bytes.
    pub(crate) fn new(size: u64) -> Self {
        Self {
            size,
            windows: Vec::new(),
            oldest: VecDeque::new(),
            next_number: 0,
            held: 0,
            work: ParserWork::default(),
        }
    }

    /// Returns the size of the whole file in bytes.
    pub(crate) const fn size(&self) -> u64 {
        self.size
    }

    /// Returns the cost of examining the bytes.
    pub(crate) const fn work(&self) -> &ParserWork {
        &self.work
    }

    pub(crate) const fn work_mut(&mut self) -> &mut ParserWork {
        &mut self.work
    }

    /// Stores bytes that were read at `offset`, and replaces the bytes that were read longest ago and do not stay.
    pub(crate) fn add(&mut self, offset: u64, bytes: Vec<u8>, stays: bool) {
        let number = self.next_number;
        self.next_number = number.saturating_add(1);
        if !stays {
            self.held = self.held.saturating_add(bytes.len());
            while self.held > MAX_BYTES || self.oldest.len() >= MAX_WINDOWS {
                let Some((oldest, number)) = self.oldest.pop_front() else { break };
                self.remove(oldest, number);
            }
            self.oldest.push_back((offset, number));
        }
        let at = self.windows.partition_point(|window| window.offset <= offset);
        self.windows.insert(at, Window { offset, number, bytes, reach: 0 });
        self.update_reach(at);
    }

    fn remove(&mut self, offset: u64, number: u64) {
        let first = self.windows.partition_point(|window| window.offset < offset);
        let behind = self.windows.get(first..).unwrap_or_default();
        let Some(place) = behind.iter().position(|window| window.number == number) else { return };
        let at = first.saturating_add(place);
        self.held = self.held.saturating_sub(self.windows.remove(at).bytes.len());
        self.update_reach(at);
    }

    /// Updates how far the windows from index `at` extend.
    fn update_reach(&mut self, at: usize) {
        let before = at.checked_sub(1).and_then(|before| self.windows.get(before));
        let mut reach = before.map_or(0, |window| window.reach);
        for window in self.windows.get_mut(at..).unwrap_or_default() {
            reach = reach.max(window.end());
            if window.reach == reach {
                break;
            }
            window.reach = reach;
        }
    }

    /// Iterates over the contents of windows from `offset`, nearest window first.
    fn rests_from(&self, offset: u64) -> impl Iterator<Item = &[u8]> {
        let count = self.windows.partition_point(|window| window.offset <= offset);
        let before = self.windows.get(..count).unwrap_or_default().iter().rev();
        before
            .take_while(move |window| window.reach > offset)
            .filter_map(move |window| window.rest_from(offset))
    }

    /// Returns the bytes of a range, if one window contains all of them.
    pub(crate) fn get(&self, range: ByteRange) -> Option<&[u8]> {
        let length = usize::try_from(range.len()).ok()?;
        self.rests_from(range.start()).find_map(|rest| rest.get(..length))
    }

    /// Returns the bytes of a window from `offset`, or `None` if there are none.
    pub(crate) fn rest_from(&self, offset: u64) -> Option<&[u8]> {
        self.rests_from(offset).max_by_key(|rest| rest.len())
    }

    /// Returns the start of the first window after `offset`, or the end of the file.
    pub(crate) fn next_start(&self, offset: u64) -> u64 {
        let at = self.windows.partition_point(|window| window.offset <= offset);
        self.windows.get(at).map_or(self.size, |window| window.offset.min(self.size))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, reason = "tests may panic")]

    use proptest::prelude::*;

    use super::*;

    const SIZE: u64 = 5000;

    /// Returns the bytes of a file in a range.
    fn file(range: ByteRange) -> Vec<u8> {
        (range.start()..range.end()).map(|place| u8::try_from(place * 7 % 251).unwrap()).collect()
    }

    proptest! {
        #[test]
        fn look_ups_find_the_bytes_of_any_window(
            windows in prop::collection::vec((0..SIZE, 1..400_u64, prop::bool::weighted(0.05)), 0..600),
            looks in prop::collection::vec((0..SIZE, 1..100_u64), 1..100),
        ) {
            let mut seen = Seen::new(SIZE);
            // The same, searched one by one.
            let (mut kept, mut passing) = (Vec::new(), VecDeque::new());
            for (start, length, stays) in windows {
                let range = ByteRange::new(start, start + length).clipped(SIZE);
                seen.add(range.start(), file(range), stays);
                if stays {
                    kept.push(range);
                } else {
                    passing.push_back(range);
                    while passing.len() > MAX_WINDOWS {
                        passing.pop_front();
                    }
                }
            }
            let all: Vec<ByteRange> = kept.iter().chain(&passing).copied().collect();
            for (start, length) in looks {
                let range = ByteRange::new(start, start + length).clipped(SIZE);
                let has_all = all.iter().any(|window| window.start() <= range.start() && range.end() <= window.end());
                let expected = has_all.then(|| file(range));
                prop_assert_eq!(seen.get(range), expected.as_deref());
                let furthest = all.iter().filter(|window| window.contains(start)).map(|window| window.end()).max();
                let rest = furthest.map(|end| file(ByteRange::new(start, end)));
                prop_assert_eq!(seen.rest_from(start), rest.as_deref());
                let next = all.iter().map(|window| window.start()).filter(|&next| next > start).min();
                prop_assert_eq!(seen.next_start(start), next.unwrap_or(SIZE));
            }
        }
    }
}
