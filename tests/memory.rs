//! Peak memory of reading files. The file has one test because the peak is that of the whole process.
#![cfg(target_os = "linux")]

mod common;

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use common::{AT, Outcome, fixture, fixture_bytes, planes_md5};
use posterframe::source::FileSource;
use posterframe::{Ledger, Media, OpenOptions};

/// The process's peak memory so far, in kilobytes.
fn peak_kilobytes() -> Outcome<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}

fn place(bytes: &[u8], kind: &[u8; 4]) -> Outcome<usize> {
    let found = bytes.windows(4).position(|name| name == kind);
    Ok(found.ok_or("a box is missing")?.checked_sub(4).ok_or("a name without a size")?)
}

/// Writes the fixture to `path`, with a hole in the media data that makes the file `size` bytes long. The samples keep their
/// offsets: the empty box in front of the media data gives its eight bytes to a 64-bit size (ISO/IEC 14496-12, 4.2).
fn grow(name: &str, path: &Path, size: u64) -> Outcome {
    let bytes = fixture_bytes(name)?;
    let (free, mdat, moov) = (place(&bytes, b"free")?, place(&bytes, b"mdat")?, place(&bytes, b"moov")?);
    assert_eq!((free + 8, mdat < moov), (mdat, true), "{name}");
    let index = &bytes[moov..];
    let end = size - index.len() as u64;
    let mut file = File::create(path)?;
    file.write_all(&bytes[..free])?;
    file.write_all(&1_u32.to_be_bytes())?;
    file.write_all(b"mdat")?;
    file.write_all(&(end - free as u64).to_be_bytes())?;
    file.write_all(&bytes[mdat + 8..moov])?;
    file.seek(SeekFrom::Start(end))?;
    file.write_all(index)?;
    Ok(())
}

fn read(path: &Path) -> Outcome<(String, Ledger)> {
    let options = OpenOptions::default().with_frame(AT);
    let mut media = Media::open_source(FileSource::open(path)?, &options)?;
    let frame = media.frame(AT)?;
    Ok((planes_md5(&frame)?, media.ledger()))
}

#[test]
fn memory_and_cost_depend_neither_on_a_file_s_size_nor_on_what_it_claims() -> Outcome {
    // A simple implementation would allocate gigabytes for these files.
    for name in ["x_bomb_stsz.mp4", "x_bomb_tracks.mp4"] {
        assert!(Media::open_file(fixture(name), &OpenOptions::default()).is_err(), "{name}");
    }
    let peak = peak_kilobytes()?;
    assert!(peak < 60_000, "{peak} kB after two index bombs");

    let folder = tempfile::tempdir()?;
    let path = folder.path().join("film.mp4");
    let local = planes_md5(&common::frame("h264_end.mp4")?)?;
    let mut peaks = Vec::new();
    for size in [50_000_000, 500_000_000, 5_000_000_000] {
        grow("h264_end.mp4", &path, size)?;
        let (planes, ledger) = read(&path)?;
        assert_eq!(planes, local, "{size} bytes");
        // Two requests in one round trip: head and tail. The head contains the packets.
        assert_eq!((ledger.requests, ledger.round_trips), (2, 1), "{size} bytes: {ledger:?}");
        assert!(ledger.bytes_fetched < 1_200_000, "{size} bytes: {ledger:?}");
        peaks.push(peak_kilobytes()?);
    }
    assert!(peaks[2] < peaks[0] + 6_000, "{peaks:?} kB");
    Ok(())
}
