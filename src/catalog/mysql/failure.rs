//! Failures of one attempt at an operation, and whether another attempt may succeed.
//!
//! The error numbers are from MySQL 5.7 to 9 ("Server Error Message Reference" of its manual) and MariaDB 10.6 to 11
//! ("MariaDB Error Code Reference"). Both agree on every number that both define. Proxies report client library numbers
//! (2000 and up) and 9001 when they have lost their own server.

use std::time::Duration;

use sqlx::mysql::MySqlDatabaseError;

use super::super::{CatalogError, tls};
use crate::ErrorKind;

/// The reason why one attempt at an operation failed.
#[derive(Debug)]
pub(super) enum Failure {
    Sql(sqlx::Error),
    Catalog(CatalogError),
    /// A condition that another attempt may find changed.
    Again(&'static str),
    /// A statement received no response within this time.
    Silent(Duration),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<CatalogError> for Failure {
    fn from(error: CatalogError) -> Self {
        Self::Catalog(error)
    }
}

impl Failure {
    /// Returns whether the connection is lost or unusable, or cannot be opened at the moment.
    pub(super) fn is_loss(&self) -> bool {
        match self {
            Self::Sql(error) => is_lost(error),
            Self::Silent(_) => true,
            // The bastion is unreachable, or cannot reach the database.
            Self::Catalog(CatalogError::Tunnel { kind, .. }) => *kind == ErrorKind::Unavailable,
            Self::Catalog(_) | Self::Again(_) => false,
        }
    }

    /// Returns whether the same operation may succeed on the same connection: another transaction conflicted.
    pub(super) fn is_conflict(&self) -> bool {
        match self {
            Self::Sql(error) => matches!(number(error), Some(number) if CONFLICTS.contains(&number)),
            Self::Again(_) => true,
            Self::Catalog(_) | Self::Silent(_) => false,
        }
    }

    /// Returns whether a table may have run out of ids: InnoDB's own 167, a number that could not be allocated (1467),
    /// or the last number allocated twice (1062). The latter two also have temporary causes.
    pub(super) fn may_be_the_last_id(&self) -> bool {
        matches!(self, Self::Sql(error) if matches!(number(error), Some(NO_MORE_IDS | 1062 | 1467)))
    }

    /// Returns whether a table has certainly run out of ids.
    pub(super) fn is_the_last_id(&self) -> bool {
        matches!(self, Self::Sql(error) if number(error) == Some(NO_MORE_IDS))
    }
}

/// `HA_ERR_AUTOINC_ERANGE`.
const NO_MORE_IDS: u16 = 167;

/// Another transaction conflicted.
const CONFLICTS: [u16; 13] = [
    1020, // a row has changed since the last read (MariaDB, snapshot isolation)
    1062, // another transaction inserted the key first
    1205, // a lock was not granted in time, or not immediately (MariaDB)
    1206, // no memory for more locks
    1213, // a deadlock
    1412, // a table was altered
    1467, // AUTO_INCREMENT could not allocate a number
    1614, // a deadlock of an XA transaction
    1637, // too many transactions at once
    1689, // an ALTER TABLE was running
    3058, // a deadlock of named locks
    3101, // group replication rolled the transaction back at COMMIT
    3572, // a lock was not granted immediately (MySQL)
];

/// The server accepts no writes: it is not a writer, or no longer one.
const READ_ONLY: [u16; 6] = [
    1036, // the table is read-only (MariaDB with innodb_read_only)
    1290, // --read-only, --super-read-only: a demoted server, a reader of Aurora
    1792, // a transaction that is read-only by default
    1836, // read-only mode
    1874, // InnoDB is read-only
    3100, // a hook of group replication refuses
];

/// The connection is lost or unusable, or no connection can be opened at the moment.
const LOST: [u16; 27] = [
    1040, // too many connections
    1047, // a node of Galera that has not joined its cluster
    1053, // shutdown
    1077, 1079, 1080, // shutdown
    1135, // no thread for a connection
    1152, // the connection was aborted
    1158, 1159, 1160, 1161, // packets could not be read or written
    1184, // the connection was aborted
    1203, // max_user_connections, of the server
    1226, // max_user_connections, of the account
    1317, // interrupted
    1927, // killed (MariaDB)
    2002, 2003, 2006, 2013, 2055, // a proxy without its server
    3032, // offline mode
    3168, // the server is not available
    3169, // killed (MySQL)
    4031, // idle for too long (MySQL)
    9001, // ProxySQL: no server in time
];

/// Returns whether the connection is lost or unusable. A server that accepts no writes counts as lost, so that the next
/// connection reaches its successor.
pub(super) fn is_lost(error: &sqlx::Error) -> bool {
    match (number(error), error) {
        (Some(number), _) => LOST.contains(&number) || READ_ONLY.contains(&number),
        (None, error) if is_about_tls(error) => false,
        (None, sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed) => true,
        _ => false,
    }
}

/// Returns whether the server accepts no writes.
pub(super) fn is_read_only(error: &sqlx::Error) -> bool {
    matches!(number(error), Some(number) if READ_ONLY.contains(&number))
}

/// Returns whether the login is refused, with a password (1045) or because a password is missing (1698).
pub(super) fn is_refused_login(error: &sqlx::Error) -> bool {
    matches!(number(error), Some(1045 | 1698))
}

/// Returns whether client and server could not agree on TLS, or on a login without TLS. Another attempt would fail in
/// the same way.
pub(super) fn is_about_tls(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Tls(_) | sqlx::Error::Configuration(_) => true,
        sqlx::Error::Io(error) => tls::is_refused(error),
        _ => false,
    }
}

/// Returns the error number.
pub(super) fn number(error: &sqlx::Error) -> Option<u16> {
    let error = error.as_database_error()?.try_downcast_ref::<MySqlDatabaseError>()?;
    Some(error.number())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_error_numbers_are_sorted_and_disjoint() {
        let lists: [&[u16]; 3] = [&CONFLICTS, &READ_ONLY, &LOST];
        for (index, list) in lists.iter().enumerate() {
            assert!(list.is_sorted(), "{list:?}");
            for other in &lists[index + 1..] {
                assert!(list.iter().all(|number| !other.contains(number)), "{list:?} and {other:?}");
            }
        }
    }
}
