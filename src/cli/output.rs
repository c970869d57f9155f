//! Everything that is written for the caller.

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

/// Why a command did not come to its end.
pub(super) enum Failure {
    Error(JobError),
    /// The same, but what was printed tells it already: a program that reads JSON gets no second object.
    Answered(JobError),
    /// Everything was reported already, by the answers for several inputs; the exit code is left.
    Reported(ErrorKind),
    /// Something was found by `--exit-code`.
    Found,
    /// Nobody reads what we print any more.
    BrokenPipe,
}

impl Failure {
    /// The same, where what was printed tells it already.
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

/// The exit code of each kind of error; `--help` tells people.
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
        // What shells say of a program ended by an interrupt: 128 and the signal's number.
        ErrorKind::Cancelled => 130,
    }
}

/// The exit code of an audit that found something, if it is asked to tell.
pub(super) const FOUND: u8 = 10;

/// Names of things.
pub(super) const LABEL: Style = Style::new().dimmed();
/// What the eye should find first.
pub(super) const TITLE: Style = Style::new().bold();
const ERROR: Style = AnsiColor::Red.on_default().bold();

/// Lines of a name and a value, the values one below the other.
#[derive(Default)]
pub(super) struct Table {
    lines: Vec<Line>,
    /// The column of the values in the lines before.
    width: usize,
}

enum Line {
    Title(String),
    Row(String, String),
}

impl Table {
    /// Where values begin, at least and at most; behind a longer name, two blanks follow.
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

    /// Prints the lines so far. Those that follow have their values in the same column, unless a longer name needs another.
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

/// Text as a terminal may show it, in one line: see [`printable::line`](crate::printable::line).
pub(super) fn printable(text: &str) -> String {
    crate::printable::line(text).into_owned()
}

/// Prints text; its colours only where they are wanted.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    progress::clear();
    let mut stdout = anstream::stdout().lock();
    written(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()))
}

/// How a command answers programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Json {
    /// Not at all: it answers people.
    None,
    /// By one object in several lines.
    Object,
    /// By one object in a line for each input.
    Lines,
}

impl Json {
    /// One object, or none.
    pub(super) const fn object_if(is_asked_for: bool) -> Self {
        if is_asked_for { Self::Object } else { Self::None }
    }

    /// One object for one input, a line for each of several, or none.
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

/// Prints one JSON object and nothing else, as it is serialized: however long it is, no more than a piece of it is in memory.
pub(super) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    progress::clear();
    let mut stdout = Printable(BufWriter::new(io::stdout().lock()));
    match serde_json::to_writer_pretty(&mut stdout, value) {
        Ok(()) => written(stdout.0.write_all(b"\n").and_then(|()| stdout.0.flush())),
        Err(error) if error.is_io() => written(Err(error.into())),
        Err(error) => Err(JobError::new(ErrorKind::Internal, error).into()),
    }
}

/// JSON on its way to a writer, without what steers a terminal: see [`printable::json`](crate::printable::json).
struct Printable<W>(W);

impl<W: Write> Write for Printable<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // serde_json writes a string in pieces that end at ASCII characters.
        let text = str::from_utf8(bytes).map_err(|_| io::ErrorKind::InvalidData)?;
        self.0.write_all(crate::printable::json(text).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Prints bytes as they are.
pub(super) fn print_bytes(bytes: &[u8]) -> Result<(), Failure> {
    progress::clear();
    let mut stdout = io::stdout().lock();
    written(stdout.write_all(bytes).and_then(|()| stdout.flush()))
}

pub(super) fn written(result: io::Result<()>) -> Result<(), Failure> {
    result.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::BrokenPipe,
        _ => Failure::Error(JobError::new(ErrorKind::Unavailable, error).about("standard output")),
    })
}

/// Prints what a command will do, in one line: on standard output, or on standard error beside JSON. `--quiet` leaves the line out.
/// A failure to print it is ignored.
pub(super) fn announce(line: &str, json: bool) {
    if json || progress::is_quiet() {
        return note(line);
    }
    progress::clear();
    let _ = anstream::stdout().lock().write_all(format!("{}\n", printable(line)).as_bytes());
}

/// Shows progress, in the line or as a note.
pub(super) fn progress(messages: &Messages, what: impl FnOnce() -> String) {
    if let Some(message) = messages.show(what) {
        note(&message);
    }
}

/// Prints a note for people, in one line on standard error. `--quiet` leaves it out. A failure to print it is ignored.
pub(super) fn note(line: &str) {
    if !progress::is_quiet() {
        styled(&format!("{}\n", printable(line)));
    }
}

/// The same for lines that have their colours, and hold nothing that a terminal should not obey.
fn styled(lines: &str) {
    progress::clear();
    let _ = anstream::stderr().lock().write_all(lines.as_bytes());
}

/// Says what went wrong: to people, and to a program that asked for JSON.
pub(super) fn error(error: &JobError, json: Json) {
    let text = error.to_string();
    // Settings that are wrong are told one a line, and hold no name of an object.
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

/// Says why the arguments were refused, or shows the help or version asked for.
pub(super) fn usage(refusal: &clap::Error, arguments: &[OsString], json: bool) -> ExitCode {
    if !refusal.use_stderr() {
        let _ = refusal.print();
        return ExitCode::SUCCESS;
    }
    styled(&shown(refusal.render().ansi().to_string(), arguments));
    if json {
        // The first paragraph says what is wrong; usage and hints for people follow.
        let text = shown(refusal.render().to_string(), arguments);
        let lines = text.lines().map(str::trim).take_while(|line| !line.is_empty());
        let message = lines.collect::<Vec<_>>().join(" ");
        let message = message.strip_prefix("error: ").unwrap_or(&message);
        let _ = print_json(&error_json(ErrorKind::Config, message, None));
    }
    ExitCode::from(exit_code(ErrorKind::Config))
}

/// Text that repeats arguments, without their secrets, and without what steers a terminal.
fn shown(text: String, arguments: &[OsString]) -> String {
    let text = without_secrets(text, arguments);
    let arguments = arguments.iter().map(|argument| argument.to_string_lossy());
    let steering = arguments.filter(|argument| matches!(crate::printable::line(argument), Cow::Owned(_)));
    steering.fold(text, |text, argument| text.replace(&*argument, &printable(&argument)))
}

/// Text without the secrets of the URLs among the arguments: who refuses an argument repeats it.
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

/// Bytes for people: `45.1 kB`.
pub(super) fn bytes(bytes: u64) -> String {
    scaled(bytes, "B")
}

/// Bits per second for people: `980.0 kb/s`.
pub(super) fn bit_rate(bits: u64) -> String {
    scaled(bits, "b/s")
}

/// In thousands, with one decimal from there on.
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

/// What an answer took, for people.
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

/// The layers of a cage, for people: those that are active, and those that are not.
pub(super) fn layers(layers: Layers) -> String {
    let those = |are: bool| {
        let names: Vec<_> =
            layers.named().into_iter().filter(|(_, is)| *is == are).map(|(name, _)| name).collect();
        names.join(", ")
    };
    let absent = those(false);
    if absent.is_empty() { those(true) } else { format!("{} (not: {absent})", those(true)) }
}

/// Seconds for people: `0:04.500`, `1:02:03.000`.
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
