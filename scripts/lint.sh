#!/bin/sh
# Format, lints and documentation without warnings, in the feature sets people build: the program, the library alone, everything:
# `make lint`.
set -eux
cd "$(dirname "$0")/.."
document() { RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps "$@"; }

cargo fmt --check
cargo fmt --check --manifest-path fuzz/Cargo.toml
cargo clippy --locked --all-targets --features static -- -D warnings
document --features static
cargo clippy --locked --all-targets --no-default-features --features static -- -D warnings
document --no-default-features --features static
# The parts that libraries choose from, each alone. A link to what another part brings is broken there.
for feature in remote http s3 job mysql lambda; do
    cargo clippy --locked --no-default-features --features "static $feature" -- -D warnings
    document --no-default-features --features "static $feature"
done
cargo clippy --locked --all-targets --all-features -- -D warnings
document --all-features
# The fuzz targets, and what they reach of the crate, as cargo-fuzz compiles them; libFuzzer itself is left out.
CARGO_TARGET_DIR=target/fuzz-lint RUSTFLAGS='--cfg fuzzing' cargo clippy --locked --manifest-path fuzz/Cargo.toml --no-default-features \
    -- -D warnings
