#!/bin/sh
# Builds the complete libav by the program's own command, and compares each file with the result of `make libav`: `make test-libav`.
#
# The files must be equal byte for byte: the program contains the recipe of this commit, and the build depends neither on the folder nor
# on what starts it.
set -eu
cd "$(dirname "$0")/.."
[ -z "${FFMPEG_DIR:-}" ] || { echo "test-libav: compares with vendor/libav/prefix; unset FFMPEG_DIR" >&2; exit 1; }

# The same command and features as the tests use, so that nothing is built again.
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
