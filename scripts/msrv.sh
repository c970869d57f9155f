#!/bin/sh
# Checks that the oldest Rust that Cargo.toml promises compiles the library in the feature sets people choose, and the programs:
# `make msrv`. The check uses the locked dependencies. Newer dependencies than those of Cargo.lock may need a newer Rust.
set -eu
cd "$(dirname "$0")/.."

say() { printf 'msrv: %s\n' "$*"; }
fail() { printf 'msrv: %s\n' "$*" >&2; exit 1; }

version=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
[ -n "$version" ] || fail "Cargo.toml promises no rust-version"
# The first release of that number, because later ones fix compiler faults.
case $version in *.*.*) ;; *) version=$version.0 ;; esac
if [ "$(rustc --version | cut -d ' ' -f 2)" != "$version" ]; then
    command -v rustup >/dev/null || fail "this is not Rust $version, and there is no rustup to add it"
    rustup toolchain list | grep -q "^$version-" || rustup toolchain install "$version" --profile minimal --no-self-update ||
        fail "rustup could not add Rust $version"
    export RUSTUP_TOOLCHAIN="$version"
fi
[ "$(rustc --version | cut -d ' ' -f 2)" = "$version" ] || fail "this is $(rustc --version), not Rust $version"

# Separate from the results of the usual Rust version.
export CARGO_TARGET_DIR=target/msrv
set -x
cargo check --locked --no-default-features --features static
for features in remote http s3 sso job sqlite mysql png,webp; do
    cargo check --locked --no-default-features --features "static,$features"
done
cargo check --locked --no-default-features --features static,lambda,png,webp --lib --bin posterframe-lambda
cargo check --locked --features static --lib --bins
cargo check --locked --all-features --lib --bins --examples
set +x
say "Rust $version compiles the library in 10 feature sets, and both programs"
