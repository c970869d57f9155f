//! The job when things happen meanwhile: videos replaced at any step, failures at any write.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use posterframe::cage::{Opened, Opener};
use posterframe::catalog::{Asset, AssetRow, Catalog, CatalogError, NewContent, SqliteCatalog};
use posterframe::object_name::ContentId;
use posterframe::process::{Job, JobError, LocalVideo, Report, SourceVersion, Status, VideoSource};
use posterframe::store::{Condition, ETag, FolderStore, NewObject, ObjectDescription, Store, StoreError};
use posterframe::{ErrorKind, OpenOptions};

type TestResult = Result<(), Box<dyn StdError>>;

fn run<T>(work: impl Future<Output = Result<T, Box<dyn StdError>>>) -> Result<T, Box<dyn StdError>> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// Lets so many calls through, and does something at the next.
#[derive(Clone, Debug)]
struct Countdown(Arc<AtomicU32>);

impl Countdown {
    fn new(calls: u32) -> Self {
        Self(Arc::new(AtomicU32::new(calls)))
    }

    /// Whether this is the call; it is only once.
    fn is_now(&self) -> bool {
        self.0.fetch_sub(1, Ordering::SeqCst) == 0
    }
}

/// A store and catalogue, the next call of whose writes fails when the countdown says so: before or after it was done.
#[derive(Debug)]
struct Failing<T> {
    inner: T,
    countdown: Countdown,
    after: bool,
}

impl Store for Failing<FolderStore> {
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
        let fails = self.countdown.is_now();
        let path = PathBuf::from(key);
        let broken =
            || StoreError::File { action: "write", path, source: std::io::ErrorKind::StorageFull.into() };
        if fails && !self.after {
            return Err(broken());
        }
        let etag = self.inner.put(key, object, condition).await?;
        if fails { Err(broken()) } else { Ok(etag) }
    }
}

impl Failing<SqliteCatalog> {
    async fn guard<T>(&self, work: impl Future<Output = Result<T, CatalogError>>) -> Result<T, CatalogError> {
        let fails = self.countdown.is_now();
        let broken = || {
            let (name, kind) = ("test".to_owned(), ErrorKind::Unavailable);
            CatalogError::Database { name, kind, source: "the connection was lost".into() }
        };
        if fails && !self.after {
            return Err(broken());
        }
        let done = work.await?;
        if fails { Err(broken()) } else { Ok(done) }
    }
}

impl Catalog for Failing<SqliteCatalog> {
    async fn asset(
        &self,
        video_url: &str,
        content: Option<ContentId>,
    ) -> Result<Option<AssetRow>, CatalogError> {
        self.inner.asset(video_url, content).await
    }

    async fn has_content(&self, id: ContentId) -> Result<bool, CatalogError> {
        self.inner.has_content(id).await
    }

    async fn upsert_content(&self, id: ContentId, content: &NewContent) -> Result<(), CatalogError> {
        self.guard(self.inner.upsert_content(id, content)).await
    }

    async fn write_asset(&self, id: ContentId, asset: &Asset) -> Result<(), CatalogError> {
        self.guard(self.inner.write_asset(id, asset)).await
    }

    async fn register(&self, content: &NewContent, asset: &Asset) -> Result<ContentId, CatalogError> {
        self.guard(self.inner.register(content, asset)).await
    }
}

/// A video that another upload replaces when the countdown says so, just before it is asked for its version.
#[derive(Clone, Debug)]
struct Replaced {
    inner: LocalVideo,
    path: PathBuf,
    by: PathBuf,
    countdown: Countdown,
    always: bool,
}

impl VideoSource for Replaced {
    fn key(&self) -> &str {
        self.inner.key()
    }

    fn url(&self) -> &str {
        self.inner.url()
    }

    async fn version(&self) -> Result<Option<SourceVersion>, JobError> {
        if self.countdown.is_now() || self.always {
            let replaced = fs::remove_file(&self.path).and_then(|()| fs::copy(&self.by, &self.path));
            replaced.map_err(|error| JobError::new(ErrorKind::Internal, error))?;
        }
        self.inner.version().await
    }

    fn open(
        &self,
        version: &SourceVersion,
        options: &OpenOptions,
        opener: &Opener,
    ) -> Result<Option<Opened>, JobError> {
        self.inner.open(version, options, opener)
    }
}

/// A bucket with one seven second video in it.
struct Bucket {
    folder: tempfile::TempDir,
    key: &'static str,
}

impl Bucket {
    fn new(key: &'static str) -> Result<Self, Box<dyn StdError>> {
        let bucket = Self { folder: tempfile::tempdir()?, key };
        fs::create_dir_all(bucket.path().parent().ok_or("no folder")?)?;
        fs::copy(fixture("h264_front.mp4"), bucket.path())?;
        Ok(bucket)
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join(self.key)
    }

    fn store(&self) -> Result<FolderStore, StoreError> {
        FolderStore::open(self.folder.path())
    }

    async fn catalog(&self) -> Result<SqliteCatalog, CatalogError> {
        SqliteCatalog::open(self.folder.path().join("catalog.sqlite3")).await
    }

    fn video(&self) -> Result<LocalVideo, Box<dyn StdError>> {
        Ok(LocalVideo::new(&self.path(), &self.store()?, "videos/")?)
    }

    async fn process(&self) -> Result<Report, JobError> {
        let video = LocalVideo::new(&self.path(), &self.store()?, "videos/")?;
        Job::new(self.store()?, self.catalog().await?).process(&video).await
    }

    /// One thumbnail without `pending` of the version that is there, and one row that agrees with the report.
    async fn is_complete(&self, report: &Report) -> TestResult {
        let (store, catalog, video) = (self.store()?, self.catalog().await?, self.video()?);
        let now = video.version().await?.ok_or("no video")?;
        let thumbnail =
            report.thumbnail_url.as_deref().and_then(|url| store.key_of(url)).ok_or("no thumbnail")?;
        let thumbnail = store.describe(&thumbnail).await?.ok_or("no thumbnail")?;
        let noted = percent_decoded(&thumbnail.metadata, "source-etag");
        assert_eq!(noted, now.etag.as_str());
        assert!(!thumbnail.metadata.contains_key("pending"));
        let row = catalog.asset(video.url(), None).await?.ok_or("no row")?;
        assert_eq!(Some(row.content_id), report.content_id);
        assert_eq!(Some(row.thumbnail_url), report.thumbnail_url);
        assert_eq!(Some(row.duration), report.duration.map(i64::from));
        assert_eq!(fs::read_dir(self.folder.path().join("thumbnails"))?.count(), 1);
        catalog.close().await;
        Ok(())
    }
}

fn percent_decoded(metadata: &BTreeMap<String, String>, name: &str) -> String {
    metadata.get(name).map(|value| value.replace("%22", "\"")).unwrap_or_default()
}

#[test]
fn a_video_replaced_at_any_step_is_done_anew() -> TestResult {
    for key in ["videos/1_x.mp4", "videos/my_movie.mp4"] {
        let mut replaced_in_time = 0;
        for step in 0..10 {
            run(async {
                let bucket = Bucket::new(key)?;
                let (path, by) = (bucket.path(), fixture("short_3s.mp4"));
                let countdown = Countdown::new(step);
                let video = Replaced { inner: bucket.video()?, path, by, countdown, always: false };
                let report = Job::new(bucket.store()?, bucket.catalog().await?).process(&video).await?;
                assert_eq!(report.status, Status::Processed);
                replaced_in_time += u32::from(report.duration == Some(3));
                bucket.is_complete(&report).await
            })
            .map_err(|error| format!("{key}, step {step}: {error}"))?;
        }
        // It is asked for once at the beginning, and before each of four writes.
        assert!((4..=6).contains(&replaced_in_time), "{replaced_in_time}");
    }
    Ok(())
}

#[test]
fn a_video_replaced_all_the_time_is_given_up() -> TestResult {
    run(async {
        let bucket = Bucket::new("videos/1_x.mp4")?;
        let (path, by, countdown) = (bucket.path(), fixture("short_3s.mp4"), Countdown::new(0));
        let video = Replaced { inner: bucket.video()?, path, by, countdown, always: true };
        let error = Job::new(bucket.store()?, bucket.catalog().await?).process(&video).await.err();
        let error = error.ok_or("it was done")?;
        assert_eq!((error.kind(), error.subject()), (ErrorKind::Unavailable, Some("videos/1_x.mp4")));
        assert_eq!(bucket.process().await?.status, Status::Processed);
        Ok(())
    })
}

#[test]
fn a_retry_completes_what_a_failure_left() -> TestResult {
    for key in ["videos/1_x.mp4", "videos/my_movie.mp4"] {
        for step in 0..4 {
            for after in [false, true] {
                run(async {
                    let bucket = Bucket::new(key)?;
                    let countdown = Countdown::new(step);
                    let store = Failing { inner: bucket.store()?, countdown: countdown.clone(), after };
                    let catalog = Failing { inner: bucket.catalog().await?, countdown, after };
                    let error = Job::new(store, catalog).process(&bucket.video()?).await.err();
                    let error = error.ok_or("nothing failed")?;
                    assert_eq!(error.kind(), ErrorKind::Unavailable);
                    assert!(error.is_retryable());

                    let report = bucket.process().await?;
                    // The last write may have been done before its answer was lost.
                    let done = step == 3 && after;
                    assert_eq!(report.status == Status::Unchanged, done);
                    bucket.is_complete(&report).await?;
                    assert_eq!(bucket.process().await?.status, Status::Unchanged);
                    Ok(())
                })
                .map_err(|error| format!("{key}, write {step}, after {after}: {error}"))?;
            }
        }
    }
    Ok(())
}

#[test]
fn a_video_without_a_duration_is_stored_as_0() -> TestResult {
    run(async {
        let bucket = Bucket::new("videos/1_x.mp4")?;
        // A raw stream has no container to tell.
        fs::copy(fixture("h264_raw.h264"), bucket.path())?;
        let report = bucket.process().await?;
        if report.duration_seconds.is_none() {
            assert_eq!(report.duration, Some(0));
        }
        bucket.is_complete(&report).await
    })
}

#[test]
fn a_cancelled_job_writes_nothing() -> TestResult {
    run(async {
        let bucket = Bucket::new("videos/1_x.mp4")?;
        let cancel = posterframe::CancelToken::default();
        cancel.cancel();
        let mut job = Job::new(bucket.store()?, bucket.catalog().await?);
        job.options = OpenOptions::default().with_cancel(cancel);
        let error = job.process(&bucket.video()?).await.err().ok_or("it was done")?;
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        assert!(!bucket.folder.path().join("thumbnails").exists());
        Ok(())
    })
}
