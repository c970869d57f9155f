//! A connection, and the statements on it: plain text, each with an end.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sqlx::mysql::{MySqlConnection, MySqlRow};
use sqlx::{AssertSqlSafe, Connection as _, Row as _};
use tokio::time::timeout;

use super::dialect::Dialect;
use super::failure::Failure;

/// What every session needs and a server may be set up without: a statement outside a transaction is one of its own. With `autocommit=0`
/// its update would be lost, and a search would keep its snapshot for the next one. RDS Proxy keeps track of this variable, so setting
/// it pins nobody ("Avoiding pinning an RDS Proxy" in the Amazon Aurora User Guide).
pub(super) const SET_UP: &str = "SET autocommit = 1";

/// A connection that was idle for longer, by the clock on the wall, is asked whether it is still there.
const TRUSTED: Duration = Duration::from_secs(5);
/// How long a connection may take for what costs the server nothing.
const PING: Duration = Duration::from_secs(2);
/// How much longer than other statements a search may take that reads the whole table, maybe from a disk.
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
    /// A new connection, whose statements have an answer within `limit`.
    pub(super) fn new(connection: MySqlConnection, dialect: Arc<Dialect>, limit: Duration) -> Self {
        Self { connection, dialect, is_set_up: false, limit, used: SystemTime::now() }
    }

    pub(super) fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    /// The rows that a statement gives, or several in one packet.
    pub(super) async fn query(&mut self, statement: String) -> Result<Vec<MySqlRow>, Failure> {
        self.query_within(self.limit, statement).await
    }

    /// The same, of a search that may read the whole table, and may wait for a lock of `wait` before.
    pub(super) async fn search(
        &mut self,
        statement: String,
        wait: Duration,
    ) -> Result<Vec<MySqlRow>, Failure> {
        self.query_within(self.limit.saturating_mul(SEARCH).saturating_add(wait), statement).await
    }

    /// The number in the first column of the first row; 0 without one.
    pub(super) async fn count(&mut self, statement: String) -> Result<usize, Failure> {
        let rows = self.query(statement).await?;
        let number = rows.first().map(|row| row.try_get_unchecked::<i64, _>(0)).transpose()?;
        Ok(number.and_then(|number| usize::try_from(number).ok()).unwrap_or(0))
    }

    /// Inserts one row, within a transaction, and gives its id.
    pub(super) async fn insert(&mut self, statement: String) -> Result<u64, Failure> {
        let sent = sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut self.connection);
        Ok(bounded(self.limit, sent).await?.last_insert_id())
    }

    async fn query_within(&mut self, limit: Duration, statement: String) -> Result<Vec<MySqlRow>, Failure> {
        if !self.is_set_up {
            // With the first statement, in its round trip.
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

    /// Undoes what was begun, so that others can use the connection. Whether they can.
    pub(super) async fn roll_back(&mut self) -> bool {
        self.send("ROLLBACK".to_owned(), PING).await.is_ok()
    }

    /// The session, if its connection is still there: Lambda freezes processes for minutes, and proxies close what is idle.
    pub(super) async fn if_there(mut self) -> Option<Self> {
        let idle = SystemTime::now().duration_since(self.used);
        if idle.is_ok_and(|idle| idle <= TRUSTED) {
            return Some(self);
        }
        let answered = timeout(PING, self.connection.ping()).await;
        matches!(answered, Ok(Ok(()))).then_some(self)
    }

    /// Notes that the server has answered just now.
    pub(super) fn note_use(&mut self) {
        self.used = SystemTime::now();
    }

    /// Takes leave of the server. How that goes changes nothing.
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
