//! The command line program; see `posterframe --help`.

fn main() -> std::process::ExitCode {
    let arguments = std::env::args_os();
    posterframe::cli::run(arguments)
}
