//! The AWS Lambda function; see `posterframe::lambda`.

fn main() -> std::process::ExitCode {
    posterframe::cage::run_if_child();
    posterframe::lambda::run()
}
