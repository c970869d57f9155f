#!/usr/bin/env python3
"""Runs five tasks with posterframe, ez-ffmpeg and PyAV, checks what they write, and counts the lines of each.

        nice scripts/five_tasks/run.py [--work target/five-tasks]

    Needs FFMPEG_DIR or the system's FFmpeg for posterframe, and about 1 GB in the work folder. Prints the tables of docs/library.md.
    Installs by pip: PyAV, whose wheel contains FFmpeg 8.1 as shared libraries, Pillow, NumPy, and an ffmpeg that encodes the test videos.
    ez-ffmpeg links the same FFmpeg 8.1 as PyAV, with the headers of the crate ffmpeg-src, because ez-ffmpeg 0.19.3 does not compile with
    FFmpeg 9.

The tasks: the first frame of a file; the exact frame at 5 s of a URL; ten frames; 100 tiles of a storyboard; information as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PIP = ("av==18.1.0", "pillow==13.0.0", "numpy==2.4.6", "imageio-ffmpeg==0.8.1")
FFMPEG_SOURCE = "ffmpeg-src@8.1.3"
LIBRARIES = ("avutil", "avcodec", "avformat", "avdevice", "avfilter", "swscale", "swresample")
TASKS = {
    "first_frame": "jpg",
    "frame_of_url": "jpg",
    "ten_frames": "json",
    "storyboard": "jpg",
    "information": "json",
}
SOURCES = {
    "posterframe": ROOT / "examples/five_tasks.rs",
    "ez-ffmpeg": HERE / "ez_ffmpeg/src/main.rs",
    "PyAV": HERE / "pyav.py",
}
# A film of 60 s, a rotated one of 4 s as from a phone, and one of 4 s with pixels of 16:9.
FILMS = ("film.mp4", "turned.mp4", "wide.mp4")
# The minimum peak signal-to-noise ratio of a JPEG and its frame. Neighbouring frames of the test film have 17 dB.
SAME_DB = 25.0


def run(*command: object, **options) -> subprocess.CompletedProcess:
    return subprocess.run([str(part) for part in command], check=True, **options)


def install(work: Path) -> Path:
    """Creates the virtual environment. Returns its Python."""
    python = work / "venv/bin/python"
    if not python.exists():
        run(sys.executable, "-m", "venv", work / "venv")
        run(python, "-m", "pip", "install", "--quiet", *PIP)
    return python


def ffmpeg8(work: Path, python: Path) -> tuple[Path, Path]:
    """Lays out FFmpeg 8.1 for ffmpeg-sys-next. Returns the prefix, and the folder of the libraries."""
    code = "import av, pathlib; print(pathlib.Path(av.__file__).parent.parent / 'av.libs')"
    libraries = Path(run(python, "-c", code, capture_output=True, text=True).stdout.strip())
    prefix = work / "ffmpeg8"
    if not (prefix / "include/libavutil/avconfig.h").exists():
        # `cargo info` downloads the crate.
        run("cargo", "info", FFMPEG_SOURCE, capture_output=True)
        home = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
        name = FFMPEG_SOURCE.replace("@", "-")
        archive = next(home.glob(f"registry/src/*/{name}/native/ffmpeg.tar.xz"))
        source = work / "ffmpeg-source"
        source.mkdir(exist_ok=True)
        run("tar", "xf", archive, "-C", source)
        configure = next(source.glob("*/configure"))
        options = ("--disable-everything", "--disable-autodetect", "--disable-x86asm", "--disable-doc", "--disable-programs")
        run(configure, f"--prefix={prefix}", *options, cwd=configure.parent, stdout=subprocess.DEVNULL)
        run("make", "install-headers", cwd=configure.parent, stdout=subprocess.DEVNULL)
    (prefix / "lib").mkdir(exist_ok=True)
    for name in LIBRARIES:
        link = prefix / f"lib/lib{name}.so"
        link.unlink(missing_ok=True)
        link.symlink_to(next(libraries.glob(f"lib{name}-*.so*")))
    return prefix, libraries


def commands(work: Path, python: Path, ours: Path | None) -> dict[str, tuple[list[object], dict[str, str]]]:
    """Builds the programs. Returns the command and the environment for each library."""
    prefix, libraries = ffmpeg8(work, python)
    environment = dict(os.environ)
    if ours is None:
        features = ("--no-default-features", "--features", "static,http" if "FFMPEG_DIR" in environment else "http")
        run("cargo", "build", "--locked", "--example", "five_tasks", *features, cwd=ROOT)
        ours = Path(environment.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug/examples/five_tasks"
    peers = environment | {"FFMPEG_DIR": str(prefix), "CARGO_TARGET_DIR": str(work / "ez-target")}
    run("cargo", "build", "--locked", "--manifest-path", HERE / "ez_ffmpeg/Cargo.toml", env=peers)
    return {
        "posterframe": ([ours], environment),
        "ez-ffmpeg": ([work / "ez-target/debug/five-tasks-ez-ffmpeg"], environment | {"LD_LIBRARY_PATH": str(libraries)}),
        "PyAV": ([python, HERE / "pyav.py"], environment),
    }


def films(work: Path, python: Path) -> None:
    """Encodes the films, and some reference frames of the long one."""
    code = "import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())"
    ffmpeg = run(python, "-c", code, capture_output=True, text=True).stdout.strip()
    data, truth = work / "data", work / "truth"
    data.mkdir(exist_ok=True)
    truth.mkdir(exist_ok=True)
    encode = [ffmpeg, "-v", "error", "-y"]
    h264 = ["-c:v", "libx264", "-preset", "fast", "-g", "50", "-bf", "3", "-pix_fmt", "yuv420p"]
    if not (data / "film.mp4").exists():
        inputs = ["-f", "lavfi", "-i", "testsrc2=s=640x360:rate=25:duration=60", "-f", "lavfi", "-i", "sine=440:r=48000:duration=60"]
        run(*encode, *inputs, *h264, "-c:a", "aac", data / "film.mp4")
    if not (data / "turned.mp4").exists():
        run(*encode, "-display_rotation", "90", "-i", data / "film.mp4", "-c", "copy", "-t", "4", data / "turned.mp4")
    if not (data / "wide.mp4").exists():
        run(*encode, "-f", "lavfi", "-i", "testsrc2=s=360x360:rate=25:duration=4", "-vf", "setsar=16/9", *h264, data / "wide.mp4")
    if not (truth / "100.png").exists():
        run(*encode, "-i", data / "film.mp4", "-vf", r"select=eq(n\,0)+eq(n\,1)+eq(n\,124)+eq(n\,125)+eq(n\,126)", "-fps_mode", "passthrough",
            truth / "frame-%d.png")  # fmt: skip
        run(*encode, "-i", data / "film.mp4", "-vf", "scale=160:90", truth / "small-%04d.png")
        (truth / "100.png").touch()


def lines(library: str, task: str) -> int:
    """Counts the lines of a task's function, without its first line, its end, and lines that only return."""
    text = SOURCES[library].read_text()
    if library == "PyAV":
        functions = re.findall(r"^def (\w+)\(.*?\):\n((?:    .*\n|\n)+)", text, re.M)
        bodies = dict(functions)
        body = bodies[task] + (bodies["frame_at"] if task != "first_frame" and "frame_at" in bodies[task] else "")
    else:
        body = re.search(rf"^fn {task}\(.*?{{\n(.*?)^}}", text, re.M | re.S).group(1)
    return sum(1 for line in body.splitlines() if line.strip() and line.strip() != "Ok(())")


# This code runs in the environment's Python, which has NumPy and Pillow.
CHECK = r"""
import json, sys
import numpy as np
from PIL import Image
task, film, path, truth = sys.argv[1:]
def pixels(path, size=None):
    with Image.open(path) as picture:
        picture = picture.convert("RGB")
        return np.asarray(picture.resize(size) if size else picture, dtype=float)
def psnr(one, other):
    if one.shape != other.shape:
        return 0.0
    error = ((one - other) ** 2).mean()
    return 99.0 if error == 0 else float(10 * np.log10(255 ** 2 / error))
if path.endswith(".jpg"):
    picture = pixels(path)
    told = {"size": list(picture.shape[1::-1])}
    if film == "film.mp4" and task == "first_frame":
        told["db"] = [psnr(picture, pixels(f"{truth}/frame-{number}.png")) for number in (1, 2)]
    elif film == "film.mp4" and task == "frame_of_url":
        told["db"] = [psnr(picture, pixels(f"{truth}/frame-{number}.png")) for number in (4, 3, 5)]
    elif film == "film.mp4" and task == "storyboard":
        # Which frame of the film each tile shows, by the least difference.
        small = (80, 45)
        frames = [pixels(f"{truth}/small-{number:04}.png", small) for number in range(1, 1501)]
        stack = np.stack(frames).astype(np.float32)
        sheet = Image.open(path).convert("RGB")
        shown = []
        for number in range(100):
            x, y = number % 10 * 160, number // 10 * 90
            tile = np.asarray(sheet.crop((x, y, x + 160, y + 90)).resize(small), dtype=np.float32)
            difference = ((stack - tile) ** 2).mean(axis=(1, 2, 3))
            best = int(difference.argmin())
            shown.append([best, float(10 * np.log10(255 ** 2 / max(difference[best], 1e-9)))])
        told["frames"] = [frame for frame, _ in shown]
        told["worst_db"] = min(db for _, db in shown)
else:
    told = json.load(open(path))
print(json.dumps(told))
"""


def verdict(task: str, film: str, told) -> str:
    """Judges the output of a task on a film, in words."""
    if task == "information":
        video = next(stream for stream in told["streams"] if stream and (stream.get("kind") or stream.get("codec_type")) == "video")
        keys = len(json.dumps(told).split('":')) - 1
        size = video.get("width") or video["video"]["width"], video.get("height") or video["video"]["height"]
        return f"{told['duration_seconds']} s, {video['codec_name']}, {size[0]} x {size[1]}; {keys} fields"
    if task == "ten_frames":
        return f"{len(told)} frames: {', '.join(f'{seconds:g}' for seconds in told)} s"
    size = f"{told['size'][0]} x {told['size'][1]}"
    if "db" not in told and "frames" not in told:
        return size
    if task == "storyboard":
        frames, worst = told["frames"], told["worst_db"]
        if frames != sorted(frames) or worst < SAME_DB:
            raise SystemExit(f"storyboard: wrong tiles: {frames}, {worst} dB")
        return f"{size}, {len(set(frames))} different frames of {frames[0]} to {frames[-1]}, in order"
    right, *wrong = told["db"]
    if right < SAME_DB or any(right <= other for other in wrong):
        raise SystemExit(f"{task}: another frame than the wanted one: {told['db']}")
    return f"{size}, the right frame ({right:.0f} dB)"


def attempt(command: list[object], environment: dict[str, str], limit: float = 300.0) -> tuple[str | None, float]:
    """Runs a task. Returns the last line of its error, if it fails, and its milliseconds."""
    begun = time.monotonic()
    ended = subprocess.run([str(part) for part in command], env=environment, capture_output=True, text=True, timeout=limit)
    milliseconds = (time.monotonic() - begun) * 1000
    if ended.returncode == 0:
        return None, milliseconds
    error = [line for line in ended.stderr.strip().splitlines() if line.strip()] or [f"exit code {ended.returncode}"]
    return error[-1], milliseconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=ROOT / "target/five-tasks", help="folder for builds, films and pictures")
    parser.add_argument("--ours", type=Path, help="the example five_tasks, if it is built already")
    parser.add_argument("--port", type=int, default=9017, help="port of the server on loopback")
    arguments = parser.parse_args()
    work = arguments.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    python = install(work)
    films(work, python)
    programs = commands(work, python, arguments.ours)
    server = subprocess.Popen([sys.executable, ROOT / "scripts/range_server.py", "--data", work / "data", "--bucket", "films",
                               "--port", str(arguments.port), "--latency-ms", "30"], stdout=subprocess.DEVNULL)  # fmt: skip
    base = f"http://127.0.0.1:{arguments.port}"
    try:
        for _ in range(100):
            try:
                urllib.request.urlopen(f"{base}/_stats").read()
                break
            except urllib.error.URLError:
                time.sleep(0.2)
        for film in FILMS:
            print(f"\n{film}\n\n| task | library | lines | ms | result |\n|---|---|---|---|---|")
            for task, extension in TASKS.items():
                for library, (command, environment) in programs.items():
                    output = work / "out" / library / f"{film}.{task}.{extension}"
                    output.parent.mkdir(parents=True, exist_ok=True)
                    output.unlink(missing_ok=True)
                    source = f"{base}/films/{film}" if task == "frame_of_url" else work / "data" / film
                    urllib.request.urlopen(urllib.request.Request(f"{base}/_reset", method="POST")).read()
                    error, milliseconds = attempt([*command, task, source, output], environment)
                    if error is None and not output.exists():
                        error = "it reports success and writes nothing"
                    if error is None:
                        check = run(python, "-c", CHECK, task, film, output, work / "truth", capture_output=True, text=True)
                        result = verdict(task, film, json.loads(check.stdout))
                    else:
                        result = f"error: {error}"
                    if task == "frame_of_url":
                        stats = json.load(urllib.request.urlopen(f"{base}/_stats"))
                        result += f"; {stats['requests']} requests, {stats['bytes_sent'] / 1e6:.2f} MB"
                    print(f"| {task} | {library} | {lines(library, task)} | {milliseconds:.0f} | {result} |", flush=True)
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
