//! Builds Matroska files from the elements of other files (RFC 9559).
#![allow(dead_code, reason = "each test crate uses its own part of this")]

use crate::common::Outcome;

pub(crate) const SEGMENT: u32 = 0x1853_8067;
pub(crate) const SEEK_HEAD: u32 = 0x114D_9B74;
pub(crate) const INFO: u32 = 0x1549_A966;
pub(crate) const TRACKS: u32 = 0x1654_AE6B;
pub(crate) const CLUSTER: u32 = 0x1F43_B675;
pub(crate) const CUES: u32 = 0x1C53_BB6B;

/// An element with a size of 8 bytes (RFC 8794, section 4).
pub(crate) fn element(id: u32, body: &[u8]) -> Vec<u8> {
    let id = id.to_be_bytes().into_iter().skip_while(|byte| *byte == 0);
    let size = (1 << 56 | body.len() as u64).to_be_bytes();
    id.chain(size).chain(body.iter().copied()).collect()
}

pub(crate) fn integer(id: u32, value: u64) -> Vec<u8> {
    element(id, &value.to_be_bytes())
}

/// The children in `bytes`: ID and body of each.
pub(crate) fn children(mut bytes: &[u8]) -> Outcome<Vec<(u32, &[u8])>> {
    let mut found = Vec::new();
    while let Some(first) = bytes.first() {
        let id_length = first.leading_zeros() as usize + 1;
        let id = bytes.get(..id_length).ok_or("an ID is cut")?;
        let id = id.iter().fold(0, |id, byte| id << 8 | u32::from(*byte));
        let size_at = bytes.get(id_length).ok_or("a size is cut")?;
        let size_length = size_at.leading_zeros() as usize + 1;
        let head = id_length + size_length;
        let size = bytes.get(id_length..head).ok_or("a size is cut")?;
        let size =
            size.iter().fold(0, |size, byte| size << 8 | usize::from(*byte)) & ((1 << (7 * size_length)) - 1);
        found.push((id, bytes.get(head..head + size).ok_or("an element is cut")?));
        bytes = &bytes[head + size..];
    }
    Ok(found)
}

/// The bodies of all children with this ID.
pub(crate) fn all(bytes: &[u8], id: u32) -> Outcome<Vec<&[u8]>> {
    Ok(children(bytes)?.into_iter().filter(|(kind, _)| *kind == id).map(|(_, body)| body).collect())
}

/// A seek head (RFC 9559, 5.1.1) that names the cues. Its length does not depend on `cues_at`.
pub(crate) fn seek_head(cues_at: usize) -> Vec<u8> {
    let seek = [element(0x53AB, &CUES.to_be_bytes()), integer(0x53AC, cues_at as u64)].concat();
    element(SEEK_HEAD, &element(0x4DBB, &seek))
}

/// A cue (RFC 9559, 5.1.5) with a relative position and a duration.
pub(crate) fn cue(time: u64, cluster_at: usize, block_at: usize) -> Vec<u8> {
    let position = [
        element(0xF7, &[1]),
        integer(0xF1, cluster_at as u64),
        integer(0xF0, block_at as u64),
        element(0xB2, &[1]),
    ];
    element(0xBB, &[integer(0xB3, time), element(0xB7, &position.concat())].concat())
}
