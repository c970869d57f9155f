#!/bin/sh
# Processes a video end to end, with a folder as the store and SQLite as the catalogue: `make demo [VIDEO=path]`.
set -eu
cd "$(dirname "$0")/.."

video=${1:-tests/fixtures/demo/1_test_video.mp4}
bucket=demo
[ -f "$video" ] || { echo "demo: there is no file $video" >&2; exit 1; }
case $video in
    *.[mM][pP]4) ;;
    *) export VIDEO_SUFFIXES=".${video##*.}" ;; # only .mp4 is taken unless the owner says otherwise
esac

# Release: the program that is shipped, so that the times shown are its own. A debug build would save two minutes once.
echo "demo: building posterframe (release; three to four minutes on two cores the first time)"
cargo build --release --locked --features static --quiet

# A folder stands for the bucket, so the video is uploaded by a copy.
key=videos/$(basename "$video")
mkdir -p "$bucket/videos"
cp "$video" "$bucket/$key"

echo "demo: posterframe process $bucket/$key --store $bucket --json"
target/release/posterframe process "$bucket/$key" --store "$bucket" --json

echo
echo "demo: the picture"
find "$bucket/thumbnails" -type f -exec ls -l {} +
echo
echo "demo: the database, $bucket/catalog.sqlite3"
python3 scripts/show_rows.py "$bucket/catalog.sqlite3"
