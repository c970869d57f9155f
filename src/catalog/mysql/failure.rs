//! Why an attempt at an operation failed.

use super::super::CatalogError;

/// Why an attempt at an operation failed.
#[derive(Debug)]
pub(super) enum Failure {
    Sql(sqlx::Error),
    Catalog(CatalogError),
    /// Something that another attempt sees differently.
    Again(&'static str),
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
