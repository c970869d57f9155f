#!/usr/bin/env python3
"""Compares pictures of interlaced video with those of the progressive video from which it was made: `make deinterlacers`.

Each scene is drawn at 50 frames a second. One file keeps every second frame, which is the expected picture. The other file
interleaves the rows of two frames each, as a camera does. The table gives the PSNR in dB of the second file's pictures (larger is
better): with the fields unchanged, as posterframe deinterlaces them, and as FFmpeg's filters yadif and bwdif do. The two filters
also read the frames before and after; posterframe reads only one frame.

Usage: deinterlacers.py [PROGRAM]     (target/debug/posterframe)
"""

import math
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import imageio_ffmpeg

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
SIZE = "640x360"
TIMES = ("0.4", "0.8", "1.2", "1.6", "2")
GRID = "drawgrid=w=40:h=9:t=1:c=white"
SCENES = {
    "still, lines one row high": f"smptehdbars=size={SIZE}:rate=50,{GRID}",
    "still, fine text and shapes": f"testsrc2=size={SIZE}:rate=1,loop=-1:1:0,setpts=N/50/TB,fps=50",
    "a box before still lines": f"smptehdbars=size={SIZE}:rate=50,{GRID}[a];color=orange:size=90x70:rate=50[b];"
    "[a][b]overlay=x='mod(n*7,550)':y='100+mod(n*3,150)'",
    "moving shapes and text": f"testsrc2=size={SIZE}:rate=50",
    "moving shapes, noise": f"testsrc2=size={SIZE}:rate=50,noise=alls=8:all_seed=1:allf=t",
    "a camera turns, 4 pixels a field": "mandelbrot=size=1600x360:rate=50:start_scale=0.8:end_scale=0.8:end_pts=1000000,crop=640:360:n*4:0",
    "a slow zoom": f"mandelbrot=size={SIZE}:rate=50:end_pts=100",
    "low contrast, 8 levels": f"testsrc2=size={SIZE}:rate=50,lutyuv=y='120+val/32':u=128:v=128",
}
LOSSLESS = ("-c:v", "ffv1", "-t", "3")


def ffmpeg(*arguments: str) -> bytes:
    command = [FFMPEG, "-hide_banner", "-loglevel", "error", "-y", *arguments]
    return subprocess.run(command, check=True, capture_output=True).stdout


def pictures(program: str, video: Path) -> list[bytes]:
    """Returns the RGB of the frames at all times, as posterframe shows them."""
    out = []
    for time in TIMES:
        picture = video.with_suffix(".png")
        subprocess.run([program, "grab", video, "--at", time, "-o", picture], check=True, capture_output=True)
        out.append(ffmpeg("-i", str(picture), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"))
    return out


def psnr(found: list[bytes], right: list[bytes]) -> float:
    """Returns the mean PSNR of all pictures. A picture without a difference counts as 99 dB."""

    def one(a: bytes, b: bytes) -> float:
        error = sum((x - y) ** 2 for x, y in zip(a, b, strict=True)) / len(a)
        return 10 * math.log10(255**2 / error) if error else 99.0

    return statistics.mean(one(a, b) for a, b in zip(found, right, strict=True))


def main() -> None:
    program = sys.argv[1] if len(sys.argv) > 1 else "target/debug/posterframe"
    names = ("woven", "posterframe", "yadif", "bwdif")
    print("| scene | " + " | ".join(names) + " |\n|---|" + "---:|" * len(names))
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for scene, source in SCENES.items():
            scene_input = ("-filter_complex", f"{source},format=yuv420p")
            right, fields = work / "right.mkv", work / "fields.mkv"
            files = {name: work / f"{name}.mkv" for name in names}
            ffmpeg(*scene_input[:1], f"{scene_input[1]},framestep=2", *LOSSLESS, str(right))
            ffmpeg(*scene_input[:1], f"{scene_input[1]},tinterlace=mode=interleave_top,setfield=tff", *LOSSLESS, str(fields))
            files["posterframe"] = fields
            ffmpeg("-i", str(fields), "-vf", "setfield=prog", *LOSSLESS, str(files["woven"]))
            for name in ("yadif", "bwdif"):
                ffmpeg("-i", str(fields), "-vf", f"{name}=0,setfield=prog", *LOSSLESS, str(files[name]))
            expected = pictures(program, right)
            figures = [f"{psnr(pictures(program, files[name]), expected):.1f}" for name in names]
            print(f"| {scene} | " + " | ".join(figures) + " |", flush=True)


if __name__ == "__main__":
    main()
