//! The findings and the position of an audit: lines of a [journal](super::super::journal), or of a temporary file.
//!
//! Findings are in key order. A [`Position`] follows the findings of every thousand objects. An audit that resumes discards the findings
//! after the last position, and finds them again.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::super::journal::{Journal, Subject};
use super::FindingKind;
use crate::ErrorKind;
use crate::job_error::JobError;

/// A finding for one video.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Finding {
    /// The video's key, or the key in a row whose object is missing.
    pub(super) key: String,
    pub(super) kind: FindingKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) content_id: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) message: Option<String>,
}

/// The position of an audit.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Position {
    /// All keys up to this key were audited.
    pub(super) after: String,
    pub(super) videos: u64,
    /// Number of files whose names have no video suffix.
    #[serde(default)]
    pub(super) other_files: u64,
    /// Number of videos without findings.
    pub(super) in_order: u64,
    /// Number of thumbnails that show a time that people chose.
    #[serde(default)]
    pub(super) chosen: u64,
    /// Error kind of an object that could not be audited. Retryable kinds take precedence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unreadable: Option<String>,
    /// Folders that contain `after` and could not be listed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) unlisted: Vec<String>,
}

impl Position {
    /// Records the error kind of an object that could not be audited.
    pub(super) fn unreadable(&mut self, kind: ErrorKind) {
        if self.unreadable_kind().is_none_or(|known| !known.is_retryable()) {
            self.unreadable = Some(kind.as_str().to_owned());
        }
    }

    pub(super) fn unreadable_kind(&self) -> Option<ErrorKind> {
        self.unreadable.as_deref().map(|name| ErrorKind::from_name(name).unwrap_or(ErrorKind::Internal))
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum Line<'a> {
    Finding(&'a Finding),
    Position(&'a Position),
}

/// The findings of an audit, in their file.
#[derive(Debug)]
pub(super) struct Record {
    journal: Journal,
    is_kept: bool,
}

impl Record {
    /// Opens the journal of this audit, or a temporary file. Also returns the position from which the audit resumes.
    pub(super) fn open(
        path: Option<&Path>,
        about: &str,
        again: bool,
    ) -> Result<(Self, Option<Position>), JobError> {
        let subject = Subject { command: "audit", name: "audit", about };
        let Some(path) = path else {
            return Ok((Self { journal: Journal::temporary(subject)?, is_kept: false }, None));
        };
        let mut last = None;
        let (mut journal, is_new) = Journal::open(path, subject, again, |line, end| {
            if let Ok(position) = serde_json::from_str::<Position>(line) {
                last = Some((position, end));
            }
            Ok(())
        })?;
        let last = last.filter(|_| !is_new);
        let end = match &last {
            Some((_, end)) => Some(*end),
            None => journal.lines()?.next().transpose()?.map(|(_, end)| end),
        };
        journal.cut(end.unwrap_or(0))?;
        Ok((Self { journal, is_kept: true }, last.map(|(position, _)| position)))
    }

    /// Records findings, and a position up to which all keys were audited.
    pub(super) fn note(&mut self, findings: &[Finding], position: &Position) -> Result<(), JobError> {
        let findings = findings.iter().map(Line::Finding);
        let lines: Vec<_> = findings.chain([Line::Position(position)]).collect();
        self.journal.append_all(&lines)
    }

    /// Reads all findings, in key order. Finish one iteration before you start another.
    pub(super) fn findings(
        &self,
    ) -> Result<impl Iterator<Item = Result<Finding, JobError>> + use<>, JobError> {
        let finding = |line: Result<(String, u64), JobError>| match line {
            Ok((line, _)) => serde_json::from_str::<Finding>(&line).ok().map(Ok),
            Err(error) => Some(Err(error)),
        };
        Ok(self.journal.lines()?.filter_map(finding))
    }

    /// Records that the audit has finished. The next audit with this journal starts over.
    pub(super) fn finish(&mut self) -> Result<(), JobError> {
        if self.is_kept { self.journal.finish() } else { Ok(()) }
    }
}
