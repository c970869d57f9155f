#!/bin/sh
# Builds the static libav unless FFMPEG_DIR names one, and lets cargo detect a new one: `make libav`.
set -eu
cd "$(dirname "$0")/.."

if [ -n "${FFMPEG_DIR:-}" ]; then
    [ -f "$FFMPEG_DIR/lib/libavcodec.a" ] || { echo "libav: FFMPEG_DIR=$FFMPEG_DIR holds no static libav" >&2; exit 1; }
    echo "libav: using FFMPEG_DIR=$FFMPEG_DIR"
    exit 0
fi
vendor/libav/build.sh

# ffmpeg-sys-next copies the archives into its own library. It reads them again only when the value of FFMPEG_DIR changes.
if [ -d target ] && ! cmp -s vendor/libav/prefix/.stamp target/libav.stamp; then
    cargo clean --quiet --locked -p ffmpeg-sys-next
    cargo clean --quiet --locked -p ffmpeg-sys-next --release
fi
mkdir -p target
cp vendor/libav/prefix/.stamp target/libav.stamp
