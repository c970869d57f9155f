//! Inspects a database for diagnosis: how far a connection gets, which columns the tables have, and which privileges
//! the user has. Nothing is changed: the statements that test privileges affect no row and are rolled back.

use std::time::Duration;

use aws_types::SdkConfig;
use sqlx::mysql::{MySqlConnection, MySqlRow};
use sqlx::{AssertSqlSafe, Row as _};
use tokio::io::AsyncReadExt as _;

use super::super::{CatalogError, Doubles};
use super::connection::Connector;
use super::failure::{Failure, is_about_tls, number};
use crate::ErrorKind;
use crate::config::DatabaseSettings;
use crate::object_name::ContentId;
use crate::secret::SecretStore;

/// The step at which an attempt to connect failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// The TCP connection.
    Reach,
    /// TLS: the server's certificate or TLS itself is refused.
    Tls,
    /// The login is refused, or its password cannot be fetched.
    Login,
    /// The database does not exist, or this user has no access to it.
    Database,
}

/// The reason why no connection could be opened.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) stage: Stage,
    pub(crate) error: CatalogError,
}

/// A connection that runs read-only checks.
pub(crate) struct Inspector {
    connector: Connector,
    connection: MySqlConnection,
}

/// The database's description of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) table: String,
    pub(crate) name: String,
    /// `varchar`.
    pub(crate) data_type: String,
    /// `varchar(500)`, `int unsigned`.
    pub(crate) full_type: String,
    pub(crate) chars: Option<u64>,
    pub(crate) character_set: Option<String>,
    /// Whether an inserted row may omit the column.
    pub(crate) optional: bool,
    pub(crate) auto_increment: bool,
}

impl Column {
    /// Returns the largest number that the column can store.
    fn last_number(&self) -> u64 {
        let bits = match self.data_type.as_str() {
            "tinyint" => 8,
            "smallint" => 16,
            "mediumint" => 24,
            "bigint" => 64,
            _ => 32,
        };
        let bits = if self.full_type.contains("unsigned") { bits } else { bits - 1 };
        u64::MAX >> (64 - bits)
    }
}

/// The statements that the program needs, each changed to affect no row: a name and the statement.
const PRIVILEGES: [(&str, &str); 6] = [
    (
        "SELECT on video_assets",
        "SELECT id, content_id, video_url, thumbnail_url, duration FROM video_assets WHERE FALSE",
    ),
    ("SELECT on contents", "SELECT id FROM contents WHERE FALSE"),
    (
        "INSERT on video_assets",
        "INSERT INTO video_assets (content_id, video_url, thumbnail_url, duration) SELECT 1, '', '', 0 FROM DUAL WHERE FALSE",
    ),
    (
        "UPDATE on video_assets",
        "UPDATE video_assets SET content_id = 1, thumbnail_url = '', duration = 0 WHERE id IN (0) AND FALSE",
    ),
    ("UPDATE on contents (for SELECT ... FOR UPDATE)", "SELECT id FROM contents WHERE FALSE FOR UPDATE"),
    (
        "INSERT on contents",
        "INSERT INTO contents (title, description, age_rating) SELECT '', '', 'ALL' FROM DUAL WHERE FALSE",
    ),
];

impl Inspector {
    /// Connects like the catalogue.
    pub(crate) async fn connect(
        settings: &DatabaseSettings,
        secrets: SecretStore,
        aws: &SdkConfig,
    ) -> Result<Self, Refusal> {
        let connector =
            Connector::new(settings, secrets, aws).map_err(|error| Refusal { stage: Stage::Tls, error })?;
        match connector.connect().await {
            Ok(connection) => Ok(Self { connector, connection }),
            Err(failure) => Err(Refusal { stage: stage(&failure), error: connector.translate(failure) }),
        }
    }

    /// Returns the TLS version, or the cipher if the server does not report the version; `None` without TLS.
    pub(crate) async fn tls(&mut self) -> Result<Option<String>, CatalogError> {
        let rows =
            self.query("SHOW SESSION STATUS WHERE Variable_name IN ('Ssl_version', 'Ssl_cipher')").await?;
        let mut values: Vec<_> =
            rows.iter().filter_map(|row| text(row, 1)).filter(|value| !value.is_empty()).collect();
        values.sort_by_key(|value| !value.starts_with("TLSv"));
        Ok(values.into_iter().next())
    }

    /// Returns the server's version and comment.
    pub(crate) async fn version(&mut self) -> Result<String, CatalogError> {
        let rows = self.query("SELECT VERSION(), @@version_comment").await?;
        let words = rows.first().map(|row| [text(row, 0), text(row, 1)].into_iter().flatten());
        Ok(words.map(|words| words.collect::<Vec<_>>().join(", ")).unwrap_or_default())
    }

    /// Checks that the table can be read.
    pub(crate) async fn table(&mut self, table: &str) -> Result<(), CatalogError> {
        self.query(&format!("SELECT 1 FROM {table} WHERE FALSE")).await.map(drop)
    }

    /// Returns the columns of both tables that the user is allowed to see.
    pub(crate) async fn columns(&mut self) -> Result<Vec<Column>, CatalogError> {
        let select = "SELECT table_name, column_name, data_type, column_type, character_maximum_length, \
                      character_set_name, is_nullable, column_default IS NOT NULL, extra FROM information_schema.columns \
                      WHERE table_schema = DATABASE() AND table_name IN ('contents', 'video_assets') \
                      ORDER BY table_name, ordinal_position";
        let rows = self.query(select).await?;
        let column = |row: &MySqlRow| {
            let lower = |index| text(row, index).unwrap_or_default().to_ascii_lowercase();
            let extra = lower(8);
            let is =
                |index, word: &str| text(row, index).is_some_and(|value| value.eq_ignore_ascii_case(word));
            let generated =
                extra.contains("generated") || extra.contains("virtual") || extra.contains("stored");
            Column {
                table: lower(0),
                name: lower(1),
                data_type: lower(2),
                full_type: lower(3),
                chars: text(row, 4).and_then(|chars| chars.parse().ok()),
                character_set: text(row, 5),
                optional: is(6, "YES") || is(7, "1") || extra.contains("auto_increment") || generated,
                auto_increment: extra.contains("auto_increment"),
            }
        };
        Ok(rows.iter().map(column).collect())
    }

    /// Returns the statements that the user is not allowed to run, with the server's messages.
    pub(crate) async fn missing_privileges(
        &mut self,
    ) -> Result<Vec<(&'static str, CatalogError)>, CatalogError> {
        let mut missing = Vec::new();
        self.query("START TRANSACTION").await?;
        for (name, statement) in PRIVILEGES {
            match self.query(statement).await {
                Ok(_) => {}
                // Read-only servers report their state here, too.
                Err(error) if !matches!(error.kind(), ErrorKind::Timeout) => missing.push((name, error)),
                Err(error) => return Err(error),
            }
        }
        self.query("ROLLBACK").await?;
        Ok(missing)
    }

    /// Returns the user who is logged in: `DB_USER`, or the user in the stored password's secret.
    pub(crate) async fn user(&mut self) -> Result<String, CatalogError> {
        let rows = self.query("SELECT SUBSTRING_INDEX(USER(), '@', 1)").await?;
        Ok(rows.first().and_then(|row| text(row, 0)).unwrap_or_default())
    }

    /// Returns the session's `sql_mode`.
    pub(crate) async fn sql_mode(&mut self) -> Result<String, CatalogError> {
        let rows = self.query("SELECT @@SESSION.sql_mode").await?;
        Ok(rows.first().and_then(|row| text(row, 0)).unwrap_or_default())
    }

    /// Returns, for each table, the next id (from the highest row or the counter) and the last id that both the column
    /// and the program support.
    pub(crate) async fn ids(&mut self) -> Result<Vec<(&'static str, u64, u64)>, CatalogError> {
        let columns = self.columns().await?;
        let mut ids = Vec::new();
        for table in ["contents", "video_assets"] {
            let select = format!(
                "SELECT GREATEST((SELECT COALESCE(MAX(id), 0) + 1 FROM {table}), COALESCE((SELECT auto_increment FROM \
                 information_schema.tables WHERE table_schema = DATABASE() AND table_name = '{table}'), 1))"
            );
            let rows = self.query(&select).await?;
            let next = rows.first().and_then(|row| text(row, 0)).and_then(|next| next.parse().ok());
            let column = columns.iter().find(|column| column.table == table && column.name == "id");
            let last = column.map_or(u64::MAX, Column::last_number);
            let last = if table == "contents" { last.min(u64::from(ContentId::MAX)) } else { last };
            ids.push((table, next.unwrap_or(1), last));
        }
        Ok(ids)
    }

    /// Returns whether an index begins with the column `video_url`.
    pub(crate) async fn has_index(&mut self) -> Result<bool, CatalogError> {
        let select = "SELECT index_name FROM information_schema.statistics WHERE table_schema = DATABASE() \
                      AND table_name = 'video_assets' AND column_name = 'video_url' AND seq_in_index = 1 LIMIT 1";
        Ok(!self.query(select).await?.is_empty())
    }

    /// Returns whether the unique key of the optional migration, or an equivalent key, exists.
    pub(crate) async fn has_unique_key(&mut self) -> Result<bool, CatalogError> {
        let select = "SELECT index_name FROM information_schema.statistics \
                      WHERE table_schema = DATABASE() AND table_name = 'video_assets' AND non_unique = 0 \
                      GROUP BY index_name HAVING COUNT(*) = 1 AND MAX(column_name) IN ('video_url', 'video_url_sha256')";
        Ok(!self.query(select).await?.is_empty())
    }

    /// Returns an upper bound for the number of rows, from both ends of the primary key, without reading other rows.
    pub(crate) async fn most_rows(&mut self) -> Result<u64, CatalogError> {
        let select = "SELECT CAST(COALESCE(MAX(id) - MIN(id) + 1, 0) AS CHAR) FROM video_assets";
        let rows = self.query(select).await?;
        Ok(rows.first().and_then(|row| text(row, 0)?.parse().ok()).unwrap_or(u64::MAX))
    }

    /// Counts duplicate rows, compared as bytes. The query reads the whole table; MySQL aborts it after `longest`.
    pub(crate) async fn doubles(&mut self, longest: Duration) -> Result<Doubles, CatalogError> {
        // Equal hashes mean equal bytes. MySQL would compare the bytes themselves only up to max_sort_length.
        let select = format!(
            "SELECT {} COALESCE(SUM(n), 0), COALESCE(SUM(n > 1), 0), COALESCE(SUM(IF(n > 1, n, 0)), 0) FROM \
             (SELECT COUNT(*) AS n FROM video_assets GROUP BY SHA2(video_url, 256)) AS videos",
            at_most(longest)
        );
        let rows = self.query(&select).await?;
        let count = |index| {
            rows.first().and_then(|row| text(row, index)).and_then(|text| text.parse().ok()).unwrap_or(0)
        };
        Ok(Doubles { rows: count(0), videos: count(1), double_rows: count(2) })
    }

    /// Counts rows whose content does not exist. The query reads the whole table; MySQL aborts it after `longest`.
    pub(crate) async fn orphans(&mut self, longest: Duration) -> Result<u64, CatalogError> {
        let select = format!(
            "SELECT {} COUNT(*) FROM video_assets AS v LEFT JOIN contents AS c ON c.id = v.content_id WHERE c.id IS NULL",
            at_most(longest)
        );
        let rows = self.query(&select).await?;
        Ok(rows.first().and_then(|row| text(row, 0)).and_then(|text| text.parse().ok()).unwrap_or(0))
    }

    async fn query(&mut self, statement: &str) -> Result<Vec<MySqlRow>, CatalogError> {
        let sent = sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).fetch_all(&mut self.connection).await;
        sent.map_err(|error| self.connector.translate(Failure::Sql(error)))
    }
}

/// Returns MySQL's hint that limits the time of a statement. MariaDB treats the hint as a comment.
fn at_most(longest: Duration) -> String {
    format!("/*+ MAX_EXECUTION_TIME({}) */", longest.as_millis())
}

/// Returns a value as text. The text protocol sends all values as text, regardless of their type.
fn text(row: &MySqlRow, index: usize) -> Option<String> {
    let bytes: Option<Vec<u8>> = row.try_get_unchecked(index).ok()?;
    bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

fn stage(failure: &Failure) -> Stage {
    match failure {
        Failure::Sql(error) => match number(error) {
            // Unknown database, and access to it denied.
            Some(1044 | 1049) => Stage::Database,
            // Too many connections, host blocked, host not allowed.
            Some(1040 | 1129 | 1130 | 1203 | 1226) => Stage::Reach,
            Some(_) => Stage::Login,
            None if is_about_tls(error) => Stage::Tls,
            None => Stage::Reach,
        },
        Failure::Catalog(CatalogError::Tunnel { .. }) => Stage::Reach,
        Failure::Catalog(_) => Stage::Login,
        Failure::Again(_) | Failure::Silent(_) => Stage::Reach,
    }
}

/// Reads the server's version from the first packet that a MySQL server sends ("Protocol::HandshakeV10" of the MySQL
/// source documentation). The error describes what arrived instead.
pub(crate) async fn greeting(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> Result<String, String> {
    const LONGEST: usize = 1024;
    let cut = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => {
            "the connection was closed before the server sent anything".to_owned()
        }
        _ => error.to_string(),
    };
    let mut head = [0; 4];
    stream.read_exact(&mut head).await.map_err(cut)?;
    let length = usize::from(head[0]) | usize::from(head[1]) << 8 | usize::from(head[2]) << 16;
    let mut body = vec![0; length.min(LONGEST)];
    stream.read_exact(&mut body).await.map_err(cut)?;
    match body.split_first() {
        Some((10, rest)) => {
            let version = rest.split(|byte| *byte == 0).next().unwrap_or_default();
            Ok(String::from_utf8_lossy(version).into_owned())
        }
        // An error packet: number and message.
        Some((0xff, rest)) => Err(String::from_utf8_lossy(rest.get(2..).unwrap_or_default()).into_owned()),
        _ => Err("the server that answered is not a MySQL server".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn the_greeting_contains_the_version_or_an_error() {
        let version = greeting(&mut &b"\x0b\0\0\0\x0a8.0.36\0abc"[..]).await;
        assert_eq!(version, Ok("8.0.36".to_owned()));
        let refused = greeting(&mut &b"\x0c\0\0\0\xff\x69\x04Host gone"[..]).await;
        assert_eq!(refused, Err("Host gone".to_owned()));
        for other in [&b"SSH-2.0-OpenSSH"[..], b"", b"\x01\0\0\0\x09"] {
            assert!(greeting(&mut &other[..]).await.is_err(), "{other:?}");
        }
    }
}
