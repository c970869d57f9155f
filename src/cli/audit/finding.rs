//! Kinds of what an audit may find.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// What may be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(in crate::cli) enum FindingKind {
    /// There is no thumbnail
    NoThumbnail,
    /// The thumbnail was made by another program
    ForeignThumbnail,
    /// The thumbnail is of an earlier upload
    OutdatedThumbnail,
    /// The thumbnail was made with other settings
    OtherSettings,
    /// The work on it was begun and not ended
    Pending,
    /// There is no row
    NoRow,
    /// The row has another thumbnail or duration than it should
    OutdatedRow,
    /// The row belongs to another content than the name says
    OtherContent,
    /// There are several rows
    Doubles,
    /// The name cannot be used
    UnusableName,
    /// There is a row, and no such object
    RowWithoutObject,
    /// It cannot be looked at: a folder, a file, an object, or its thumbnail
    Unreadable,
}

impl FindingKind {
    /// Whether doing the job again makes it good.
    pub(super) const fn can_be_mended(self) -> bool {
        !matches!(self, Self::Doubles | Self::UnusableName | Self::RowWithoutObject | Self::Unreadable)
    }

    pub(super) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().replace('-', "_")).unwrap_or_default()
    }
}
