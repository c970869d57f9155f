//! The kinds of audit findings.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// A kind of finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(in crate::cli) enum FindingKind {
    /// The video has no thumbnail
    NoThumbnail,
    /// Another program wrote the thumbnail
    ForeignThumbnail,
    /// The thumbnail shows an earlier upload
    OutdatedThumbnail,
    /// The thumbnail shows another time than people chose (with --choices)
    OtherTime,
    /// The thumbnail was written with other settings
    OtherSettings,
    /// The job was started and not finished
    Pending,
    /// The video has no row
    NoRow,
    /// The thumbnail or the duration in the row is wrong
    OutdatedRow,
    /// The row belongs to another content than the name of the video
    OtherContent,
    /// The video has several rows
    DuplicateRows,
    /// The name of the video cannot be used
    UnusableName,
    /// The row names an object that does not exist
    RowWithoutObject,
    /// A folder, a file, an object or its thumbnail cannot be read
    Unreadable,
}

impl FindingKind {
    /// Returns whether processing the video again fixes the finding.
    pub(super) const fn can_be_fixed(self) -> bool {
        !matches!(self, Self::DuplicateRows | Self::UnusableName | Self::RowWithoutObject | Self::Unreadable)
    }

    pub(super) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().replace('-', "_")).unwrap_or_default()
    }
}
