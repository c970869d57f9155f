use super::samples::{Movie, Sample};
pub(crate) struct Fragment {
    pub offset: u64,
    pub moof_bytes: u64,
    pub tracks: Vec<TrackFragment>,
}
pub(crate) struct TrackFragment {
    pub track_id: u32,
    pub decode_time: Option<u64>,
    pub samples: Vec<Sample>,
    pub end_dts: i64,
}
impl Fragment {
    pub fn parse(_m: &[u8], _o: u64, _v: &Movie<'_>) -> Option<Self> {
        None
    }
}
pub(crate) struct SegmentIndex {
    pub track_id: u32,
    pub timescale: u32,
    pub entries: Vec<IndexEntry>,
    pub end_offset: u64,
}
pub(crate) struct IndexEntry {
    pub offset: u64,
    pub size: u32,
    pub start: u64,
    pub duration: u32,
}
pub(crate) fn parse_sidx(_s: &[u8], _o: u64) -> Option<SegmentIndex> {
    None
}
pub(crate) fn parse_mfra(_m: &[u8]) -> Vec<(u32, u64, u64)> {
    Vec::new()
}
pub(crate) fn find_moof(_w: &[u8], _o: u64) -> Option<u64> {
    None
}
