//! The cost of HEIF items in libavformat: it searches all items for each reference to an item, and reads properties again for each
//! item.

use super::allowed::is_read_in_vain;
use super::{BOX_WORK, HeaderFilter, Place};
use crate::media::layout::boxes::{Fields, Part, contents, parts};
use crate::media::layout::planner::Pause;
use crate::media::parser_work::ParserWork;

/// Number of item comparisons that cost as much as an entry, and number of entries that a property of an item costs.
const ITEM_COMPARISONS: u64 = 256;
const PROPERTY_ENTRIES: u64 = 16;

impl HeaderFilter {
    /// Counts the searches of libavformat through the items of HEIF, and the bytes of properties that it reads again for each item.
    pub(super) fn count_items(&mut self, boxes: &[u8], place: Place, work: &ParserWork) -> Result<(), Pause> {
        let (mut items, mut searches, mut properties) = (0_u64, 0_u64, 0_u64);
        for part in parts(boxes) {
            let content = part.content;
            let version = content.first().copied().unwrap_or(0);
            let count = |at: usize, is_long: bool| {
                let length = if is_long { 4 } else { 2 };
                let bytes = content.get(at..).and_then(|rest| rest.get(..length)).unwrap_or_default();
                bytes.iter().fold(0_u64, |count, &byte| count << 8 | u64::from(byte))
            };
            match &part.kind {
                b"iinf" => items = items.max(count(4, version > 0)),
                b"iloc" => items = items.max(count(6, version > 1)),
                b"iref" => {
                    searches = searches
                        .saturating_add(contents(content.get(4..).unwrap_or_default()).count() as u64);
                }
                b"iprp" => {
                    let (associations, read) = self.count_properties(&part, place, work)?;
                    searches = searches.saturating_add(associations);
                    properties = properties
                        .saturating_add(associations.saturating_mul(PROPERTY_ENTRIES))
                        .saturating_add(read >> 6);
                }
                _ => {}
            }
        }
        let comparisons = items.saturating_mul(items.saturating_add(searches));
        let entries = comparisons.checked_div(ITEM_COMPARISONS).unwrap_or(0).saturating_add(items);
        self.add(entries.saturating_add(properties), 0);
        Ok(())
    }

    /// Returns the number of properties of all items, and their bytes. Properties are counted by position, so each of them is hidden
    /// alone.
    fn count_properties(
        &mut self,
        iprp: &Part<'_>,
        place: Place,
        work: &ParserWork,
    ) -> Result<(u64, u64), Pause> {
        let (mut sizes, mut associations, mut bytes) = (Vec::new(), 0_u64, 0_u64);
        let inner = place.within(iprp);
        for part in parts(iprp.content) {
            match &part.kind {
                b"ipco" => {
                    let within = inner.within(&part);
                    for property in parts(part.content) {
                        work.spend(BOX_WORK)?;
                        sizes.push(property.end.saturating_sub(property.start) as u64);
                        self.check_boxes(sizes.len() as u64)?;
                        if is_read_in_vain(property.kind) {
                            self.hidden.extend(within.range(property.start, property.end));
                        }
                    }
                }
                b"ipma" => {
                    let Some(mut fields) = Fields::new(part.content) else { continue };
                    let (is_long, id_bytes) = (fields.has(1), if fields.version > 0 { 4 } else { 2 });
                    for _ in 0..fields.take().unwrap_or(0) {
                        let Some(count) = fields.skip(id_bytes).and_then(|()| fields.rest.first().copied())
                        else {
                            break;
                        };
                        let length = usize::from(count).saturating_mul(if is_long { 2 } else { 1 });
                        let Some(numbers) = fields.rest.get(1..length.saturating_add(1)) else { break };
                        work.spend(length as u64)?;
                        for number in numbers.chunks_exact(if is_long { 2 } else { 1 }) {
                            let number =
                                number.iter().fold(0_usize, |number, &byte| number << 8 | usize::from(byte));
                            let number = number & if is_long { 0x7fff } else { 0x7f };
                            let size = number
                                .checked_sub(1)
                                .and_then(|number| sizes.get(number))
                                .copied()
                                .unwrap_or(0);
                            (associations, bytes) =
                                (associations.saturating_add(1), bytes.saturating_add(size));
                        }
                        fields.rest = fields.rest.get(length.saturating_add(1)..).unwrap_or_default();
                    }
                }
                _ => {}
            }
        }
        Ok((associations, bytes))
    }
}
