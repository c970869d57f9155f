//! Writes a poster frame through a custom range source, here of a video that is stored in parts:
//! `own_source PICTURE.jpg PART...`.
//!
//! `cargo run --example own_source --no-default-features --features remote -- poster.jpg a.mp4.0 a.mp4.1 a.mp4.2`
//!
//! Any storage that returns byte ranges works. A source sends one request and does not retry it. The reader plans the requests,
//! sends them in parallel, retries them, and verifies that all replies belong to one version of the object. For a type that can
//! only read and seek, see `own_reader`.
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::error::Error;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use posterframe::source::{
    BoxFuture, ByteRange, GetRange, Identity, RangeBody, RangeReply, RangeSource, SourceError,
};
use posterframe::{Media, OpenOptions};
use tokio::task::spawn_blocking;

/// Maximum number of bytes in a piece. Pieces are used as soon as they arrive, so they should be small.
const PIECE: u64 = 64 << 10;

/// A video in several consecutive files.
#[derive(Clone)]
struct Parts(Arc<[PathBuf]>);

impl Parts {
    /// Returns the position of each part in the video, and the version of the video.
    fn look(&self) -> io::Result<(Vec<ByteRange>, Identity)> {
        let (mut places, mut etag, mut end) = (Vec::new(), String::new(), 0);
        for path in self.0.iter() {
            let metadata = path.metadata()?;
            let start = end;
            end += metadata.len();
            places.push(ByteRange::new(start, end));
            let changed = metadata.modified()?.duration_since(UNIX_EPOCH).map_err(io::Error::other)?;
            write!(etag, "{:x}-{:x}.", metadata.len(), changed.as_nanos()).map_err(io::Error::other)?;
        }
        Ok((places, Identity::new(end).with_etag(format!("\"{etag}\""))))
    }

    /// Returns the first bytes of a range, as far as they lie in one part.
    fn read(&self, places: &[ByteRange], range: ByteRange) -> io::Result<Bytes> {
        let part = places.iter().position(|place| place.contains(range.start()));
        let index = part.ok_or(io::ErrorKind::UnexpectedEof)?;
        let length = range.len().min(places[index].end() - range.start()).min(PIECE);
        let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        let mut file = File::open(&self.0[index])?;
        file.seek(SeekFrom::Start(range.start() - places[index].start()))?;
        file.read_exact(&mut bytes)?;
        Ok(bytes.into())
    }
}

impl RangeSource for Parts {
    fn name(&self) -> String {
        self.0.first().map_or_else(String::new, |first| first.display().to_string())
    }

    fn get(&self, request: GetRange) -> BoxFuture<'_, Result<RangeReply, SourceError>> {
        Box::pin(async move {
            let parts = self.clone();
            let (places, identity) = blocking(move || parts.look()).await?;
            // Servers report this with 412 (Precondition Failed): the object differs from the object whose bytes were read
            // before.
            if request.identity.is_some_and(|before| before != identity) {
                return Err(SourceError::Changed { reason: "a part was written".to_owned() });
            }
            if identity.size == 0 {
                return Err(SourceError::Empty);
            }
            let range = request.range.resolve(identity.size);
            if range.is_empty() {
                return Err(SourceError::NotSatisfiable { range: request.range });
            }
            Ok(RangeReply::new(identity, range, Body { parts: self.clone(), places, rest: range }))
        })
    }
}

/// The remaining bytes of a reply.
struct Body {
    parts: Parts,
    places: Vec<ByteRange>,
    rest: ByteRange,
}

impl RangeBody for Body {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, SourceError>> {
        Box::pin(async move {
            if self.rest.is_empty() {
                return Ok(None);
            }
            let (parts, places, rest) = (self.parts.clone(), self.places.clone(), self.rest);
            let bytes = blocking(move || parts.read(&places, rest)).await?;
            self.rest = ByteRange::new(rest.start() + bytes.len() as u64, rest.end());
            Ok(Some(bytes))
        })
    }
}

/// Runs blocking work on another thread. All sources share one thread, which must not wait for a disk. An asynchronous client
/// does not need this function.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, SourceError> {
    Ok(spawn_blocking(work).await.map_err(io::Error::other)??)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let picture = arguments.next().ok_or("usage: own_source PICTURE.jpg PART...")?;
    let parts = Parts(arguments.map(PathBuf::from).collect());

    let at = Duration::from_secs(5);
    // The size determines the first requests. Without it, head and tail of a small video would overlap.
    let options = OpenOptions::default().with_frame(at).with_size_hint(parts.look()?.1.size);
    let mut media = Media::open_source(parts, &options)?;
    let frame = media.frame(at)?;
    println!("frame at {:.3} s ({})", frame.pts_seconds(), frame.reason().as_str());
    std::fs::write(picture, frame.thumbnail()?.bytes)?;

    let ledger = media.ledger();
    println!("{} bytes read in {} requests", ledger.bytes_fetched, ledger.requests);
    Ok(())
}
