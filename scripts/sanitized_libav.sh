#!/bin/sh
# Makes what `make asan` and `make fuzz` share ready: a nightly Rust, and the static libav with AddressSanitizer in
# vendor/libav/prefix-asan.
#
# NIGHTLY names the toolchain (nightly; nightly-2026-05-20 is one that these were tried with). clang compiles libav, because its
# sanitizer is the one that rustc has: gcc's has a runtime library of its own, and one program takes only one of them. Their
# versions need not agree: what the compilers call is the same since LLVM 4 (Debian 12's clang 14 here, LLVM 22 in rustc).
set -eu
cd "$(dirname "$0")/.."

fail() { printf 'sanitized-libav: %s\n' "$*" >&2; exit 1; }

command -v rustup >/dev/null || fail "sanitizers and libFuzzer want a nightly Rust, and there is no rustup to choose one"
nightly=${NIGHTLY:-nightly}
# A machine that has it under its channel's name alone need not fetch it again under its date.
rustup run "$nightly" rustc --version 2>/dev/null || fail "there is no Rust $nightly: run 'rustup toolchain install $nightly --profile minimal'"

# The runtime library is for configure, which links small programs; llvm reads lines into reports.
scripts/setup.sh clang libclang-rt-dev llvm
SANITIZE=address vendor/libav/build.sh
