//! A check and its result.

use std::time::{Duration, Instant};

use serde::{Serialize, Serializer};

use crate::ErrorKind;
use crate::job_error::JobError;

/// Status of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    Ok,
    Warning,
    Failed,
    Skipped,
}

impl Status {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// A check that ran or was skipped.
#[derive(Debug, Serialize)]
pub(super) struct Check {
    pub(super) name: &'static str,
    pub(super) status: Status,
    /// Error kind of a failed check.
    #[serde(serialize_with = "as_word", skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<ErrorKind>,
    /// Description of what the check found, or the reason why the check was skipped.
    pub(super) seen: String,
    /// Advice on what to do next.
    pub(super) advice: Option<String>,
    pub(super) elapsed_ms: u64,
}

impl Check {
    /// Returns whether the checks that depend on this check can run.
    pub(super) const fn is_good(&self) -> bool {
        matches!(self.status, Status::Ok | Status::Warning)
    }

    /// Returns why the checks that depend on this check cannot run, or `None` if they can.
    pub(super) fn in_the_way(&self) -> Option<String> {
        match self.status {
            Status::Failed => Some(format!("{} failed", self.name)),
            Status::Skipped => Some(format!("{} was not checked", self.name)),
            Status::Ok | Status::Warning => None,
        }
    }
}

#[expect(clippy::ref_option, reason = "serde's signature")]
fn as_word<S: Serializer>(kind: &Option<ErrorKind>, serializer: S) -> Result<S::Ok, S::Error> {
    kind.map(ErrorKind::as_str).serialize(serializer)
}

/// The result of a check.
#[derive(Debug)]
pub(super) struct Finding {
    status: Status,
    kind: Option<ErrorKind>,
    seen: String,
    advice: Option<String>,
}

impl Finding {
    pub(super) fn ok(seen: impl Into<String>) -> Self {
        Self { status: Status::Ok, kind: None, seen: seen.into(), advice: None }
    }

    pub(super) fn warning(seen: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { status: Status::Warning, kind: None, seen: seen.into(), advice: Some(advice.into()) }
    }

    pub(super) fn failed(kind: ErrorKind, seen: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { status: Status::Failed, kind: Some(kind), seen: seen.into(), advice: Some(advice.into()) }
    }

    /// Returns a failed result from an error of another layer. The error's message describes what was found.
    pub(super) fn error(error: impl Into<JobError>, advice: impl Into<String>) -> Self {
        let error = error.into();
        Self::failed(error.kind(), error.to_string(), advice)
    }

    pub(super) fn skipped(reason: impl Into<String>) -> Self {
        Self { status: Status::Skipped, kind: None, seen: reason.into(), advice: None }
    }

    pub(super) fn into_check(self, name: &'static str, elapsed: Duration) -> Check {
        let Self { status, kind, seen, advice } = self;
        let elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        Check { name, status, kind, seen, advice, elapsed_ms }
    }
}

/// The finished checks, and the time limit of each check.
#[derive(Debug)]
pub(super) struct Checks {
    pub(super) time: Duration,
    /// Whether large tables are read completely.
    pub(super) deep: bool,
    made: Vec<Check>,
}

impl Checks {
    pub(super) const fn new(time: Duration, deep: bool) -> Self {
        Self { time, deep, made: Vec::new() }
    }

    /// Runs a check within the time limit.
    pub(super) async fn of(&self, name: &'static str, work: impl Future<Output = Finding>) -> Check {
        let started = Instant::now();
        let done = tokio::time::timeout(self.time, work).await;
        let finding = done.unwrap_or_else(|_| {
            let seen = format!("no answer within {} s", self.time.as_secs_f64());
            Finding::failed(ErrorKind::Timeout, seen, time_advice(name))
        });
        finding.into_check(name, started.elapsed())
    }

    /// Runs a check, unless the earlier check failed or was skipped.
    pub(super) async fn after(
        &self,
        earlier: &Check,
        name: &'static str,
        work: impl Future<Output = Finding>,
    ) -> Check {
        match earlier.in_the_way() {
            Some(reason) => skipped(name, reason),
            None => self.of(name, work).await,
        }
    }

    /// Runs a check, unless there is a reason to skip it.
    pub(super) async fn unless(
        &self,
        reason: Option<String>,
        name: &'static str,
        work: impl Future<Output = Finding>,
    ) -> Check {
        match reason {
            Some(reason) => skipped(name, reason),
            None => self.of(name, work).await,
        }
    }

    pub(super) fn add(&mut self, checks: impl IntoIterator<Item = Check>) {
        self.made.extend(checks);
    }

    pub(super) fn note(&mut self, name: &'static str, finding: Finding) {
        self.made.push(finding.into_check(name, Duration::ZERO));
    }

    /// Returns the first of these checks that failed or was skipped, in words.
    pub(super) fn in_the_way(&self, earlier: &[&str]) -> Option<String> {
        let of = |name: &&str| self.made.iter().find(|check| check.name == *name);
        earlier.iter().filter_map(of).find_map(Check::in_the_way)
    }

    /// Returns all checks, in the order of `names`.
    pub(super) fn in_order(mut self, names: &[&'static str]) -> Vec<Check> {
        let place = |check: &Check| names.iter().position(|name| *name == check.name).unwrap_or(usize::MAX);
        self.made.sort_by_key(place);
        self.made
    }
}

/// Returns a check that was skipped.
pub(super) fn skipped(name: &'static str, reason: impl Into<String>) -> Check {
    Finding::skipped(reason).into_check(name, Duration::ZERO)
}

/// Returns advice for a check that timed out, from its most common cause.
fn time_advice(name: &str) -> String {
    let which = if name.starts_with("database") || name == "unique_key" {
        "security groups: the database's, or RDS Proxy's, must let this one in on RDS_PORT; subnets and their routes"
    } else if name.starts_with("bastion") {
        "the bastion's security group (SSH from here), BASTION_HOST and BASTION_PORT"
    } else if name.starts_with("api") {
        "a function inside a VPC needs a route to a NAT gateway to reach a public CATALOG_API_BASE; the API's load balancer or ingress"
    } else if matches!(name, "duplicate_rows" | "rows_without_content") {
        return "a full read of a large table takes longer: give --timeout more seconds".to_owned();
    } else if name.starts_with("store") || name.starts_with("catalog") {
        "whether another program holds the file, and whether the disk answers"
    } else {
        "a function inside a VPC needs a VPC endpoint for S3, one for Secrets Manager, or a NAT gateway; DNS"
    };
    format!("check {which}; or give --timeout more seconds")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_too_long_is_looked_for_where_it_is() {
        for name in super::super::NAMES {
            let advice = time_advice(name);
            let expected = match name.split('_').next().unwrap_or_default() {
                "database" | "unique" => "RDS_PORT",
                "bastion" => "BASTION_HOST",
                "api" => "CATALOG_API_BASE",
                "duplicate" | "rows" => "a full read of a large table",
                "store" | "catalog" => "another program holds the file",
                _ => "VPC endpoint for S3",
            };
            assert!(advice.contains(expected) && advice.contains("--timeout"), "{name}: {advice}");
        }
    }
}
