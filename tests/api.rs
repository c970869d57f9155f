//! Checks the traits that the library's types implement: `Send` and `Sync`, `Debug`, `Clone`, serde. Compiling this file is the check.

use std::error::Error as StdError;
use std::fmt::Debug;

use posterframe::source::{ByteRange, Ledger, RangeRequest, SourceError};
use posterframe::{
    Appearance, Bounds, CancelToken, ConsideredFrame, CoverArt, Encoding, Error, ErrorKind, Fit, Focus,
    FocusError, FrameReason, FrameRequest, FrameTime, FrameTimeError, Framing, ImageFormat, Limit, Limits,
    Media, MediaInfo, OpenOptions, Orientation, Percent, Pick, PosterFrame, Quality, RgbPicture, Spacing,
    Storyboard, StoryboardRequest, StoryboardTile, StreamInfo, Threads, Thumbnail, Verdict,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Values: threads share them, and programs copy and print them.
const fn value<T: Debug + Clone + Send + Sync + Unpin + 'static>() {}
/// Types that several threads may use at once.
const fn shared<T: Debug + Send + Sync + Unpin + 'static>() {}
/// Types that one thread uses at a time, and may send to another thread.
const fn movable<T: Debug + Send>() {}
/// Errors that `Box<dyn Error + Send + Sync>` and `anyhow` accept.
const fn error<T: StdError + Send + Sync + 'static>() {}

/// Types that programs serialise, and deserialise again.
const fn stored<T: Serialize + DeserializeOwned>() {}

const _: () = {
    value::<Appearance>();
    value::<Bounds>();
    value::<ConsideredFrame>();
    value::<Spacing>();
    value::<Storyboard>();
    value::<StoryboardRequest>();
    value::<StoryboardTile>();
    value::<Verdict>();
    value::<ByteRange>();
    value::<CancelToken>();
    value::<Encoding>();
    value::<ErrorKind>();
    value::<CoverArt>();
    value::<Fit>();
    value::<Focus>();
    value::<FrameReason>();
    value::<FrameRequest>();
    value::<FrameTime>();
    value::<Percent>();
    value::<Pick>();
    value::<Framing>();
    value::<ImageFormat>();
    value::<Ledger>();
    value::<Limits>();
    value::<MediaInfo>();
    value::<OpenOptions>();
    value::<Orientation>();
    value::<Quality>();
    value::<RangeRequest>();
    value::<RgbPicture>();
    value::<StreamInfo>();
    value::<Threads>();
    value::<Thumbnail>();
    value::<Error>();
    value::<Limit>();
    value::<SourceError>();
    error::<Error>();
    error::<FocusError>();
    error::<FrameTimeError>();
    error::<SourceError>();
    movable::<Media<'static>>();
    shared::<PosterFrame>();
    stored::<ConsideredFrame>();
    stored::<Storyboard>();
    stored::<StoryboardRequest>();
    stored::<FrameReason>();
    stored::<FrameRequest>();
    stored::<Framing>();
    stored::<Ledger>();
    stored::<MediaInfo>();
    stored::<Orientation>();
    stored::<RgbPicture>();
    stored::<StreamInfo>();
    stored::<Thumbnail>();
};

#[cfg(feature = "job")]
mod job {
    use posterframe::event::FunctionError;
    use posterframe::object_name::ContentId;
    use posterframe::process::{Report, RowState, Status, StepTimes, ThumbnailState, VideoState};

    use super::{stored, value};

    const _: () = {
        value::<Report>();
        stored::<ContentId>();
        stored::<FunctionError>();
        stored::<Report>();
        stored::<RowState>();
        stored::<VideoState>();
        stored::<Status>();
        stored::<StepTimes>();
        stored::<ThumbnailState>();
    };

    #[cfg(feature = "lambda")]
    const _: () = {
        value::<posterframe::process::Comparison>();
        stored::<posterframe::process::Agreement>();
        stored::<posterframe::process::Comparison>();
    };
}

#[cfg(feature = "remote")]
mod remote {
    use std::sync::Arc;

    use posterframe::source::{
        BlockCache, FileSource, FirstReads, GetRange, Identity, MemorySource, RangeReply, RangeSource,
        ReadSize,
    };

    use super::{movable, value};

    const fn source<T: RangeSource>() {}

    const _: () = {
        value::<BlockCache>();
        value::<FirstReads>();
        value::<GetRange>();
        value::<Identity>();
        value::<ReadSize>();
        value::<FileSource>();
        value::<MemorySource>();
        movable::<RangeReply>();
        source::<FileSource>();
        source::<MemorySource>();
        source::<Arc<dyn RangeSource>>();
    };

    #[cfg(feature = "http")]
    const _: () = {
        value::<posterframe::source::HttpSource>();
        source::<posterframe::source::HttpSource>();
    };

    #[cfg(feature = "s3")]
    const _: () = {
        value::<posterframe::source::S3Source>();
        source::<posterframe::source::S3Source>();
    };
}

/// Programs and logs rely on these names: each name means one case, and no name changes.
#[test]
fn names_of_kinds_and_reasons_stand() {
    let kinds = [
        (ErrorKind::NotFound, "not_found"),
        (ErrorKind::Denied, "denied"),
        (ErrorKind::Unsupported, "unsupported"),
        (ErrorKind::Malformed, "malformed"),
        (ErrorKind::LimitExceeded, "limit_exceeded"),
        (ErrorKind::Timeout, "timeout"),
        (ErrorKind::Cancelled, "cancelled"),
        (ErrorKind::Unavailable, "unavailable"),
        (ErrorKind::Config, "config"),
        (ErrorKind::Internal, "internal"),
    ];
    for (kind, name) in kinds {
        assert_eq!((kind.as_str(), ErrorKind::from_name(name)), (name, Some(kind)));
    }
    let reasons = [
        (FrameReason::AtTarget, "at_target"),
        (FrameReason::HalfDuration, "half_duration"),
        (FrameReason::LastFrame, "last_frame"),
        (FrameReason::Keyframe, "keyframe"),
    ];
    for (reason, name) in reasons {
        assert_eq!((reason.as_str(), FrameReason::from_name(name)), (name, Some(reason)));
        assert_eq!(serde_json::to_string(&reason).ok(), Some(format!("\"{name}\"")));
    }
    assert_eq!(Fit::ALL.map(Fit::as_str), ["contain", "cover"]);
    assert_eq!(Pick::ALL.map(Pick::as_str), ["exact", "keyframe", "auto"]);
    assert_eq!(CoverArt::ALL.map(CoverArt::as_str), ["fallback", "ignore", "prefer", "only"]);
}
