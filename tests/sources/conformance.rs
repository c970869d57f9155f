//! The behaviour that all sources share.

use std::fs;
use std::sync::Arc;

use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt as _};
use posterframe::ErrorKind;
use posterframe::source::{
    ByteRange, FileSource, HttpSource, MemorySource, ObjectStoreSource, RangeRequest, RangeSource, S3Source,
    SourceError, block_on,
};
use tempfile::TempDir;

use crate::common::Outcome;
use crate::servers::http_server::{HttpServer, Object};
use crate::servers::s3_server::{BUCKET, S3Server};
use crate::{bytes, failure, film, get, get_of};

type Source = Arc<dyn RangeSource>;

/// A source kind, with sources of three objects.
struct Way {
    name: &'static str,
    film: Source,
    empty: Source,
    /// An object that does not exist, or no longer exists. A source in memory has none.
    missing: Option<Source>,
}

/// Every kind, and the servers and folder that they need.
struct Ways {
    all: Vec<Way>,
    _folder: TempDir,
    _http: HttpServer,
    _s3: S3Server,
}

impl Ways {
    fn start() -> Outcome<Self> {
        let (folder, http, s3) = (tempfile::tempdir()?, HttpServer::start()?, S3Server::start()?);
        let files = LocalFileSystem::new_with_prefix(folder.path())?;
        let stores: [(_, Arc<dyn ObjectStore>); 2] = [
            ("object store in memory", Arc::new(InMemory::new())),
            ("object store of files", Arc::new(files)),
        ];
        let mut all = vec![memory(), file(&folder)?, over_http(&http)?, over_s3(&s3)?];
        for (name, store) in stores {
            all.push(in_store(name, store)?);
        }
        Ok(Self { all, _folder: folder, _http: http, _s3: s3 })
    }
}

fn memory() -> Way {
    let [film, empty] = [film(), Vec::new()].map(|bytes| Arc::new(MemorySource::new(bytes)));
    Way { name: "memory", film, empty, missing: None }
}

fn file(folder: &TempDir) -> Outcome<Way> {
    let source = |name: &str, bytes: &[u8]| -> Outcome<Source> {
        let path = folder.path().join(name);
        fs::write(&path, bytes)?;
        Ok(Arc::new(FileSource::open(path)?))
    };
    let (film, empty) = (source("film", &film())?, source("empty", b"")?);
    let missing = source("missing", b"not for long")?;
    fs::remove_file(folder.path().join("missing"))?;
    Ok(Way { name: "file", film, empty, missing: Some(missing) })
}

fn over_http(server: &HttpServer) -> Outcome<Way> {
    let source = |url: String| -> Outcome<Source> { Ok(Arc::new(HttpSource::new(url.parse()?)?)) };
    let film = source(server.put("/film", Object::new(film())))?;
    let empty = source(server.put("/empty", Object::new("")))?;
    let missing = source(format!("{}/missing", server.endpoint()))?;
    Ok(Way { name: "http", film, empty, missing: Some(missing) })
}

fn over_s3(server: &S3Server) -> Outcome<Way> {
    server.put("film", &film())?;
    server.put("empty", b"")?;
    let source = |key: &str| -> Source { Arc::new(S3Source::new(server.client(), BUCKET, key)) };
    Ok(Way { name: "s3", film: source("film"), empty: source("empty"), missing: Some(source("missing")) })
}

fn in_store(name: &'static str, store: Arc<dyn ObjectStore>) -> Outcome<Way> {
    let source = |key: &str| -> Source { Arc::new(ObjectStoreSource::new(Arc::clone(&store), key.into())) };
    for (key, bytes) in [("stored film", film()), ("stored nothing", Vec::new())] {
        let (store, path) = (Arc::clone(&store), key.into());
        block_on(async move { store.put(&path, bytes.into()).await })??;
    }
    Ok(Way {
        name,
        film: source("stored film"),
        empty: source("stored nothing"),
        missing: Some(source("missing")),
    })
}

#[test]
fn ranges_are_answered_byte_by_byte() -> Outcome {
    let film = film();
    let size = film.len() as u64;
    let cases = [
        (bytes(0, 100), 0, 100),
        (bytes(0, 1), 0, 1),
        (bytes(70_001, 170_002), 70_001, 170_002),
        (bytes(12_345, 12_346), 12_345, 12_346),
        (bytes(0, size), 0, size),
        // A range beyond the end gives the bytes up to the end.
        (bytes(199_000, size + 5000), 199_000, size),
        (bytes(size - 1, size * 1000), size - 1, size),
        (RangeRequest::Suffix(1), size - 1, size),
        (RangeRequest::Suffix(100_000), size - 100_000, size),
        (RangeRequest::Suffix(size + 1000), 0, size),
    ];
    for way in Ways::start()?.all {
        for (asked, start, end) in cases {
            let read = get(&way.film, asked)?.map_err(|error| format!("{} {asked}: {error}", way.name))?;
            assert_eq!(read.range, ByteRange::new(start, end), "{} {asked}", way.name);
            assert_eq!(read.identity.size, size, "{} {asked}", way.name);
            assert_eq!(read.error, None, "{} {asked}", way.name);
            let expected = &film[usize::try_from(start)?..usize::try_from(end)?];
            assert!(read.bytes == expected, "{} {asked}: other bytes", way.name);
            assert!(!read.pieces.contains(&0), "{} {asked}: an empty piece", way.name);
        }
    }
    Ok(())
}

#[test]
fn all_replies_name_the_same_version() -> Outcome {
    for way in Ways::start()?.all {
        let first = get(&way.film, bytes(0, 10))??.identity;
        let etag = first.etag.as_deref().ok_or("no ETag")?;
        assert!(etag.starts_with('"') && etag.ends_with('"') && etag.len() > 2, "{} {etag}", way.name);
        for range in [bytes(100, 200), RangeRequest::Suffix(5), bytes(0, 1 << 40)] {
            let read = get_of(&way.film, range, Some(&first))??;
            assert_eq!(read.identity, first, "{} {range}", way.name);
        }
    }
    Ok(())
}

#[test]
fn another_version_is_not_read() -> Outcome {
    for way in Ways::start()?.all {
        let mut other = get(&way.film, bytes(0, 10))??.identity;
        other.etag = Some("\"another\"".to_owned());
        for range in [bytes(0, 10), bytes(1 << 40, 1 << 41), RangeRequest::Suffix(5)] {
            let error = failure(get_of(&way.film, range, Some(&other)))?;
            assert!(matches!(error, SourceError::Changed { .. }), "{} {range}: {error}", way.name);
            assert_eq!(error.kind(), ErrorKind::Unavailable);
        }
    }
    Ok(())
}

#[test]
fn there_is_nothing_behind_the_end() -> Outcome {
    let size = film().len() as u64;
    for way in Ways::start()?.all {
        let nothing = [bytes(5, 5), RangeRequest::Suffix(0)];
        for range in [bytes(size, size + 1), bytes(1 << 40, 1 << 41)].into_iter().chain(nothing) {
            let error = failure(get(&way.film, range))?;
            assert_eq!(error, SourceError::NotSatisfiable { range }, "{}", way.name);
        }
    }
    Ok(())
}

#[test]
fn an_empty_object_is_told_apart() -> Outcome {
    for way in Ways::start()?.all {
        for range in [bytes(0, 1), bytes(0, 1 << 20), RangeRequest::Suffix(1), RangeRequest::Suffix(1 << 20)]
        {
            let error = failure(get(&way.empty, range))?;
            assert_eq!(error, SourceError::Empty, "{} {range}", way.name);
        }
    }
    Ok(())
}

#[test]
fn what_is_missing_is_not_found() -> Outcome {
    for way in Ways::start()?.all {
        let Some(missing) = way.missing else { continue };
        let error = failure(get(&missing, bytes(0, 10)))?;
        assert!(matches!(error, SourceError::NotFound { .. }), "{}: {error}", way.name);
        assert_eq!(error.kind(), ErrorKind::NotFound, "{}", way.name);
    }
    Ok(())
}

#[test]
fn our_own_pieces_are_small() -> Outcome {
    for way in Ways::start()?.all.iter().take(2) {
        let read = get(&way.film, bytes(1, 200_000))??;
        assert_eq!(read.pieces, [65_536, 65_536, 65_536, 3391], "{}", way.name);
    }
    Ok(())
}

#[test]
fn copies_in_memory_are_different_objects_and_clones_are_not() -> Outcome {
    let one = MemorySource::new(film());
    let identity = |source: &MemorySource| -> Outcome<_> {
        let source: Source = Arc::new(source.clone());
        Ok(get(&source, bytes(0, 1))??.identity)
    };
    assert_eq!(identity(&one)?, identity(&one)?);
    assert_ne!(identity(&one)?, identity(&MemorySource::new(film()))?);
    Ok(())
}

#[test]
fn a_file_that_is_replaced_or_written_to_has_changed() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("film");
    fs::write(&path, film())?;
    let source: Source = Arc::new(FileSource::open(&path)?);
    assert_eq!(source.name(), path.display().to_string());
    let first = get(&source, bytes(0, 10))??.identity;

    // Another file of the same size replaces the file.
    let new = folder.path().join("new");
    fs::write(&new, film())?;
    fs::rename(new, &path)?;
    let error = failure(get_of(&source, bytes(0, 10), Some(&first)))?;
    assert!(matches!(error, SourceError::Changed { .. }), "{error}");

    // The same file is truncated.
    let second = get(&source, bytes(0, 10))??.identity;
    fs::File::options().write(true).open(&path)?.set_len(1000)?;
    let error = failure(get_of(&source, bytes(0, 10), Some(&second)))?;
    assert!(matches!(error, SourceError::Changed { .. }), "{error}");
    Ok(())
}

#[test]
fn a_file_that_is_cut_under_a_body_has_changed() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("film");
    fs::write(&path, film())?;
    let source = FileSource::open(&path)?;
    let outcome = block_on(async move {
        let request = posterframe::source::GetRange::new(bytes(0, 200_000), None);
        let mut reply = source.get(request).await?;
        let first = reply.body.next().await?;
        assert_eq!(first.map(|piece| piece.len()), Some(65_536));
        let file = fs::File::options().write(true).open(&path);
        file.and_then(|file| file.set_len(70_000))?;
        reply.body.next().await
    })?;
    assert!(matches!(outcome, Err(SourceError::Changed { .. })), "{outcome:?}");
    Ok(())
}

#[test]
fn only_files_are_files() -> Outcome {
    let folder = tempfile::tempdir()?;
    let error = failure(Ok(FileSource::open(folder.path())))?;
    assert_eq!(error, SourceError::Request { reason: "not a regular file".to_owned() });
    let error = failure(Ok(FileSource::open(folder.path().join("none"))))?;
    assert_eq!(error.kind(), ErrorKind::NotFound);
    Ok(())
}
