//! All SQL statements of the catalogue in MySQL.
//!
//! Texts are written as hexadecimal literals, `_utf8mb4 x'...'`, so that no text can leave its literal. Numbers are
//! printed in decimal. The longest statement, with two URLs of 500 four-byte characters, stays under the 16 KB beyond
//! which RDS Proxy pins the client.

use std::fmt::Write as _;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use sqlx::mysql::MySqlRow;
use sqlx::{Row as _, ValueRef as _};

use super::super::{
    Asset, AssetRow, CatalogError, FoundContent, FoundRow, KnownRows, ListedRow, NewContent, Registered,
};
use super::dialect::Dialect;
use super::failure::{Failure, number};
use super::session::{SET_UP, Session};
use crate::object_name::ContentId;

/// Maximum length of a statement, or of several in one packet, that does not pin an RDS Proxy client. The first packet
/// also contains [`SET_UP`].
const LONGEST: usize = (16 << 10) - SET_UP.len() - "; ".len();
/// `ER_NO_REFERENCED_ROW_2`: the content does not exist.
const NO_PARENT: u16 = 1452;

/// An operation on a connection, which may be repeated on another connection.
pub(super) trait Operation: Sync {
    type Output: Send;

    fn run(&self, session: &mut Session) -> impl Future<Output = Result<Self::Output, Failure>> + Send;
}

/// Finds the row of a video with any content id.
pub(super) struct Find<'a> {
    pub(super) video_url: &'a str,
}

/// Finds a content, and the row of a video with this content id.
pub(super) struct LookAt<'a> {
    pub(super) video_url: &'a str,
    pub(super) id: ContentId,
}

/// Lists rows whose video URLs begin with a prefix, after a given id, in the order of their ids.
pub(super) struct ListRows<'a> {
    pub(super) url_prefix: &'a str,
    pub(super) after: i64,
    pub(super) limit: u32,
}

/// Writes the row of a video whose content id is known.
pub(super) struct WriteAsset<'a> {
    pub(super) id: ContentId,
    pub(super) asset: &'a Asset,
    pub(super) known: &'a KnownRows,
}

/// Checks whether a table has used the last number of its `id` column, for every integer type.
pub(super) struct HasGivenAllIds;

/// Inserts the content and the row of a video whose name contains no content id.
pub(super) struct Register<'a> {
    pub(super) content: &'a NewContent,
    pub(super) asset: &'a Asset,
    pub(super) database: &'a str,
    /// How long to wait for another worker that registers the same video, in seconds.
    pub(super) lock_seconds: u32,
}

/// A row with its id.
struct Found {
    id: i64,
    row: AssetRow,
}

impl Operation for Find<'_> {
    type Output = FoundRow;

    async fn run(&self, session: &mut Session) -> Result<FoundRow, Failure> {
        Ok(found(find(session, self.video_url, None).await?))
    }
}

impl Operation for LookAt<'_> {
    type Output = FoundContent;

    /// Uses one statement, so that both results are from the same moment.
    async fn run(&self, session: &mut Session) -> Result<FoundContent, Failure> {
        let select = format!(
            "SELECT v.id, v.content_id, CAST(CONVERT(v.thumbnail_url USING utf8mb4) AS BINARY), v.duration FROM contents c \
             LEFT JOIN video_assets v ON v.content_id = c.id AND {} WHERE c.id = {} ORDER BY v.id",
            is_video("v.video_url", self.video_url),
            self.id,
        );
        let rows = session.query(select).await?;
        let is_row = |row: &&MySqlRow| row.try_get_raw(0).is_ok_and(|value| !value.is_null());
        let found_rows = rows.iter().filter(is_row).map(read).collect::<Result<Vec<_>, _>>()?;
        Ok(FoundContent { content_exists: !rows.is_empty(), found: found(found_rows) })
    }
}

impl Operation for ListRows<'_> {
    type Output = Vec<ListedRow>;

    async fn run(&self, session: &mut Session) -> Result<Vec<ListedRow>, Failure> {
        let Self { url_prefix, after, limit } = self;
        let video_url = "CAST(CONVERT(video_url USING utf8mb4) AS BINARY)";
        let select = format!(
            "SELECT id, content_id, CAST(CONVERT(thumbnail_url USING utf8mb4) AS BINARY), duration, {video_url} \
             FROM video_assets WHERE id > {after} AND LEFT({video_url}, {}) = {} ORDER BY id LIMIT {limit}",
            url_prefix.len(),
            bytes(url_prefix)
        );
        // If few URLs begin with the prefix, this reads the rest of the table.
        let rows = session.search(select, Duration::ZERO).await?;
        let listed = |row: &MySqlRow| {
            let Found { id, row: asset } = read(row)?;
            let video_url = String::from_utf8_lossy(row.try_get(4)?).into_owned();
            Ok(ListedRow { id, video_url, row: asset })
        };
        rows.iter().map(listed).collect()
    }
}

impl Operation for HasGivenAllIds {
    type Output = bool;

    async fn run(&self, session: &mut Session) -> Result<bool, Failure> {
        let last = "127, 255, 32767, 65535, 8388607, 16777215, 2147483647, 4294967295, 9223372036854775807, 18446744073709551615";
        let select = format!(
            "SELECT COALESCE((SELECT MAX(id) FROM contents) >= {max} OR (SELECT MAX(id) FROM video_assets) IN ({last}), 0)",
            max = ContentId::MAX
        );
        Ok(session.count(select).await? == 1)
    }
}

impl Operation for WriteAsset<'_> {
    type Output = ();

    async fn run(&self, session: &mut Session) -> Result<(), Failure> {
        let packet = self.known.ids().map(|ids| self.packet(session.dialect(), ids));
        let packet = packet.filter(|packet| session.dialect().is_in_one_packet() && packet.len() <= LONGEST);
        let written = match packet {
            Some(packet) => match session.query(packet).await {
                Err(Failure::Sql(error)) if session.dialect().leads_to_steps(&error) => {
                    // Other rows were inserted, or a value does not fit: running the statements one by one shows which.
                    session.query("ROLLBACK".to_owned()).await?;
                    self.step_by_step(session).await
                }
                Err(Failure::Sql(error)) if number(&error) == Some(NO_PARENT) => {
                    Err(CatalogError::NoSuchContent { id: self.id }.into())
                }
                done => done.map(drop),
            },
            None => self.step_by_step(session).await,
        };
        written.map_err(|failure| session.dialect().learn(failure))
    }
}

impl WriteAsset<'_> {
    /// Returns all statements in one packet. The server skips the statements after a guard that fails.
    fn packet(&self, dialect: &Dialect, known: &[i64]) -> String {
        let Self { id, asset, .. } = self;
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

    /// The condition for rows of this video with this content id.
    fn is_here(&self) -> String {
        format!("content_id = {} AND {}", self.id, is_video("video_url", self.asset.video_url()))
    }

    /// The expression that counts the rows that are stored exactly as requested.
    fn count_as_wanted(&self) -> String {
        let thumbnail = bytes(self.asset.thumbnail_url());
        format!(
            "SELECT COUNT(*) FROM video_assets WHERE {} AND CAST(CONVERT(thumbnail_url USING utf8mb4) AS BINARY) = {thumbnail} \
             AND duration = {}",
            self.is_here(),
            self.asset.duration()
        )
    }

    async fn step_by_step(&self, session: &mut Session) -> Result<(), Failure> {
        let url = self.asset.video_url();
        // Rows of this video with another content id move to this content. They are searched before anything is locked,
        // and only when this content has no row, because the search may read the whole table. A row inserted in the
        // meantime comes from a worker on the same video. That worker has the same name and hence the same content, and
        // waits for its lock.
        let elsewhere = match find(session, url, Some(self.id)).await?.is_empty() {
            true => find(session, url, None).await?,
            false => Vec::new(),
        };
        session.query("START TRANSACTION".to_owned()).await?;
        // The lock is taken before the first consistent read, so that this read sees everything that others have
        // committed.
        let lock = session.dialect().lock(self.id);
        if session.query(lock).await?.is_empty() {
            return Err(CatalogError::NoSuchContent { id: self.id }.into());
        }
        let here = find(session, url, Some(self.id)).await?;
        let ids: Vec<i64> = here.iter().chain(&elsewhere).map(|found| found.id).collect();
        let wanted = |found: &Found| {
            found.row.content_id == self.id
                && found.row.thumbnail_url == self.asset.thumbnail_url()
                && found.row.duration == i64::from(self.asset.duration())
        };
        if ids.is_empty() {
            session.query(insert_asset(&self.id.to_string(), self.asset)).await?;
        } else if !here.iter().chain(&elsewhere).all(wanted) {
            session.query(update_assets(self.id, self.asset, &ids)).await?;
        }
        if session.count(self.count_as_wanted()).await? < ids.len().max(1) {
            return Err(CatalogError::Altered { table: "video_assets" }.into());
        }
        session.query("COMMIT".to_owned()).await?;
        Ok(())
    }
}

impl Operation for Register<'_> {
    type Output = Registered;

    async fn run(&self, session: &mut Session) -> Result<Registered, Failure> {
        let done = self.register(session).await;
        // The next user of the session must not inherit the lock.
        match &done {
            Err(failure) if !failure.is_loss() => self.release(session).await?,
            _ => {}
        }
        done
    }
}

impl Register<'_> {
    async fn register(&self, session: &mut Session) -> Result<Registered, Failure> {
        if session.dialect().is_in_one_packet() {
            match session.search(self.packet(), self.lock_time()).await {
                Ok(rows) => {
                    let ids = |row: &MySqlRow| Ok((row.try_get_unchecked(0)?, row.try_get_unchecked(1)?));
                    let (id, asset) =
                        rows.last().map(ids).transpose().map_err(Failure::Sql)?.unwrap_or((0, 0));
                    let known = KnownRows::new(vec![asset]);
                    return Ok(Registered { id: content_id(id)?, is_new: true, known });
                }
                // A row exists, the lock was not granted, or a value does not fit: running the statements one by one
                // shows which.
                Err(Failure::Sql(error)) if session.dialect().leads_to_steps(&error) => {
                    session.query("ROLLBACK".to_owned()).await?;
                    self.release(session).await?;
                }
                Err(failure) => return Err(failure),
            }
        }
        self.step_by_step(session).await
    }

    fn lock_time(&self) -> Duration {
        Duration::from_secs(self.lock_seconds.into())
    }

    /// Releases the lock if it is held.
    async fn release(&self, session: &mut Session) -> Result<(), Failure> {
        let name = lock_name(self.database, self.asset.video_url());
        session.query(format!("SELECT RELEASE_LOCK('{name}')")).await.map(drop)
    }

    /// Returns all statements in one packet, for a video without a row. The lock and the variable pin an RDS Proxy
    /// client.
    fn packet(&self) -> String {
        let url = self.asset.video_url();
        let (name, seconds) = (lock_name(self.database, url), self.lock_seconds);
        let is_video = is_video("video_url", url);
        let assets = format!("SELECT COUNT(*) FROM video_assets WHERE content_id = @content AND {is_video}");
        [
            format!("SELECT GET_LOCK('{name}', {seconds})"),
            guard(&format!("COALESCE(IS_USED_LOCK('{name}'), 0) <> CONNECTION_ID()")),
            guard(&format!("EXISTS (SELECT 1 FROM video_assets WHERE {is_video})")),
            "START TRANSACTION".to_owned(),
            insert_content(self.content),
            "SET @content = LAST_INSERT_ID()".to_owned(),
            insert_asset("@content", self.asset),
            "SET @asset = LAST_INSERT_ID()".to_owned(),
            guard(&format!("@content > {}", ContentId::MAX)),
            guard(&format!("({assets}) <> 1")),
            guard(&format!("({}) <> 1", count_content("@content", self.content))),
            "COMMIT".to_owned(),
            format!("SELECT RELEASE_LOCK('{name}')"),
            "SELECT CAST(@content AS SIGNED), CAST(@asset AS SIGNED)".to_owned(),
        ]
        .join("; ")
    }

    async fn step_by_step(&self, session: &mut Session) -> Result<Registered, Failure> {
        let url = self.asset.video_url();
        let (name, seconds) = (lock_name(self.database, url), self.lock_seconds);
        let lock = format!("SELECT GET_LOCK('{name}', {seconds}) = 1");
        let locked = session.search(lock, self.lock_time()).await?;
        let locked = match locked.first() {
            Some(row) => row.try_get::<Option<i64>, _>(0)?,
            None => None,
        };
        if locked != Some(1) {
            return Err(Failure::Again("another worker registers the same video"));
        }
        // Outside a transaction, so that each read sees what is committed at its moment. The lock is already held.
        let found = find(session, url, None).await?;
        let (id, rows) = match found.first() {
            Some(first) => {
                let ids: Vec<i64> = found.iter().map(|found| found.id).collect();
                session.query(update_assets(first.row.content_id, self.asset, &ids)).await?;
                (first.row.content_id, ids)
            }
            None => {
                session.query("START TRANSACTION".to_owned()).await?;
                let inserted = session.insert(insert_content(self.content)).await?;
                let id =
                    i64::try_from(inserted).ok().and_then(ContentId::new).ok_or(CatalogError::NoMoreIds)?;
                let row = session.insert(insert_asset(&id.to_string(), self.asset)).await?;
                let row = i64::try_from(row).map_err(|_| CatalogError::NoMoreIds)?;
                let is_asset = is_video("video_url", url);
                let assets =
                    format!("SELECT COUNT(*) FROM video_assets WHERE content_id = {id} AND {is_asset}");
                if session.count(assets).await? != 1 {
                    return Err(CatalogError::Altered { table: "video_assets" }.into());
                }
                if session.count(count_content(&id.to_string(), self.content)).await? != 1 {
                    return Err(CatalogError::Altered { table: "contents" }.into());
                }
                session.query("COMMIT".to_owned()).await?;
                (id, vec![row])
            }
        };
        session.query(format!("SELECT RELEASE_LOCK('{name}')")).await?;
        Ok(Registered { id, is_new: found.is_empty(), known: KnownRows::new(rows) })
    }
}

/// Selects the rows of a video, oldest first. Collations treat different URLs as equal, so the index is searched by
/// collation and the bytes decide.
async fn find(
    session: &mut Session,
    video_url: &str,
    content: Option<ContentId>,
) -> Result<Vec<Found>, Failure> {
    let of_content = content.map_or_else(String::new, |id| format!("content_id = {id} AND "));
    let select = format!(
        "SELECT id, content_id, CAST(CONVERT(thumbnail_url USING utf8mb4) AS BINARY), duration FROM video_assets \
         WHERE {of_content}{} ORDER BY id",
        is_video("video_url", video_url),
    );
    let rows = match content {
        Some(_) => session.query(select).await?,
        None => session.search(select, Duration::ZERO).await?,
    };
    rows.iter().map(read).collect()
}

/// Returns the condition that a column contains exactly this URL.
fn is_video(column: &str, video_url: &str) -> String {
    format!(
        "{column} = {} AND CAST(CONVERT({column} USING utf8mb4) AS BINARY) = {}",
        literal(video_url),
        bytes(video_url)
    )
}

/// Returns the row that a caller compares, from rows in the order of their ids; see [`FoundRow`].
fn found(rows: Vec<Found>) -> FoundRow {
    let known = KnownRows::new(rows.iter().map(|found| found.id).collect());
    let first = rows.first().map(|found| found.row.clone());
    let other = rows.into_iter().map(|found| found.row).find(|row| Some(row) != first.as_ref());
    FoundRow { row: other.or(first), known }
}

fn read(row: &MySqlRow) -> Result<Found, Failure> {
    // Owners may have widened their columns or made them unsigned. The values are text, regardless of the type.
    let number = |index: usize| row.try_get_unchecked::<i64, _>(index);
    let thumbnail_url = String::from_utf8_lossy(row.try_get(2)?).into_owned();
    let row = AssetRow { content_id: content_id(number(1)?)?, thumbnail_url, duration: number(3)? };
    Ok(Found { id: number(0)?, row })
}

fn content_id(id: i64) -> Result<ContentId, CatalogError> {
    ContentId::new(id).ok_or(CatalogError::IdOutOfRange { id })
}

/// Returns a statement that fails (error 1242) when a condition is true, and thereby ends its packet.
fn guard(broken: &str) -> String {
    format!("SELECT (SELECT 1 FROM (SELECT 1 UNION ALL SELECT 2) AS two WHERE {broken})")
}

fn list(ids: &[i64]) -> String {
    ids.iter().map(i64::to_string).collect::<Vec<_>>().join(", ")
}

/// Returns an expression that is 1 if a content is stored exactly as requested, and 0 if not.
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

/// Returns a text as a MySQL literal, safe for any content.
fn literal(text: &str) -> String {
    format!("_utf8mb4 {}", bytes(text))
}

fn bytes(text: &str) -> String {
    format!("x'{}'", hexadecimal(text.as_bytes()))
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut digits = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}

/// Returns the name of the lock for a video: 64 characters, the maximum length of a lock name.
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
