//! The catalogue's rows in MySQL: Aurora or RDS, with or without RDS Proxy, and MariaDB.
//!
//! The catalogue uses one connection, which `connection` opens at first use. The records of one event take turns on
//! this connection. `statements` contains all SQL. It is sent as plain text (`COM_QUERY`), because a prepared
//! statement, most session variables or a named lock would pin an RDS Proxy client to one database connection until the
//! client disconnects. Only the registration of a video whose name contains no content id takes a named lock. Behind a
//! proxy, this registration uses a separate connection that is closed immediately afterwards.
//!
//! Every operation may be repeated. An operation is repeated when the connection was lost, when the server no longer
//! accepts writes, or when another transaction conflicted. `failure` lists the errors with these meanings, and
//! `session` limits the time of a statement.
//!
//! Rows are locked by primary key only. The table has no index on URLs. A search for a URL reads the whole table, but
//! as a consistent read, which takes no locks. When the content id is known, the foreign key's index leads to the rows.
//! A video that has a row with the content id in its name, and duplicates with other content ids, therefore keeps those
//! duplicates unchanged: only a search of the whole table would find them.

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

use super::{Asset, CatalogError, FoundContent, FoundRow, KnownRows, ListedRow, NewContent, Registered};
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

/// The statements that create the two tables of the replaced Lambda's database.
pub const MYSQL_SCHEMA: &str = include_str!("../../migrations/mysql/0001_contents_and_video_assets.sql");
/// The statement that adds an optional index on video URLs. A server can add the index while others write.
pub const MYSQL_OPTIONAL_INDEX: &str = include_str!("../../migrations/mysql/optional_index_video_url.sql");
/// The statements that add an optional unique key, which allows one row per video. Apply them only when the replaced
/// Lambda will not be used again.
pub const MYSQL_OPTIONAL_UNIQUE: &str = include_str!("../../migrations/mysql/optional_unique_video_url.sql");

/// How long an operation is repeated, from its first loss of a connection and from its first conflict with another
/// transaction. A longer outage is reported as an error while there is still time: the deadline of an invocation would
/// only report that the deadline has passed.
const PATIENCE: Duration = Duration::from_secs(10);
/// Default time limit for a statement. A statement that reads a whole table may take four times as long.
const STATEMENT: Duration = Duration::from_secs(30);
/// The pauses before reconnecting.
const PAUSES_OF_LOSSES: Backoff =
    Backoff { first: Duration::from_millis(50), longest: Duration::from_secs(2) };
/// The pauses while other transactions conflict: a worker holds its locks for milliseconds.
const PAUSES_OF_CONFLICTS: Backoff =
    Backoff { first: Duration::from_millis(20), longest: Duration::from_millis(250) };

/// How long a registration waits for another worker that registers the same video, in seconds. The first value applies
/// on a separate connection, the second on the shared connection, on which other records wait meanwhile.
const LOCK_SECONDS: u32 = 20;
const LOCK_SECONDS_OF_ALL: u32 = 5;

/// The catalogue's rows in MySQL or MariaDB. Clones share one connection.
#[derive(Clone)]
pub struct MySqlCatalog {
    shared: Arc<Shared>,
    statement: Duration,
}

struct Shared {
    connector: Connector,
    dialect: Arc<Dialect>,
    open: Mutex<Option<Session>>,
    /// A connection for the next registration, opened in advance. Used behind a proxy only.
    spare: Mutex<Option<Session>>,
}

/// The failed attempts at one operation.
#[derive(Default)]
struct Failed {
    attempts: u32,
    first_loss: Option<Instant>,
    first_conflict: Option<Instant>,
    /// Whether the program has already checked if the tables have ids left.
    asked_for_ids: bool,
}

impl MySqlCatalog {
    /// Creates a client of the database that the settings describe. No connection is opened yet.
    ///
    /// # Errors
    /// An error of kind [`Config`](crate::ErrorKind::Config) when `DB_SSL_CA` cannot be used.
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

    /// Returns the catalogue with a time limit of `time` for each statement (default 30 s), and of four times `time`
    /// for a statement that reads a whole table. A statement that exceeds its limit counts as a lost connection.
    #[must_use]
    pub fn with_statement_time(self, time: Duration) -> Self {
        Self { statement: time, ..self }
    }

    /// Returns whether a content exists, and the row of a video with its id; see
    /// [`Catalog::find_content`](super::Catalog::find_content).
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn find_content(&self, video_url: &str, id: ContentId) -> Result<FoundContent, CatalogError> {
        self.perform(&LookAt { video_url, id }).await
    }

    /// Returns the row of a video with any content id; see [`Catalog::find_row`](super::Catalog::find_row).
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn find_row(&self, video_url: &str) -> Result<FoundRow, CatalogError> {
        self.perform(&Find { video_url }).await
    }

    /// Writes the row of a video; see [`Catalog::write_asset`](super::Catalog::write_asset).
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

    /// Registers a video whose name contains no content id; see [`Catalog::register`](super::Catalog::register).
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

    /// Returns a page of rows; see [`ListRows::list_rows`](super::ListRows::list_rows).
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

    /// Opens a connection for the next registration; see
    /// [`Catalog::prepare_to_register`](super::Catalog::prepare_to_register).
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

    /// Returns the known session if its connection is alive, or else a new session.
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

    /// Registers on a separate connection, which is closed in every case: closing the connection releases the pinned
    /// proxy connection.
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

    /// Makes one attempt and occupies the connection only for this attempt, so that an operation that waits for a
    /// locked content lets others use the connection.
    async fn attempt<O: Operation>(&self, operation: &O) -> Result<O::Output, Failure> {
        let mut open = self.shared.open.lock().await;
        // The session is taken out while it is in use, so that nobody reuses a session whose future was dropped
        // half-way.
        let mut session = self.session(open.take()).await?;
        let done = operation.run(&mut session).await;
        let is_usable = match &done {
            Ok(_) => true,
            Err(failure) if failure.is_loss() => false,
            // An open transaction is rolled back before others use the session.
            Err(_) => session.roll_back().await,
        };
        if is_usable {
            session.note_use();
            *open = Some(session);
        }
        done
    }

    /// Waits before the next attempt, or returns the error when another attempt would not help.
    async fn pause_or_fail(&self, failed: &mut Failed, failure: Failure) -> Result<(), CatalogError> {
        failed.attempts += 1;
        if failure.may_be_the_last_id() && !failed.asked_for_ids {
            failed.asked_for_ids = true;
            if failure.is_the_last_id() || matches!(self.attempt(&HasGivenAllIds).await, Ok(true)) {
                return Err(CatalogError::NoMoreIds);
            }
        }
        let (first, pauses) = match (failure.is_loss(), failure.is_conflict()) {
            (true, _) => (&mut failed.first_loss, PAUSES_OF_LOSSES),
            (false, true) => (&mut failed.first_conflict, PAUSES_OF_CONFLICTS),
            (false, false) => return Err(self.shared.connector.translate(failure)),
        };
        if first.get_or_insert_with(Instant::now).elapsed() >= PATIENCE {
            return Err(self.shared.connector.translate(failure));
        }
        tokio::time::sleep(pauses.pause(failed.attempts)).await;
        Ok(())
    }
}

impl fmt::Debug for MySqlCatalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let database = self.shared.connector.database();
        f.debug_struct("MySqlCatalog").field("database", &database).finish_non_exhaustive()
    }
}
