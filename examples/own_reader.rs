//! Writes a poster frame through a custom reader, which prints each read: `own_reader VIDEO PICTURE.jpg`.
//!
//! Any type that is `Read + Seek + Send` works: an archive member, a decrypting reader, a client of a storage service.
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::error::Error;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::time::Duration;

use posterframe::{Media, OpenOptions};

struct Watched {
    file: File,
    position: u64,
}

impl Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        println!("  {count} bytes at {}", self.position);
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for Watched {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.position = self.file.seek(to)?;
        Ok(self.position)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(video), Some(picture)) = (arguments.next(), arguments.next()) else {
        return Err("usage: own_reader VIDEO PICTURE.jpg".into());
    };

    let reader = Watched { file: File::open(video)?, position: 0 };
    let mut media = Media::open(reader, &OpenOptions::default())?;
    let thumbnail = media.frame(Duration::from_secs(5))?.thumbnail()?;
    std::fs::write(picture, thumbnail.bytes)?;

    let ledger = media.ledger();
    println!("{} bytes read in {} requests", ledger.bytes_fetched, ledger.requests);
    Ok(())
}
