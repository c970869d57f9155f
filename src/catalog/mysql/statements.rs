//! All the SQL there is.
//!
//! Texts are written as hexadecimal literals, `_utf8mb4 x'...'`, which nothing in them can leave; numbers are printed. The
//! longest statement, two URLs of 500 characters of four bytes each, stays under the 16 KB beyond which RDS Proxy pins.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};

use sha2::{Digest as _, Sha256};
use sqlx::mysql::{MySqlConnection, MySqlQueryResult, MySqlRow};
use sqlx::{AssertSqlSafe, Row as _, ValueRef as _};

use super::super::{
    Asset, AssetRow, CatalogError, ContentLook, FoundRow, KnownRows, ListedRow, NewContent, Registered,
};
use super::connection::number;
use super::failure::Failure;
use crate::object_name::ContentId;

/// The longest text of a statement, or of several in one packet, that does not pin an RDS Proxy's client.
const LONGEST: usize = 16 << 10;
/// `ER_SUBQUERY_NO_1_ROW`: a guard.
const GUARD: u16 = 1242;
/// What MySQL Router answers to several statements in one packet where it shares connections.
const NO_PACKETS: u16 = 4501;
/// `ER_NO_REFERENCED_ROW_2`: there is no such content.
const NO_PARENT: u16 = 1452;
/// `ER_PARSE_ERROR`.
const SYNTAX_ERROR: u16 = 1064;

/// How long a worker waits for another that registers the same video.
const LOCK_SECONDS: u32 = 20;

/// Work on a connection that may be repeated on another.
pub(super) trait Operation: Sync {
    type Output: Send;

    fn run(
        &self,
        connection: &mut MySqlConnection,
    ) -> impl Future<Output = Result<Self::Output, Failure>> + Send;
}

/// The row of a video, under any content.
pub(super) struct Find<'a> {
    pub(super) video_url: &'a str,
}

/// A content, and the row of a video under it.
pub(super) struct LookAt<'a> {
    pub(super) video_url: &'a str,
    pub(super) id: ContentId,
}

/// Rows behind one, in the order of their ids.
pub(super) struct ListRows {
    pub(super) after: i64,
    pub(super) limit: u32,
}

/// The row of a video whose content is known.
pub(super) struct WriteAsset<'a> {
    pub(super) id: ContentId,
    pub(super) asset: &'a Asset,
    pub(super) known: &'a KnownRows,
    pub(super) dialect: &'a Dialect,
}

/// What the server understands, and what its owner wants it to be sent.
#[derive(Debug)]
pub(super) struct Dialect {
    /// Whether a row is written by one packet of statements; else by one packet each. Until something on the way refuses: MySQL Router
    /// does where it shares connections.
    in_one_packet: AtomicBool,
    /// Whether the server knows `NOWAIT`: MySQL from 8.0.1, MariaDB from 10.3. Until it refuses.
    knows_nowait: AtomicBool,
}

impl Dialect {
    pub(super) const fn new(in_one_packet: bool) -> Self {
        Self { in_one_packet: AtomicBool::new(in_one_packet), knows_nowait: AtomicBool::new(true) }
    }

    fn is_in_one_packet(&self) -> bool {
        self.in_one_packet.load(Ordering::Relaxed)
    }

    /// Whether a packet failed because of what it is, and the same work is to be done step by step: a guard of it failed, or it is
    /// refused, as all that follow will be.
    fn leads_to_steps(&self, error: &sqlx::Error) -> bool {
        match number(error) {
            Some(GUARD) => true,
            Some(NO_PACKETS) => {
                self.in_one_packet.store(false, Ordering::Relaxed);
                true
            }
            _ => false,
        }
    }

    /// Locks the row of a content. Another worker that has it is not waited for here, where the connection would wait with it.
    fn lock(&self, id: ContentId) -> String {
        let nowait = if self.knows_nowait.load(Ordering::Relaxed) { " NOWAIT" } else { "" };
        format!("SELECT id FROM contents WHERE id = {id} FOR UPDATE{nowait}")
    }

    /// Takes a server's refusal of `NOWAIT` as another attempt; everything else stays.
    fn learn(&self, failure: Failure) -> Failure {
        let is_syntax = matches!(&failure, Failure::Sql(error) if number(error) == Some(SYNTAX_ERROR));
        match is_syntax && self.knows_nowait.swap(false, Ordering::Relaxed) {
            true => Failure::Again("the server does not know NOWAIT"),
            false => failure,
        }
    }
}

/// Content and row of a video whose name tells no content.
pub(super) struct Register<'a> {
    pub(super) content: &'a NewContent,
    pub(super) asset: &'a Asset,
    pub(super) database: &'a str,
    pub(super) dialect: &'a Dialect,
}

/// A row with its own id.
struct Found {
    id: i64,
    row: AssetRow,
}

impl Operation for Find<'_> {
    type Output = FoundRow;

    async fn run(&self, connection: &mut MySqlConnection) -> Result<FoundRow, Failure> {
        Ok(found(find(connection, self.video_url, None).await?))
    }
}

impl Operation for LookAt<'_> {
    type Output = ContentLook;

    /// One statement, whose two answers are of one moment.
    async fn run(&self, connection: &mut MySqlConnection) -> Result<ContentLook, Failure> {
        let select = format!(
            "SELECT v.id, v.content_id, CAST(CONVERT(v.thumbnail_url USING utf8mb4) AS BINARY), v.duration FROM contents c \
             LEFT JOIN video_assets v ON v.content_id = c.id AND {} WHERE c.id = {} ORDER BY v.id",
            is_video("v.video_url", self.video_url),
            self.id,
        );
        let rows = query(connection, select).await?;
        let is_row = |row: &&MySqlRow| row.try_get_raw(0).is_ok_and(|value| !value.is_null());
        let found_rows = rows.iter().filter(is_row).map(read).collect::<Result<Vec<_>, _>>()?;
        Ok(ContentLook { content_exists: !rows.is_empty(), found: found(found_rows) })
    }
}

impl Operation for ListRows {
    type Output = Vec<ListedRow>;

    async fn run(&self, connection: &mut MySqlConnection) -> Result<Vec<ListedRow>, Failure> {
        let select = format!(
            "SELECT id, content_id, CAST(CONVERT(thumbnail_url USING utf8mb4) AS BINARY), duration, \
             CAST(CONVERT(video_url USING utf8mb4) AS BINARY) FROM video_assets WHERE id > {} ORDER BY id LIMIT {}",
            self.after, self.limit
        );
        let rows = query(connection, select).await?;
        let listed = |row: &MySqlRow| {
            let Found { id, row: asset } = read(row)?;
            let video_url = String::from_utf8_lossy(row.try_get(4)?).into_owned();
            Ok(ListedRow { id, video_url, row: asset })
        };
        rows.iter().map(listed).collect()
    }
}

impl Operation for WriteAsset<'_> {
    type Output = ();

    async fn run(&self, connection: &mut MySqlConnection) -> Result<(), Failure> {
        let packet = self.known.ids().map(|ids| self.packet(ids));
        let packet = packet.filter(|packet| self.dialect.is_in_one_packet() && packet.len() <= LONGEST);
        let written = match packet {
            Some(packet) => match execute(connection, packet).await {
                Err(Failure::Sql(error)) if self.dialect.leads_to_steps(&error) => {
                    // Rows came since, or a value does not fit: step by step it shows which.
                    execute(connection, "ROLLBACK".to_owned()).await?;
                    self.step_by_step(connection).await
                }
                Err(Failure::Sql(error)) if number(&error) == Some(NO_PARENT) => {
                    Err(CatalogError::NoSuchContent { id: self.id }.into())
                }
                done => done.map(drop),
            },
            None => self.step_by_step(connection).await,
        };
        written.map_err(|failure| self.dialect.learn(failure))
    }
}

impl WriteAsset<'_> {
    /// All of it in one packet. The server drops what follows a guard that fails.
    fn packet(&self, known: &[i64]) -> String {
        let Self { id, asset, dialect, .. } = self;
        let others = match known {
            [] => String::new(),
            known => format!(" AND id NOT IN ({})", list(known)),
        };
        let unknown = format!("EXISTS (SELECT 1 FROM video_assets WHERE {}{others})", self.is_here());
        let write = match known {
            [] => insert_asset(&id.to_string(), asset),
            known => update_assets(*id, asset, known),
        };
        [
            "START TRANSACTION".to_owned(),
            dialect.lock(*id),
            guard(&unknown),
            write,
            guard(&format!("({}) <> {}", self.count_as_wanted(), known.len().max(1))),
            "COMMIT".to_owned(),
        ]
        .join("; ")
    }

    /// The rows of this video under this content.
    fn is_here(&self) -> String {
        format!("content_id = {} AND {}", self.id, is_video("video_url", self.asset.video_url()))
    }

    /// How many rows are stored as they were to be.
    fn count_as_wanted(&self) -> String {
        let thumbnail = bytes(self.asset.thumbnail_url());
        format!(
            "SELECT COUNT(*) FROM video_assets WHERE {} AND CAST(CONVERT(thumbnail_url USING utf8mb4) AS BINARY) = {thumbnail} \
             AND duration = {}",
            self.is_here(),
            self.asset.duration()
        )
    }

    async fn step_by_step(&self, connection: &mut MySqlConnection) -> Result<(), Failure> {
        let url = self.asset.video_url();
        // Rows of this video under another content move to this one. They are looked for before anything is locked: only
        // when this content has none, and the search may read the whole table. A row that comes meanwhile comes from a
        // worker on the same video, who has the same name before it, hence the same content, and waits for its lock.
        let elsewhere = match find(connection, url, Some(self.id)).await?.is_empty() {
            true => find(connection, url, None).await?,
            false => Vec::new(),
        };
        execute(connection, "START TRANSACTION".to_owned()).await?;
        // The lock comes before the first consistent read: what that reads is then what others have committed.
        if query(connection, self.dialect.lock(self.id)).await?.is_empty() {
            return Err(CatalogError::NoSuchContent { id: self.id }.into());
        }
        let here = find(connection, url, Some(self.id)).await?;
        let ids: Vec<i64> = here.iter().chain(&elsewhere).map(|found| found.id).collect();
        let wanted = |found: &Found| {
            found.row.content_id == self.id
                && found.row.thumbnail_url == self.asset.thumbnail_url()
                && found.row.duration == i64::from(self.asset.duration())
        };
        if ids.is_empty() {
            execute(connection, insert_asset(&self.id.to_string(), self.asset)).await?;
        } else if !here.iter().chain(&elsewhere).all(wanted) {
            execute(connection, update_assets(self.id, self.asset, &ids)).await?;
        }
        if count(connection, self.count_as_wanted()).await? < ids.len().max(1) {
            return Err(CatalogError::Altered { table: "video_assets" }.into());
        }
        execute(connection, "COMMIT".to_owned()).await?;
        Ok(())
    }
}

impl Operation for Register<'_> {
    type Output = Registered;

    async fn run(&self, connection: &mut MySqlConnection) -> Result<Registered, Failure> {
        if self.dialect.is_in_one_packet() {
            match query(connection, self.packet()).await {
                Ok(rows) => {
                    let id = rows.last().map(|row| row.try_get_unchecked::<i64, _>(0)).transpose()?;
                    return Ok(Registered { id: content_id(id.unwrap_or(0))?, is_new: true });
                }
                // There is a row, the lock did not come, or a value does not fit: step by step it shows which.
                Err(Failure::Sql(error)) if self.dialect.leads_to_steps(&error) => {
                    execute(connection, "ROLLBACK".to_owned()).await?;
                }
                Err(failure) => return Err(failure),
            }
        }
        self.step_by_step(connection).await
    }
}

impl Register<'_> {
    /// All of it in one packet, for a video that has no row. The lock and the variable pin an RDS Proxy's client; this connection ends
    /// after it.
    fn packet(&self) -> String {
        let url = self.asset.video_url();
        let name = lock_name(self.database, url);
        let is_video = is_video("video_url", url);
        let assets = format!("SELECT COUNT(*) FROM video_assets WHERE content_id = @content AND {is_video}");
        [
            format!("SELECT GET_LOCK('{name}', {LOCK_SECONDS})"),
            guard(&format!("COALESCE(IS_USED_LOCK('{name}'), 0) <> CONNECTION_ID()")),
            guard(&format!("EXISTS (SELECT 1 FROM video_assets WHERE {is_video})")),
            "START TRANSACTION".to_owned(),
            insert_content(self.content),
            "SET @content = LAST_INSERT_ID()".to_owned(),
            insert_asset("@content", self.asset),
            guard(&format!("({assets}) <> 1")),
            guard(&format!("({}) <> 1", count_content("@content", self.content))),
            "COMMIT".to_owned(),
            format!("SELECT RELEASE_LOCK('{name}')"),
            "SELECT CAST(@content AS SIGNED)".to_owned(),
        ]
        .join("; ")
    }

    async fn step_by_step(&self, connection: &mut MySqlConnection) -> Result<Registered, Failure> {
        let url = self.asset.video_url();
        let name = lock_name(self.database, url);
        let locked = query(connection, format!("SELECT GET_LOCK('{name}', {LOCK_SECONDS}) = 1")).await?;
        let locked = match locked.first() {
            Some(row) => row.try_get::<Option<i64>, _>(0)?,
            None => None,
        };
        if locked != Some(1) {
            return Err(Failure::Again("another worker registers the same video"));
        }
        // In no transaction: each of these reads sees what is committed at its own moment, and the lock is held already.
        let found = find(connection, url, None).await?;
        let id = match found.first() {
            Some(first) => {
                let ids: Vec<i64> = found.iter().map(|found| found.id).collect();
                execute(connection, update_assets(first.row.content_id, self.asset, &ids)).await?;
                first.row.content_id
            }
            None => {
                execute(connection, "START TRANSACTION".to_owned()).await?;
                let inserted = execute(connection, insert_content(self.content)).await?.last_insert_id();
                let id = content_id(i64::try_from(inserted).unwrap_or(i64::MAX))?;
                execute(connection, insert_asset(&id.to_string(), self.asset)).await?;
                let is_asset = is_video("video_url", url);
                let assets =
                    format!("SELECT COUNT(*) FROM video_assets WHERE content_id = {id} AND {is_asset}");
                if count(connection, assets).await? != 1 {
                    return Err(CatalogError::Altered { table: "video_assets" }.into());
                }
                if count(connection, count_content(&id.to_string(), self.content)).await? != 1 {
                    return Err(CatalogError::Altered { table: "contents" }.into());
                }
                execute(connection, "COMMIT".to_owned()).await?;
                id
            }
        };
        query(connection, format!("SELECT RELEASE_LOCK('{name}')")).await?;
        Ok(Registered { id, is_new: found.is_empty() })
    }
}

/// Rows of a video, oldest first. Collations hold different URLs for equal: the index is searched with theirs, and the
/// bytes decide.
async fn find(
    connection: &mut MySqlConnection,
    video_url: &str,
    content: Option<ContentId>,
) -> Result<Vec<Found>, Failure> {
    let of_content = content.map_or_else(String::new, |id| format!("content_id = {id} AND "));
    let select = format!(
        "SELECT id, content_id, CAST(CONVERT(thumbnail_url USING utf8mb4) AS BINARY), duration FROM video_assets \
         WHERE {of_content}{} ORDER BY id",
        is_video("video_url", video_url),
    );
    query(connection, select).await?.iter().map(read).collect()
}

/// Whether a column holds this URL.
fn is_video(column: &str, video_url: &str) -> String {
    format!(
        "{column} = {} AND CAST(CONVERT({column} USING utf8mb4) AS BINARY) = {}",
        literal(video_url),
        bytes(video_url)
    )
}

/// Of rows in the order of their ids, the one that a caller compares.
fn found(rows: Vec<Found>) -> FoundRow {
    let known = KnownRows::new(rows.iter().map(|found| found.id).collect());
    let first = rows.first().map(|found| found.row.clone());
    let other = rows.into_iter().map(|found| found.row).find(|row| Some(row) != first.as_ref());
    FoundRow { row: other.or(first), known }
}

fn read(row: &MySqlRow) -> Result<Found, Failure> {
    // Owners may have made their columns wider, or unsigned. These answers are text, whatever the type.
    let number = |index: usize| row.try_get_unchecked::<i64, _>(index);
    let thumbnail_url = String::from_utf8_lossy(row.try_get(2)?).into_owned();
    let row = AssetRow { content_id: content_id(number(1)?)?, thumbnail_url, duration: number(3)? };
    Ok(Found { id: number(0)?, row })
}

fn content_id(id: i64) -> Result<ContentId, CatalogError> {
    ContentId::new(id).ok_or(CatalogError::IdOutOfRange { id })
}

async fn query(connection: &mut MySqlConnection, statement: String) -> Result<Vec<MySqlRow>, Failure> {
    Ok(sqlx::raw_sql(AssertSqlSafe(statement)).fetch_all(connection).await?)
}

async fn execute(connection: &mut MySqlConnection, statement: String) -> Result<MySqlQueryResult, Failure> {
    Ok(sqlx::raw_sql(AssertSqlSafe(statement)).execute(connection).await?)
}

async fn count(connection: &mut MySqlConnection, statement: String) -> Result<usize, Failure> {
    let rows = query(connection, statement).await?;
    let number = rows.first().map(|row| row.try_get_unchecked::<i64, _>(0)).transpose()?;
    Ok(number.and_then(|number| usize::try_from(number).ok()).unwrap_or(0))
}

/// A statement that fails (error 1242) when a condition holds, and so ends the packet that it is in.
fn guard(broken: &str) -> String {
    format!("SELECT (SELECT 1 FROM (SELECT 1 UNION ALL SELECT 2) AS two WHERE {broken})")
}

fn list(ids: &[i64]) -> String {
    ids.iter().map(i64::to_string).collect::<Vec<_>>().join(", ")
}

/// Whether a content is stored as it was to be: 1 or 0.
fn count_content(id: &str, content: &NewContent) -> String {
    let is = |column: &str, text: &str| {
        format!("CAST(CONVERT({column} USING utf8mb4) AS BINARY) = {}", bytes(text))
    };
    format!(
        "SELECT COUNT(*) FROM contents WHERE id = {id} AND {} AND {}",
        is("title", &content.title),
        is("description", &content.description)
    )
}

fn insert_content(content: &NewContent) -> String {
    let [title, description, age_rating] =
        [&content.title, &content.description, &content.age_rating].map(|text| literal(text));
    format!(
        "INSERT INTO contents (title, description, age_rating) VALUES ({title}, {description}, {age_rating})"
    )
}

fn insert_asset(id: &str, asset: &Asset) -> String {
    let (video, thumbnail) = (literal(asset.video_url()), literal(asset.thumbnail_url()));
    format!(
        "INSERT INTO video_assets (content_id, video_url, thumbnail_url, duration) \
         VALUES ({id}, {video}, {thumbnail}, {})",
        asset.duration()
    )
}

fn update_assets(id: ContentId, asset: &Asset, rows: &[i64]) -> String {
    format!(
        "UPDATE video_assets SET content_id = {id}, thumbnail_url = {}, duration = {} WHERE id IN ({})",
        literal(asset.thumbnail_url()),
        asset.duration(),
        list(rows)
    )
}

/// A text as MySQL takes it, whatever is in it.
fn literal(text: &str) -> String {
    format!("_utf8mb4 {}", bytes(text))
}

fn bytes(text: &str) -> String {
    format!("x'{}'", hexadecimal(text.as_bytes()))
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut digits = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string does not fail.
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}

/// The name of the lock for a video: 64 characters, all that a name may have.
fn lock_name(database: &str, video_url: &str) -> String {
    hexadecimal(&Sha256::new().chain_update(database).chain_update([0]).chain_update(video_url).finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_a_literal() {
        assert_eq!(literal("a'\\\0한"), "_utf8mb4 x'61275c00ed959c'");
        assert_eq!(literal(""), "_utf8mb4 x''");
    }

    #[test]
    fn locks_have_a_name_for_each_video_of_each_database() {
        let names = [lock_name("a", "bc"), lock_name("ab", "c"), lock_name("a", "bC")];
        assert!(names.iter().all(|name| name.len() == 64));
        assert!(names[0] != names[1] && names[0] != names[2]);
    }

    #[test]
    fn the_longest_statement_does_not_pin() -> Result<(), CatalogError> {
        let url = "𐍈".repeat(super::super::super::MAX_URL_CHARS);
        let asset = Asset::new(url.clone(), url)?;
        let id = ContentId::new(i64::from(i32::MAX)).ok_or(CatalogError::IdOutOfRange { id: 0 })?;
        assert!(insert_asset(&id.to_string(), &asset).len() < LONGEST);
        Ok(())
    }
}
