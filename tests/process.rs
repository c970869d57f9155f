//! Jobs under interference: the video is replaced before any request, or any write fails.

#[path = "common/titles.rs"]
mod titles;

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use posterframe::cage::{MediaOpener, OpenMedia};
use posterframe::catalog::{
    Asset, Catalog, CatalogError, FoundContent, FoundRow, KnownRows, NewContent, Registered, SqliteCatalog,
};
use posterframe::object_name::ContentId;
use posterframe::process::{
    Job, JobError, LocalVideo, ReadProgress, Report, SourceVersion, Status, VideoSource,
};
use posterframe::store::{Condition, ETag, FolderStore, NewObject, ObjectDescription, Store, StoreError};
use posterframe::{ErrorKind, OpenOptions};
use titles::edit_title;

type TestResult = Result<(), Box<dyn StdError>>;

fn run<T>(work: impl Future<Output = Result<T, Box<dyn StdError>>>) -> Result<T, Box<dyn StdError>> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// Counts calls down, and reports when the count has passed.
#[derive(Clone, Debug)]
struct Countdown(Arc<AtomicU32>);

impl Countdown {
    fn new(calls: u32) -> Self {
        Self(Arc::new(AtomicU32::new(calls)))
    }

    /// Whether this call is the counted one. Only one call is.
    fn is_now(&self) -> bool {
        self.0.fetch_sub(1, Ordering::SeqCst) == 0
    }
}

/// An action that runs just before a request to the store, the catalogue or the video.
#[derive(Clone)]
struct Happening {
    countdown: Countdown,
    always: bool,
    act: Arc<dyn Fn() -> std::io::Result<()> + Send + Sync>,
}

impl Happening {
    fn replacing(bucket: &Bucket, countdown: Countdown, always: bool) -> Self {
        let (path, by) = (bucket.path(), fixture("short_3s.mp4"));
        let alone = std::sync::Mutex::new(());
        let act = Arc::new(move || {
            let _alone = alone.lock();
            let new = path.with_extension("new");
            fs::copy(&by, &new).and_then(|_| fs::rename(&new, &path))
        });
        Self { countdown, always, act }
    }

    fn happen(&self) {
        if self.countdown.is_now() || self.always {
            (self.act)().expect("the folder can be written");
        }
    }
}

impl std::fmt::Debug for Happening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.countdown.fmt(f)
    }
}

/// A wrapper of a store, a catalogue or a video. The write that the countdown picks fails, either before or after the inner write.
/// An action may run before any request.
#[derive(Debug, Clone)]
struct Failing<T> {
    inner: T,
    writes: Countdown,
    after: bool,
    happening: Option<Happening>,
}

impl<T> Failing<T> {
    fn writes(inner: T, writes: &Countdown, after: bool) -> Self {
        Self { inner, writes: writes.clone(), after, happening: None }
    }

    fn before(inner: T, happening: &Happening) -> Self {
        let (writes, happening) = (Countdown::new(u32::MAX), Some(happening.clone()));
        Self { inner, writes, after: false, happening }
    }

    fn happen(&self) {
        if let Some(happening) = &self.happening {
            happening.happen();
        }
    }
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
        self.happen();
        self.inner.describe(key).await
    }

    async fn put(&self, key: &str, object: NewObject<'_>, condition: &Condition) -> Result<ETag, StoreError> {
        self.happen();
        let fails = self.writes.is_now();
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
        self.happen();
        let fails = self.writes.is_now();
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
    async fn find_content(&self, video_url: &str, id: ContentId) -> Result<FoundContent, CatalogError> {
        self.happen();
        self.inner.find_content(video_url, id).await
    }

    async fn find_row(&self, video_url: &str) -> Result<FoundRow, CatalogError> {
        self.happen();
        self.inner.find_row(video_url).await
    }

    async fn upsert_content(&self, id: ContentId, content: &NewContent) -> Result<(), CatalogError> {
        self.guard(self.inner.upsert_content(id, content)).await
    }

    async fn write_asset(&self, id: ContentId, asset: &Asset, known: &KnownRows) -> Result<(), CatalogError> {
        self.guard(self.inner.write_asset(id, asset, known)).await
    }

    async fn register(&self, content: &NewContent, asset: &Asset) -> Result<Registered, CatalogError> {
        self.guard(self.inner.register(content, asset)).await
    }
}

impl VideoSource for Failing<LocalVideo> {
    fn key(&self) -> &str {
        self.inner.key()
    }

    fn url(&self) -> &str {
        self.inner.url()
    }

    async fn version(&self) -> Result<Option<SourceVersion>, JobError> {
        self.happen();
        self.inner.version().await
    }

    fn open(
        &self,
        expected: Option<&SourceVersion>,
        options: &OpenOptions,
        opener: &MediaOpener,
        progress: &Arc<ReadProgress>,
    ) -> Result<Option<OpenMedia>, JobError> {
        self.happen();
        self.inner.open(expected, options, opener, progress)
    }
}

/// A bucket that contains one video of seven seconds.
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

    fn delete_catalog(&self) -> TestResult {
        for name in ["catalog.sqlite3", "catalog.sqlite3-wal", "catalog.sqlite3-shm"] {
            match fs::remove_file(self.folder.path().join(name)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
        }
        Ok(())
    }

    fn video(&self) -> Result<LocalVideo, Box<dyn StdError>> {
        Ok(LocalVideo::new(&self.path(), &self.store()?, "videos/")?)
    }

    async fn process(&self) -> Result<Report, JobError> {
        let video = LocalVideo::new(&self.path(), &self.store()?, "videos/")?;
        Job::new(self.store()?, self.catalog().await?).process(&video).await
    }

    /// Asserts that there is one thumbnail of the current version without `pending`, and one row that agrees with the report.
    async fn is_complete(&self, report: &Report) -> TestResult {
        let (store, catalog, video) = (self.store()?, self.catalog().await?, self.video()?);
        let now = video.version().await?.ok_or("no video")?;
        let thumbnail =
            report.thumbnail_url.as_deref().and_then(|url| store.key_of(url)).ok_or("no thumbnail")?;
        let thumbnail = store.describe(&thumbnail).await?.ok_or("no thumbnail")?;
        let noted = percent_decoded(&thumbnail.metadata, "source-etag");
        assert_eq!(noted, now.etag.as_str());
        assert!(!thumbnail.metadata.contains_key("pending"));
        let row = catalog.find_row(video.url()).await?.row.ok_or("no row")?;
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

/// Runs the job of a bucket. The action may run before any of the job's requests.
async fn process_while(bucket: &Bucket, happening: &Happening) -> Result<Report, JobError> {
    let store = Failing::before(bucket.store()?, happening);
    let catalog = Failing::before(bucket.catalog().await?, happening);
    let video = Failing::before(
        bucket.video().map_err(|error| JobError::new(ErrorKind::Internal, error.to_string()))?,
        happening,
    );
    Job::new(store, catalog).process(&video).await
}

#[test]
fn a_video_replaced_before_any_request_is_done_anew() -> TestResult {
    for key in ["videos/1_x.mp4", "videos/my_movie.mp4"] {
        let mut replaced_in_time = 0;
        for request in 0..14 {
            run(async {
                let bucket = Bucket::new(key)?;
                let countdown = Countdown::new(request);
                let happening = Happening::replacing(&bucket, countdown, false);
                let report = process_while(&bucket, &happening).await?;
                assert_eq!(report.status, Status::Processed);
                replaced_in_time += u32::from(report.duration == Some(3));
                // The event of the new version.
                let report = bucket.process().await?;
                bucket.is_complete(&report).await
            })
            .map_err(|error| format!("{key}, request {request}: {error}"))?;
        }
        // The job notices each replacement, except those after its last check of the version.
        assert!((9..=13).contains(&replaced_in_time), "{replaced_in_time}");
    }
    Ok(())
}

#[test]
fn a_video_replaced_all_the_time_is_given_up() -> TestResult {
    run(async {
        let bucket = Bucket::new("videos/1_x.mp4")?;
        let happening = Happening::replacing(&bucket, Countdown::new(0), true);
        let error = process_while(&bucket, &happening).await.err().ok_or("it was done")?;
        assert_eq!((error.kind(), error.subject()), (ErrorKind::Unavailable, Some("videos/1_x.mp4")));
        assert_eq!(bucket.process().await?.status, Status::Processed);
        Ok(())
    })
}

#[test]
fn a_video_deleted_meanwhile_is_not_there() -> TestResult {
    for request in [3, 5, 7] {
        run(async {
            let bucket = Bucket::new("videos/1_x.mp4")?;
            let path = bucket.path();
            let act = Arc::new(move || fs::remove_file(&path));
            let happening = Happening { countdown: Countdown::new(request), always: false, act };
            let error = process_while(&bucket, &happening).await.err().ok_or("it was done")?;
            assert_eq!(error.kind(), ErrorKind::NotFound);
            Ok(())
        })?;
    }
    Ok(())
}

#[test]
fn a_retry_completes_what_a_failure_left() -> TestResult {
    for (key, writes) in [("videos/1_x.mp4", 3), ("videos/my_movie.mp4", 4)] {
        for step in 0..writes {
            for after in [false, true] {
                run(async {
                    let bucket = Bucket::new(key)?;
                    let countdown = Countdown::new(step);
                    let store = Failing::writes(bucket.store()?, &countdown, after);
                    let catalog = Failing::writes(bucket.catalog().await?, &countdown, after);
                    let error = Job::new(store, catalog).process(&bucket.video()?).await.err();
                    let error = error.ok_or("nothing failed")?;
                    assert_eq!(error.kind(), ErrorKind::Unavailable);
                    assert!(error.is_retryable());

                    let report = bucket.process().await?;
                    // A registration writes the row of the video together with its content.
                    let has_row =
                        step + 1 == writes && after || writes == 4 && step >= 2 && (after || step == 3);
                    assert_eq!(report.status == Status::Unchanged, has_row);
                    // Once the thumbnail is stored, the job decodes nothing.
                    let is_put = step + 1 == writes || step + 2 == writes && after;
                    assert_eq!(report.ledger.bytes_used == 0, is_put, "{:?}", report.ledger);
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

async fn edited(bucket: &Bucket, title: Option<&str>) -> Result<String, Box<dyn StdError>> {
    edit_title(&bucket.folder.path().join("catalog.sqlite3"), title).await
}

#[test]
fn a_retry_after_the_put_leaves_edits_alone() -> TestResult {
    run(async {
        let bucket = Bucket::new("videos/1_x.mp4")?;
        // The job failed after content and thumbnail, before the row.
        let countdown = Countdown::new(2);
        let store = Failing::writes(bucket.store()?, &countdown, false);
        let catalog = Failing::writes(bucket.catalog().await?, &countdown, false);
        Job::new(store, catalog).process(&bucket.video()?).await.err().ok_or("nothing failed")?;
        edited(&bucket, Some("edited")).await?;
        let report = bucket.process().await?;
        assert_eq!(report.status, Status::Processed);
        assert_eq!(edited(&bucket, None).await?, "edited");
        bucket.is_complete(&report).await?;
        // With other settings the job creates the thumbnail again, and keeps the content.
        let mut job = Job::new(bucket.store()?, bucket.catalog().await?);
        job.thumbnail.cache_control = "no-cache".to_owned();
        assert_eq!(job.process(&bucket.video()?).await?.status, Status::Processed);
        assert_eq!(edited(&bucket, None).await?, "edited");
        Ok(())
    })
}

#[test]
fn a_database_restored_empty_is_filled_without_decoding() -> TestResult {
    for key in ["videos/1_x.mp4", "videos/my_movie.mp4"] {
        run(async {
            let bucket = Bucket::new(key)?;
            bucket.process().await?;
            bucket.delete_catalog()?;
            let report = bucket.process().await?;
            assert_eq!((report.status, report.ledger.bytes_used), (Status::Processed, 0));
            bucket.is_complete(&report).await
        })?;
    }
    Ok(())
}

#[test]
fn two_videos_that_share_a_thumbnail_are_a_wrong_setting() -> TestResult {
    run(async {
        let bucket = Bucket::new("videos/a/1_x.mp4")?;
        fs::create_dir_all(bucket.folder.path().join("videos/b"))?;
        let other = bucket.folder.path().join("videos/b/1_x.mp4");
        fs::copy(fixture("short_3s.mp4"), &other)?;
        let mut job = Job::new(bucket.store()?, bucket.catalog().await?);
        job.key_rules.thumbnail_key = "{name}.jpg".parse()?;
        job.process(&bucket.video()?).await?;
        let other = LocalVideo::new(&other, &bucket.store()?, "videos/")?;
        let error = job.process(&other).await.err().ok_or("it was overwritten")?;
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("THUMBNAIL_KEY"), "{error}");
        assert_eq!(job.process(&bucket.video()?).await?.status, Status::Unchanged);
        Ok(())
    })
}

#[test]
fn a_back_fill_reads_nothing_of_what_is_done() -> TestResult {
    run(async {
        let bucket = Bucket::new("videos/1_x.mp4")?;
        bucket.process().await?;
        let mut job = Job::new(bucket.store()?, bucket.catalog().await?);
        job.looks_first = true;
        let report = job.process(&bucket.video()?).await?;
        assert_eq!((report.status, report.job_round_trips), (Status::Unchanged, 1));
        assert_eq!(report.ledger, posterframe::Ledger::default());
        Ok(())
    })
}

/// The longest chains of requests, as the job counts them. `tests/round_trips.rs` measures them.
#[test]
fn jobs_take_seven_round_trips_at_most() -> TestResult {
    for (key, new, again) in [("videos/1_x.mp4", 7, 1), ("videos/my_movie.mp4", 8, 2)] {
        run(async {
            let bucket = Bucket::new(key)?;
            let report = bucket.process().await?;
            // A local file has no round trips. The limit assumes that the first replies contain the index.
            let read = report.ledger.round_trips;
            assert!(report.job_round_trips - read.saturating_sub(2) <= new, "{key}: {report:?}");
            let report = bucket.process().await?;
            assert_eq!((report.status, report.job_round_trips), (Status::Unchanged, again), "{key}");
            Ok(())
        })?;
    }
    Ok(())
}

#[test]
fn a_video_without_a_duration_is_stored_as_0() -> TestResult {
    run(async {
        let bucket = Bucket::new("videos/1_x.mp4")?;
        // A raw stream has no container that declares a duration.
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

/// Nothing is decoded here, so only the order of requests can notice the cancellation.
#[test]
fn a_cancelled_job_writes_no_row() -> TestResult {
    run(async {
        let bucket = Bucket::new("videos/1_x.mp4")?;
        bucket.process().await?;
        bucket.delete_catalog()?;
        let cancel = posterframe::CancelToken::default();
        cancel.cancel();
        let mut job = Job::new(bucket.store()?, bucket.catalog().await?);
        job.looks_first = true;
        job.options = OpenOptions::default().with_cancel(cancel);
        let video = bucket.video()?;
        let error = job.process(&video).await.err().ok_or("it was done")?;
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        assert!(bucket.catalog().await?.find_row(video.url()).await?.row.is_none());
        Ok(())
    })
}
