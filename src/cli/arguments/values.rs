//! Parsers of the values that people type.

use std::num::NonZeroU32;
use std::time::{Duration, SystemTime};

use clap::builder::{OsStringValueParser, PossibleValuesParser, TypedValueParser};
use parse_size::parse_size;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::frame_time::{FrameTime, parse_duration};
use crate::location::{Location, Prefix};
use crate::{CoverArt, Fit, Focus, ImageFormat, Pick, Quality, Transparency, config};

pub(super) fn location() -> impl TypedValueParser<Value = Location> {
    OsStringValueParser::new().try_map(|text| Location::parse(&text))
}

pub(super) fn prefix() -> impl TypedValueParser<Value = Prefix> {
    OsStringValueParser::new().try_map(|text| Prefix::parse(&text))
}

/// A number of bytes: `500000`, `256MB` (millions), `256MiB` (2^20).
pub(super) fn size(text: &str) -> Result<u64, &'static str> {
    // The crate reads "-1" as an error, and a size beyond 64 bits, too.
    parse_size(text).map_err(|_| "a size such as 500000, 64k, 256MB or 256MiB")
}

/// An endpoint: `http://` or `https://`, a host, and perhaps a port and a path.
pub(super) fn endpoint(text: &str) -> Result<String, &'static str> {
    const FORMS: &str = "a URL such as http://127.0.0.1:9000";
    let url = url::Url::parse(text).map_err(|_| FORMS)?;
    let is_plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    let is_endpoint = matches!(url.scheme(), "http" | "https") && url.has_host() && is_plain;
    is_endpoint.then(|| text.to_owned()).ok_or(FORMS)
}

/// The value of a Cache-Control header.
pub(super) fn cache_control(text: &str) -> Result<String, &'static str> {
    config::parse_header(text).ok_or("printable ASCII, as in an HTTP header")
}

pub(super) fn frame_time(text: &str) -> Result<FrameTime, &'static str> {
    text.parse().map_err(|_| FrameTime::FORMS)
}

/// A length of time of one millisecond or more.
pub(super) fn interval(text: &str) -> Result<Duration, String> {
    let interval = duration(text)?;
    match interval.as_millis() {
        0 => Err("an interval is 1 ms or longer".to_owned()),
        _ => Ok(interval),
    }
}

pub(super) fn pick() -> impl TypedValueParser<Value = Pick> {
    let names = PossibleValuesParser::new(Pick::ALL.map(Pick::as_str));
    names.map(|name| Pick::from_name(&name).unwrap_or_default())
}

pub(super) fn pick_of_tile() -> impl TypedValueParser<Value = Pick> {
    let names = PossibleValuesParser::new([Pick::Exact, Pick::Keyframe].map(Pick::as_str));
    names.map(|name| Pick::from_name(&name).unwrap_or_default())
}

pub(super) fn cover() -> impl TypedValueParser<Value = CoverArt> {
    let names = PossibleValuesParser::new(CoverArt::ALL.map(CoverArt::as_str));
    names.map(|name| CoverArt::from_name(&name).unwrap_or_default())
}

pub(super) fn fit() -> impl TypedValueParser<Value = Fit> {
    let names = PossibleValuesParser::new(Fit::ALL.map(Fit::as_str));
    names.map(|name| Fit::from_name(&name).unwrap_or_default())
}

/// A background: six hexadecimal digits, or `none`.
pub(super) fn background(text: &str) -> Result<Transparency, &'static str> {
    const FORMS: &str = "six hexadecimal digits such as ffffff, or none";
    if text == "none" {
        return Ok(Transparency::Keep);
    }
    let is_hexadecimal = text.len() == 6 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    let number = u32::from_str_radix(text, 16).ok().filter(|_| is_hexadecimal).ok_or(FORMS)?;
    let [_, r, g, b] = number.to_be_bytes();
    Ok(Transparency::Over([r, g, b]))
}

pub(super) fn focus(text: &str) -> Result<Focus, &'static str> {
    text.parse().map_err(|_| Focus::FORMS)
}

/// A length of time, as [`parse_duration`] reads it.
pub(super) fn duration(text: &str) -> Result<Duration, &'static str> {
    parse_duration(text).ok_or("a length of time such as 90, 2.5s, 2m or 1:30")
}

pub(super) fn rate(text: &str) -> Result<f64, &'static str> {
    let rate = text.parse().ok().filter(|rate: &f64| rate.is_finite() && *rate >= 0.001);
    rate.ok_or("not a number of videos a second, 0.001 or more")
}

pub(super) fn time(text: &str) -> Result<SystemTime, &'static str> {
    // RFC 3339; a day alone begins at midnight, UTC.
    let whole = if text.contains('T') { text.to_owned() } else { format!("{text}T00:00:00Z") };
    let time = OffsetDateTime::parse(&whole, &Rfc3339).map(SystemTime::from);
    time.map_err(|_| "not a time such as 2026-01-31 or 2026-01-31T12:00:00Z")
}

pub(super) fn pixels(text: &str) -> Result<NonZeroU32, &'static str> {
    config::parse_pixels(text).ok_or(config::PIXELS)
}

pub(super) fn quality(text: &str) -> Result<Quality, &'static str> {
    config::parse_quality(text).ok_or("not a whole number from 1 to 100")
}

pub(super) fn format(text: &str) -> Result<ImageFormat, &'static str> {
    ImageFormat::from_extension(text).ok_or(config::FORMATS)
}
