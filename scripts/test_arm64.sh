#!/usr/bin/env bash
# Builds libav and the program for arm64 with Debian's cross compiler, and runs tests of the library and the program itself under
# qemu's user emulation: `make test-arm64`. Not part of `make test`.
#
# The script shows that the code compiles for arm64, that libav's NEON code decodes as the golden tables require, and that the program
# needs no newer glibc than Lambda has. It does not replace an arm64 machine: speed, memory and the kernel are those of this machine.
# rustup fetches Rust's library for arm64, so its server must be reachable.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'arm64: %s\n' "$*"; }
fail() { printf 'arm64: %s\n' "$*" >&2; exit 1; }

target=aarch64-unknown-linux-gnu
scripts/setup.sh gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static
if [ ! -d "$(rustc --print sysroot)/lib/rustlib/$target" ]; then
    command -v rustup >/dev/null || fail "this Rust has no library for $target, and there is no rustup to add it"
    rustup target add "$target" || fail "rustup could not add Rust's library for $target"
fi

TARGET=aarch64-linux-gnu vendor/libav/build.sh
export FFMPEG_DIR=$PWD/vendor/libav/prefix-aarch64-linux-gnu
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER='qemu-aarch64-static -L /usr/aarch64-linux-gnu'
export CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc
export BINDGEN_EXTRA_CLANG_ARGS_aarch64_unknown_linux_gnu=--sysroot=/usr/aarch64-linux-gnu

# Left out are tests that start a program, in `sources` those that start themselves, because the kernel cannot run the program.
run() { cargo test --locked --features static --target "$target" --no-fail-fast "$@"; }
run --lib --test arrival --test event --test golden --test hostile --test info --test oracle --test parameters --test picture \
    --test process --test remote --test truncated
run --test sources -- --skip endpoints_of_ones_own_have_the_bucket_in_the_path --skip profiles_are_read \
    --skip without_a_region_the_error_says_what_to_set --skip without_credentials_the_error_says_what_to_set

program=target/$target/debug/posterframe
say "the program itself"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
posterframe() { qemu-aarch64-static -L /usr/aarch64-linux-gnu "$program" "$@"; }
posterframe --version | head -n 2
mkdir -p "$work/bucket/videos"
cp tests/fixtures/h264_front.mp4 "$work/bucket/videos/1_test_video.mp4"
for video in h264_front.mp4 hevc.mp4 av1.mp4 vp9.webm vvc.mp4; do
    posterframe grab "tests/fixtures/$video" -o "$work/$video.jpg" >/dev/null
done
posterframe process "$work/bucket/videos/1_test_video.mp4" --store "$work/bucket" --json >"$work/report"
[ -s "$work/bucket/thumbnails/1_test_video.jpg" ] || fail "process wrote no thumbnail"
if posterframe 2>"$work/usage"; then fail "without arguments it does not fail"; fi
grep -q AWS_LAMBDA_RUNTIME_API "$work/usage" || fail "without arguments it does not say what is missing"

newest=$(aarch64-linux-gnu-objdump -T "$program" | grep -o 'GLIBC_2\.[0-9]*' | sort -Vu | tail -n 1)
[ "$(printf '%s\nGLIBC_2.34\n' "$newest" | sort -V | tail -n 1)" = GLIBC_2.34 ] || fail "it wants $newest; Amazon Linux 2023 has 2.34"
say "done: it decodes, does the job in a folder, and wants no more than $newest"
