#!/bin/sh
# Checks format, lints and documentation, without warnings, in the feature sets that people build: `make lint`. `--short` checks
# everything, and four feature sets of the library that include the code of the others; `make test` runs that.
#
# Each feature set selects other features of the dependencies, and cargo compiles a dependency again for each selection. So each set here
# must reveal faults that no other set reveals:
# - Everything, with all tests, examples and benchmarks. The default features are not checked separately: with the dev-dependencies they
#   are the same set, including `testing`.
# - The library alone, and each part that users of the library choose, alone. There, an item of another part is missing, and a link to it is
#   broken. Tests and examples are left out: they are linted above, and scripts/test_library.sh compiles them for the library alone.
#   `make msrv` checks more single features.
set -eux
cd "$(dirname "$0")/.."
document() { RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps "$@"; }

python3 scripts/words.py
cargo fmt --check
cargo fmt --check --manifest-path fuzz/Cargo.toml
cargo clippy --locked --all-targets --all-features -- -D warnings
# With an example named, cargo includes the dev-dependencies, and so reuses the results of clippy.
document --all-features --lib --bin posterframe-lambda --example file
sets='static static,cage static,job static,lambda'
[ "${1:-}" = --short ] || sets="$sets static,image static,remote static,tokio static,object_store static,http static,s3 static,mysql"
for features in $sets; do
    cargo clippy --locked --no-default-features --features "$features" -- -D warnings
    document --no-default-features --features "$features" --lib
done
[ "${1:-}" != --short ] || exit 0
# The fuzz targets, and the code of the crate that they use, as cargo-fuzz compiles them. libFuzzer itself is left out.
CARGO_TARGET_DIR=target/fuzz-lint RUSTFLAGS='--cfg fuzzing' cargo clippy --locked --manifest-path fuzz/Cargo.toml --no-default-features \
    -- -D warnings
