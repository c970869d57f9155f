#!/bin/sh
# Prepares what `make asan` and `make fuzz` share: a nightly Rust, and the static libav with AddressSanitizer in
# vendor/libav/prefix-asan.
#
# NIGHTLY names the toolchain (default: nightly; the scripts were tested with nightly-2026-05-20). clang compiles libav, because it has
# the same sanitizer as rustc. gcc's sanitizer has another runtime library, and a program can contain only one. The versions of clang
# and rustc may differ, because their interface has been the same since LLVM 4 (Debian 12 has clang 14, rustc LLVM 22).
set -eu
cd "$(dirname "$0")/.."

fail() { printf 'sanitized-libav: %s\n' "$*" >&2; exit 1; }

command -v rustup >/dev/null || fail "sanitizers and libFuzzer want a nightly Rust, and there is no rustup to choose one"
nightly=${NIGHTLY:-nightly}
# A machine that has the toolchain only under the name of its channel does not have to fetch it again by its date.
rustup run "$nightly" rustc --version 2>/dev/null || fail "there is no Rust $nightly: run 'rustup toolchain install $nightly --profile minimal'"

# configure needs the runtime library to link small programs. llvm adds line numbers to reports.
scripts/setup.sh clang libclang-rt-dev llvm
SANITIZE=address vendor/libav/build.sh
