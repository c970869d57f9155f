//! What is looked for, in which stream, and what is found.

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

/// Why a frame was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FrameReason {
    /// It is the first at or after the time asked for.
    AtTarget,
    /// The video ends before that time: it is the first at or after half of its duration.
    HalfDuration,
    /// There is none there either: it is the last that decodes.
    LastFrame,
    /// It is the keyframe at the time, or the last one before it ([`Pick::Keyframe`](crate::Pick::Keyframe)).
    Keyframe,
}

impl FrameReason {
    /// The stable name of the reason.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AtTarget => "at_target",
            Self::HalfDuration => "half_duration",
            Self::LastFrame => "last_frame",
            Self::Keyframe => "keyframe",
        }
    }

    /// The reason of this name; `None` for any other word.
    pub fn from_name(name: &str) -> Option<Self> {
        let all = [Self::AtTarget, Self::HalfDuration, Self::LastFrame, Self::Keyframe];
        all.into_iter().find(|reason| reason.as_str() == name)
    }
}

/// The stream that is searched, and how.
pub(in crate::media) struct Stream<'m> {
    pub(in crate::media) index: usize,
    pub(in crate::media) time_base: TimeBase,
    pub(in crate::media) handling: Handling,
    /// Packets that were read while the container was opened.
    pub(in crate::media) pending: &'m mut VecDeque<Packet>,
    /// How its packets are encrypted.
    pub(in crate::media) encryption: Option<&'m Encryption>,
    /// Whether reading stands at the first packet.
    pub(in crate::media) is_at_start: bool,
    /// Whether the layout has requested the packets.
    pub(in crate::media) is_planned: bool,
    pub(in crate::media) threads: NonZeroUsize,
    pub(in crate::media) limits: Limits,
    /// What the call has cost so far.
    pub(in crate::media) spent: &'m mut Spent,
    /// How the container is opened again.
    pub(in crate::media) opening: Opening,
}

/// What to look for, in ticks of the stream, absolute.
#[derive(Debug, Clone, Copy)]
pub(in crate::media) struct Target {
    /// The time asked for.
    pub(in crate::media) wanted: Pts,
    /// Half of the duration after the start, when the container tells a duration.
    pub(in crate::media) half: Option<Pts>,
    /// Whether the container says that it ends before `wanted`.
    pub(in crate::media) ends_before: bool,
    /// Whether the container shows only a part of the file: then no other frame is taken for the wanted one.
    pub(in crate::media) is_partial: bool,
    /// Whether the container is known to hold no frame at or after `wanted`, also where it shows only a part.
    pub(in crate::media) is_absent: bool,
    /// Which frame is taken.
    pub(in crate::media) pick: Pick,
}

pub(in crate::media) struct Found {
    pub(in crate::media) frame: Frame,
    pub(in crate::media) pts: Pts,
    pub(in crate::media) reason: FrameReason,
}
