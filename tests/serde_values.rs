//! Results and requests as JSON: every possible value of a type must read back unchanged.
#![expect(clippy::panic, reason = "a helper that panics fails its test")]

#[path = "serde_values/generator.rs"]
mod generator;

use std::collections::HashSet;

use generator::draw;
use posterframe::source::Identity;
use posterframe::{
    Appearance, ConsideredFrame, Encoding, ErrorKind, FrameReason, FrameRequest, Framing, Ledger, Limit,
    Limits, MediaInfo, Orientation, RgbPicture, SideData, Storyboard, StoryboardRequest, Thumbnail,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The number of values that are drawn of each type.
const CASES: u32 = 256;

/// The fields of types whose deserializer does not list their fields, because one field is flattened.
fn flattened_fields(name: &str) -> &'static [&'static str] {
    match name {
        "ConsideredFrame" => &["pts_seconds", "verdict", "entropy", "brightness", "sharpness"],
        "Report" => &[
            "status",
            "reason",
            "bucket",
            "key",
            "content_id",
            "title",
            "video_url",
            "thumbnail_url",
            "other_thumbnail_urls",
            "duration",
            "duration_seconds",
            "frame_pts_seconds",
            "frame_reason",
            "poster_at",
            "width",
            "height",
            "requests",
            "round_trips",
            "bytes_fetched",
            "bytes_used",
            "cache_hits",
            "waiting_ms",
            "job_round_trips",
            "isolation",
            "steps",
            "elapsed_ms",
        ],
        "Comparison" => &[
            "status",
            "findings",
            "bucket",
            "key",
            "content_id",
            "duration",
            "stored_duration",
            "duration_agrees",
            "frame_pts_seconds",
            "frame_reason",
            "size",
            "stored_size",
            "psnr_db",
            "picture_agrees",
            "requests",
            "round_trips",
            "bytes_fetched",
            "bytes_used",
            "cache_hits",
            "waiting_ms",
            "steps",
            "elapsed_ms",
        ],
        other => panic!("{other} has a flattened field: name its fields here"),
    }
}

/// Asserts that random values of `T` read back from their JSON unchanged, and that not all of the values are equal.
fn reads_back<T: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>() {
    let name = std::any::type_name::<T>();
    let mut seen = HashSet::new();
    let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
    let result = runner.run(&any::<u64>(), |seed| {
        let value: T = draw(seed);
        let json = serde_json::to_string(&value).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let back: T = serde_json::from_str(&json)
            .map_err(|error| TestCaseError::fail(format!("{name}: {error}: {json}")))?;
        prop_assert_eq!(back, value, "{}: {}", name, json);
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
    for seed in 0..u64::from(CASES) {
        seen.insert(serde_json::to_string(&draw::<T>(seed)).expect("it has just been written"));
    }
    // The generator must draw values that differ. Even a choice has at least two words.
    assert!(seen.len() >= 2, "{name}: {seen:?}");
}

#[test]
fn what_a_file_says_reads_back() {
    reads_back::<MediaInfo>();
    reads_back::<SideData>();
    reads_back::<Ledger>();
    reads_back::<Identity>();
}

#[test]
fn pictures_read_back() {
    reads_back::<Thumbnail>();
    reads_back::<RgbPicture>();
    reads_back::<Storyboard>();
    reads_back::<Appearance>();
    reads_back::<ConsideredFrame>();
    reads_back::<FrameReason>();
    reads_back::<Orientation>();
}

#[test]
fn requests_and_options_read_back() {
    reads_back::<FrameRequest>();
    reads_back::<StoryboardRequest>();
    reads_back::<Encoding>();
    reads_back::<Framing>();
    reads_back::<Limits>();
}

#[test]
fn words_of_errors_read_back_and_are_their_names() {
    reads_back::<ErrorKind>();
    reads_back::<Limit>();
    for seed in 0..u64::from(CASES) {
        let (kind, limit): (ErrorKind, Limit) = (draw(seed), draw(seed));
        assert_eq!(serde_json::to_value(kind).ok(), Some(kind.as_str().into()));
        assert_eq!(serde_json::to_value(limit).ok(), Some(limit.as_str().into()));
    }
}

#[cfg(feature = "cage")]
#[test]
fn what_a_cage_returns_reads_back() {
    reads_back::<posterframe::cage::Picture>();
    reads_back::<posterframe::cage::Layers>();
    // The program sends these types to its child process.
    reads_back::<posterframe::ProcessOptions>();
    reads_back::<posterframe::Threads>();
}

#[cfg(feature = "job")]
#[test]
fn reports_of_the_job_read_back() {
    use posterframe::process::{Report, VideoState};

    reads_back::<Report>();
    reads_back::<VideoState>();
    #[cfg(feature = "lambda")]
    reads_back::<posterframe::process::Comparison>();
    // Every field must occur. A field that is missing from the list of fields would have its default in all values.
    let json: Vec<serde_json::Value> =
        (0..64).filter_map(|seed| serde_json::to_value(draw::<Report>(seed)).ok()).collect();
    for field in flattened_fields("Report") {
        assert!(json.iter().any(|report| report.get(field).is_some()), "{field} is never written");
    }
    let written = json.iter().filter_map(|report| report.as_object()).flat_map(|report| report.keys());
    for field in written {
        assert!(flattened_fields("Report").contains(&field.as_str()), "{field} is not drawn");
    }
}
