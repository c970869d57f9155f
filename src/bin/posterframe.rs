//! The command line program; see `posterframe --help`.

fn main() -> std::process::ExitCode {
    posterframe::cage::run_if_child();
    let arguments = std::env::args_os();
    posterframe::cli::run(arguments)
}
