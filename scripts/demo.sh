#!/bin/sh
# Processes a video end to end, with a folder as the store and SQLite as the catalogue: `make demo [VIDEO=path]`.
#
# POSTERFRAME=target/debug/posterframe takes a program that is there already.
set -eu
cd "$(dirname "$0")/.."

video=${1:-tests/fixtures/demo/1_test_video.mp4}
store=demo/videos-bucket
[ -f "$video" ] || { echo "demo: there is no file $video" >&2; exit 1; }
case $video in
    *.[mM][pP]4) ;;
    *) export VIDEO_SUFFIXES=".${video##*.}" ;; # only .mp4 is taken unless the owner says otherwise
esac

program=${POSTERFRAME:-target/release/posterframe}
if [ -z "${POSTERFRAME:-}" ]; then
    # Release: the program that is shipped, so that the times shown are its own. A debug build would save two minutes once.
    echo "demo: building posterframe (release; three to four minutes on two cores the first time)"
    cargo build --release --locked --features static --quiet
fi

# The store is a folder that stands for the bucket, so the video is uploaded by a copy. It keeps its times: a second run
# finds it unchanged.
name=$(basename "$video")
mkdir -p "$store/videos"
cp -p "$video" "$store/videos/$name"

echo "demo: posterframe process $store/videos/$name --store $store --json"
"$program" process "$store/videos/$name" --store "$store" --json

echo
echo "demo: the picture"
find "$store/thumbnails" -type f -exec ls -l {} +
echo
echo "demo: the database, $store/catalog.sqlite3"
python3 scripts/show_rows.py "$store/catalog.sqlite3"
