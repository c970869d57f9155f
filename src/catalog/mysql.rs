//! The catalogue's rows in MySQL: Aurora, RDS, also behind RDS Proxy, and MariaDB.
//!
//! One connection, made at first use by `connection`; records of one event take turns on it. `statements` is all the SQL there
//! is, sent as plain text (`COM_QUERY`): a prepared statement, a variable that is set or a named lock would tie an RDS
//! Proxy's client to one database connection until it leaves. Only a video whose name tells no content takes a named lock, on a
//! connection of its own that is closed right after. Every operation may be repeated, and is when the connection was
//! lost, or another transaction was in the way.
//!
//! Rows are locked by their primary keys only. The table's URLs have no index; a search for one reads the whole table, but
//! as a consistent read, which locks nothing. Where the content is known, its foreign key's index leads to the rows. So a video
//! that has a row under the content its name says, and doubles under others, keeps those as they are: only a search of
//! the whole table would find them.

mod connection;
mod failure;
mod iam;
#[cfg(feature = "cli")]
mod inspect;
mod statements;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_types::SdkConfig;
use sqlx::Connection as _;
use sqlx::mysql::MySqlConnection;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;

use super::{Asset, CatalogError, ContentLook, FoundRow, KnownRows, ListedRow, NewContent, Registered};
use crate::backoff::Backoff;
use crate::config::DatabaseSettings;
use crate::object_name::ContentId;
use crate::secret::SecretStore;
use connection::Connector;
use failure::Failure;
#[cfg(feature = "cli")]
pub(crate) use inspect::{Column, Inspector, Refusal, Stage, greeting};
use statements::{Dialect, Find, ListRows, LookAt, Operation, Register, WriteAsset};

/// A connection that was idle for longer, by the clock on the wall, is asked whether it is still there.
const TRUSTED: Duration = Duration::from_secs(5);
/// Attempts at one operation.
const ATTEMPTS: u32 = 12;
/// How long after its first loss a connection is made again. A server that is away for longer is told of while there is
/// time: the deadline of an invocation would only say that it has passed.
const PATIENCE: Duration = Duration::from_secs(10);
/// The pauses between them.
const PAUSES: Backoff = Backoff { first: Duration::from_millis(50), longest: Duration::from_secs(2) };
/// How long an idle connection may take to say that it is there.
const PING: Duration = Duration::from_secs(2);

/// The rows of the catalogue in MySQL. Clones share one connection.
#[derive(Clone)]
pub struct MySqlCatalog(Arc<Shared>);

struct Shared {
    connector: Connector,
    dialect: Dialect,
    open: Mutex<Option<Open>>,
    /// A connection for the next registration, opened ahead.
    spare: Mutex<Option<Open>>,
}

struct Open {
    connection: MySqlConnection,
    used: SystemTime,
}

/// The attempts at one operation that have failed.
#[derive(Default)]
struct Failed {
    attempts: u32,
    first_loss: Option<Instant>,
}

impl MySqlCatalog {
    /// The database that the settings name. Nothing is connected yet.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) when `DB_SSL_CA` cannot be used.
    pub fn new(
        settings: &DatabaseSettings,
        secrets: SecretStore,
        aws: &SdkConfig,
    ) -> Result<Self, CatalogError> {
        let connector = Connector::new(settings, secrets, aws)?;
        let dialect = Dialect::new(!settings.single_statements);
        let (open, spare) = (Mutex::new(None), Mutex::new(None));
        Ok(Self(Arc::new(Shared { connector, dialect, open, spare })))
    }

    /// As [`Catalog::look`](super::Catalog::look).
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn look(&self, video_url: &str, id: ContentId) -> Result<ContentLook, CatalogError> {
        self.perform(&LookAt { video_url, id }).await
    }

    /// As [`Catalog::find`](super::Catalog::find).
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn find(&self, video_url: &str) -> Result<FoundRow, CatalogError> {
        self.perform(&Find { video_url }).await
    }

    /// As [`Catalog::write_asset`](super::Catalog::write_asset).
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn write_asset(
        &self,
        id: ContentId,
        asset: &Asset,
        known: &KnownRows,
    ) -> Result<(), CatalogError> {
        self.perform(&WriteAsset { id, asset, known, dialect: &self.0.dialect }).await
    }

    /// As [`Catalog::register`](super::Catalog::register).
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn register(&self, content: &NewContent, asset: &Asset) -> Result<Registered, CatalogError> {
        let operation =
            Register { content, asset, database: self.0.connector.database(), dialect: &self.0.dialect };
        let mut failed = Failed::default();
        loop {
            let failure = match self.register_once(&operation).await {
                Ok(id) => return Ok(id),
                Err(failure) => failure,
            };
            self.pause_or_fail(&mut failed, failure).await?;
        }
    }

    /// As [`ListRows::list_rows`](super::ListRows::list_rows).
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn list_rows(&self, after: i64, limit: u32) -> Result<Vec<ListedRow>, CatalogError> {
        self.perform(&ListRows { after, limit }).await
    }

    /// As [`Catalog::prepare_to_register`](super::Catalog::prepare_to_register).
    pub async fn prepare_to_register(&self) {
        let mut spare = self.0.spare.lock().await;
        if spare.is_none()
            && let Ok(connection) = self.0.connector.connect().await
        {
            *spare = Some(Open { connection, used: SystemTime::now() });
        }
    }

    /// On a connection of its own, closed whatever happens: with it goes the lock.
    async fn register_once(&self, operation: &Register<'_>) -> Result<Registered, Failure> {
        let spare = self.0.spare.lock().await.take();
        let spare = match spare {
            Some(spare) => spare.if_there().await,
            None => None,
        };
        let mut connection = match spare {
            Some(connection) => connection,
            None => self.0.connector.connect().await?,
        };
        let done = operation.run(&mut connection).await;
        // The answer is there; how the goodbye goes changes nothing.
        let _ = connection.close().await;
        done
    }

    async fn perform<O: Operation>(&self, operation: &O) -> Result<O::Output, CatalogError> {
        let mut failed = Failed::default();
        loop {
            // Held for one attempt: whoever waits for a locked content leaves the connection to others.
            let attempt = async { self.attempt(&mut self.0.open.lock().await, operation).await };
            let failure = match attempt.await {
                Ok(output) => return Ok(output),
                Err(failure) => failure,
            };
            self.pause_or_fail(&mut failed, failure).await?;
        }
    }

    async fn attempt<O: Operation>(
        &self,
        open: &mut MutexGuard<'_, Option<Open>>,
        operation: &O,
    ) -> Result<O::Output, Failure> {
        // Taken out while it is in use: where this future is dropped half-way, nobody gets it again.
        let idle = match open.take() {
            Some(open) => open.if_there().await,
            None => None,
        };
        let mut connection = match idle {
            Some(connection) => connection,
            None => self.0.connector.connect().await?,
        };
        let done = operation.run(&mut connection).await;
        let is_usable = match &done {
            Ok(_) => true,
            Err(Failure::Sql(error)) if connection::is_lost(error) => false,
            // What was begun is undone before others use it.
            Err(_) => sqlx::raw_sql("ROLLBACK").execute(&mut connection).await.is_ok(),
        };
        if is_usable {
            **open = Some(Open { connection, used: SystemTime::now() });
        }
        done
    }

    /// Waits before the next attempt, or tells the failure that another would not mend.
    async fn pause_or_fail(&self, failed: &mut Failed, failure: Failure) -> Result<(), CatalogError> {
        failed.attempts += 1;
        let passes = match &failure {
            Failure::Sql(error) if connection::is_lost(error) => {
                failed.first_loss.get_or_insert_with(Instant::now).elapsed() < PATIENCE
            }
            Failure::Sql(error) => connection::is_conflict(error),
            Failure::Again(_) => true,
            Failure::Catalog(_) => false,
        };
        if !passes || failed.attempts >= ATTEMPTS {
            return Err(self.0.connector.translate(failure));
        }
        tokio::time::sleep(PAUSES.pause(failed.attempts)).await;
        Ok(())
    }
}

impl Open {
    /// The connection, if it is still there: Lambda freezes processes for minutes, and proxies close what is idle.
    async fn if_there(mut self) -> Option<MySqlConnection> {
        let idle = SystemTime::now().duration_since(self.used);
        if idle.is_ok_and(|idle| idle <= TRUSTED) {
            return Some(self.connection);
        }
        let answered = tokio::time::timeout(PING, self.connection.ping()).await;
        matches!(answered, Ok(Ok(()))).then_some(self.connection)
    }
}

impl fmt::Debug for MySqlCatalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MySqlCatalog").field("database", &self.0.connector.database()).finish_non_exhaustive()
    }
}
