#!/usr/bin/env python3
"""Shows the exact frame beside the frame of `--pick auto`, for each video in a folder: `make auto-sheet CORPUS=dir`.

target/auto/index.html shows all pairs with their times and verdicts. target/auto/pairs-N.png are the same pairs without text, ten
rows of four, in the order of target/auto/pairs.txt. Videos for which auto chose another frame come first. AT is the time, by
default 5 s. The script needs a built program (POSTERFRAME, or target/debug/posterframe) and the FFmpeg of `make test-servers`.
"""

import concurrent.futures
import html
import json
import os
import pathlib
import shutil
import subprocess
import sys

import imageio_ffmpeg

ROOT = pathlib.Path(__file__).resolve().parent.parent
OUT = ROOT / "target/auto"
PROGRAM = os.environ.get("POSTERFRAME", ROOT / "target/debug/posterframe")
AT = os.environ.get("AT", "5")
SUFFIXES = {".avi", ".3gp", ".asf", ".f4v", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".mpg", ".mts", ".mxf", ".ogv", ".ts", ".webm", ".wmv"}
WIDTH, HEIGHT, COLUMNS, ROWS = 200, 150, 4, 10


def grab(video, picture, pick):
    """Returns the program's JSON, or None if there is no frame."""
    size = ["--width", str(WIDTH), "--height", str(HEIGHT)]
    done = subprocess.run(
        [str(PROGRAM), "grab", video, "-o", picture, "--at", AT, "--pick", pick, "--json", *size], capture_output=True, text=True, check=False
    )
    return json.loads(done.stdout) if done.returncode == 0 else None


def pair(video):
    number = video.name
    exact, auto = OUT / f"{number}.exact.png", OUT / f"{number}.auto.png"
    answers = grab(video, exact, "exact"), grab(video, auto, "auto")
    return (video, exact, auto, *answers) if all(answers) else None


def seen(answer):
    return ", ".join(f"{one['pts_seconds']:.2f} s {one['verdict']}" for one in answer.get("considered", []))


def sheet(pairs, path):
    """Writes a picture of pairs, by FFmpeg. All frames are padded to one size first, because `tile` restarts when the size changes."""
    ffmpeg, parts = imageio_ffmpeg.get_ffmpeg_exe(), OUT / "parts"
    shutil.rmtree(parts, ignore_errors=True)
    parts.mkdir()
    pictures = [picture for _, exact, auto, *_ in pairs for picture in (exact, auto)]
    for number, picture in enumerate(pictures):
        gap = 16 if number % 2 else 2
        padded = f"pad={WIDTH + 2}:{HEIGHT}:(ow-iw)/2:(oh-ih)/2,pad={WIDTH + 2 + gap}:{HEIGHT + 4}:0:2"
        subprocess.run([ffmpeg, "-v", "error", "-y", "-i", picture, "-vf", padded + ",pad=220:154", parts / f"{number:04}.png"], check=True)
    tiles = f"tile={2 * COLUMNS}x{-(-len(pairs) // COLUMNS)}"
    subprocess.run([ffmpeg, "-v", "error", "-y", "-i", parts / "%04d.png", "-vf", tiles, "-frames:v", "1", path], check=True)
    shutil.rmtree(parts)


def main():
    folder = pathlib.Path(sys.argv[1])
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    videos = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        pairs = [found for found in pool.map(pair, videos) if found]
    is_other = lambda found: found[3]["frame_pts_seconds"] != found[4]["frame_pts_seconds"]  # noqa: E731
    pairs.sort(key=lambda found: not is_other(found))
    page = ["<!doctype html><meta charset=utf-8><title>exact and auto</title>", "<style>figure{display:inline-block;width:420px}</style>"]
    lines = []
    for number, (video, exact, auto, *answers) in enumerate(pairs, 1):
        line = f"{number} {video.name}: exact {answers[0]['frame_pts_seconds']:.2f} s, auto {answers[1]['frame_pts_seconds']:.2f} s ({seen(answers[1])})"
        lines.append(line)
        shown = "".join(f'<img src="{html.escape(picture.name)}">' for picture in (exact, auto))
        page.append(f"<figure>{shown}<figcaption>{html.escape(line)}</figcaption></figure>")
    (OUT / "index.html").write_text("\n".join(page))
    (OUT / "pairs.txt").write_text("\n".join(lines) + "\n")
    size = COLUMNS * ROWS
    for start in range(0, len(pairs), size):
        sheet(pairs[start : start + size], OUT / f"pairs-{start // size + 1}.png")
    others = sum(map(is_other, pairs))
    print(f"{len(pairs)} of {len(videos)} files have a frame; auto chose another for {others}: {OUT / 'index.html'}")


if __name__ == "__main__":
    main()
