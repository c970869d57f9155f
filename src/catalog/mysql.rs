//! The catalogue's rows in MySQL: Aurora, RDS, also behind RDS Proxy, and MariaDB.
//!
//! One connection, made at first use by `connection`; records of one event take turns on it. `statements` is all the SQL there
//! is, sent as plain text (`COM_QUERY`): a prepared statement, most variables that are set or a named lock would tie an RDS
//! Proxy's client to one database connection until it leaves. Only a video whose name tells no content takes a named lock,
//! behind a proxy on a connection of its own that is closed right after. Every operation may be repeated, and is when the connection was
//! lost, its server takes no writes any more, or another transaction was in the way: `failure` says which errors those are, and
//! `session` how long a statement may take.
//!
//! Rows are locked by their primary keys only. The table's URLs have no index; a search for one reads the whole table, but
//! as a consistent read, which locks nothing. Where the content is known, its foreign key's index leads to the rows. So a video
//! that has a row under the content its name says, and doubles under others, keeps those as they are: only a search of
//! the whole table would find them.

mod connection;
mod dialect;
mod failure;
mod iam;
#[cfg(feature = "cli")]
mod inspect;
mod session;
mod statements;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_types::SdkConfig;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::{Asset, CatalogError, ContentLook, FoundRow, KnownRows, ListedRow, NewContent, Registered};
use crate::backoff::Backoff;
use crate::config::DatabaseSettings;
use crate::object_name::ContentId;
use crate::secret::SecretStore;
use connection::Connector;
use dialect::Dialect;
use failure::Failure;
#[cfg(feature = "cli")]
pub(crate) use inspect::{Column, Inspector, Refusal, Stage, greeting};
use session::Session;
use statements::{Find, HasGivenAllIds, ListRows, LookAt, Operation, Register, WriteAsset};

/// The statements that create the two tables, as the replaced Lambda has them.
pub const MYSQL_SCHEMA: &str = include_str!("../../migrations/mysql/0001_contents_and_video_assets.sql");
/// An optional index on the URLs of videos, which a server adds while others write.
pub const MYSQL_OPTIONAL_INDEX: &str = include_str!("../../migrations/mysql/optional_index_video_url.sql");
/// An optional key that lets each video have one row only, for when the replaced Lambda is not to come back.
pub const MYSQL_OPTIONAL_UNIQUE: &str = include_str!("../../migrations/mysql/optional_unique_video_url.sql");

/// Attempts at one operation that other transactions are in the way of.
const ATTEMPTS: u32 = 12;
/// How long after its first loss a connection is made again. A server that is away for longer is told of while there is
/// time: the deadline of an invocation would only say that it has passed.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a statement may take; four times as long where it reads a whole table.
const STATEMENT: Duration = Duration::from_secs(30);
/// The pauses between them.
const PAUSES: Backoff = Backoff { first: Duration::from_millis(50), longest: Duration::from_secs(2) };

/// How long a registration waits for another worker that registers the same video, in seconds: on a connection of its own, and on the one
/// of all, for which others wait meanwhile.
const LOCK_SECONDS: u32 = 20;
const LOCK_SECONDS_OF_ALL: u32 = 5;

/// The rows of the catalogue in MySQL. Clones share one connection.
#[derive(Clone)]
pub struct MySqlCatalog {
    shared: Arc<Shared>,
    statement: Duration,
}

struct Shared {
    connector: Connector,
    dialect: Arc<Dialect>,
    open: Mutex<Option<Session>>,
    /// A connection for the next registration, opened ahead: behind a proxy alone.
    spare: Mutex<Option<Session>>,
}

/// The attempts at one operation that have failed.
#[derive(Default)]
struct Failed {
    attempts: u32,
    first_loss: Option<Instant>,
    /// Whether the tables were asked if they have ids left.
    asked_for_ids: bool,
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
        let dialect = Arc::new(Dialect::new(!settings.single_statements));
        let (open, spare) = (Mutex::new(None), Mutex::new(None));
        Ok(Self { shared: Arc::new(Shared { connector, dialect, open, spare }), statement: STATEMENT })
    }

    /// The same, whose statements have an answer within `time` (30 s unless it is set), or within four times that where they read a
    /// whole table. One that has none counts as a lost connection.
    #[must_use]
    pub fn with_statement_time(self, time: Duration) -> Self {
        Self { statement: time, ..self }
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
        self.perform(&WriteAsset { id, asset, known }).await
    }

    /// As [`Catalog::register`](super::Catalog::register).
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn register(&self, content: &NewContent, asset: &Asset) -> Result<Registered, CatalogError> {
        let is_proxy = self.shared.connector.is_proxy();
        let lock_seconds = if is_proxy { LOCK_SECONDS } else { LOCK_SECONDS_OF_ALL };
        let database = self.shared.connector.database();
        let operation = Register { content, asset, database, lock_seconds };
        let mut failed = Failed::default();
        loop {
            let done = match is_proxy {
                true => self.register_apart(&operation).await,
                false => self.attempt(&operation).await,
            };
            let failure = match done {
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
    pub async fn list_rows(
        &self,
        url_prefix: &str,
        after: i64,
        limit: u32,
    ) -> Result<Vec<ListedRow>, CatalogError> {
        self.perform(&ListRows { url_prefix, after, limit }).await
    }

    /// As [`Catalog::prepare_to_register`](super::Catalog::prepare_to_register).
    pub async fn prepare_to_register(&self) {
        if !self.shared.connector.is_proxy() {
            return;
        }
        let mut spare = self.shared.spare.lock().await;
        if spare.is_none() {
            *spare = self.connect().await.ok();
        }
    }

    async fn connect(&self) -> Result<Session, Failure> {
        let Shared { connector, dialect, .. } = &*self.shared;
        Ok(Session::new(connector.connect().await?, Arc::clone(dialect), self.statement))
    }

    /// This session, if it is there, or else a new one.
    async fn session(&self, known: Option<Session>) -> Result<Session, Failure> {
        let known = match known {
            Some(session) => session.if_there().await,
            None => None,
        };
        match known {
            Some(session) => Ok(session),
            None => self.connect().await,
        }
    }

    /// On a connection of its own, closed whatever happens: with it goes what pins a proxy.
    async fn register_apart(&self, operation: &Register<'_>) -> Result<Registered, Failure> {
        let spare = self.shared.spare.lock().await.take();
        let mut session = self.session(spare).await?;
        let done = operation.run(&mut session).await;
        if !done.as_ref().is_err_and(Failure::is_loss) {
            session.close().await;
        }
        done
    }

    async fn perform<O: Operation>(&self, operation: &O) -> Result<O::Output, CatalogError> {
        let mut failed = Failed::default();
        loop {
            let failure = match self.attempt(operation).await {
                Ok(output) => return Ok(output),
                Err(failure) => failure,
            };
            self.pause_or_fail(&mut failed, failure).await?;
        }
    }

    /// Holds the connection for one attempt: whoever waits for a locked content leaves it to others.
    async fn attempt<O: Operation>(&self, operation: &O) -> Result<O::Output, Failure> {
        let mut open = self.shared.open.lock().await;
        // Taken out while it is in use: where this future is dropped half-way, nobody gets it again.
        let mut session = self.session(open.take()).await?;
        let done = operation.run(&mut session).await;
        let is_usable = match &done {
            Ok(_) => true,
            Err(failure) if failure.is_loss() => false,
            // What was begun is undone before others use it.
            Err(_) => session.roll_back().await,
        };
        if is_usable {
            session.note_use();
            *open = Some(session);
        }
        done
    }

    /// Waits before the next attempt, or tells the failure that another would not mend.
    async fn pause_or_fail(&self, failed: &mut Failed, failure: Failure) -> Result<(), CatalogError> {
        failed.attempts += 1;
        if failure.may_be_the_last_id() && !failed.asked_for_ids {
            failed.asked_for_ids = true;
            if failure.is_the_last_id() || matches!(self.attempt(&HasGivenAllIds).await, Ok(true)) {
                return Err(CatalogError::NoMoreIds);
            }
        }
        let passes = match failure.is_loss() {
            true => failed.first_loss.get_or_insert_with(Instant::now).elapsed() < PATIENCE,
            false => failure.is_conflict() && failed.attempts < ATTEMPTS,
        };
        if !passes {
            return Err(self.shared.connector.translate(failure));
        }
        tokio::time::sleep(PAUSES.pause(failed.attempts)).await;
        Ok(())
    }
}

impl fmt::Debug for MySqlCatalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let database = self.shared.connector.database();
        f.debug_struct("MySqlCatalog").field("database", &database).finish_non_exhaustive()
    }
}
