//! The guarantees of every `Catalog`, as tests. A test crate includes this file with
//! `#[path = "common/catalog_promises.rs"] mod catalog_promises;`.

use std::error::Error;

use posterframe::catalog::{Asset, Catalog, CatalogError, KnownRows, NewContent};
use posterframe::object_name::{ContentId, ObjectName};

type TestResult = Result<(), Box<dyn Error + Send + Sync>>;

pub(crate) fn id(id: i64) -> Result<ContentId, Box<dyn Error + Send + Sync>> {
    Ok(ContentId::new(id).ok_or("no content id")?)
}

pub(crate) fn content(name: &str) -> Result<NewContent, Box<dyn Error + Send + Sync>> {
    Ok(NewContent::from(&ObjectName::parse(name)?))
}

pub(crate) fn asset(name: &str, seconds: u32) -> Result<Asset, Box<dyn Error + Send + Sync>> {
    let thumbnail = format!("s3://films/thumbnails/{name}.jpg");
    Ok(Asset::new(format!("s3://films/videos/{name}.mp4"), thumbnail)?.with_duration(seconds))
}

/// Asserts the guarantees of the trait, for any empty implementation.
pub(crate) async fn conforms(catalog: &impl Catalog) -> TestResult {
    let (first, second) = (id(7)?, id(2_147_483_647)?);
    let video = asset("7_x", 10)?;
    assert_eq!(catalog.find_row(video.video_url()).await?.row, None);
    let orphan = catalog.write_asset(first, &video, &KnownRows::default()).await;
    assert!(matches!(orphan, Err(CatalogError::NoSuchContent { .. })), "{orphan:?}");

    assert!(!catalog.find_content("s3://films/x", first).await?.content_exists);
    for _ in 0..2 {
        catalog.upsert_content(first, &content("7_x.mp4")?).await?;
        catalog.write_asset(first, &video, &KnownRows::default()).await?;
    }
    let row = catalog.find_row(video.video_url()).await?.row.ok_or("no row")?;
    assert_eq!(
        (row.content_id, row.thumbnail_url.as_str(), row.duration),
        (first, video.thumbnail_url(), 10)
    );

    assert!(catalog.find_content("s3://films/x", first).await?.content_exists);
    assert_eq!(catalog.find_content(video.video_url(), first).await?.found.row, Some(row));

    // URLs are compared as bytes: letter case and final spaces make a difference.
    for other in ["7_X", "7_x ", "7_é", "7_e"] {
        assert_eq!(catalog.find_row(asset(other, 0)?.video_url()).await?.row, None, "{other}");
    }

    // The row follows a change of content and duration.
    catalog.upsert_content(second, &content("7_x.mp4")?).await?;
    catalog.write_asset(second, &asset("7_x", 11)?, &KnownRows::default()).await?;
    let row = catalog.find_row(video.video_url()).await?.row.ok_or("no row")?;
    assert_eq!((row.content_id, row.duration), (second, 11));
    Ok(())
}

/// A name without an id gets a new content, only once.
pub(crate) async fn registers(catalog: &impl Catalog) -> TestResult {
    let (film, other) = (asset("my_movie", 10)?, asset("other", 20)?);
    let film_id = catalog.register(&content("my_movie.mp4")?, &film).await?.id;
    let other_id = catalog.register(&content("other.mp4")?, &other).await?.id;
    assert_ne!(film_id, other_id);
    let again = catalog.register(&content("my_movie.mp4")?, &film.with_duration(12)).await?.id;
    assert_eq!(again, film_id);
    let row = catalog.find_row("s3://films/videos/my_movie.mp4").await?.row.ok_or("no row")?;
    assert_eq!((row.content_id, row.duration), (film_id, 12));
    Ok(())
}
