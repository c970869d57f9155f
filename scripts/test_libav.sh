#!/bin/sh
# Builds libav in full by the program's own command, and holds each file against what `make libav` made: `make test-libav`.
#
# Equal to the byte: the program carries the recipe as it stands here, and the build depends neither on the folder nor on who starts it.
set -eu
cd "$(dirname "$0")/.."
[ -z "${FFMPEG_DIR:-}" ] || { echo "test-libav: compares with vendor/libav/prefix; unset FFMPEG_DIR" >&2; exit 1; }

# As the tests build it, so that what they built is not built again with other features.
cargo test --locked --features static --test libav --no-run
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM
printed=$(target/debug/posterframe libav --prefix "$folder/libav")
[ "$printed" = "FFMPEG_DIR=$folder/libav" ] || { echo "test-libav: it printed $printed" >&2; exit 1; }
diff -r vendor/libav/prefix "$folder/libav"
echo "test-libav: $(find "$folder/libav" -type f | wc -l) files, the same as in vendor/libav/prefix"
again=$(target/debug/posterframe libav --prefix "$folder/libav" 2>&1 >/dev/null)
case $again in
    *"up to date"*) echo "test-libav: made once only" ;;
    *) echo "test-libav: the second time: $again" >&2; exit 1 ;;
esac
