//! libav's log: its lines go to a sink, and the last error is kept for the caller.
//!
//! libav has one log for the process. It calls back from any working thread, including its own threads.

use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use ffmpeg_next::ffi;

use super::raw;

/// Maximum bytes of a line with its prefix and its terminator. The rest is cut off.
const MAX_BYTES: usize = 512;

/// Maximum number of lines of one thread that are processed in a [`WINDOW`]. A file can cause two lines with each packet of a few bytes,
/// and formatting a line takes longer than reading the packet.
const MAX_LINES: u32 = 500;
const WINDOW: Duration = Duration::from_millis(100);

/// The severity of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Severity {
    /// An operation failed.
    Error,
    /// Something is unexpected.
    Warning,
}

impl Severity {
    /// Converts a level of libavutil/log.h. Returns `None` for levels without a problem.
    const fn of(level: c_int) -> Option<Self> {
        let level = level & 0xff;
        if level <= ffi::AV_LOG_ERROR {
            Some(Self::Error)
        } else if level <= ffi::AV_LOG_WARNING {
            Some(Self::Warning)
        } else {
            None
        }
    }
}

/// A line of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    pub(crate) severity: Severity,
    /// The component of libav that wrote the line (`mov,mp4,m4a,3gp,3g2,mj2`); empty when it has no name.
    pub(crate) part: &'a str,
    /// The message, without control characters.
    pub(crate) text: &'a str,
}

/// The recipient of the lines. The sink is called from any thread, and must not call libav.
pub(crate) type Sink = fn(Line<'_>);

static SINK: OnceLock<Sink> = OnceLock::new();

/// The log of one thread.
#[derive(Default)]
struct ThreadLog {
    /// The start of an incomplete line.
    begun: String,
    /// The last error.
    last: Option<String>,
    /// Start of the window, and number of lines since then.
    window: Option<Instant>,
    lines: u32,
}

impl ThreadLog {
    /// Counts a line, and returns whether the line is processed.
    fn admits(&mut self, now: Instant) -> bool {
        if self.window.is_none_or(|begun| now.saturating_duration_since(begun) >= WINDOW) {
            (self.window, self.lines) = (Some(now), 0);
        }
        self.lines = self.lines.saturating_add(1);
        let is_admitted = self.lines <= MAX_LINES;
        if !is_admitted {
            // The rest of the line may be dropped.
            self.begun.clear();
        }
        is_admitted
    }
}

thread_local! {
    static LOG: RefCell<ThreadLog> = RefCell::default();
}

/// Redirects libav's log to `sink`, and to nothing else. The first sink stays.
pub(crate) fn redirect(sink: Sink) {
    SINK.get_or_init(|| sink);
    // SAFETY: stores a pointer in an atomic (libavutil/log.h). The callback has the interface that is asked for, may be called
    // from any thread, and lives as long as the process.
    unsafe { raw::av_log_set_callback(Some(receive)) };
}

/// Forgets the last error, before a call whose own errors matter.
pub(crate) fn forget() {
    with_log(|log| log.last = None);
}

/// Returns the last error that libav reported in this thread.
pub(crate) fn last() -> Option<String> {
    with_log(|log| log.last.clone()).flatten()
}

/// Runs `action` with the thread's log. Returns `None` while the thread ends, or its log is in use.
fn with_log<T>(action: impl FnOnce(&mut ThreadLog) -> T) -> Option<T> {
    LOG.try_with(|log| log.try_borrow_mut().ok().map(|mut log| action(&mut log))).ok().flatten()
}

/// # Safety
/// Called by libav only, with a format and what it formats (libavutil/log.h, `av_log_set_callback`).
unsafe extern "C" fn receive(
    context: *mut c_void,
    level: c_int,
    format: *const c_char,
    arguments: *mut c_void,
) {
    let Some(severity) = Severity::of(level) else { return };
    if with_log(|log| log.admits(Instant::now())) == Some(false) {
        return;
    }
    let (mut buffer, mut prefix) = ([0_u8; MAX_BYTES], 1);
    // SAFETY: context, format and arguments are libav's own, and used once; the buffer is ours, and its true length is passed. The
    // call ends the string with a zero.
    let code = unsafe {
        raw::av_log_format_line2(
            context,
            level,
            format,
            arguments,
            buffer.as_mut_ptr().cast::<c_char>(),
            c_int::try_from(MAX_BYTES).unwrap_or(0),
            &raw mut prefix,
        )
    };
    let Ok(text) = CStr::from_bytes_until_nul(&buffer) else { return };
    if code >= 0 {
        // A panic must not unwind through C, and has no recipient.
        let _ = catch_unwind(AssertUnwindSafe(|| take(severity, &text.to_string_lossy())));
    }
}

/// Processes a line of libav, or a part of one.
fn take(severity: Severity, text: &str) {
    let (part, said) = split_prefix(text);
    let Some(line) = with_log(|log| {
        log.begun.extend(said.chars().take(MAX_BYTES.saturating_sub(log.begun.len())));
        // A line without an end continues. A truncated line has no end.
        let is_whole = text.ends_with(['\n', '\r']) || text.len() + 1 >= MAX_BYTES;
        let line = is_whole.then(|| printable(std::mem::take(&mut log.begun).trim()));
        let line = line.filter(|line| !line.is_empty());
        if severity == Severity::Error && line.is_some() {
            log.last.clone_from(&line);
        }
        line
    }) else {
        return;
    };
    if let Some((sink, text)) = SINK.get().zip(line) {
        sink(Line { severity, part: &printable(part), text: &text });
    }
}

/// Removes libav's prefix of a line, `[name @ 0x55...] ` for each context, and returns the last name and the rest.
fn split_prefix(text: &str) -> (&str, &str) {
    let (mut part, mut rest) = ("", text);
    while let Some((inside, behind)) = rest.strip_prefix('[').and_then(|rest| rest.split_once("] ")) {
        let Some((name, address)) = inside.rsplit_once(" @ ") else { break };
        if !address.trim_start_matches("0x").chars().all(|digit| digit.is_ascii_hexdigit()) {
            break;
        }
        (part, rest) = (name, behind);
    }
    (part, rest)
}

/// Returns text from a file without characters that move a terminal's cursor or begin a line.
fn printable(text: &str) -> String {
    // A file may cause a line with each packet, so the text is allocated once.
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() {
            out.extend(letter.escape_default());
        } else {
            out.push(letter);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn prefixes_are_removed() {
        for (text, part, rest) in [
            ("[mov,mp4 @ 0x55d0c8] moov atom not found\n", "mov,mp4", "moov atom not found\n"),
            ("[mov @ 0x1] [h264 @ 0x2] no frame!\n", "h264", "no frame!\n"),
            ("[of the file's own] words\n", "", "[of the file's own] words\n"),
            ("[a @ b] c @ d\n", "a", "c @ d\n"),
            ("[a @ z] c\n", "", "[a @ z] c\n"),
            ("", "", ""),
        ] {
            assert_eq!(split_prefix(text), (part, rest), "{text}");
        }
    }

    #[test]
    fn partial_lines_are_joined_and_the_last_error_is_kept() {
        forget();
        take(Severity::Error, "[h264 @ 0x1] one ");
        assert_eq!(last(), None);
        take(Severity::Error, "line\n");
        take(Severity::Warning, "[h264 @ 0x1] a warning\n");
        assert_eq!(last().as_deref(), Some("one line"));
        forget();
        assert_eq!(last(), None);
    }

    #[test]
    fn excess_lines_are_dropped() {
        let mut log = ThreadLog { begun: "half a line".to_owned(), ..ThreadLog::default() };
        let begun = Instant::now();
        let admitted = (0..10_000).filter(|_| log.admits(begun)).count();
        assert_eq!((admitted, log.begun.as_str()), (500, ""));
        assert!(!log.admits(begun + WINDOW / 2));
        assert!(log.admits(begun + WINDOW));
    }

    proptest! {
        #[test]
        fn no_line_is_long_or_contains_control_characters(parts in prop::collection::vec("(?s).{0,600}", 1..6)) {
            for part in &parts {
                take(Severity::Error, part);
            }
            take(Severity::Error, "x\n");
            let line = last().unwrap();
            prop_assert!(line.chars().count() <= MAX_BYTES * 10 && !line.contains(char::is_control), "{line}");
        }
    }
}
