#!/bin/sh
# Builds the library against the FFmpeg that pkg-config finds (Debian 12: 5.1), and runs plain fixtures through it.
#
# The golden table holds for the pinned FFmpeg only; here it is enough that files open, and that duration, size and frame
# time are right. Everything happens outside the repository, where .cargo/config.toml sets no FFMPEG_DIR.
set -eu
cd "$(dirname "$0")/.."
repository=$PWD

scripts/setup.sh libavcodec-dev libavformat-dev libavutil-dev libswscale-dev
unset FFMPEG_DIR
echo "system FFmpeg: libavcodec $(pkg-config --modversion libavcodec)"
cd /
CARGO_TARGET_DIR=$repository/target/system exec cargo test --locked --manifest-path "$repository/Cargo.toml" \
    --no-default-features --test system_ffmpeg
