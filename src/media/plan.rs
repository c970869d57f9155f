//! What to ask for first of containers other than MP4.

use crate::media::input::{Fault, Input};

/// EBML, the beginning of Matroska and WebM (RFC 8794, 11.2.1).
const EBML: [u8; 4] = [0x1a, 0x45, 0xdf, 0xa3];

/// Looks at the first bytes, and sets how reading goes on by what they say.
pub(super) fn prepare(input: &mut Input<'_>) -> Result<(), Fault> {
    let start = input.peek(0, 4)?;
    if start == EBML {
        // Where everything else is, is said in the first kilobytes; the tail is as likely media as anything.
        input.set_read_ahead(64 << 10, 256 << 10);
    }
    Ok(())
}
