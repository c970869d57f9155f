#!/usr/bin/env bash
# Processes a video end to end, with a folder as the store and SQLite as the catalogue: `make demo [VIDEO=path]`.
#
# The demo links Debian's own FFmpeg, or the static libav where that is up to date already. STATIC=1 builds the static libav first.
# POSTERFRAME=target/debug/posterframe runs that program, and builds nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
repository=$PWD
. scripts/load.sh

say() { printf 'demo: %s\n' "$*"; }
fail() { printf 'demo: %s\n' "$*" >&2; exit 1; }

video=${1:-tests/fixtures/demo/1_test_video.mp4}
store=demo/videos-bucket
[ -f "$video" ] || fail "there is no file $video"
case $video in
    *.[mM][pP]4) ;;
    *) export VIDEO_SUFFIXES=".${video##*.}" ;; # The default accepts .mp4 only.
esac

# Installs the packages, and builds libav where it is linked.
prepare() {
    scripts/setup.sh "--$ffmpeg"
    [ "$ffmpeg" = system ] || scripts/libav.sh
}

# Compiles the program in cargo's dev profile: the least work until the first result (an optimised build takes ten times as long), and
# `make test` uses most of it again.
compile() {
    local features=()
    [ "$ffmpeg" = system ] || features=(--features static)
    # An outdated static libav would still be linked, through .cargo/config.toml. Outside of the repository cargo does not read that file.
    [ "$ffmpeg" = static ] || [ ! -d vendor/libav/prefix ] || cd /
    "$repository/scripts/progress.sh" demo "$log" cargo build --locked --manifest-path "$repository/Cargo.toml" --target-dir "$target" \
        --bin posterframe "${features[@]}" "$@"
}

build() {
    if [ -n "${STATIC:-}${FFMPEG_DIR:-}" ] || vendor/libav/build.sh current >/dev/null 2>&1; then
        ffmpeg=static
        say "building posterframe with the static libav"
    else
        ffmpeg=system
        say "building posterframe with Debian's own FFmpeg (STATIC=1: with the pinned static one)"
        read_load
        say "a first build takes about two minutes on two idle cores, and about $(minutes_at_load 2) minutes here ($(load_words))"
    fi
    target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
    log=$(mktemp)
    program=$target/debug/posterframe

    # Packages and libav are fetched while cargo compiles the crates that need neither. The crate that reads FFmpeg's headers may fail in
    # this pass. A separate process group (set -m) lets an interrupt end all of it.
    set -m
    (compile --keep-going) &
    compiling=$!
    set +m
    trap 'kill -- "-$compiling" 2>/dev/null || true; rm -f "$log"' EXIT
    prepare
    wait "$compiling" || true
    trap 'rm -f "$log"' EXIT
    : >"$log"
    (compile) || { cat "$log" >&2; fail "posterframe cannot be built: see above"; }
}

program=${POSTERFRAME:-}
if [ -z "$program" ]; then build; fi

# The store is a folder that stands for the bucket, so a copy is the upload. The copy keeps the file's times: a second run finds the video
# unchanged.
name=$(basename "$video")
mkdir -p "$store/videos"
cp -p "$video" "$store/videos/$name"

say "posterframe process $store/videos/$name --store $store --json"
"$program" process "$store/videos/$name" --store "$store" --json

echo
say "the picture"
find "$store/thumbnails" -type f -exec ls -l {} +
echo
say "the database, $store/catalog.sqlite3"
python3 scripts/show_rows.py "$store/catalog.sqlite3"
