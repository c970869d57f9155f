//! `posterframe schema`: prints the SQL statements that create the tables of the catalogue, and optional additions.

use clap::ValueEnum;

use crate::ErrorKind;
use crate::catalog::{MYSQL_OPTIONAL_INDEX, MYSQL_OPTIONAL_UNIQUE, MYSQL_SCHEMA, SQLITE_SCHEMA};
use crate::job_error::JobError;

/// The SQL dialect of the statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Dialect {
    /// SQLite
    Sqlite,
    /// MySQL, MariaDB, Aurora MySQL
    Mysql,
}

/// An optional addition to the tables in MySQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Optional {
    /// An index on the URLs of videos
    Index,
    /// One row for each video
    Unique,
}

/// Returns the statements.
pub(super) fn statements(dialect: Dialect, optional: Option<Optional>) -> Result<&'static str, JobError> {
    match (dialect, optional) {
        (Dialect::Sqlite, None) => Ok(SQLITE_SCHEMA),
        (Dialect::Sqlite, Some(_)) => {
            let message = "--optional applies to --dialect mysql; the SQLite tables contain the indexes";
            Err(JobError::new(ErrorKind::Config, message))
        }
        (Dialect::Mysql, None) => Ok(MYSQL_SCHEMA),
        (Dialect::Mysql, Some(Optional::Index)) => Ok(MYSQL_OPTIONAL_INDEX),
        (Dialect::Mysql, Some(Optional::Unique)) => Ok(MYSQL_OPTIONAL_UNIQUE),
    }
}
