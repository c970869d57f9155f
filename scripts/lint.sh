#!/bin/sh
# Format and lints, in the feature sets people build: the program, the library alone, everything: `make lint`.
set -eux
cd "$(dirname "$0")/.."
cargo fmt --check
cargo fmt --check --manifest-path fuzz/Cargo.toml
cargo clippy --locked --all-targets --features static -- -D warnings
cargo clippy --locked --all-targets --no-default-features --features static -- -D warnings
# The parts that libraries choose from, each alone.
for feature in remote http s3 job mysql lambda; do
    cargo clippy --locked --no-default-features --features "static $feature" -- -D warnings
done
cargo clippy --locked --all-targets --all-features -- -D warnings
