#!/bin/sh
# Runs one of the checks in scripts/browser in headless Chromium: `make player`, `make contact-sheet`.
#
#     scripts/browser.sh player|contact_sheet
#
# The players and puppeteer come from npm into target/browser. chromium, nodejs and npm are Debian packages, and the script installs them
# where they are missing. The contact sheet's check also installs fonts for Korean file names. No other target needs these packages.
set -eu
cd "$(dirname "$0")/.."
check=$1
missing=
command -v chromium >/dev/null || missing=chromium
command -v node >/dev/null || missing="$missing nodejs"
command -v npm >/dev/null || missing="$missing npm"
[ "$check" != contact_sheet ] || [ -d /usr/share/fonts/truetype/nanum ] || missing="$missing fonts-nanum"
# shellcheck disable=SC2086 # a list of package names
[ -z "$missing" ] || scripts/setup.sh $missing
mkdir -p target/browser
cp scripts/browser/package.json scripts/browser/package-lock.json target/browser/
if [ "$(cat target/browser/.stamp 2>/dev/null)" != "$(sha256sum <scripts/browser/package-lock.json)" ]; then
    echo 'browser: getting the npm packages of scripts/browser/package-lock.json, each checked by its hash'
    npm ci --prefix target/browser --ignore-scripts --no-audit --no-fund --silent
    sha256sum <scripts/browser/package-lock.json >target/browser/.stamp
fi
cp scripts/browser/*.mjs scripts/browser/*.html target/browser/
ffmpeg=$(target/python/bin/python -B -c 'import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())')
exec node "target/browser/$check.mjs" "${POSTERFRAME:-target/debug/posterframe}" "$ffmpeg"
