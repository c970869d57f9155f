//! Version 0.1 and this version on the same objects: this version must complete the work of 0.1, and 0.1 must accept the work of this one.

#[path = "common/titles.rs"]
mod titles;

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use posterframe::catalog::{Catalog, KnownRows, NewContent, SqliteCatalog};
use posterframe::config::ThumbnailSettings;
use posterframe::object_name::{ContentId, ObjectName};
use posterframe::process::{Job, LocalVideo, Report, Status, VideoSource as _};
use posterframe::store::{Condition, ETag, FolderStore, NewObject, ObjectDescription, Store, StoreError};
use posterframe::{Encoding, Fit, FrameRequest, FrameTime, Pick};
use titles::edit_title;

type TestResult<T = ()> = Result<T, Box<dyn StdError>>;

fn run<T>(work: impl Future<Output = TestResult<T>>) -> TestResult<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

/// A folder store that counts puts.
#[derive(Debug, Clone)]
struct Counted {
    inner: FolderStore,
    puts: Arc<AtomicU32>,
}

impl Store for Counted {
    fn bucket(&self) -> &str {
        self.inner.bucket()
    }

    fn url(&self, key: &str) -> Result<String, StoreError> {
        self.inner.url(key)
    }

    fn key_of(&self, url: &str) -> Option<String> {
        self.inner.key_of(url)
    }

    async fn describe(&self, key: &str) -> Result<Option<ObjectDescription>, StoreError> {
        self.inner.describe(key).await
    }

    async fn put(&self, key: &str, object: NewObject<'_>, condition: &Condition) -> Result<ETag, StoreError> {
        self.puts.fetch_add(1, Ordering::SeqCst);
        self.inner.put(key, object, condition).await
    }
}

/// A bucket and its catalogue.
struct Bucket {
    folder: tempfile::TempDir,
    store: FolderStore,
    catalog: SqliteCatalog,
}

impl Bucket {
    async fn new() -> TestResult<Self> {
        let folder = tempfile::tempdir()?;
        fs::create_dir_all(folder.path().join("videos"))?;
        let store = FolderStore::open(folder.path())?;
        let catalog = SqliteCatalog::open(folder.path().join("catalog.sqlite3")).await?;
        Ok(Self { folder, store, catalog })
    }

    fn path(&self, key: &str) -> PathBuf {
        self.folder.path().join(key)
    }

    fn put_video(&self, key: &str) -> TestResult<LocalVideo> {
        let film = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/h264_front.mp4");
        fs::copy(film, self.path(key))?;
        Ok(LocalVideo::new(&self.path(key), &self.store, "videos/")?)
    }

    /// The metadata that version 0.1 wrote for the thumbnail of this video, which lasts 7 s.
    async fn metadata_of_0_1(
        &self,
        video: &LocalVideo,
        pending: Option<&str>,
        id: u32,
    ) -> TestResult<BTreeMap<String, String>> {
        let version = video.version().await?.ok_or("no video")?;
        let mut metadata = BTreeMap::from([
            ("source-etag", version.etag.as_str().replace('"', "%22")),
            ("settings", "1;at=5;jpg;q=85;max=x;public,%20max-age=300".to_owned()),
            ("source-duration", "7".to_owned()),
            ("frame-time", "5".to_owned()),
            ("frame-reason", "at_target".to_owned()),
            ("picture-size", "160x120".to_owned()),
        ]);
        match pending {
            Some(pending) => metadata.insert("pending", pending.to_owned()),
            None => metadata.insert("content-id", id.to_string()),
        };
        Ok(metadata.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    async fn put_thumbnail(&self, key: &str, metadata: &BTreeMap<String, String>) -> TestResult {
        let object = NewObject {
            bytes: b"a picture of version 0.1",
            content_type: "image/jpeg",
            cache_control: "public, max-age=300",
            metadata,
        };
        self.store.put(key, object, &Condition::Absent).await?;
        Ok(())
    }

    fn job(&self, puts: &Arc<AtomicU32>) -> Job<Counted, SqliteCatalog> {
        let store = Counted { inner: self.store.clone(), puts: Arc::clone(puts) };
        Job::new(store, self.catalog.clone())
    }

    async fn edit(&self, title: Option<&str>) -> TestResult<String> {
        edit_title(&self.path("catalog.sqlite3"), title).await
    }
}

fn id(number: u32) -> TestResult<ContentId> {
    Ok(ContentId::new(number.into()).ok_or("no id")?)
}

/// Settings in another form, or new settings, that give the same thumbnail.
fn settings_that_change_nothing() -> TestResult<Vec<ThumbnailSettings>> {
    let default = ThumbnailSettings::default();
    let mut written_otherwise = default.clone();
    written_otherwise.request = FrameRequest::at("00:05.000".parse::<FrameTime>()?)
        .with_pick(Pick::Exact)
        .with_encoding(Encoding::default().with_fit(Fit::Contain));
    written_otherwise.poster_at_tag = true;
    Ok(vec![default, written_otherwise])
}

/// This version wrote one thumbnail in fifty, with all its metadata. Version 0.1 wrote the others, and another program added a
/// placeholder to some of them.
#[test]
fn an_upgrade_puts_no_thumbnail_of_a_thousand_that_are_done() -> TestResult {
    run(async {
        let bucket = Bucket::new().await?;
        let puts = Arc::new(AtomicU32::new(0));
        let mut videos = Vec::new();
        for number in 1..=1000 {
            let video = bucket.put_video(&format!("videos/{number}_x.mp4"))?;
            if number % 50 == 0 {
                let report = bucket.job(&Arc::default()).process(&video).await?;
                assert!(report.thumb_hash.is_some() && report.average_colour.is_some(), "{report:?}");
                videos.push(video);
                continue;
            }
            let mut metadata = bucket.metadata_of_0_1(&video, None, number).await?;
            match number % 3 {
                0 => metadata.extend([("thumb-hash".to_owned(), "strange".to_owned())]),
                1 => metadata.extend([
                    ("thumb-hash".to_owned(), "1QcSHQRnh493V4dIh4eXh1h4kJUI".to_owned()),
                    ("average-colour".to_owned(), "#0080ff".to_owned()),
                ]),
                _ => {}
            }
            bucket.put_thumbnail(&format!("thumbnails/{number}_x.jpg"), &metadata).await?;
            let target = bucket.job(&puts).target(&video)?;
            let content = NewContent::from(&ObjectName::parse("1_x.mp4")?);
            bucket.catalog.upsert_content(id(number)?, &content).await?;
            let asset = target.asset.with_duration(7);
            bucket.catalog.write_asset(id(number)?, &asset, &KnownRows::default()).await?;
            videos.push(video);
        }
        for (looks_first, thumbnail) in [true, false].into_iter().zip(settings_that_change_nothing()?) {
            let mut job = bucket.job(&puts);
            (job.looks_first, job.thumbnail) = (looks_first, thumbnail);
            for (number, video) in (1..).zip(&videos) {
                let report = job.process(video).await?;
                assert_eq!((report.status, report.ledger.bytes_used), (Status::Unchanged, 0), "{report:?}");
                let has_placeholder = number % 50 == 0 || number % 3 == 1;
                assert_eq!(report.thumb_hash.is_some(), has_placeholder, "{report:?}");
            }
        }
        assert_eq!(puts.load(Ordering::SeqCst), 0);
        Ok(())
    })
}

/// Runs the job on the state that an interrupted run of version 0.1 left: a thumbnail, perhaps with content and row.
async fn completed(
    bucket: &Bucket,
    pending: &str,
    has_content: bool,
    has_row: bool,
) -> TestResult<(Report, u32)> {
    let (puts, one) = (Arc::new(AtomicU32::new(0)), id(1)?);
    let video = bucket.put_video("videos/1_x.mp4")?;
    let metadata = bucket.metadata_of_0_1(&video, Some(pending), 1).await?;
    bucket.put_thumbnail("thumbnails/1_x.jpg", &metadata).await?;
    let job = bucket.job(&puts);
    if has_content {
        let content = NewContent::from(&ObjectName::parse("1_x.mp4")?);
        bucket.catalog.upsert_content(one, &content).await?;
    }
    if has_row {
        let asset = job.target(&video)?.asset.with_duration(7);
        bucket.catalog.write_asset(one, &asset, &KnownRows::default()).await?;
    }
    let report = job.process(&video).await?;
    assert_eq!(job.process(&video).await?.status, Status::Unchanged);
    let row = bucket.catalog.find_row(video.url()).await?.row.ok_or("no row")?;
    assert_eq!((row.duration, Some(row.thumbnail_url)), (7, report.thumbnail_url.clone()));
    Ok((report, puts.load(Ordering::SeqCst)))
}

#[test]
fn what_version_0_1_left_pending_is_completed() -> TestResult {
    run(async {
        // The content may be missing. The job writes it, and puts the thumbnail without `pending`.
        for (has_content, has_row) in [(false, false), (true, false), (true, true)] {
            let bucket = Bucket::new().await?;
            let (report, puts) = completed(&bucket, "true", has_content, has_row).await?;
            assert_eq!((report.status, puts), (Status::Processed, 1));
            let thumbnail = bucket.store.describe("thumbnails/1_x.jpg").await?.ok_or("no thumbnail")?;
            assert!(!thumbnail.metadata.contains_key("pending"));
        }
        // Only the row may be missing. The job writes only the row.
        for (has_row, status) in [(false, Status::Processed), (true, Status::Unchanged)] {
            let bucket = Bucket::new().await?;
            let (report, puts) = completed(&bucket, "row", true, has_row).await?;
            assert_eq!((report.status, report.ledger.bytes_used, puts), (status, 0, 0));
        }
        Ok(())
    })
}

#[test]
fn edits_between_a_row_that_0_1_could_not_write_and_the_retry_stay() -> TestResult {
    run(async {
        let bucket = Bucket::new().await?;
        let content = NewContent::from(&ObjectName::parse("1_x.mp4")?);
        bucket.catalog.upsert_content(id(1)?, &content).await?;
        bucket.edit(Some("edited")).await?;
        let video = bucket.put_video("videos/1_x.mp4")?;
        let metadata = bucket.metadata_of_0_1(&video, Some("row"), 1).await?;
        bucket.put_thumbnail("thumbnails/1_x.jpg", &metadata).await?;
        let report = bucket.job(&Arc::default()).process(&video).await?;
        assert_eq!(report.status, Status::Processed);
        assert_eq!(bucket.edit(None).await?, "edited");
        Ok(())
    })
}

/// Whether version 0.1 accepts the metadata as complete. It requires all of these values, in these forms.
fn is_done_for_0_1(metadata: &BTreeMap<String, String>, etag: &ETag) -> TestResult<bool> {
    let value = |name: &str| {
        let value = metadata.get(name).ok_or_else(|| format!("no {name}"))?;
        Ok::<_, Box<dyn StdError>>(value.replace("%22", "\"").replace("%20", " "))
    };
    value("frame-time")?.parse::<f64>()?;
    value("source-duration")?.parse::<f64>()?;
    value("content-id")?.parse::<u32>()?;
    let size = value("picture-size")?;
    let (width, height) = size.split_once('x').ok_or("no size")?;
    width.parse::<u32>()?;
    height.parse::<u32>()?;
    let is_reason = ["at_target", "half_duration", "last_frame"].contains(&value("frame-reason")?.as_str());
    let is_setting = value("settings")? == "1;at=5;jpg;q=85;max=x;public, max-age=300";
    let is_source = value("source-etag")? == etag.as_str();
    Ok(is_reason && is_setting && is_source && !metadata.contains_key("pending"))
}

#[test]
fn version_0_1_finds_done_what_this_one_has_done() -> TestResult {
    run(async {
        for key in ["videos/1_x.mp4", "videos/my_movie.mp4"] {
            let bucket = Bucket::new().await?;
            let video = bucket.put_video(key)?;
            let report = bucket.job(&Arc::default()).process(&video).await?;
            let etag = video.version().await?.ok_or("no video")?.etag;
            let thumbnail = report.thumbnail_url.as_deref().and_then(|url| bucket.store.key_of(url));
            let thumbnail =
                bucket.store.describe(&thumbnail.ok_or("no key")?).await?.ok_or("no thumbnail")?;
            assert!(is_done_for_0_1(&thumbnail.metadata, &etag)?, "{:?}", thumbnail.metadata);
            let names: Vec<_> = thumbnail.metadata.keys().map(String::as_str).collect();
            let known = [
                "content-id",
                "frame-reason",
                "frame-time",
                "picture-size",
                "settings",
                "source-duration",
                "source-etag",
            ];
            assert_eq!(
                names.iter().filter(|name| !known.contains(name)).collect::<Vec<_>>(),
                [&"average-colour", &"source-key", &"thumb-hash"]
            );
        }
        Ok(())
    })
}
