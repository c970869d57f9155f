//! The command line program: parses arguments, prints text or JSON, and returns one exit code for each kind of error.
//!
//! [`run`] is the entry point. `arguments` defines the arguments. Each command has its own module. `catalogue` and `place` open the
//! catalogues and stores that commands read and write. Only `output` writes to standard output. Logs, notes and progress go to standard
//! error.

mod arguments;
mod audit;
mod backfill;
mod catalogue;
mod doctor;
mod event;
mod grab;
mod input;
mod interrupt;
mod journal;
mod libav;
mod output;
mod place;
mod probe;
mod process;
mod progress;
mod redrive;
mod schema;
mod sorter;
mod storyboard;

use std::ffi::OsString;
use std::process::ExitCode;
use std::thread;

use anstream::ColorChoice;
use clap::{CommandFactory as _, FromArgMatches as _};
use tokio::runtime::{Builder, Runtime};

use crate::config::{LambdaConfig, LogSettings};
use crate::job_error::JobError;
use crate::logging::{self, Stream};
use crate::media::keep_freed_memory;
use crate::{CancelToken, ErrorKind};
use arguments::{Arguments, Command};
use interrupt::{Answer, Watchdog, interrupt};
use output::{Failure, Json, exit_code};

/// Runs the program with `arguments`. The first argument is the name of the program.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<_> = arguments.into_iter().collect();
    if arguments.len() <= 1 {
        // The container image of a Lambda function starts the program without a command.
        if LambdaConfig::is_in_lambda() {
            return crate::lambda::run();
        }
        output::note("no command, and no AWS_LAMBDA_RUNTIME_API to take events from");
    }
    let colour = colour(&arguments);
    colour.write_global();
    let arguments = match parse(&arguments, colour) {
        Ok(arguments) => arguments,
        Err(refusal) => {
            let json = arguments.iter().any(|argument| argument == "--json");
            return output::usage(&refusal, &arguments, json);
        }
    };
    if arguments.global.quiet {
        progress::be_quiet();
    }
    logging::choose(arguments.global.quiet, arguments.global.verbose);
    if let Some(choice) = arguments.command.aws() {
        choice.choose();
    }
    let json = arguments.command.json();
    let answer = Answer::default();
    match execute(arguments.command, &answer) {
        // A reader of standard output has read enough and closed the pipe, as in `posterframe probe x.mp4 | head -1`.
        Ok(()) | Err(Failure::BrokenPipe) => ExitCode::SUCCESS,
        Err(Failure::Found) => {
            answer.claim();
            ExitCode::from(output::FOUND)
        }
        Err(Failure::Reported(kind)) => {
            answer.claim();
            ExitCode::from(exit_code(kind))
        }
        Err(Failure::Answered(error)) => {
            answer.claim();
            output::error(&error, Json::None);
            ExitCode::from(exit_code(error.kind()))
        }
        Err(Failure::Error(error)) => {
            answer.claim();
            output::error(&error, json);
            ExitCode::from(exit_code(error.kind()))
        }
    }
}

/// Parses the arguments. Returns clap's error if clap refuses the arguments. clap's own output is coloured according to `colour`.
fn parse(arguments: &[OsString], colour: ColorChoice) -> Result<Arguments, clap::Error> {
    let colour = match colour {
        ColorChoice::Never => clap::ColorChoice::Never,
        ColorChoice::Always | ColorChoice::AlwaysAnsi => clap::ColorChoice::Always,
        ColorChoice::Auto => clap::ColorChoice::Auto,
    };
    let matches = Arguments::command().color(colour).try_get_matches_from(arguments)?;
    Arguments::from_arg_matches(&matches)
}

/// Returns the colour choice of `--color`. clap colours its errors too, so this function reads the option before clap parses it.
fn colour(arguments: &[OsString]) -> ColorChoice {
    let texts: Vec<_> = arguments.iter().map_while(|argument| argument.to_str()).collect();
    let options = texts.iter().take_while(|text| **text != "--");
    let values = options.enumerate().filter_map(|(index, text)| match *text {
        "--color" => texts.get(index + 1).copied(),
        text => text.strip_prefix("--color="),
    });
    match values.last() {
        Some("always") => ColorChoice::Always,
        Some("never") => ColorChoice::Never,
        _ => ColorChoice::Auto,
    }
}

fn execute(command: Command, answer: &Answer) -> Result<(), Failure> {
    keep_freed_memory();
    let cancel = CancelToken::default();
    let (listener, token, watchdog) = (runtime()?, cancel.clone(), watchdog(&command, answer));
    // This thread ends with the process. Decoding stays on the main thread. Other threads have separate heaps, which return
    // memory to the system between frames. For 1080p, this costs 5 MB and a thousand page faults.
    thread::spawn(move || match watchdog {
        Some(watchdog) => listener.block_on(watchdog.watch(token)),
        None => listener.block_on(interrupt(token)),
    });
    // The other commands start logging themselves. Most of them read all settings, and report all invalid settings at once.
    if matches!(command, Command::Probe(_) | Command::Grab(_) | Command::Storyboard(_)) {
        logging::start(&LogSettings::from_env().map_err(JobError::from)?, Stream::Error)?;
    }
    match command {
        Command::Probe(probe) => probe::run(&probe, cancel, answer),
        Command::Grab(grab) => grab::run(&grab, cancel, answer),
        Command::Storyboard(storyboard) => storyboard::run(&storyboard, cancel, answer),
        Command::Process(process) => block_on(process::run(process, cancel)),
        Command::Backfill(backfill) => block_on(backfill::run(backfill, cancel)),
        Command::Audit(audit) => block_on(audit::run(audit, cancel)),
        Command::Redrive(redrive) => block_on(redrive::run(redrive, cancel)),
        Command::Doctor(doctor) => block_on(doctor::run(&doctor, cancel)),
        Command::Libav(libav) => block_on(libav::run(libav, cancel)),
        Command::Schema(schema) => output::print(schema::statements(schema.dialect, schema.optional)?),
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "posterframe", &mut text);
            output::print_bytes(&text)
        }
        Command::Man => manual(),
    }
}

/// Returns the watchdog of a command that reads its inputs itself.
fn watchdog(command: &Command, answer: &Answer) -> Option<Watchdog> {
    let (first, reading) = match command {
        Command::Probe(probe) => (probe.inputs.first()?, &probe.reading),
        Command::Grab(grab) => match grab.inputs.as_slice() {
            [input] => (input, &grab.reading),
            // `grab` with several inputs limits the time of each input itself.
            _ => return None,
        },
        Command::Storyboard(storyboard) => (&storyboard.input.input, &storyboard.input.reading),
        _ => return None,
    };
    let (answer, limit, json) = (answer.clone(), reading.timeout, command.json());
    Some(Watchdog { answer, limit, subject: first.to_string(), json })
}

/// Prints the manual page of the program, followed by the pages of its commands.
fn manual() -> Result<(), Failure> {
    let mut page = Vec::new();
    let mut program = Arguments::command();
    program.build();
    let internal = |error: std::io::Error| JobError::new(ErrorKind::Internal, error);
    clap_mangen::Man::new(program.clone()).render(&mut page).map_err(internal)?;
    for command in program.get_subcommands().filter(|command| command.get_name() != "help") {
        clap_mangen::Man::new(command.clone()).render(&mut page).map_err(internal)?;
    }
    output::print_bytes(&page)
}

/// Runs a command to its end. Does not wait for work that the command has left running in other threads.
fn block_on(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = runtime()?;
    let done = runtime.block_on(command);
    runtime.shutdown_background();
    done
}

fn runtime() -> Result<Runtime, JobError> {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| JobError::new(ErrorKind::Internal, error))
}
