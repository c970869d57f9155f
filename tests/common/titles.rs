//! The title of the only content in a SQLite catalogue, which people may edit.

use std::error::Error;
use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

/// Sets the title of the content if `title` is given, and returns the current title.
pub(crate) async fn edit_title(catalogue: &Path, title: Option<&str>) -> Result<String, Box<dyn Error>> {
    let mut connection = SqliteConnectOptions::new().filename(catalogue).connect().await?;
    if let Some(title) = title {
        sqlx::query("UPDATE contents SET title = ?").bind(title).execute(&mut connection).await?;
    }
    let title = sqlx::query_scalar("SELECT title FROM contents").fetch_one(&mut connection).await?;
    connection.close().await?;
    Ok(title)
}
