//! Why an attempt at an operation failed, and whether another may succeed.
//!
//! The numbers are those of MySQL 5.7 to 9 ("Server Error Message Reference" of its manual) and of MariaDB 10.6 to 11 ("MariaDB Error
//! Code Reference"), which agree where both know one. Client libraries' numbers (2000 and up) and 9001 are what proxies answer
//! when they have lost their own server.

use std::time::Duration;

use sqlx::mysql::MySqlDatabaseError;

use super::super::{CatalogError, tls};
use crate::ErrorKind;

/// Why an attempt at an operation failed.
#[derive(Debug)]
pub(super) enum Failure {
    Sql(sqlx::Error),
    Catalog(CatalogError),
    /// Something that another attempt sees differently.
    Again(&'static str),
    /// A statement has no answer within this time.
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
    /// Whether the connection is gone or of no more use, or there is no way to one for now.
    pub(super) fn is_loss(&self) -> bool {
        match self {
            Self::Sql(error) => is_lost(error),
            Self::Silent(_) => true,
            // The bastion is away, or cannot reach the database.
            Self::Catalog(CatalogError::Tunnel { kind, .. }) => *kind == ErrorKind::Unavailable,
            Self::Catalog(_) | Self::Again(_) => false,
        }
    }

    /// Whether the same may go well on the same connection: another transaction was in the way.
    pub(super) fn is_conflict(&self) -> bool {
        match self {
            Self::Sql(error) => matches!(number(error), Some(number) if CONFLICTS.contains(&number)),
            Self::Again(_) => true,
            Self::Catalog(_) | Self::Silent(_) => false,
        }
    }

    /// Whether it may be the end of the numbers that a table can give: InnoDB's own 167, a number that could not be had (1467), or
    /// the last one given twice (1062). The latter two also pass.
    pub(super) fn may_be_the_last_id(&self) -> bool {
        matches!(self, Self::Sql(error) if matches!(number(error), Some(NO_MORE_IDS | 1062 | 1467)))
    }

    /// Whether it surely is.
    pub(super) fn is_the_last_id(&self) -> bool {
        matches!(self, Self::Sql(error) if number(error) == Some(NO_MORE_IDS))
    }
}

/// `HA_ERR_AUTOINC_ERANGE`.
const NO_MORE_IDS: u16 = 167;

/// Another transaction was in the way.
const CONFLICTS: [u16; 13] = [
    1020, // a row has changed since the last read (MariaDB, snapshot isolation)
    1062, // a key came first
    1205, // a lock did not come in time, or at once (MariaDB)
    1206, // no room for more locks
    1213, // a deadlock
    1412, // a table was altered
    1467, // no number from AUTO_INCREMENT
    1614, // a deadlock, of XA
    1637, // too many transactions at once
    1689, // an ALTER TABLE went before
    3058, // a deadlock of named locks
    3101, // undone by group replication at its COMMIT
    3572, // a lock did not come at once (MySQL)
];

/// The server takes no writes: this one is no writer, or no writer any more.
const READ_ONLY: [u16; 6] = [
    1036, // the table is read-only (MariaDB with innodb_read_only)
    1290, // --read-only, --super-read-only: a demoted server, a reader of Aurora
    1792, // a transaction that is read-only by default
    1836, // read-only mode
    1874, // InnoDB is read-only
    3100, // a hook of group replication refuses
];

/// The connection is gone or of no more use, or there is none to be had at the moment.
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

/// Whether the connection is gone, or of no more use. Also that to a server which takes no writes: its successor is connected to anew.
pub(super) fn is_lost(error: &sqlx::Error) -> bool {
    match (number(error), error) {
        (Some(number), _) => LOST.contains(&number) || READ_ONLY.contains(&number),
        (None, error) if is_about_tls(error) => false,
        (None, sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed) => true,
        _ => false,
    }
}

/// Whether the server takes no writes.
pub(super) fn is_read_only(error: &sqlx::Error) -> bool {
    matches!(number(error), Some(number) if READ_ONLY.contains(&number))
}

/// Whether the login is refused, with a password (1045) or for want of one (1698).
pub(super) fn is_refused_login(error: &sqlx::Error) -> bool {
    matches!(number(error), Some(1045 | 1698))
}

/// Whether the two could not agree on TLS, or on a login without it, which another attempt does not change.
pub(super) fn is_about_tls(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Tls(_) | sqlx::Error::Configuration(_) => true,
        sqlx::Error::Io(error) => tls::is_refused(error),
        _ => false,
    }
}

/// The number of an error.
pub(super) fn number(error: &sqlx::Error) -> Option<u16> {
    let error = error.as_database_error()?.try_downcast_ref::<MySqlDatabaseError>()?;
    Some(error.number())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_apart_and_in_order() {
        let lists: [&[u16]; 3] = [&CONFLICTS, &READ_ONLY, &LOST];
        for (index, list) in lists.iter().enumerate() {
            assert!(list.is_sorted(), "{list:?}");
            for other in &lists[index + 1..] {
                assert!(list.iter().all(|number| !other.contains(number)), "{list:?} and {other:?}");
            }
        }
    }
}
