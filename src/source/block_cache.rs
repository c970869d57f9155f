//! A bounded cache of received bytes that wait to be read, shared by all readers of a process.
//!
//! A block is a piece of a body, as it arrived. A block is *wanted* until the reader has read it to its end, or until the planner
//! decides that the block will not be needed. Wanted blocks stay in the cache. When a new block needs room, the cache evicts the
//! oldest of the other blocks. When all blocks are wanted, new blocks wait, and so do the connections they come from. A block
//! that a reader is waiting for does not wait. This exception guarantees progress, however many readers share the cache.
//!
//! A quarter of the capacity is reserved for wanted blocks that arrive before an awaited block of the same body: without room they are
//! dropped, and fetched again when they are read.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

use crate::source::range::ByteRange;
use crate::source::range_set::RangeSet;

/// Default capacity: enough for two dozen videos at a time, each with an index of a megabyte.
const DEFAULT_CAPACITY: u64 = 32 << 20;

/// A bounded cache of received bytes. All clones share one cache.
#[derive(Clone)]
pub struct BlockCache(Arc<Shared>);

struct Shared {
    capacity: u64,
    state: Mutex<State>,
    /// Notified whenever a waiting block should try again.
    room: Notify,
}

#[derive(Default)]
struct State {
    /// Bytes of all blocks, and of those that are wanted.
    used: u64,
    wanted: u64,
    next_reader: u64,
    /// A counter that gives each block its age.
    clock: u64,
    /// Blocks by reader and offset.
    blocks: HashMap<u64, BTreeMap<u64, Block>>,
    /// Blocks that may be evicted, by age, as reader and offset.
    spare: BTreeMap<u64, (u64, u64)>,
}

struct Block {
    bytes: Bytes,
    /// The number of consecutive requests that led to the block.
    depth: u32,
    /// The key of the block in `spare`; `None` while the block is wanted.
    spare: Option<u64>,
}

impl fmt::Debug for BlockCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let used = self.0.lock().used;
        f.debug_struct("BlockCache").field("capacity", &self.0.capacity).field("used", &used).finish()
    }
}

impl BlockCache {
    /// Creates a separate cache with a capacity of `capacity` bytes.
    pub fn new(capacity: u64) -> Self {
        Self(Arc::new(Shared { capacity, state: Mutex::default(), room: Notify::new() }))
    }

    /// Returns the cache of the process, 32 MiB.
    pub fn global() -> Self {
        static GLOBAL: LazyLock<BlockCache> = LazyLock::new(|| BlockCache::new(DEFAULT_CAPACITY));
        GLOBAL.clone()
    }

    /// Returns the number of bytes in the cache.
    pub fn used_bytes(&self) -> u64 {
        self.0.lock().used
    }

    pub(super) fn reader(&self) -> Blocks {
        let mut state = self.0.lock();
        state.next_reader += 1;
        Blocks { cache: self.clone(), reader: state.next_reader }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn block_at(&self, reader: u64, offset: u64) -> Option<(u64, &Block)> {
        let (&start, block) = self.blocks.get(&reader)?.range(..=offset).next_back()?;
        (offset - start < block.bytes.len() as u64).then_some((start, block))
    }

    fn set_wanted(&mut self, reader: u64, offset: u64, wanted: bool) {
        self.clock += 1;
        let clock = self.clock;
        let Some(block) = self.blocks.get_mut(&reader).and_then(|blocks| blocks.get_mut(&offset)) else {
            return;
        };
        let bytes = block.bytes.len() as u64;
        match (block.spare, wanted) {
            (Some(place), true) => {
                block.spare = None;
                self.spare.remove(&place);
                self.wanted += bytes;
            }
            (None, false) => {
                block.spare = Some(clock);
                self.spare.insert(clock, (reader, offset));
                self.wanted -= bytes;
            }
            _ => {}
        }
    }

    fn remove(&mut self, reader: u64, offset: u64) {
        let Some(block) = self.blocks.get_mut(&reader).and_then(|blocks| blocks.remove(&offset)) else {
            return;
        };
        self.forget(&block);
    }

    /// Takes a block that has left `blocks` out of the other fields.
    fn forget(&mut self, block: &Block) {
        let bytes = block.bytes.len() as u64;
        self.used -= bytes;
        match block.spare {
            Some(place) => _ = self.spare.remove(&place),
            None => self.wanted -= bytes,
        }
    }

    /// Removes the blocks that a block with this range replaces. No block may lie within another: a lookup searches only the last
    /// block that starts before the requested bytes.
    fn remove_within(&mut self, reader: u64, range: ByteRange) {
        let Some(blocks) = self.blocks.get(&reader) else { return };
        let begun = blocks.range(range.start()..range.end());
        let within = begun.filter(|(start, block)| *start + block.bytes.len() as u64 <= range.end());
        let within: Vec<u64> = within.map(|(&start, _)| start).collect();
        for start in within {
            self.remove(reader, start);
        }
        self.remove(reader, range.start());
    }

    /// Evicts blocks until there is room for `bytes`. Returns whether there is room.
    fn make_room(&mut self, bytes: u64, capacity: u64) -> bool {
        while self.used + bytes > capacity {
            let Some((_, (reader, offset))) = self.spare.pop_first() else { return false };
            self.remove(reader, offset);
        }
        true
    }
}

/// The urgency of a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Awaited {
    /// No reader waits for the piece: it can wait for room.
    No,
    /// No reader waits for the piece itself, but a reader waits for a later piece of the same body: this piece must not delay
    /// that one.
    Behind,
    /// The reader waits for the piece.
    Now,
}

/// The blocks of one reader. They are removed when the reader is dropped.
#[derive(Debug)]
pub(super) struct Blocks {
    cache: BlockCache,
    reader: u64,
}

impl Blocks {
    /// Adds a piece, and waits for room if the piece can wait. A piece that cannot wait and finds no room is stored if the reader
    /// waits for this very piece. Any other such piece is dropped, and requested again if it is ever read.
    pub(super) async fn put(&self, offset: u64, bytes: Bytes, depth: u32, awaited: impl Fn() -> Awaited) {
        loop {
            let room = self.cache.0.room.notified();
            // From here on no notification is missed, whatever happens before the wait.
            let mut room = std::pin::pin!(room);
            room.as_mut().enable();
            let awaited = awaited();
            if self.try_put(offset, &bytes, depth, awaited) || awaited == Awaited::Behind {
                return;
            }
            room.await;
        }
    }

    fn try_put(&self, offset: u64, bytes: &Bytes, depth: u32, awaited: Awaited) -> bool {
        let mut state = self.cache.0.lock();
        let capacity = self.cache.0.capacity;
        let length = bytes.len() as u64;
        let is_reserved = awaited == Awaited::No && state.wanted + length > capacity - capacity / 4;
        let has_room = !is_reserved && state.make_room(length, capacity);
        if !has_room && awaited != Awaited::Now {
            return false;
        }
        state.remove_within(self.reader, ByteRange::new(offset, offset + length));
        state.used += length;
        state.wanted += length;
        let block = Block { bytes: bytes.clone(), depth, spare: None };
        state.blocks.entry(self.reader).or_default().insert(offset, block);
        true
    }

    /// Lets blocks that wait for room try again: a reader now waits for one of them.
    pub(super) fn retry_waiting(&self) {
        self.cache.0.room.notify_waiters();
    }

    /// Copies the bytes that are available at `offset` without a gap. Returns their number, and the greatest depth of their
    /// blocks.
    pub(super) fn read(&self, offset: u64, buffer: &mut [u8]) -> (usize, u32) {
        let mut state = self.cache.0.lock();
        let (mut count, mut depth) = (0, 0);
        let mut played = false;
        while count < buffer.len() {
            let Some((start, block)) = state.block_at(self.reader, offset + count as u64) else { break };
            let skip = usize::try_from(offset + count as u64 - start).unwrap_or(usize::MAX);
            let rest = &block.bytes[skip..];
            let length = rest.len().min(buffer.len() - count);
            buffer[count..count + length].copy_from_slice(&rest[..length]);
            depth = depth.max(block.depth);
            count += length;
            if length == rest.len() {
                state.set_wanted(self.reader, start, false);
                played = true;
            }
        }
        drop(state);
        if played {
            self.retry_waiting();
        }
        (count, depth)
    }

    /// Returns the end of the bytes that are available from `offset` without a gap: `offset` itself if there are none.
    pub(super) fn end_of_run(&self, offset: u64) -> u64 {
        let state = self.cache.0.lock();
        let mut end = offset;
        while let Some((start, block)) = state.block_at(self.reader, end) {
            end = start + block.bytes.len() as u64;
        }
        end
    }

    /// Returns the first available byte after `offset`, when the byte at `offset` is not available.
    pub(super) fn next_start(&self, offset: u64) -> Option<u64> {
        let state = self.cache.0.lock();
        state.blocks.get(&self.reader)?.range(offset..).next().map(|(&start, _)| start)
    }

    /// Marks the blocks with bytes of `wanted` as wanted. All others may be evicted.
    pub(super) fn want_only(&self, wanted: &RangeSet) {
        let mut state = self.cache.0.lock();
        let all: Vec<ByteRange> = state.blocks.get(&self.reader).map_or_else(Vec::new, |blocks| {
            blocks
                .iter()
                .map(|(&start, block)| ByteRange::new(start, start + block.bytes.len() as u64))
                .collect()
        });
        for block in all {
            state.set_wanted(self.reader, block.start(), wanted.last_within(block).is_some());
        }
        drop(state);
        self.retry_waiting();
    }
}

impl Drop for Blocks {
    fn drop(&mut self) {
        let mut state = self.cache.0.lock();
        for (_, block) in state.blocks.remove(&self.reader).unwrap_or_default() {
            state.forget(&block);
        }
        drop(state);
        self.retry_waiting();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(blocks: &Blocks, offset: u64, length: usize) -> bool {
        blocks.try_put(offset, &Bytes::from(vec![7; length]), 1, Awaited::Behind)
    }

    #[test]
    fn read_blocks_are_evicted_and_wanted_blocks_stay() {
        let cache = BlockCache::new(100);
        let (a, b) = (cache.reader(), cache.reader());
        assert!(put(&a, 0, 60) && put(&b, 0, 40));
        assert!(!put(&a, 60, 10), "all blocks are wanted");
        let mut buffer = [0; 40];
        assert_eq!(b.read(0, &mut buffer), (40, 1));
        assert_eq!(cache.used_bytes(), 100, "a spare block is evicted only when the room is needed");
        assert!(put(&a, 60, 10));
        assert_eq!(b.read(0, &mut buffer).0, 0);
        assert_eq!(a.end_of_run(0), 70);
        drop(a);
        assert_eq!(cache.used_bytes(), 0);
    }

    #[test]
    fn awaited_blocks_do_not_wait_for_room() {
        let cache = BlockCache::new(10);
        let blocks = cache.reader();
        assert!(put(&blocks, 0, 10));
        assert!(blocks.try_put(10, &Bytes::from_static(b"x"), 1, Awaited::Now));
        assert_eq!(cache.used_bytes(), 11);
    }

    #[test]
    fn a_quarter_of_the_room_is_for_blocks_before_an_awaited_one() {
        let cache = BlockCache::new(100);
        let blocks = cache.reader();
        let put = |offset, length, awaited| blocks.try_put(offset, &Bytes::from(vec![7; length]), 1, awaited);
        assert!(put(0, 75, Awaited::No));
        assert!(!put(75, 1, Awaited::No));
        assert!(put(75, 25, Awaited::Behind));
        assert!(!put(100, 1, Awaited::Behind));
        assert!(put(100, 1, Awaited::Now));
    }

    #[test]
    fn a_block_replaces_the_blocks_within_it() {
        let cache = BlockCache::new(1000);
        let blocks = cache.reader();
        assert!(put(&blocks, 30, 20) && put(&blocks, 70, 50));
        assert!(put(&blocks, 0, 100));
        assert_eq!(cache.used_bytes(), 150);
        assert_eq!(blocks.end_of_run(60), 120, "the block at 30 hides no byte behind it");
        assert!(put(&blocks, 0, 10));
        assert_eq!(cache.used_bytes(), 60);
    }

    #[test]
    fn unwanted_blocks_are_evicted_first() {
        let cache = BlockCache::new(30);
        let blocks = cache.reader();
        assert!(put(&blocks, 0, 10) && put(&blocks, 10, 10) && put(&blocks, 50, 10));
        blocks.want_only(&RangeSet::from_iter([ByteRange::new(15, 20)]));
        assert!(put(&blocks, 100, 20));
        assert_eq!(blocks.end_of_run(0), 0);
        assert_eq!(blocks.end_of_run(10), 20);
        assert_eq!(blocks.next_start(20), Some(100));
    }

    #[test]
    fn a_block_that_waits_for_room_gets_it() -> Result<(), Box<dyn std::error::Error>> {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let cache = BlockCache::new(14);
        let (a, b) = (cache.reader(), cache.reader());
        assert!(put(&a, 0, 10));
        let waiting = runtime.spawn(async move {
            b.put(0, Bytes::from_static(b"0123456789"), 2, || Awaited::No).await;
            b
        });
        let b = runtime.block_on(async {
            tokio::task::yield_now().await;
            drop(a);
            waiting.await
        })?;
        let mut buffer = [0; 4];
        assert_eq!(b.read(3, &mut buffer), (4, 2));
        assert_eq!(&buffer, b"3456");
        Ok(())
    }
}
