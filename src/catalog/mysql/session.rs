//! A connection and its statements: plain text, each with a time limit.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sqlx::mysql::{MySqlConnection, MySqlRow};
use sqlx::{AssertSqlSafe, Connection as _, Row as _};
use tokio::time::timeout;

use super::dialect::Dialect;
use super::failure::Failure;

/// The variable that every session needs: each statement outside a transaction must commit on its own. With
/// `autocommit=0` the update would be lost, and a search would keep its snapshot for the next search. RDS Proxy tracks
/// this variable, so setting the variable does not pin the client ("Avoiding pinning an RDS Proxy" in the Amazon Aurora
/// User Guide).
pub(super) const SET_UP: &str = "SET autocommit = 1";

/// A connection that was idle for longer, in wall-clock time, is checked before use.
const TRUSTED: Duration = Duration::from_secs(5);
/// Time limit for a ping or rollback, which cost the server almost nothing.
const PING: Duration = Duration::from_secs(2);
/// Factor of the time limit for a search that may read the whole table from disk.
const SEARCH: u32 = 4;

/// A connection.
pub(super) struct Session {
    connection: MySqlConnection,
    dialect: Arc<Dialect>,
    is_set_up: bool,
    limit: Duration,
    used: SystemTime,
}

impl Session {
    /// Creates a session with a time limit of `limit` for each statement.
    pub(super) fn new(connection: MySqlConnection, dialect: Arc<Dialect>, limit: Duration) -> Self {
        Self { connection, dialect, is_set_up: false, limit, used: SystemTime::now() }
    }

    pub(super) fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    /// Runs one statement, or several in one packet, and returns the rows.
    pub(super) async fn query(&mut self, statement: String) -> Result<Vec<MySqlRow>, Failure> {
        self.query_within(self.limit, statement).await
    }

    /// Runs a search that may read the whole table, after waiting at most `wait` for a lock.
    pub(super) async fn search(
        &mut self,
        statement: String,
        wait: Duration,
    ) -> Result<Vec<MySqlRow>, Failure> {
        self.query_within(self.limit.saturating_mul(SEARCH).saturating_add(wait), statement).await
    }

    /// Returns the number in the first column of the first row; 0 when there is no row.
    pub(super) async fn count(&mut self, statement: String) -> Result<usize, Failure> {
        let rows = self.query(statement).await?;
        let number = rows.first().map(|row| row.try_get_unchecked::<i64, _>(0)).transpose()?;
        Ok(number.and_then(|number| usize::try_from(number).ok()).unwrap_or(0))
    }

    /// Inserts one row, within a transaction, and returns its id.
    pub(super) async fn insert(&mut self, statement: String) -> Result<u64, Failure> {
        let sent = sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut self.connection);
        Ok(bounded(self.limit, sent).await?.last_insert_id())
    }

    async fn query_within(&mut self, limit: Duration, statement: String) -> Result<Vec<MySqlRow>, Failure> {
        if !self.is_set_up {
            // Sent together with the first statement, to save a round trip.
            if self.dialect.is_in_one_packet() {
                match self.send(format!("{SET_UP}; {statement}"), limit).await {
                    Err(Failure::Sql(error)) if self.dialect.refuses_packets(&error) => {}
                    done => {
                        self.is_set_up = true;
                        return done;
                    }
                }
            }
            self.send(SET_UP.to_owned(), self.limit).await?;
            self.is_set_up = true;
        }
        self.send(statement, limit).await
    }

    async fn send(&mut self, statement: String, limit: Duration) -> Result<Vec<MySqlRow>, Failure> {
        bounded(limit, sqlx::raw_sql(AssertSqlSafe(statement)).fetch_all(&mut self.connection)).await
    }

    /// Rolls back an open transaction so that others can use the connection. Returns whether the rollback succeeded.
    pub(super) async fn roll_back(&mut self) -> bool {
        self.send("ROLLBACK".to_owned(), PING).await.is_ok()
    }

    /// Returns the session if its connection is alive. Lambda freezes processes for minutes, and proxies close idle
    /// connections.
    pub(super) async fn if_there(mut self) -> Option<Self> {
        let idle = SystemTime::now().duration_since(self.used);
        if idle.is_ok_and(|idle| idle <= TRUSTED) {
            return Some(self);
        }
        let answered = timeout(PING, self.connection.ping()).await;
        matches!(answered, Ok(Ok(()))).then_some(self)
    }

    /// Records that the server responded just now.
    pub(super) fn note_use(&mut self) {
        self.used = SystemTime::now();
    }

    /// Closes the connection. Errors are ignored.
    pub(super) async fn close(self) {
        let _ = timeout(PING, self.connection.close()).await;
    }
}

async fn bounded<T>(
    limit: Duration,
    sent: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, Failure> {
    Ok(timeout(limit, sent).await.map_err(|_| Failure::Silent(limit))??)
}
