//! What an audit has found so far, and how far it has come: lines of a [journal](super::super::journal), or of a temporary file.
//!
//! Findings are in the order of their keys. Behind those of every thousand objects comes a [`Position`]: an audit that continues forgets
//! what follows the last one, and finds it again.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::super::journal::{Journal, Subject};
use super::FindingKind;
use crate::ErrorKind;
use crate::job_error::JobError;

/// What was found of one video.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Finding {
    /// The key, or that of a row whose object is not there.
    pub(super) key: String,
    pub(super) kind: FindingKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) content_id: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) message: Option<String>,
}

/// How far an audit has come.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Position {
    /// All keys up to this one were audited.
    pub(super) after: String,
    pub(super) videos: u64,
    /// Videos of which there is nothing to report.
    pub(super) in_order: u64,
    /// Thumbnails that show a time that people chose.
    #[serde(default)]
    pub(super) chosen: u64,
    /// Why something could not be looked at: a failure that may pass, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unreadable: Option<String>,
    /// Folders that could not be listed, and that `after` is in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) unlisted: Vec<String>,
}

impl Position {
    /// Notes why something could not be looked at.
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
    /// Opens the journal of this audit, or a temporary file. Returns also the position from which the audit continues.
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

    /// Notes findings, and that all keys up to a position were audited.
    pub(super) fn note(&mut self, findings: &[Finding], position: &Position) -> Result<(), JobError> {
        let findings = findings.iter().map(Line::Finding);
        let lines: Vec<_> = findings.chain([Line::Position(position)]).collect();
        self.journal.append_all(&lines)
    }

    /// Reads the findings from the first on, in the order of their keys. One reading ends before the next begins.
    pub(super) fn findings(
        &self,
    ) -> Result<impl Iterator<Item = Result<Finding, JobError>> + use<>, JobError> {
        let finding = |line: Result<(String, u64), JobError>| match line {
            Ok((line, _)) => serde_json::from_str::<Finding>(&line).ok().map(Ok),
            Err(error) => Some(Err(error)),
        };
        Ok(self.journal.lines()?.filter_map(finding))
    }

    /// Notes that the audit has come to its end: the next one with this journal begins anew.
    pub(super) fn finish(&mut self) -> Result<(), JobError> {
        if self.is_kept { self.journal.finish() } else { Ok(()) }
    }
}
