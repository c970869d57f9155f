//! The promises of every `Store`, and the additional behaviour of the folder store.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use posterframe::ErrorKind;
use posterframe::store::{Condition, ETag, FolderStore, NewObject, Store, StoreError};

type TestResult = Result<(), Box<dyn Error>>;

fn run<T>(work: impl Future<Output = Result<T, Box<dyn Error>>>) -> Result<T, Box<dyn Error>> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

fn metadata(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn object<'a>(bytes: &'a [u8], metadata: &'a BTreeMap<String, String>) -> NewObject<'a> {
    NewObject { bytes, content_type: "image/jpeg", cache_control: "public, max-age=300", metadata }
}

fn refused<T>(result: Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::PreconditionFailed { .. }))
}

/// Checks the promises of the trait, for any empty implementation.
async fn conforms(store: &impl Store) -> TestResult {
    let key = "thumbnails/a b/1_안녕.jpg";
    let (first, second) = (metadata(&[("source-etag", "%22a%22"), ("pending", "true")]), metadata(&[]));

    assert_eq!(store.describe(key).await?, None);
    assert!(refused(store.put(key, object(b"x", &first), &Condition::Unchanged(ETag::new("\"a\""))).await));
    assert_eq!(store.describe(key).await?, None, "a refused put leaves nothing");

    let etag = store.put(key, object(b"first", &first), &Condition::Absent).await?;
    let described = store.describe(key).await?.ok_or("it is not there")?;
    assert_eq!((&described.etag, described.size), (&etag, 5));
    assert_eq!(described.content_type.as_deref(), Some("image/jpeg"));
    assert_eq!(described.cache_control.as_deref(), Some("public, max-age=300"));
    assert_eq!(described.metadata, first);

    assert!(refused(store.put(key, object(b"other", &second), &Condition::Absent).await));
    assert!(refused(store.put(key, object(b"x", &first), &Condition::Unchanged(ETag::new("\"a\""))).await));
    assert_eq!(store.describe(key).await?.as_ref(), Some(&described), "a refused put changes nothing");

    // An object with the same bytes and other metadata is another version.
    let again = store.put(key, object(b"first", &second), &Condition::since(Some(&described))).await?;
    assert_ne!(again, etag);
    let described = store.describe(key).await?.ok_or("it is not there")?;
    assert_eq!((described.etag, described.metadata), (again.clone(), second));
    assert!(refused(store.put(key, object(b"late", &first), &Condition::Unchanged(etag)).await));

    let url = store.url(key)?;
    assert!(url.is_ascii());
    assert_eq!(store.key_of(&url).as_deref(), Some(key));
    assert_eq!(store.key_of("https://example.org/x.jpg"), None);
    Ok(())
}

/// Many workers increment a counter in one object. Each worker reads the object, and puts it on condition that it is unchanged.
async fn counts(stores: Vec<impl Store + Clone + 'static>, rounds: u32) -> TestResult {
    let key = "thumbnails/count.jpg";
    let first = stores.first().ok_or("no store")?.clone();
    let expected = u32::try_from(stores.len())? * rounds;
    let workers: Vec<_> = stores.into_iter().map(|store| tokio::spawn(count(store, key, rounds))).collect();
    for worker in workers {
        worker.await??;
    }
    let counted = first.describe(key).await?.ok_or("it is not there")?;
    assert_eq!(counted.metadata.get("count"), Some(&expected.to_string()));
    assert_eq!(counted.size, u64::from(expected));
    Ok(())
}

async fn count(store: impl Store, key: &str, rounds: u32) -> Result<(), StoreError> {
    let mut done = 0;
    while done < rounds {
        let seen = store.describe(key).await?;
        let counted =
            seen.as_ref().and_then(|seen| seen.metadata.get("count")?.parse().ok()).unwrap_or(0_usize);
        let (bytes, next) = (vec![b'x'; counted + 1], metadata(&[("count", &(counted + 1).to_string())]));
        match store.put(key, object(&bytes, &next), &Condition::since(seen.as_ref())).await {
            Err(StoreError::PreconditionFailed { .. }) => {}
            other => {
                other?;
                done += 1;
            }
        }
    }
    Ok(())
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { files.extend(self::files(&path)?) } else { files.push(path) }
    }
    Ok(files)
}

#[test]
fn folder_conforms() -> TestResult {
    let folder = tempfile::tempdir()?;
    run(conforms(&FolderStore::open(folder.path().join("made/when missing"))?))
}

#[test]
fn folder_counts() -> TestResult {
    let folder = tempfile::tempdir()?;
    // Each store opens the folder separately, so each has its own lock, as another process would have.
    let stores = (0..4).map(|_| FolderStore::open(folder.path())).collect::<Result<Vec<_>, _>>()?;
    run(counts(stores, 25))?;
    let left: Vec<_> = files(folder.path())?
        .into_iter()
        .filter(|path| path.extension().is_some_and(|ending| ending == "tmp"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    Ok(())
}

#[test]
fn folder_is_named_as_the_bucket() -> TestResult {
    let folder = tempfile::tempdir()?;
    let store = FolderStore::open(folder.path().join("films"))?;
    assert_eq!(store.bucket(), "films");
    let root = store.root().to_owned();
    assert_eq!(store.key_of_path(&root.join("videos/1_x.mp4")).as_deref(), Some("videos/1_x.mp4"));
    assert_eq!(store.key_of_path(&root.join(".posterframe/lock")), None);
    assert_eq!(store.key_of_path(folder.path()), None);
    Ok(())
}

#[test]
fn folder_refuses_keys_that_leave_it() -> TestResult {
    let folder = tempfile::tempdir()?;
    let store = FolderStore::open(folder.path().join("bucket"))?;
    let none = metadata(&[]);
    let keys = [
        "",
        "/etc/x",
        "../x",
        "a/../../x",
        "a/./x",
        "a//x",
        "a/",
        "..",
        "a\0b",
        ".posterframe/lock",
        ".posterframe",
    ];
    for key in keys {
        let put = run(async { Ok(store.put(key, object(b"x", &none), &Condition::Absent).await) })?;
        assert!(matches!(&put, Err(StoreError::InvalidKey { .. })), "{key:?}: {put:?}");
        assert!(put.is_err_and(|error| error.kind() == ErrorKind::Malformed));
        assert!(store.url(key).is_err());
        assert!(run(async { Ok(store.describe(key).await) })?.is_err());
    }
    assert_eq!(files(folder.path())?, Vec::<PathBuf>::new(), "nothing was written");
    assert!(store.url(".posterframes/x..jpg").is_ok());
    Ok(())
}

#[test]
fn folder_refuses_metadata_that_no_header_carries() -> TestResult {
    let folder = tempfile::tempdir()?;
    let store = FolderStore::open(folder.path())?;
    for wrong in [("name", "안녕"), ("name", "a\nb"), ("Na me", "x")] {
        let metadata = metadata(&[wrong]);
        let put = run(async { Ok(store.put("a.jpg", object(b"x", &metadata), &Condition::Absent).await) })?;
        assert!(matches!(put, Err(StoreError::InvalidMetadata { .. })), "{wrong:?}");
    }
    Ok(())
}

#[test]
fn folder_never_shows_the_metadata_of_another_version() -> TestResult {
    let folder = tempfile::tempdir()?;
    let store = FolderStore::open(folder.path())?;
    let old = metadata(&[("version", "old")]);
    let path = folder.path().join("a.jpg");
    run(async {
        store.put("a.jpg", object(b"old", &old), &Condition::Absent).await?;
        let before = store.describe("a.jpg").await?.ok_or("it is not there")?;

        // Another program replaces the picture.
        fs::write(&path, b"new")?;
        fs::File::options()
            .write(true)
            .open(&path)?
            .set_modified(SystemTime::now() + Duration::from_secs(5))?;
        let foreign = store.describe("a.jpg").await?.ok_or("it is not there")?;
        assert_ne!(foreign.etag, before.etag);
        assert_eq!((foreign.metadata.len(), foreign.content_type), (0, None));

        // Simulates a crash between writing the sidecar and renaming the object.
        let sidecar = folder.path().join(".posterframe/objects/a.jpg");
        let json = fs::read_to_string(&sidecar)?.replace("old", "never put");
        fs::write(&sidecar, json)?;
        assert_eq!(store.describe("a.jpg").await?.map(|it| it.metadata.len()), Some(0));

        // Simulates a crash that left half of a sidecar.
        fs::write(&sidecar, "{\"etag\": \"")?;
        assert_eq!(store.describe("a.jpg").await?.map(|it| it.metadata.len()), Some(0));

        let since = Condition::since(store.describe("a.jpg").await?.as_ref());
        store.put("a.jpg", object(b"mended", &old), &since).await?;
        assert_eq!(store.describe("a.jpg").await?.map(|it| it.metadata), Some(old.clone()));
        Ok(())
    })
}

#[cfg(unix)]
#[test]
fn folder_files_are_as_readable_as_any() -> TestResult {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir()?;
    let store = FolderStore::open(folder.path())?;
    let none = metadata(&[]);
    run(async { Ok(store.put("a.jpg", object(b"x", &none), &Condition::Absent).await?) })?;
    fs::write(folder.path().join("plain"), b"x")?;
    let mode = |name: &str| fs::metadata(folder.path().join(name)).map(|it| it.permissions().mode());
    assert_eq!(mode("a.jpg")?, mode("plain")?);
    Ok(())
}

#[test]
fn folder_takes_the_longest_name_a_file_can_have() -> TestResult {
    let folder = tempfile::tempdir()?;
    let store = FolderStore::open(folder.path())?;
    let (longest, none) = (format!("{}.jpg", "x".repeat(251)), metadata(&[("a", "b")]));
    run(async {
        store.put(&longest, object(b"x", &none), &Condition::Absent).await?;
        assert_eq!(store.describe(&longest).await?.map(|it| it.metadata), Some(none.clone()));
        let longer = store.put(&format!("x{longest}"), object(b"x", &none), &Condition::Absent).await;
        assert!(longer.is_err_and(|error| error.kind() == ErrorKind::LimitExceeded));
        Ok(())
    })
}
