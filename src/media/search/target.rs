//! The target and the result of a search.

use std::collections::VecDeque;
use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};

use super::spent::Spent;
use crate::frame_request::Pick;
use crate::limits::Limits;
use crate::media::container::encryption::Encryption;
use crate::media::container::formats::{Handling, Opening};
use crate::media::ffi::frame::Frame;
use crate::media::ffi::packet::Packet;
use crate::media::units::{Pts, TimeBase};

/// The reason why a frame was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FrameReason {
    /// The frame is the first at or after the requested time.
    AtTarget,
    /// The video ends before the requested time. The frame is the first at or after half of the duration.
    HalfDuration,
    /// There is no frame at half of the duration either. The frame is the last one that decodes.
    LastFrame,
    /// The frame is the keyframe at the time, or the last keyframe before it
    /// ([`Pick::Keyframe`](crate::Pick::Keyframe)).
    Keyframe,
}

impl FrameReason {
    /// Returns the stable name of the reason.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AtTarget => "at_target",
            Self::HalfDuration => "half_duration",
            Self::LastFrame => "last_frame",
            Self::Keyframe => "keyframe",
        }
    }

    /// Returns the reason with this name, or `None` for any other name.
    pub fn from_name(name: &str) -> Option<Self> {
        let all = [Self::AtTarget, Self::HalfDuration, Self::LastFrame, Self::Keyframe];
        all.into_iter().find(|reason| reason.as_str() == name)
    }
}

/// The searched stream, and how it is searched.
pub(in crate::media) struct Stream<'m> {
    pub(in crate::media) index: usize,
    pub(in crate::media) time_base: TimeBase,
    pub(in crate::media) handling: Handling,
    /// The first presentation time.
    pub(in crate::media) start: Pts,
    /// Packets that were read while the container was opened.
    pub(in crate::media) pending: &'m mut VecDeque<Packet>,
    /// The encryption of its packets.
    pub(in crate::media) encryption: Option<&'m Encryption>,
    /// Whether the reading position is at the first packet.
    pub(in crate::media) is_at_start: bool,
    /// Whether the layout has requested the packets.
    pub(in crate::media) is_planned: bool,
    pub(in crate::media) threads: NonZeroUsize,
    pub(in crate::media) limits: Limits,
    /// The cost of the call so far.
    pub(in crate::media) spent: &'m mut Spent,
    /// The way to open the container again.
    pub(in crate::media) opening: Opening,
}

/// The target of a search, in absolute ticks of the stream.
#[derive(Debug, Clone, Copy)]
pub(in crate::media) struct Target {
    /// The requested time.
    pub(in crate::media) wanted: Pts,
    /// Half of the duration after the start, when the container contains a duration.
    pub(in crate::media) half: Option<Pts>,
    /// Whether the container declares an end before `wanted`.
    pub(in crate::media) ends_before: bool,
    /// Whether the container shows only a part of the file: no other frame may then replace the wanted one.
    pub(in crate::media) is_partial: bool,
    /// Whether the container is known to contain no frame at or after `wanted`, even where it shows only a
    /// part.
    pub(in crate::media) is_absent: bool,
    /// The rule that selects the frame.
    pub(in crate::media) pick: Pick,
}

pub(in crate::media) struct Found {
    pub(in crate::media) frame: Frame,
    /// The picture whose luma is the frame's alpha, where the container has it apart.
    pub(in crate::media) alpha: Option<Frame>,
    pub(in crate::media) pts: Pts,
    pub(in crate::media) reason: FrameReason,
}
