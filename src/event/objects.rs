//! Groups records by object, so that each object is processed once.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::record::{ObjectRef, Record};

/// An object of an event, and the records about this object.
///
/// Events may arrive several times and in any order. The size of the object is taken from the latest record, determined
/// by the sequencers.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct DistinctObject<'a> {
    /// The object as described by the latest of its records.
    pub object: &'a ObjectRef,
    /// Indices of the records in [`Event::records`](super::Event::records) that are about this object, in order; at
    /// least one.
    pub records: &'a [usize],
}

/// A [`DistinctObject`] with indices instead of references.
#[derive(Debug)]
pub(super) struct Group {
    latest: usize,
    pub(super) records: Vec<usize>,
}

impl Group {
    pub(super) fn of<'a>(&'a self, records: &'a [Record]) -> Option<DistinctObject<'a>> {
        match records.get(self.latest) {
            Some(Record::Object(object)) => Some(DistinctObject { object, records: &self.records }),
            _ => None,
        }
    }
}

/// Returns the fields that distinguish objects to process.
fn identity(object: &ObjectRef) -> impl Eq + std::hash::Hash {
    (&object.bucket, &object.key, &object.alternative_key, &object.version_id)
}

/// Groups records by object, in the order of each object's first record.
pub(super) fn distinct(records: &[Record]) -> Vec<Group> {
    let mut groups: Vec<(Group, &ObjectRef)> = Vec::new();
    let mut known = HashMap::new();
    for (index, record) in records.iter().enumerate() {
        let Record::Object(object) = record else { continue };
        let at = *known.entry(identity(object)).or_insert(groups.len());
        match groups.get_mut(at) {
            None => groups.push((Group { latest: index, records: vec![index] }, object)),
            Some((group, latest)) => {
                group.records.push(index);
                if compare(latest.sequencer.as_deref(), object.sequencer.as_deref()).is_le() {
                    (group.latest, *latest) = (index, object);
                }
            }
        }
    }
    groups.into_iter().map(|(group, _)| group).collect()
}

/// Compares the times of two events of the same key. A record without a sequencer is earlier than any record with one.
///
/// Sequencers are hexadecimal numbers of different lengths that are compared from the left: the shorter one is padded
/// with zeros on the right (Amazon S3 User Guide, "Event message structure").
fn compare(one: Option<&str>, other: Option<&str>) -> Ordering {
    let (Some(one), Some(other)) = (one, other) else { return one.is_some().cmp(&other.is_some()) };
    let length = one.len().max(other.len());
    // Notifications use upper case; the examples of EventBridge use lower case.
    let digits = |text: &str| {
        let filled = text.bytes().chain(std::iter::repeat(b'0')).take(length);
        filled.map(|byte| byte.to_ascii_uppercase()).collect::<Vec<_>>()
    };
    digits(one).cmp(&digits(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(key: &str, size: u64, sequencer: Option<&str>) -> Record {
        Record::Object(ObjectRef {
            bucket: "films".to_owned(),
            key: key.to_owned(),
            alternative_key: None,
            size_hint: Some(size),
            version_id: None,
            is_tagging: false,
            sequencer: sequencer.map(str::to_owned),
        })
    }

    #[test]
    fn sequencers_are_compared_from_the_left() {
        let later = [
            ("0055AED6DCD90281E5", "0055AED6DCD90281E6"),
            ("0055AED6DCD90281E5", "0055AED6DCD90281E501"),
            ("0055AED6DCD9", "0055AED6DD"),
            ("0055aed6dcd90281e5", "0055AED6DCD90281F0"),
            ("9", "A"),
            ("", "01"),
        ];
        for (one, other) in later {
            assert_eq!(compare(Some(one), Some(other)), Ordering::Less, "{one} {other}");
            assert_eq!(compare(Some(other), Some(one)), Ordering::Greater, "{other} {one}");
        }
        assert_eq!(compare(Some("0055AE"), Some("0055AE00")), Ordering::Equal);
        assert_eq!(compare(Some("00aF"), Some("00Af")), Ordering::Equal);
        assert_eq!(compare(None, Some("00")), Ordering::Less);
        assert_eq!(compare(None, None), Ordering::Equal);
    }

    #[test]
    fn the_latest_record_describes_the_object() {
        let skipped = Record::Skipped { bucket: None, key: None, reason: "a test".to_owned() };
        let records = [
            object("b", 1, Some("02")),
            object("a", 2, Some("05")),
            skipped,
            object("b", 3, Some("01FF")),
            object("a", 4, None),
            object("b", 5, Some("0200")),
        ];
        let groups = distinct(&records);
        let found: Vec<_> = groups.iter().filter_map(|group| group.of(&records)).collect();
        let told: Vec<_> =
            found.iter().map(|one| (&*one.object.key, one.object.size_hint, one.records)).collect();
        assert_eq!(told, [("b", Some(5), &[0, 3, 5][..]), ("a", Some(2), &[1, 4][..])]);
    }
}
