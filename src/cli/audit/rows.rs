//! The rows of the catalogue, in the order of a listing.
//!
//! No database returns the rows in this order. The collation of the column orders an index on the URLs by letters, not by bytes, and the
//! URLs of files are percent-encoded. The rows under the prefix are therefore read once, by id, and sorted by key in temporary files.

use serde::{Deserialize, Serialize};

use super::super::catalogue::Catalogue;
use super::super::output::Failure;
use super::super::place::shown;
use super::super::sorter::{Sorter, Values};
use crate::catalog::{AssetRow, ListRows as _};
use crate::job_error::JobError;
use crate::object_name::ContentId;
use crate::store::Store;

/// Number of rows that one query returns.
const PAGE: u32 = 5000;

/// A row.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) url: String,
    pub(super) content_id: i64,
    thumbnail_url: String,
    duration: i64,
}

impl Row {
    pub(super) fn asset(self) -> Option<AssetRow> {
        let Self { content_id, thumbnail_url, duration, .. } = self;
        Some(AssetRow { content_id: ContentId::new(content_id)?, thumbnail_url, duration })
    }
}

/// Rows, in the order of their videos' keys.
pub(super) struct Rows {
    /// Number of all rows under the prefix.
    pub(super) count: u64,
    values: Values<Row>,
    next: Option<(String, Row)>,
}

impl Rows {
    /// Reads the rows whose videos are under the prefix, and sorts the rows after the key `after`.
    pub(super) async fn read<S: Store>(
        catalog: &Catalogue,
        store: &S,
        prefix: &str,
        after: Option<&str>,
    ) -> Result<Self, Failure> {
        let url_prefix = shown(store, prefix);
        let (mut sorter, mut count, mut last) = (Sorter::new(), 0, 0);
        loop {
            let listed = Box::pin(catalog.list_rows(&url_prefix, last, PAGE)).await?;
            let Some(id) = listed.last().map(|row| row.id) else { break };
            last = id;
            for row in listed {
                count += 1;
                let key = store.key_of(&row.video_url);
                if let Some(key) = key.filter(|key| after.is_none_or(|after| key.as_str() > after)) {
                    let AssetRow { content_id, thumbnail_url, duration } = row.row;
                    let content_id = i64::from(content_id.get());
                    let row = Row { url: row.video_url, content_id, thumbnail_url, duration };
                    sorter.push(&key, &row)?;
                }
            }
        }
        let mut rows = Self { count, values: sorter.sorted()?.read()?, next: None };
        rows.advance()?;
        Ok(rows)
    }

    /// Takes the rows of the first remaining key if this key is before `key`. If `key` is `None`, any key qualifies.
    pub(super) fn before(&mut self, key: Option<&str>) -> Result<Option<(String, Vec<Row>)>, JobError> {
        let is_before = |next: &str| key.is_none_or(|key| next < key);
        match self.next.as_ref().map(|(next, _)| next.clone()).filter(|next| is_before(next)) {
            Some(next) => self.of(&next).map(|rows| Some((next, rows))),
            None => Ok(None),
        }
    }

    /// Takes the rows of a key. All rows of earlier keys must have been taken.
    pub(super) fn of(&mut self, key: &str) -> Result<Vec<Row>, JobError> {
        let mut rows = Vec::new();
        while self.next.as_ref().is_some_and(|(next, _)| next == key) {
            rows.extend(self.next.take().map(|(_, row)| row));
            self.advance()?;
        }
        Ok(rows)
    }

    fn advance(&mut self) -> Result<(), JobError> {
        self.next = self.values.next().transpose()?;
        Ok(())
    }
}
