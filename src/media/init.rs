//! Process-wide settings of libav: the size of its allocations, and the destination of its log.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

#[cfg(feature = "cage")]
use serde::{Deserialize, Serialize};
use tracing::Level;

use crate::media::ffi;
use crate::media::ffi::log::{Line, Severity};

/// Maximum number of libav log lines that become events in a second: damaged files cause a complaint for each block of a picture.
const MAX_EVENTS_PER_SECOND: u32 = 20;

/// Process-wide settings of libav. `ProcessOptions::default()` returns the default settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "cage", derive(Serialize, Deserialize))]
#[non_exhaustive]
pub struct ProcessOptions {
    /// Maximum bytes of one allocation inside libav. Default 256 MiB, enough for 8K 10-bit frames.
    pub max_allocation: usize,
    /// The destination of libav's log.
    pub log: LibavLog,
}

/// The destination of libav's log. libav has one log for the process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "cage", derive(Serialize, Deserialize))]
#[non_exhaustive]
pub enum LibavLog {
    /// Errors and warnings become events of `tracing`. Their target is `libav`. Their levels are `WARN` for errors and `INFO` for
    /// warnings, because a defect of a file is not a failure of the program. The messages are cut to 512 bytes and contain no control
    /// characters. At most 20 events are emitted in a second. The last error before a failure is part of the failure's
    /// [`Error`](crate::Error).
    #[default]
    Events,
    /// The log stays unchanged: for programs that use FFmpeg themselves and have their own log callback. Errors then contain FFmpeg's
    /// description of the error code.
    Untouched,
}

impl Default for ProcessOptions {
    fn default() -> Self {
        Self { max_allocation: 256 << 20, log: LibavLog::default() }
    }
}

impl ProcessOptions {
    /// Sets [`max_allocation`](Self::max_allocation).
    #[must_use]
    pub const fn with_max_allocation(mut self, bytes: usize) -> Self {
        self.max_allocation = bytes;
        self
    }

    /// Sets [`log`](Self::log).
    #[must_use]
    pub const fn with_log(mut self, log: LibavLog) -> Self {
        self.log = log;
        self
    }
}

/// Applies the process-wide settings of libav, once. Only the first call takes effect, and opening a [`Media`](crate::Media) makes this
/// call with the default settings. Returns whether these settings are the ones in force.
///
/// ```
/// use posterframe::ProcessOptions;
///
/// let options = ProcessOptions::default().with_max_allocation(64 << 20);
/// assert!(posterframe::init(&options));
/// assert!(!posterframe::init(&ProcessOptions::default()), "it was initialised before");
/// ```
pub fn init(options: &ProcessOptions) -> bool {
    in_force(options) == *options
}

/// Returns the settings in force: `options`, if no call came before.
pub(crate) fn in_force(options: &ProcessOptions) -> ProcessOptions {
    static IN_FORCE: OnceLock<ProcessOptions> = OnceLock::new();
    *IN_FORCE.get_or_init(|| {
        ffi::limit_allocations(options.max_allocation);
        match options.log {
            LibavLog::Events => ffi::log::redirect(report),
            LibavLog::Untouched => {}
        }
        *options
    })
}

/// Emits libav's lines as events, up to the maximum per second. The next second begins with the number of omitted lines.
fn report(line: Line<'_>) {
    static RATE: Mutex<Rate> = Mutex::new(Rate { since: None, events: 0, left_out: 0 });
    let is_wanted = match line.severity {
        Severity::Error => tracing::enabled!(target: "libav", Level::WARN),
        Severity::Warning => tracing::enabled!(target: "libav", Level::INFO),
    };
    // The lock is not held while the subscriber works.
    let turn = is_wanted.then(|| RATE.lock().unwrap_or_else(PoisonError::into_inner).next(Instant::now()));
    let Some(Turn { left_out, is_allowed }) = turn else { return };
    if left_out > 0 {
        tracing::warn!(target: "libav", lines = left_out, "{left_out} lines omitted");
    }
    let Line { severity, part, text } = line;
    match severity {
        _ if !is_allowed => {}
        Severity::Error => tracing::warn!(target: "libav", part, "{text}"),
        Severity::Warning => tracing::info!(target: "libav", part, "{text}"),
    }
}

/// The events of one second.
struct Rate {
    since: Option<Instant>,
    events: u32,
    left_out: u32,
}

/// The treatment of a line.
#[derive(Debug, PartialEq, Eq)]
struct Turn {
    /// The number of lines that were omitted before this one and not reported yet.
    left_out: u32,
    is_allowed: bool,
}

impl Rate {
    fn next(&mut self, now: Instant) -> Turn {
        let is_over =
            self.since.is_none_or(|since| now.saturating_duration_since(since) >= Duration::from_secs(1));
        if is_over {
            let left_out = self.left_out;
            *self = Self { since: Some(now), events: 1, left_out: 0 };
            return Turn { left_out, is_allowed: true };
        }
        let is_allowed = self.events < MAX_EVENTS_PER_SECOND;
        if is_allowed {
            self.events += 1;
        } else {
            self.left_out = self.left_out.saturating_add(1);
        }
        Turn { left_out: 0, is_allowed }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt;
    use std::io::Cursor;
    use std::sync::Arc;

    use tracing::field::{Field, Visit};
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Metadata, Subscriber};

    use super::*;
    use crate::media::ffi::frame::Frame;
    use crate::media::ffi::pixel_format::PixelFormat;
    use crate::media::{Media, OpenOptions};

    /// Records the events of libav, each as level, component and message.
    #[derive(Clone, Default)]
    struct Recorder(Arc<Mutex<Vec<String>>>);

    struct Fields(String);

    impl Visit for Fields {
        fn record_debug(&mut self, _: &Field, value: &dyn fmt::Debug) {
            self.0 = format!("{}|{value:?}", self.0);
        }
        fn record_str(&mut self, _: &Field, value: &str) {
            self.0 = format!("{}|{value}", self.0);
        }
    }

    impl Subscriber for Recorder {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            metadata.target() == "libav"
        }
        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }
        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn event(&self, event: &Event<'_>) {
            let mut fields = Fields(event.metadata().level().to_string());
            event.record(&mut fields);
            self.0.lock().unwrap().push(fields.0);
        }
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    #[test]
    fn the_first_options_apply_to_the_process() {
        assert!(init(&ProcessOptions::default()));
        // With these settings no allocation could succeed.
        assert!(!init(&ProcessOptions::default().with_max_allocation(1)));
        let frame = Frame::with_size(PixelFormat::RGB24, 640, 480).unwrap();
        assert_eq!(frame.copy_planes().unwrap().len(), 640 * 480 * 3);
    }

    #[test]
    fn an_error_contains_the_message_of_libav() {
        let bytes = b"\0\0\0\x18ftypisom\0\0\0\0isommp42\0\0\0\x08free";
        let error = Media::open(Cursor::new(bytes), &OpenOptions::default()).unwrap_err();
        let reason = "Invalid data found when processing input: moov atom not found";
        assert_eq!(error.to_string(), format!("not a readable media file: {reason}"));
    }

    #[test]
    fn lines_become_events() {
        let recorder = Recorder::default();
        tracing::subscriber::with_default(recorder.clone(), || {
            for severity in [Severity::Error, Severity::Warning] {
                report(Line { severity, part: "mov", text: "words" });
            }
        });
        let mut events = recorder.0.lock().unwrap().clone();
        for event in &mut events {
            let mut parts: Vec<&str> = event.split('|').collect();
            parts[1..].sort_unstable();
            *event = parts.join("|");
        }
        assert_eq!(events, ["WARN|mov|words", "INFO|mov|words"]);
    }

    #[test]
    fn excess_lines_are_dropped_and_counted() {
        let mut rate = Rate { since: None, events: 0, left_out: 0 };
        let begun = Instant::now();
        let allowed = (0..100).filter(|_| rate.next(begun).is_allowed).count();
        assert_eq!(allowed, 20);
        let next = rate.next(begun + Duration::from_secs(1));
        assert_eq!(next, Turn { left_out: 80, is_allowed: true });
        assert_eq!(rate.next(begun + Duration::from_millis(1100)), Turn { left_out: 0, is_allowed: true });
    }
}
