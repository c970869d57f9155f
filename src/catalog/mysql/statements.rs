//! All the SQL there is.
//!
//! Texts are written as hexadecimal literals, `_utf8mb4 x'...'`, which nothing in them can leave; numbers are printed. The
//! longest statement, two URLs of 500 characters of four bytes each, stays under the 16 KB beyond which RDS Proxy pins.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};
use sqlx::mysql::{MySqlConnection, MySqlQueryResult, MySqlRow};
use sqlx::{AssertSqlSafe, Row as _};

use super::super::{Asset, AssetRow, CatalogError, ListedRow, NewContent};
use super::failure::Failure;
use crate::object_name::ContentId;

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

/// The row of a video.
pub(super) struct FindAsset<'a> {
    pub(super) video_url: &'a str,
    pub(super) content: Option<ContentId>,
}

pub(super) struct HasContent {
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
}

/// Content and row of a video whose name tells no content.
pub(super) struct Register<'a> {
    pub(super) content: &'a NewContent,
    pub(super) asset: &'a Asset,
    pub(super) database: &'a str,
}

/// A row with its own id.
struct Found {
    id: i64,
    row: AssetRow,
}

impl Operation for FindAsset<'_> {
    type Output = Option<AssetRow>;

    async fn run(&self, connection: &mut MySqlConnection) -> Result<Option<AssetRow>, Failure> {
        let mut found = find(connection, self.video_url, self.content).await?.into_iter();
        let Some(first) = found.next() else { return Ok(None) };
        let other = found.find(|other| other.row != first.row);
        Ok(Some(other.unwrap_or(first).row))
    }
}

impl Operation for HasContent {
    type Output = bool;

    async fn run(&self, connection: &mut MySqlConnection) -> Result<bool, Failure> {
        let rows = query(connection, format!("SELECT 1 FROM contents WHERE id = {}", self.id)).await?;
        Ok(!rows.is_empty())
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
        let lock = format!("SELECT id FROM contents WHERE id = {} FOR UPDATE", self.id);
        if query(connection, lock).await?.is_empty() {
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
            execute(connection, insert_asset(self.id, self.asset)).await?;
        } else if !here.iter().chain(&elsewhere).all(wanted) {
            execute(connection, update_assets(self.id, self.asset, &ids)).await?;
        }
        execute(connection, "COMMIT".to_owned()).await?;
        Ok(())
    }
}

impl Operation for Register<'_> {
    type Output = ContentId;

    async fn run(&self, connection: &mut MySqlConnection) -> Result<ContentId, Failure> {
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
                execute(connection, insert_asset(id, self.asset)).await?;
                execute(connection, "COMMIT".to_owned()).await?;
                id
            }
        };
        query(connection, format!("SELECT RELEASE_LOCK('{name}')")).await?;
        Ok(id)
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
         WHERE {of_content}video_url = {} AND CAST(CONVERT(video_url USING utf8mb4) AS BINARY) = {} ORDER BY id",
        literal(video_url),
        bytes(video_url),
    );
    query(connection, select).await?.iter().map(read).collect()
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

fn insert_content(content: &NewContent) -> String {
    let [title, description, age_rating] =
        [&content.title, &content.description, &content.age_rating].map(|text| literal(text));
    format!(
        "INSERT INTO contents (title, description, age_rating) VALUES ({title}, {description}, {age_rating})"
    )
}

fn insert_asset(id: ContentId, asset: &Asset) -> String {
    let (video, thumbnail) = (literal(asset.video_url()), literal(asset.thumbnail_url()));
    format!(
        "INSERT INTO video_assets (content_id, video_url, thumbnail_url, duration) \
         VALUES ({id}, {video}, {thumbnail}, {})",
        asset.duration()
    )
}

fn update_assets(id: ContentId, asset: &Asset, rows: &[i64]) -> String {
    let rows: Vec<_> = rows.iter().map(i64::to_string).collect();
    format!(
        "UPDATE video_assets SET content_id = {id}, thumbnail_url = {}, duration = {} WHERE id IN ({})",
        literal(asset.thumbnail_url()),
        asset.duration(),
        rows.join(", ")
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
        assert!(insert_asset(id, &asset).len() < 16 << 10);
        Ok(())
    }
}
