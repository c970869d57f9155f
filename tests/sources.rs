//! Sources of objects on servers: the behaviour that all sources share, and the behaviour of each kind.
//!
//! Every request goes to a real server over a real connection; see `common/servers.rs`.

mod common;
#[path = "sources/conformance.rs"]
mod conformance;
#[path = "sources/http.rs"]
mod http;
#[path = "sources/s3.rs"]
mod s3;
#[path = "common/servers.rs"]
mod servers;

use std::sync::Arc;

use common::Outcome;
use posterframe::source::{
    ByteRange, GetRange, Identity, RangeReply, RangeRequest, RangeSource, SourceError, block_on,
};

/// The bytes of the objects. Their number is a prime, so it is no multiple of a block size. No two pieces are equal.
fn film() -> Vec<u8> {
    let bytes = (0_u32..200_003).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8);
    bytes.collect()
}

fn bytes(start: u64, end: u64) -> RangeRequest {
    RangeRequest::Bounded(ByteRange::new(start, end))
}

/// A reply whose body was read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Read {
    identity: Identity,
    range: ByteRange,
    pieces: Vec<usize>,
    bytes: Vec<u8>,
    /// The error, if the body was aborted.
    error: Option<SourceError>,
}

/// Requests a range of the object in whatever version.
fn get(source: &Arc<dyn RangeSource>, range: RangeRequest) -> Outcome<Result<Read, SourceError>> {
    get_of(source, range, None)
}

/// Requests a range of this version of the object.
fn get_of(
    source: &Arc<dyn RangeSource>,
    range: RangeRequest,
    identity: Option<&Identity>,
) -> Outcome<Result<Read, SourceError>> {
    let (source, request) = (Arc::clone(source), GetRange::new(range, identity.cloned()));
    Ok(block_on(async move { Ok(read(source.get(request).await?).await) })?)
}

async fn read(mut reply: RangeReply) -> Read {
    let RangeReply { identity, range, .. } = &reply;
    let (identity, range) = (identity.clone(), *range);
    let mut read = Read { identity, range, pieces: Vec::new(), bytes: Vec::new(), error: None };
    loop {
        match reply.body.next().await {
            Ok(Some(piece)) => {
                read.pieces.push(piece.len());
                read.bytes.extend_from_slice(&piece);
            }
            Ok(None) => return read,
            Err(error) => {
                read.error = Some(error);
                return read;
            }
        }
    }
}

/// Returns the error of a request that must fail.
fn failure<T>(result: Outcome<Result<T, SourceError>>) -> Outcome<SourceError> {
    match result? {
        Ok(_) => Err("it should have failed".into()),
        Err(error) => Ok(error),
    }
}
