//! The AWS Lambda function; see `posterframe::lambda`.

fn main() -> std::process::ExitCode {
    posterframe::lambda::run()
}
