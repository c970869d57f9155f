use std::ops::Range;
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub offset: u64,
    pub size: u32,
    pub dts: i64,
    pub cts: i64,
    pub is_sync: bool,
}
pub(crate) struct Movie<'b> {
    pub timescale: u32,
    pub tracks: Vec<Track<'b>>,
    pub is_fragmented: bool,
    pub fragment_duration: Option<u64>,
}
pub(crate) struct Track<'b> {
    pub id: u32,
    pub handler: [u8; 4],
    pub timescale: u32,
    pub chapters: Vec<u32>,
    pub width: u32,
    pub height: u32,
    pub is_enabled: bool,
    x: &'b [u8],
}
impl<'b> Movie<'b> {
    pub fn parse(moov: &'b [u8]) -> Option<Self> {
        None
    }
}
impl<'b> Track<'b> {
    pub fn samples(&self) -> impl Iterator<Item = Sample> + use<'b> {
        std::iter::empty()
    }
    pub fn sample_count(&self) -> u32 {
        0
    }
    pub fn presentation_shift(&self, _t: u32) -> Option<i64> {
        None
    }
    pub fn min_composition_offset(&self) -> i64 {
        0
    }
}
pub(crate) struct Packets {
    pub ranges: Vec<Range<u64>>,
    pub target: u64,
}
pub(crate) fn poster_packets(_m: &Movie<'_>, _t: &Track<'_>, _at: i64) -> Option<Packets> {
    None
}
pub(crate) struct Frame {
    pub offset: u64,
    pub pts: i64,
}
pub(crate) fn packet_of_frame(
    _s: impl Iterator<Item = Sample>,
    _l: i64,
    _f: u64,
    _p: i64,
    _w: i64,
) -> Option<Frame> {
    None
}
pub(crate) fn coalesce(r: Vec<Range<u64>>, _g: u64) -> Vec<Range<u64>> {
    r
}
pub(crate) fn header_ranges(_m: &Movie<'_>) -> Vec<Range<u64>> {
    Vec::new()
}
