#!/usr/bin/env python3
"""Tests `grab --pick auto` on generated clips with known parts: `make auto-pick` (SEED=n draws the clips of an earlier run).

Each clip of 30 s shows a scene, and around 5 s another part: black, black with noise, white, one colour, a title card, a blurred
picture, the beginning of a fade, or a dark scene with detail. The choice must reject each part for a frame of the scene, except
the dark scene, which it must keep. The clips are read over HTTP, and the table compares the costs with those of the exact frame.

Usage: auto_pick.py [--clips N] [PROGRAM]     (60, target/debug/posterframe)
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import imageio_ffmpeg

SIZE = (640, 360)
KINDS = ("black", "noisy black", "white", "flat", "title card", "blurred", "fade", "dark scene")
WORDS = {"black": "black", "noisy black": "black", "white": "white", "flat": "flat", "title card": "title_card", "blurred": "blurred"}


def title(draw: random.Random) -> str:
    """Returns filters that draw lines of strokes, which look like letters, on one colour."""
    ink, ground = draw.choice((("white", "black"), ("black", "white"), ("yellow", "0x101040"), ("0xe0e0e0", "0x202020")))
    boxes = []
    for line in range(draw.randint(1, 3)):
        x, y = draw.randint(80, 160), 120 + line * 50
        while x < SIZE[0] - 160:
            high, wide = draw.randint(12, 26), draw.randint(3, 9)
            boxes.append(f"drawbox=x={x}:y={y + 26 - high}:w={wide}:h={high}:color={ink}:t=fill")
            x += wide + draw.randint(4, 14)
    return ",".join([f"color={ground}:size=640x360:rate=10:duration=30", *boxes])


def part(kind: str, scene: str, start: float, draw: random.Random) -> str:
    """Returns the source of the part around 5 s."""
    plain = "size=640x360:rate=10:duration=30"
    return {
        "black": f"color=black:{plain}",
        "noisy black": f"color=black:{plain},noise=alls={draw.randint(3, 9)}:allf=t:all_seed={draw.randint(1, 999)}",
        "white": f"color=white:{plain}",
        "flat": f"color={draw.choice(('gray', '0x305080', '0x805030', '0x408040', '0x602060'))}:{plain}",
        "title card": title(draw),
        "blurred": f"{scene},gblur=sigma={draw.randint(24, 40)}:steps=3",
        # At 5 s, the fade has reached at most a part of its light.
        "fade": f"{scene},fade=in:st={start:.2f}:d={(5 - start) * draw.uniform(12, 40):.2f}",
        "dark scene": f"{scene},format=yuv420p,lutyuv=y='16+(val-16)*{draw.uniform(0.14, 0.25):.2f}':u='128+(val-128)*0.3':v='128+(val-128)*0.3'",
    }[kind]


def make(kind: str, out: Path, draw: random.Random) -> tuple[float, float]:
    """Writes a clip. Returns the start and the end of the part."""
    start, end = round(draw.uniform(0.5, 4.7), 1), round(draw.uniform(5.4, 7.9), 1)
    x, y = draw.choice(((-0.743643887, -0.131825904), (-0.1528, 1.0397), (0.285, 0.01), (-1.25066, 0.02012)))
    scene = f"mandelbrot=size=640x360:rate=10:start_x={x}:start_y={y}:start_scale={draw.uniform(0.01, 0.4):.3f}:end_pts=1000,trim=duration=30"
    graph = f"{scene}[a];{part(kind, scene, start, draw)}[b];[a][b]overlay=enable='between(t,{start},{end})',format=yuv420p"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-loglevel", "error", "-y", "-filter_complex", graph, "-t", "30"]
    coder = ["-c:v", "libx264", "-preset", "veryfast", "-crf", str(draw.randint(18, 30)), "-g", str(draw.choice((10, 20, 30, 50)))]
    subprocess.run([*command, *coder, "-movflags", "+faststart", out], check=True)
    return start, end


def grab(program: str, url: str, pick: str, out: Path) -> dict:
    """Returns the program's JSON about a frame."""
    command = [program, "grab", url, "--pick", pick, "--json", "-o", out]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def faults(kind: str, answer: dict, start: float, end: float) -> list[str]:
    """Returns the faults of a choice."""
    first, taken = answer["considered"][0], answer["frame_pts_seconds"]
    if kind == "dark scene":
        return [] if first["verdict"] == "good" and taken == first["pts_seconds"] else ["a dark scene was rejected"]
    found = []
    if first["verdict"] != WORDS.get(kind, first["verdict"]) or first["verdict"] == "good":
        found.append(f"taken for {first['verdict']}")
    # The later part of a fade already shows the scene, still dark.
    if kind != "fade" and start <= taken < end:
        found.append(f"the frame at {taken} s was taken")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=60)
    parser.add_argument("program", nargs="?", default="target/debug/posterframe")
    options = parser.parse_args()
    seed = int(os.environ.get("SEED", random.SystemRandom().randrange(1 << 31)))
    draw = random.Random(seed)
    print(f"SEED={seed}, {options.clips} clips")
    rows: dict[str, list[tuple[int, int]]] = {kind: [] for kind in KINDS}
    wrong = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = subprocess.Popen(
            [sys.executable, "-B", Path(__file__).with_name("range_server.py"), "--data", folder, "--port", "0", "--latency-ms", "0"],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            address = server.stdout.readline().strip()
            for index in range(options.clips):
                kind = KINDS[index % len(KINDS)]
                clip = folder / f"{index}.mp4"
                start, end = make(kind, clip, draw)
                url = address + clip.name
                exact, auto = (grab(options.program, url, pick, folder / "x.jpg") for pick in ("exact", "auto"))
                for fault in faults(kind, auto, start, end):
                    wrong += 1
                    print(f"{kind}, clip {index}, {start} to {end} s: {fault}: {auto['considered']}")
                rows[kind].append(tuple(auto[field] - exact[field] for field in ("round_trips", "bytes_fetched")))
                clip.unlink()
        finally:
            server.terminate()
            server.wait()
    print("| around 5 s | clips | round trips more, most | kB more, median | kB more, 95th percentile |\n|---|---:|---:|---:|---:|")
    for kind, costs in rows.items():
        if costs:
            trips, sizes = zip(*costs, strict=True)
            ordered = sorted(size / 1000 for size in sizes)
            high = ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))]
            print(f"| {kind} | {len(costs)} | {max(trips)} | {statistics.median(ordered):.0f} | {high:.0f} |")
    every = sorted(size for costs in rows.values() for _, size in costs)
    most_trips = max(trips for costs in rows.values() for trips, _ in costs)
    if most_trips > 3 or every[round(0.95 * (len(every) - 1))] > 1_500_000:
        wrong += 1
        print("a choice costs more than 3 round trips, or more than 1.5 MB at the 95th percentile")
    print(f"{wrong} faults")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
