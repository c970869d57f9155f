//! Everything that a command prints for its caller.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use serde::Serialize;
use serde_json::{Value, json};

use super::progress::{self, Messages};
use crate::cage::Layers;
use crate::catalog::CatalogError;
use crate::job_error::JobError;
use crate::location::Location;
use crate::store::StoreError;
use crate::{Error, ErrorKind, Ledger};

/// The reason why a command did not succeed.
pub(super) enum Failure {
    Error(JobError),
    /// An error that the printed answer already describes. A program that reads JSON gets no second object.
    Answered(JobError),
    /// An error that the answers for several inputs have already reported. It only determines the exit code.
    Reported(ErrorKind),
    /// The audit has findings, and `--exit-code` was given.
    Found,
    /// The reader of standard output has closed the pipe.
    BrokenPipe,
}

impl Failure {
    /// Marks an error as already described by the printed answer.
    pub(super) fn answered(self) -> Self {
        match self {
            Self::Error(error) => Self::Answered(error),
            other => other,
        }
    }
}

impl From<JobError> for Failure {
    fn from(error: JobError) -> Self {
        Self::Error(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error.into())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Error(error.into())
    }
}

impl From<CatalogError> for Failure {
    fn from(error: CatalogError) -> Self {
        Self::Error(error.into())
    }
}

/// Returns the exit code of an error kind. `--help` lists the exit codes.
pub(super) const fn exit_code(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::Internal => 1,
        ErrorKind::Config => 2,
        ErrorKind::NotFound => 3,
        ErrorKind::Denied => 4,
        ErrorKind::Unsupported => 5,
        ErrorKind::Malformed => 6,
        ErrorKind::LimitExceeded => 7,
        ErrorKind::Timeout => 8,
        ErrorKind::Unavailable => 9,
        // The shells' exit code for a program that an interrupt has ended: 128 plus the number of the signal.
        ErrorKind::Cancelled => 130,
    }
}

/// Exit code of an audit with findings, if `--exit-code` is given.
pub(super) const FOUND: u8 = 10;

/// Style of names.
pub(super) const LABEL: Style = Style::new().dimmed();
/// Style of titles, which should catch the eye first.
pub(super) const TITLE: Style = Style::new().bold();
const ERROR: Style = AnsiColor::Red.on_default().bold();

/// A table of names and values. The values are aligned in one column.
#[derive(Default)]
pub(super) struct Table {
    lines: Vec<Line>,
    /// Column of the values in the lines that were already printed.
    width: usize,
}

enum Line {
    Title(String),
    Row(String, String),
}

impl Table {
    /// Minimum and maximum column of the values. After a longer name, two spaces follow.
    const WIDTH: usize = 12;
    const WIDEST: usize = 24;

    pub(super) fn title(&mut self, text: &str) {
        self.lines.push(Line::Title(printable(text)));
    }

    pub(super) fn row(&mut self, name: &str, value: &str) {
        self.lines.push(Line::Row(printable(name), printable(value)));
    }

    pub(super) fn print(&self) -> Result<(), Failure> {
        print(&self.text())
    }

    /// Prints the lines so far. Values of later lines are printed in the same column, unless a longer name needs a wider one.
    pub(super) fn print_and_continue(self) -> Result<Self, Failure> {
        self.print()?;
        Ok(Self { lines: Vec::new(), width: self.width() })
    }

    fn width(&self) -> usize {
        let widths = self.lines.iter().map(|line| match line {
            Line::Title(_) => 0,
            Line::Row(name, _) => name.chars().count() + 2,
        });
        let width = widths.filter(|width| *width <= Self::WIDEST).max().unwrap_or(0);
        width.max(Self::WIDTH).max(self.width)
    }

    fn text(&self) -> String {
        let width = self.width();
        let mut text = String::new();
        for line in &self.lines {
            let _ = match line {
                Line::Title(title) => writeln!(text, "{TITLE}{title}{TITLE:#}"),
                Line::Row(name, value) => {
                    let room = width.saturating_sub(name.chars().count()).max(2);
                    writeln!(text, "  {LABEL}{name}{:room$}{LABEL:#}{value}", "")
                }
            };
        }
        text
    }
}

/// Makes text safe to print on a terminal, in one line: see [`printable::line`](crate::printable::line).
pub(super) fn printable(text: &str) -> String {
    crate::printable::line(text).into_owned()
}

/// Prints text. Its colours are printed only if colours are enabled.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    progress::clear();
    let mut stdout = anstream::stdout().lock();
    written(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()))
}

/// The JSON form of a command's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Json {
    /// No JSON: the answer is text for people.
    None,
    /// One object on several lines.
    Object,
    /// One object per line for each input.
    Lines,
}

impl Json {
    /// Returns `Object` if JSON is requested, otherwise `None`.
    pub(super) const fn object_if(is_asked_for: bool) -> Self {
        if is_asked_for { Self::Object } else { Self::None }
    }

    /// Returns `Object` for one input and `Lines` for several inputs if JSON is requested, otherwise `None`.
    pub(super) const fn of_inputs(is_asked_for: bool, inputs: usize) -> Self {
        match (is_asked_for, inputs) {
            (false, _) => Self::None,
            (true, 0 | 1) => Self::Object,
            (true, _) => Self::Lines,
        }
    }
}

/// Prints one JSON object in this form.
pub(super) fn print_json_as(form: Json, value: &impl Serialize) -> Result<(), Failure> {
    if form != Json::Lines {
        return print_json(value);
    }
    let json = serde_json::to_string(value).map_err(|error| JobError::new(ErrorKind::Internal, error))?;
    print_bytes(format!("{}\n", crate::printable::json(&json)).as_bytes())
}

/// Prints one JSON object and nothing else. The object is printed while it is serialised, so only a part of it is in memory.
pub(super) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    progress::clear();
    let mut stdout = Printable(BufWriter::new(io::stdout().lock()));
    match serde_json::to_writer_pretty(&mut stdout, value) {
        Ok(()) => written(stdout.0.write_all(b"\n").and_then(|()| stdout.0.flush())),
        Err(error) if error.is_io() => written(Err(error.into())),
        Err(error) => Err(JobError::new(ErrorKind::Internal, error).into()),
    }
}

/// A writer for JSON that escapes terminal control characters: see [`printable::json`](crate::printable::json).
struct Printable<W>(W);

impl<W: Write> Write for Printable<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // serde_json splits strings only after ASCII characters.
        let text = str::from_utf8(bytes).map_err(|_| io::ErrorKind::InvalidData)?;
        self.0.write_all(crate::printable::json(text).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Prints bytes unchanged.
pub(super) fn print_bytes(bytes: &[u8]) -> Result<(), Failure> {
    progress::clear();
    let mut stdout = io::stdout().lock();
    written(stdout.write_all(bytes).and_then(|()| stdout.flush()))
}

pub(super) fn written(result: io::Result<()>) -> Result<(), Failure> {
    result.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::BrokenPipe,
        _ => Failure::Error(JobError::new(ErrorKind::Unavailable, error).with_subject("standard output")),
    })
}

/// Announces the work of a command in one line: on standard output, or on standard error if standard output is for JSON. `--quiet`
/// suppresses the line. Print failures are ignored.
pub(super) fn announce(line: &str, json: bool) {
    if json || progress::is_quiet() {
        return note(line);
    }
    progress::clear();
    let _ = anstream::stdout().lock().write_all(format!("{}\n", printable(line)).as_bytes());
}

/// Shows progress in the progress line, or prints it as a note.
pub(super) fn progress(messages: &Messages, what: impl FnOnce() -> String) {
    if let Some(message) = messages.show(what) {
        note(&message);
    }
}

/// Prints a note for people, in one line on standard error. `--quiet` suppresses the note. Print failures are ignored.
pub(super) fn note(line: &str) {
    if !progress::is_quiet() {
        styled(&format!("{}\n", printable(line)));
    }
}

/// Prints lines with colours on standard error. Their text must be safe to print on a terminal.
fn styled(lines: &str) {
    progress::clear();
    let _ = anstream::stderr().lock().write_all(lines.as_bytes());
}

/// Reports an error to people, and also as JSON if JSON is requested.
pub(super) fn error(error: &JobError, json: Json) {
    let text = error.to_string();
    // Invalid settings are reported one per line. They contain no object names.
    let is_list = error.kind() == ErrorKind::Config && error.subject().is_none();
    let shown = match is_list {
        true => text.lines().map(printable).collect::<Vec<_>>().join("\n"),
        false => printable(&text),
    };
    styled(&format!("{ERROR}error:{ERROR:#} {shown}\n"));
    if json != Json::None {
        let _ = print_json_as(json, &json_of(error));
    }
}

fn json_of(error: &JobError) -> Value {
    let whole = error.to_string();
    let subject = error.subject();
    let message = subject.and_then(|subject| whole.strip_prefix(subject)?.strip_prefix(": "));
    error_json(error.kind(), message.unwrap_or(&whole), subject)
}

/// Reports why the arguments were refused, or prints the requested help or version.
pub(super) fn usage(refusal: &clap::Error, arguments: &[OsString], json: bool) -> ExitCode {
    if !refusal.use_stderr() {
        let _ = refusal.print();
        return ExitCode::SUCCESS;
    }
    styled(&shown(refusal.render().ansi().to_string(), arguments));
    if json {
        // The first paragraph describes the error. Usage and hints for people follow.
        let text = shown(refusal.render().to_string(), arguments);
        let lines = text.lines().map(str::trim).take_while(|line| !line.is_empty());
        let message = lines.collect::<Vec<_>>().join(" ");
        let message = message.strip_prefix("error: ").unwrap_or(&message);
        let _ = print_json(&error_json(ErrorKind::Config, message, None));
    }
    ExitCode::from(exit_code(ErrorKind::Config))
}

/// Removes secrets and terminal control characters from text that repeats arguments.
fn shown(text: String, arguments: &[OsString]) -> String {
    let text = without_secrets(text, arguments);
    let arguments = arguments.iter().map(|argument| argument.to_string_lossy());
    let steering = arguments.filter(|argument| matches!(crate::printable::line(argument), Cow::Owned(_)));
    steering.fold(text, |text, argument| text.replace(&*argument, &printable(&argument)))
}

/// Removes the secrets of URLs among the arguments from the text, because clap's errors repeat the arguments.
fn without_secrets(text: String, arguments: &[OsString]) -> String {
    let may_hold_some = |text: &&str| text.contains(['?', '@', '#']);
    let texts = arguments.iter().filter_map(|argument| argument.to_str()).filter(may_hold_some);
    let urls = texts.filter_map(|text| text.split_once("://"));
    urls.fold(text, |text, (scheme, rest)| {
        let url = format!("{scheme}://{rest}");
        let shown = Location::parse(OsStr::new(&url)).map(|location| location.to_string());
        text.replace(&url, &shown.unwrap_or_else(|_| format!("{scheme}://REDACTED")))
    })
}

fn error_json(kind: ErrorKind, message: &str, subject: Option<&str>) -> Value {
    json!({ "error": { "kind": kind.as_str(), "message": message, "subject": subject } })
}

/// Formats a number of bytes: `45.1 kB`.
pub(super) fn bytes(bytes: u64) -> String {
    scaled(bytes, "B")
}

/// Formats a bit rate, in bits per second: `980.0 kb/s`.
pub(super) fn bit_rate(bits: u64) -> String {
    scaled(bits, "b/s")
}

/// Formats a number with a decimal prefix. From 1000 on, the number has one decimal place.
fn scaled(number: u64, unit: &str) -> String {
    const PREFIXES: [&str; 6] = ["k", "M", "G", "T", "P", "E"];
    let mut divisor = 1_u64;
    let mut prefix = "";
    for larger in PREFIXES {
        if number / divisor < 1000 {
            break;
        }
        divisor *= 1000;
        prefix = larger;
    }
    match divisor {
        1 => format!("{number} {unit}"),
        _ => format!("{}.{} {prefix}{unit}", number / divisor, number % divisor / (divisor / 10)),
    }
}

/// Describes the requests, bytes and time that an answer took.
pub(super) fn cost(ledger: &Ledger, milliseconds: u64) -> String {
    let many = |count: u64, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    let (requests, round_trips) = (ledger.requests, ledger.round_trips);
    let mut text = format!("{} in {}", bytes(ledger.bytes_fetched), many(requests, "request"));
    if round_trips != requests {
        let _ = write!(text, " ({})", many(round_trips, "round trip"));
    }
    let _ = write!(text, ", {milliseconds} ms");
    text
}

/// Describes the layers of a cage: the active layers and the inactive layers.
pub(super) fn layers(layers: Layers) -> String {
    let those = |are: bool| {
        let names: Vec<_> =
            layers.named().into_iter().filter(|(_, is)| *is == are).map(|(name, _)| name).collect();
        names.join(", ")
    };
    let absent = those(false);
    if absent.is_empty() { those(true) } else { format!("{} (not: {absent})", those(true)) }
}

/// Formats seconds: `0:04.500`, `1:02:03.000`.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturating, and only shown")]
pub(super) fn time(seconds: f64) -> String {
    let sign = if seconds < 0.0 { "-" } else { "" };
    let milliseconds = (seconds.abs() * 1000.0).round() as u64;
    let (whole, rest) = (milliseconds / 1000, milliseconds % 1000);
    match whole / 3600 {
        0 => format!("{sign}{}:{:02}.{rest:03}", whole / 60, whole % 60),
        hours => format!("{sign}{hours}:{:02}:{:02}.{rest:03}", whole / 60 % 60, whole % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people() {
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(1000), "1.0 kB");
        assert_eq!(bytes(45_190), "45.1 kB");
        assert_eq!(bytes(u64::MAX), "18.4 EB");
        assert_eq!(bit_rate(980_000), "980.0 kb/s");
        assert_eq!(time(10.0333), "0:10.033");
        assert_eq!(time(3723.0), "1:02:03.000");
        assert_eq!(time(-0.5), "-0:00.500");
        assert_eq!(time(f64::INFINITY), time(f64::MAX));
    }

    #[test]
    fn rows_begin_in_one_column_and_cannot_steer_a_terminal() {
        let mut table = Table::default();
        table.title("a\u{1b}[2Jb\n안녕");
        table.row("read", "1 B");
        table.row("limit_exceeded", "videos/1_\u{202e}x.mp4");
        table.row("Function.ResponseSizeTooLarge", "1 message");
        let told = anstream::adapter::strip_str(&table.text()).to_string();
        let expected = "a\\u{1b}[2Jb\\n안녕\n  read            1 B\n  limit_exceeded  videos/1_\\u{202e}x.mp4\n  \
                        Function.ResponseSizeTooLarge  1 message\n";
        assert_eq!(told, expected);
    }
}
