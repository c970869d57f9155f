//! The futures of `AsyncMedia` return what the blocking calls return. Dropping a future ends its work.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::{AT, Outcome, fixture, fixture_bytes, open, planes_md5};
use posterframe::source::{
    BoxFuture, FirstReads, GetRange, MemorySource, RangeReply, RangeSource, ReadSize, SourceError,
};
use posterframe::{
    AsyncMedia, CancelToken, Error, ErrorKind, FrameRequest, OpenOptions, Pick, StoryboardRequest,
};
use tokio::time::{sleep, timeout};

const FILES: [&str; 4] = ["h264_end.mp4", "h264_frag_noindex.mp4", "h264.mkv", "h264.ts"];

/// An object whose server does not answer while `is_silent` is set.
#[derive(Clone)]
struct Silent {
    inner: MemorySource,
    is_silent: Arc<AtomicBool>,
    /// Its reference count is the number of users of the object.
    users: Arc<()>,
}

impl Silent {
    fn new(name: &str) -> Outcome<Self> {
        let inner = MemorySource::new(fixture_bytes(name)?);
        Ok(Self { inner, is_silent: Arc::default(), users: Arc::default() })
    }

    fn silence(&self, is_silent: bool) {
        self.is_silent.store(is_silent, Ordering::Relaxed);
    }
}

impl RangeSource for Silent {
    fn name(&self) -> String {
        "silent".to_owned()
    }

    fn get(&self, request: GetRange) -> BoxFuture<'_, Result<RangeReply, SourceError>> {
        Box::pin(async move {
            while self.is_silent.load(Ordering::Relaxed) {
                sleep(Duration::from_millis(2)).await;
            }
            self.inner.get(request).await
        })
    }
}

#[tokio::test]
async fn futures_give_what_calls_give() -> Outcome {
    for name in FILES {
        let expected = open(name)?.frame(AT)?;
        let mut media =
            AsyncMedia::open_source(MemorySource::new(fixture_bytes(name)?), OpenOptions::default()).await?;
        assert_eq!(media.info().streams, open(name)?.info().streams);
        assert!(media.identity().is_some());
        let frame = media.frame(AT).await?;
        assert_eq!((frame.pts(), planes_md5(&frame)?), (expected.pts(), planes_md5(&expected)?), "{name}");
        assert_eq!(media.thumbnail(AT).await?, expected.thumbnail()?, "{name}");
        let keyframe = media.frame(FrameRequest::at(AT).with_pick(Pick::Keyframe)).await?;
        assert!(keyframe.pts() <= expected.pts());
        let mut media = AsyncMedia::open_file(fixture(name), OpenOptions::default()).await?;
        assert_eq!(media.frame(AT).await?.pts(), expected.pts(), "{name}");
        let request = StoryboardRequest::default();
        assert_eq!(media.storyboard(&request).await?, open(name)?.storyboard(&request)?, "{name}");
    }
    let missing = AsyncMedia::open_file(fixture("nothing.mp4"), OpenOptions::default()).await;
    assert_eq!(missing.map_err(|error| error.kind()).err(), Some(ErrorKind::NotFound));
    Ok(())
}

/// Dropping the future of a call ends the call, and the next call works.
#[tokio::test]
async fn a_dropped_call_ends_and_the_file_stays_usable() -> Outcome {
    // First reads this small do not contain the frame, so that the frame needs requests of its own.
    let source = Silent::new("h264_1080p.mp4")?;
    let mut first_reads = FirstReads::for_name("film.mp4");
    (first_reads.head, first_reads.tail, first_reads.whole) =
        (ReadSize::fixed(4096), ReadSize::fixed(4096), 0);
    let options = OpenOptions::default().with_first_reads(first_reads);
    let mut media = AsyncMedia::open_source(source.clone(), options).await?;
    source.silence(true);
    let dropped = timeout(Duration::from_millis(100), media.frame(Duration::from_secs(1))).await;
    assert!(dropped.is_err(), "a silent server gave a frame");
    // `ledger` waits for the dropped call to end.
    let started = Instant::now();
    let ledger = media.ledger();
    assert!(started.elapsed() < Duration::from_millis(200), "{:?}", started.elapsed());
    assert!(ledger.requests > 0);
    source.silence(false);
    let expected = open("h264_1080p.mp4")?.frame(Duration::from_secs(1))?;
    let frame = media.frame(Duration::from_secs(1)).await?;
    assert_eq!((frame.pts(), planes_md5(&frame)?), (expected.pts(), planes_md5(&expected)?));
    Ok(())
}

/// Dropping the future of an opening releases the source.
#[tokio::test]
async fn a_dropped_opening_ends() -> Outcome {
    let source = Silent::new("h264_end.mp4")?;
    source.silence(true);
    let dropped =
        timeout(Duration::from_millis(50), AsyncMedia::open_source(source.clone(), OpenOptions::default()))
            .await;
    assert!(dropped.is_err(), "a silent server gave a file");
    let started = Instant::now();
    while Arc::strong_count(&source.users) > 1 && started.elapsed() < Duration::from_secs(5) {
        sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(Arc::strong_count(&source.users), 1);
    assert!(started.elapsed() < Duration::from_millis(500), "{:?}", started.elapsed());
    Ok(())
}

/// The cancel token of the options ends every call, as it does for blocking calls.
#[tokio::test]
async fn the_token_of_the_options_counts_too() -> Outcome {
    let token = CancelToken::default();
    let options = OpenOptions::default().with_cancel(token.clone());
    let mut media =
        AsyncMedia::open_source(MemorySource::new(fixture_bytes("h264_end.mp4")?), options).await?;
    token.cancel();
    assert!(matches!(media.frame(AT).await, Err(Error::Cancelled)));
    Ok(())
}

/// The futures are `Send`: servers move them between threads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_files_at_once() -> Outcome {
    let tasks = (0..12).map(|number| {
        tokio::spawn(async move {
            let name = FILES[number % FILES.len()];
            let media = AsyncMedia::open_file(fixture(name), OpenOptions::default()).await;
            media?.thumbnail(AT).await.map(|thumbnail| (name, thumbnail))
        })
    });
    let tasks: Vec<_> = tasks.collect();
    for task in tasks {
        let (name, thumbnail) = task.await??;
        assert_eq!(thumbnail, open(name)?.frame(AT)?.thumbnail()?, "{name}");
    }
    Ok(())
}
