//! Inputs that do not support byte ranges, buffered in memory.

use std::io::Read;

use super::SourceError;

/// Reads a whole input, for example standard input, of at most `max_bytes`.
///
/// # Errors
/// [`SourceError::TooLarge`] if the input is larger. The call fails after one excess byte and does not read to the end.
/// Otherwise the reader's error.
pub fn read_whole(reader: impl Read, max_bytes: u64) -> Result<Vec<u8>, SourceError> {
    let mut bytes = Vec::new();
    reader.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max_bytes {
        return Err(SourceError::TooLarge { allowed: max_bytes });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::ErrorKind;

    #[test]
    fn reads_up_to_the_limit() -> Result<(), SourceError> {
        assert_eq!(read_whole(&[7_u8; 10][..], 10)?, [7; 10]);
        assert!(read_whole(io::empty(), 0)?.is_empty());
        let error = SourceError::TooLarge { allowed: 9 };
        assert_eq!(read_whole(&[7_u8; 10][..], 9), Err(error.clone()));
        assert_eq!(read_whole(io::repeat(7), 9), Err(error.clone()));
        assert_eq!(error.kind(), ErrorKind::LimitExceeded);
        Ok(())
    }

    #[test]
    fn errors_keep_their_kind() {
        struct Failing(io::ErrorKind);
        impl Read for Failing {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(self.0.into())
            }
        }
        let cases = [
            (io::ErrorKind::BrokenPipe, ErrorKind::Unavailable),
            (io::ErrorKind::TimedOut, ErrorKind::Timeout),
            (io::ErrorKind::PermissionDenied, ErrorKind::Denied),
        ];
        for (io_kind, kind) in cases {
            let error = read_whole(Failing(io_kind), 9).map_err(|error| error.kind());
            assert_eq!(error, Err(kind), "{io_kind:?}");
        }
    }
}
