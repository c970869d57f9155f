#!/bin/sh
# Shows a storyboard in players, in a headless Chromium: `make player`. The players come from npm into target/player; chromium, nodejs and npm
# are Debian's, and are installed where they are missing. No other target needs them.
set -eu
cd "$(dirname "$0")/.."
missing=
command -v chromium >/dev/null || missing=chromium
command -v node >/dev/null || missing="$missing nodejs"
command -v npm >/dev/null || missing="$missing npm"
# shellcheck disable=SC2086 # a list of package names
[ -z "$missing" ] || scripts/setup.sh $missing
mkdir -p target/player
cp scripts/player/package.json scripts/player/package-lock.json target/player/
if [ "$(cat target/player/.stamp 2>/dev/null)" != "$(sha256sum <scripts/player/package-lock.json)" ]; then
    echo 'player: getting the players by npm (scripts/player/package-lock.json, each checked by its hash)'
    npm ci --prefix target/player --ignore-scripts --no-audit --no-fund --silent
    sha256sum <scripts/player/package-lock.json >target/player/.stamp
fi
cp scripts/player/*.mjs scripts/player/*.html target/player/
ffmpeg=$(target/python/bin/python -B -c 'import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())')
exec node target/player/check.mjs "${POSTERFRAME:-target/debug/posterframe}" "$ffmpeg"
