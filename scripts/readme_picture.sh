#!/bin/sh
# Writes docs/storyboard.jpg, the picture at the top of the README: the storyboard of a film that FFmpeg's `mandelbrot` source generates.
set -eu
cd "$(dirname "$0")/.."

cargo build --locked --features static --bin posterframe
ffmpeg=$(target/python/bin/python -c 'import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())')
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$ffmpeg" -hide_banner -loglevel error -f lavfi \
    -i "mandelbrot=size=640x360:rate=2:start_scale=2:end_scale=0.001:end_pts=26:maxiter=500:inner=black:outer=iteration_count:start_x=-0.743643887037158:start_y=0.131825904205312,hue=h=200:s=0.7" \
    -t 15 -pix_fmt yuv420p -c:v libx264 -preset veryfast -crf 18 -g 2 "$work/film.mp4"
target/debug/posterframe storyboard "$work/film.mp4" -o "$work/storyboard" --count 15 --columns 5 --rows 3 --width 192 --pick exact
cp "$work/storyboard/storyboard-1.jpg" docs/storyboard.jpg
