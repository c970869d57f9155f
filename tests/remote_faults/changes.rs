//! Objects that are replaced while they are read.

use std::time::Duration;

use posterframe::source::{FirstReads, HttpSource, ReadSize, SourceError};
use posterframe::{Error, ErrorKind, Media, OpenOptions};

use crate::common::{AT, Outcome, fixture_bytes, planes_md5};
use crate::servers::Fault;
use crate::servers::http_server::{HttpServer, Object};
use crate::{
    END, FRONT, Remote, SORTS, failure, first_reads, frame_in_memory, is_later, is_told, options,
    side_by_side, with_each_sort,
};

/// Time for the reply to the previous request. The server reads an object and its ETag one after the other. A replacement between
/// the two would give the bytes of one version with the ETag of the other, and no client could detect that.
const A_MOMENT: Duration = Duration::from_millis(150);

/// Another film, with another length and another container.
const OTHER: &str = "vp9.webm";

fn head_only() -> FirstReads {
    let mut reads = first_reads();
    reads.tail = ReadSize::fixed(0);
    reads
}

/// No time of a frame is planned. So opening fetches only what the information needs, and no samples.
fn information_only() -> OpenOptions {
    OpenOptions::default().with_first_reads(head_only())
}

fn is_changed(error: Error) {
    assert!(matches!(error, Error::Source(SourceError::Changed { .. })), "{error:?}");
    is_told(error, ErrorKind::Unavailable, true, "the object was replaced while it was read (");
}

/// Asserts that the frame is that of the new object, and that the object was opened a second time.
fn is_opened_once_more(remote: &Remote, expected: &str) -> Outcome {
    assert_eq!(remote.frame(&options())?, expected, "{:?}", remote.seen());
    assert!((4..=12).contains(&remote.requests()), "{:?}", remote.seen());
    Ok(())
}

#[test]
fn replaced_while_it_is_opened_it_is_opened_once_more() -> Outcome {
    let cases = [(FRONT, END), (END, FRONT), (FRONT, OTHER), (OTHER, FRONT)];
    side_by_side(with_each_sort(cases), |(sort, (old, new))| {
        let (old, new) = (fixture_bytes(old)?, fixture_bytes(new)?);
        let expected = frame_in_memory(&new)?;
        // Replaced between the first reads: the first reply is still incomplete when the second request gets the new object.
        let remote = Remote::start(sort, &old)?;
        remote.faults().on_request(1, Fault::StallBody { after: 100, pause: A_MOMENT * 2 });
        remote.faults().on_request(2, Fault::Delay(A_MOMENT));
        remote.faults().on_request(2, Fault::before(remote.replacement(&new)));
        is_opened_once_more(&remote, &expected)?;
        // Replaced after the first reads.
        let remote = Remote::start(sort, &old)?;
        remote.faults().when(1, is_later, Fault::before(remote.replacement(&new)));
        is_opened_once_more(&remote, &expected)
    });
    Ok(())
}

#[test]
fn replaced_again_and_again_it_is_an_error() -> Outcome {
    let (old, new) = (fixture_bytes(FRONT)?, fixture_bytes(OTHER)?);
    for sort in SORTS {
        let remote = Remote::start(sort, &old)?;
        let (first, second) = (remote.replacement(&old), remote.replacement(&new));
        remote.faults().when(u64::MAX, |seen| seen.number % 2 == 0, Fault::Delay(A_MOMENT));
        remote.faults().when(u64::MAX, |seen| seen.number % 2 == 1, Fault::before(first));
        remote.faults().when(u64::MAX, |seen| seen.number % 2 == 0, Fault::before(second));
        is_changed(failure(remote.frame(&options()))?);
        assert!(remote.requests() <= 6, "{:?}", remote.seen());
    }
    Ok(())
}

#[test]
fn replaced_after_it_was_opened_it_is_an_error() -> Outcome {
    for new in [END, OTHER] {
        let new = fixture_bytes(new)?;
        for sort in SORTS {
            let remote = Remote::start(sort, &fixture_bytes(FRONT)?)?;
            let mut media = remote.open(&information_only())?;
            remote.put(&new);
            is_changed(failure(media.frame(AT))?);
            // The object stays changed, so the reader sends no more requests.
            let requests = remote.requests();
            assert!(requests <= 6, "{:?}", remote.seen());
            is_changed(failure(media.frame(AT))?);
            assert_eq!(remote.requests(), requests);
            assert_eq!(remote.frame(&information_only())?, frame_in_memory(&new)?);
        }
    }
    Ok(())
}

#[test]
fn truncated_while_it_is_read_it_is_an_error() -> Outcome {
    let bytes = fixture_bytes(FRONT)?;
    for sort in SORTS {
        for length in [0, 1, 5000, bytes.len() - 1] {
            let remote = Remote::start(sort, &bytes)?;
            let mut media = remote.open(&information_only())?;
            remote.put(&bytes[..length]);
            is_changed(failure(media.frame(AT))?);
        }
    }
    Ok(())
}

/// A server that reports no version. Only a different size shows that the object was replaced.
#[test]
fn without_an_etag_another_size_is_another_object() -> Outcome {
    let bytes = fixture_bytes(FRONT)?;
    for length in [1, 5000, 30_000, bytes.len() - 1] {
        let server = HttpServer::start()?;
        let put = |bytes: &[u8]| server.put("/film", Object::new(bytes.to_vec()).with_etag(None));
        let source = HttpSource::new(put(&bytes).parse()?)?;
        let mut media = Media::open_source(source, &information_only())?;
        put(&bytes[..length]);
        is_changed(failure(media.frame(AT))?);
    }
    Ok(())
}

/// Both files have one size, and differ only in the order of their parts. The connection breaks in the middle of a body, and the
/// rest of the range would come from the new version.
#[test]
fn bytes_of_two_versions_are_never_mixed() -> Outcome {
    let (front, end) = (fixture_bytes(FRONT)?, fixture_bytes(END)?);
    assert_eq!(front.len(), end.len());
    for (old, new) in [(&front, &end), (&end, &front)] {
        let expected = [frame_in_memory(old)?, frame_in_memory(new)?];
        for sort in SORTS {
            let remote = Remote::start(sort, old)?;
            let replace = Fault::before(remote.replacement(new));
            remote.faults().when(1, is_later, Fault::CutBody(1000));
            remote.faults().on_request(4, replace);
            let mut media = match remote.open(&options()) {
                Ok(media) => media,
                Err(error) => {
                    is_changed(error);
                    continue;
                }
            };
            match media.frame(AT) {
                Ok(frame) => assert!(expected.contains(&planes_md5(&frame)?)),
                Err(error) => is_changed(error),
            }
        }
    }
    Ok(())
}
