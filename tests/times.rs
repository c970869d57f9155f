//! The frame at several times of each fixture must be the one that a full decode by FFmpeg gives (`tests/fixtures/times.tsv`, which
//! `scripts/fixtures_times.py` writes). Each time is checked in a file opened for that time, and in one file that stays open for all
//! times; from the file, also with two decoding threads, and by byte ranges.

mod common;

use std::num::NonZeroUsize;
use std::time::Duration;

use common::{Outcome, Table, fixture, planes_md5};
use posterframe::{Error, Media, OpenOptions, Threads};

/// Decoders give exact samples only with the assembly of x86-64. On other machines, the table applies only to times.
const PLANES_ARE_EXACT: bool = cfg!(all(target_arch = "x86_64", not(libav_without_assembly)));

/// A row of the table.
struct Row<'t> {
    file: &'t str,
    at: Duration,
    reason: &'t str,
    pts: i64,
    /// One hash for each frame that has this time.
    md5: Vec<&'t str>,
}

fn rows(table: &Table) -> Outcome<Vec<Row<'_>>> {
    let row = |row| {
        Ok(Row {
            file: table.get(row, "file")?,
            at: Duration::from_micros(table.get(row, "microseconds")?.parse()?),
            reason: table.get(row, "reason")?,
            pts: table.get(row, "pts")?.parse()?,
            md5: table.get(row, "md5")?.split(',').collect(),
        })
    };
    table.rows.iter().map(|cells| row(cells)).collect()
}

/// Describes the difference from the row, if there is one.
fn difference(row: &Row<'_>, media: &mut Media<'static>) -> Outcome<Option<String>> {
    let frame = match media.frame(row.at) {
        Ok(frame) => frame,
        Err(error) => return Ok(Some(error.to_string())),
    };
    let (pts, reason, md5) = (frame.pts(), frame.reason().as_str(), planes_md5(&frame)?);
    Ok(if (pts, reason) != (row.pts, row.reason) {
        Some(format!("pts {pts} ({reason}), not {} ({})", row.pts, row.reason))
    } else if PLANES_ARE_EXACT && !row.md5.contains(&md5.as_str()) {
        Some(format!("pts {pts} with other pixels"))
    } else {
        None
    })
}

type Open = fn(&str, &OpenOptions) -> Result<Media<'static>, Error>;

fn from_file(name: &str, options: &OpenOptions) -> Result<Media<'static>, Error> {
    Media::open_file(fixture(name), options)
}

fn by_two_threads(name: &str, options: &OpenOptions) -> Result<Media<'static>, Error> {
    const TWO: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1);
    Media::open_file(fixture(name), &options.clone().with_threads(Threads::Count(TWO)))
}

#[cfg(feature = "remote")]
fn by_ranges(name: &str, options: &OpenOptions) -> Result<Media<'static>, Error> {
    Media::open_source(posterframe::source::FileSource::open(fixture(name))?, options)
}

/// Compares all rows except those of the file `except`.
fn compare(way: &str, open: Open, except: &str) -> Outcome {
    let table = Table::read(&fixture("times.tsv"))?;
    let (rows, mut wrong) = (rows(&table)?, Vec::new());
    for rows in rows.chunk_by(|one, next| one.file == next.file) {
        let Some(first) = rows.first().filter(|row| row.file != except) else { continue };
        let mut kept = open(first.file, &OpenOptions::default())?;
        let mut check = |row: &Row<'_>, state: &str, media: &mut Media<'static>| -> Outcome {
            if let Some(difference) = difference(row, media)? {
                let at = row.at.as_micros();
                wrong.push(format!("{} at {at} us, {way}, {state}: {difference}", row.file));
            }
            Ok(())
        };
        for row in rows {
            check(row, "fresh", &mut open(row.file, &OpenOptions::default().with_frame(row.at))?)?;
            check(row, "kept open", &mut kept)?;
        }
        check(first, "back at the start", &mut kept)?;
    }
    assert!(rows.len() > 900, "the table has {} rows", rows.len());
    assert!(wrong.is_empty(), "{}\n{} of {} rows differ", wrong.join("\n"), wrong.len(), rows.len());
    Ok(())
}

#[test]
fn every_time_of_every_fixture_gives_the_frame_of_a_full_decode() -> Outcome {
    compare("from the file", from_file, "")
}

/// With more threads, libavcodec conceals damage in other ways.
#[test]
fn two_threads_give_the_same_frames() -> Outcome {
    compare("by two threads", by_two_threads, "damaged_ahead.mp4")
}

#[cfg(feature = "remote")]
#[test]
fn byte_ranges_give_the_same_frames() -> Outcome {
    compare("by byte ranges", by_ranges, "")
}
