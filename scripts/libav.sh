#!/bin/sh
# Builds the static libav unless FFMPEG_DIR names one, and makes cargo notice a new one: `make libav`.
set -eu
cd "$(dirname "$0")/.."

if [ -n "${FFMPEG_DIR:-}" ]; then
    [ -f "$FFMPEG_DIR/lib/libavcodec.a" ] || { echo "libav: FFMPEG_DIR=$FFMPEG_DIR holds no static libav" >&2; exit 1; }
    echo "libav: using FFMPEG_DIR=$FFMPEG_DIR"
    exit 0
fi
vendor/libav/build.sh

# ffmpeg-sys-next copies the archives into its own library and looks at them again only when FFMPEG_DIR changes its name.
if [ -d target ] && ! cmp -s vendor/libav/prefix/.stamp target/libav.stamp; then
    cargo clean --quiet --locked -p ffmpeg-sys-next
    cargo clean --quiet --locked -p ffmpeg-sys-next --release
fi
mkdir -p target
cp vendor/libav/prefix/.stamp target/libav.stamp
