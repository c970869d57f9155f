#!/bin/sh
# Builds the program with the FFmpeg that pkg-config finds (Debian 12: 5.1), runs common fixtures through the library, and the demo:
# `make test-system-ffmpeg`.
#
# The golden table applies only to the pinned FFmpeg. Here it is enough that files open, and that duration, size and frame time are right.
# With the default features, cargo uses most of what it compiled for the other tests.
set -eu
cd "$(dirname "$0")/.."
repository=$PWD

fail() { printf 'system FFmpeg: %s\n' "$*" >&2; exit 1; }

scripts/setup.sh --system
unset FFMPEG_DIR
printf 'system FFmpeg: libavcodec %s\n' "$(pkg-config --modversion libavcodec)"
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
# Outside of the repository, cargo does not read .cargo/config.toml, which names the static libav once it is built.
(cd / && cargo test --locked --manifest-path "$repository/Cargo.toml" --target-dir "$target" --test system_ffmpeg)

program=$target/debug/posterframe
headers=$(pkg-config --variable=includedir libavutil)
version=$(sed -n 's/^#define FFMPEG_VERSION "\(.*\)"$/\1/p' "$headers/libavutil/ffversion.h")
"$program" --version | grep -qF "$version" || fail "'posterframe --version' does not report FFmpeg $version: $("$program" --version)"
# libav reports its own licence and configuration. Debian's FFmpeg is under the GPL, the static libav under the LGPL.
"$program" --version | grep -q '^FFmpeg licence: GPL version' || fail "'posterframe --version' does not report the GPL: $("$program" --version)"
"$program" --version | grep -q '^FFmpeg configuration: .*--enable-gpl' || fail "'posterframe --version' does not report Debian's configuration"
ldd "$program" | grep -q libavcodec.so || fail "the program does not link the shared libavcodec"
POSTERFRAME=$program exec scripts/demo.sh
