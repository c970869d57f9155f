#!/usr/bin/env python3
"""Writes tests/fixtures/oracle.tsv: which frame the ffmpeg program itself takes from each fixture.

The rule, applied to a decode of the whole file from its start (no seek, so nothing depends on an index):

1. `at_target`: the first frame whose time is at or after the container's start time + 5 s, with the sum rounded to
   the nearest tick of the stream;
2. `half_duration`: otherwise the first frame at or after start + half of the container's duration, rounded likewise; if
   the container declares no duration, half of the time from the start to the last frame;
3. `last_frame`: otherwise the last frame that decodes.

Two kinds of damage do not count as frames if there are others: the result of a packet that the end of the file cuts, and a
frame whose time is absurd.

The picture is not rotated, scaled or converted: the MD5 is that of the raw planes in the decoder's pixel format.
The column `ss5` has the result of a seek (`ffmpeg -ss 5 -i FILE -frames:v 1`): `same`, `none`, or the frame that the seek took
instead. Every difference is also listed in tests/fixtures/README.md.

Usage: python scripts/fixtures_oracle.py [NAME...]     (no name: all fixtures that should give a picture)
"""

from __future__ import annotations

import argparse
import hashlib
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import imageio_ffmpeg

import fixtures

ROOT = Path(__file__).resolve().parent.parent
FIXTURES = ROOT / "tests" / "fixtures"
TARGET = Fraction(5)
COLUMNS = (
    "file", "sha256", "reason", "pts", "time_base", "pts_seconds", "width", "height", "pix_fmt", "md5",
    "container_start", "container_duration", "n_frames", "stream", "ss5",
)  # fmt: skip

# The program refuses to filter frames with unknown colour numbers. These numbers do not change the planes, so the program
# gets a copy with "unspecified" instead.
MENDED = {"bad_enum.mp4": "av1_metadata=color_primaries=2:transfer_characteristics=2:matrix_coefficients=2"}

# Half a packet may decode to a picture that is partly black or grey. Such a frame must not be taken, so the program leaves out
# the packets that libavformat marks as cut.
WHOLE_PACKETS = ("-fflags", "+discardcorrupt")
CUT = "cut_packet_"

# Pictures of tiles. The program composes them, but accepts no simple filter for them.
GRIDS = ("grid.avif", "grid.heic")

# A frame that is presented more than 30 years after the start of the file has a broken time.
ABSURD_SECONDS = 10**9

# showinfo repeats its first line for each frame. User data behind it may contain any bytes.
SHOWINFO = re.compile(
    rb"^\[Parsed_showinfo_0 @ 0x[0-9a-f]+\] n: *\d+ pts: *(NOPTS|-?\d+) .*? fmt:(\S+) .*? s:(\d+)x(\d+) ", re.MULTILINE
)
TIME_BASE = re.compile(rb"^\[Parsed_showinfo_0 @ 0x[0-9a-f]+\] config in time_base: (\d+)/(\d+)", re.MULTILINE)
MAPPING = re.compile(rb"^  Stream #0:(\d+) (?:-> #0:0|\(\w+\) -> xstack)", re.MULTILINE)
# This line of the log has six decimals. The line for people has two for the duration.
TIMINGS = re.compile(rb"\] format: start_time: (\S+) duration: (\S+) ")


@dataclass(frozen=True)
class Frame:
    """A decoded frame: its time in ticks (None if it has none), geometry, pixel format, and MD5 of its planes."""

    pts: int | None
    width: int
    height: int
    pix_fmt: str
    md5: str


@dataclass(frozen=True)
class Decode:
    """The result of one run of the decoder."""

    frames: list[Frame]
    time_base: Fraction | None
    stream: int | None
    complete: bool


def ffmpeg() -> str:
    """Returns the program's path."""
    return imageio_ffmpeg.get_ffmpeg_exe()


def seconds(printed: bytes) -> Fraction | None:
    """Parses a time as the log prints it."""
    return None if printed in (b"NOPTS", b"N/A") else Fraction(printed.decode())


def timings(path: Path) -> tuple[Fraction | None, Fraction | None]:
    """Returns the container's start time and duration in seconds."""
    run = subprocess.run(
        [ffmpeg(), "-nostdin", "-loglevel", "trace", "-i", path], capture_output=True, check=False, timeout=120
    )
    found = TIMINGS.search(run.stderr)
    return (seconds(found[1]), seconds(found[2])) if found else (None, None)


def decode(
    path: Path, before: tuple[str, ...] = (), after: tuple[str, ...] = (), timeout: float = 600, attempts: int = 5
) -> Decode:
    """Decodes the stream that ffmpeg picks by itself; `before` and `after` are options before and after the input.

    One thread and `-copyts` keep the file's own times; `passthrough` and the demuxer's time base prevent that a frame is
    duplicated, dropped or moved.
    """
    show = ("-vf", "showinfo=checksum=0", "-enc_time_base", "demux")
    if path.name in GRIDS:
        show = ("-filter_complex", "[0:g:0]showinfo=checksum=0")
    command = [
        ffmpeg(), "-hide_banner", "-nostdin", "-nostats", "-threads", "1", "-noautorotate", "-copyts", *before,
        "-i", path, "-an", "-sn", "-dn", "-noautoscale", *show, "-fps_mode", "passthrough", *after,
        "-f", "framemd5", "-",
    ]  # fmt: skip
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as log:
        with subprocess.Popen(command, stdout=out, stderr=log) as process:
            try:
                process.wait(timeout)
                complete = True
            except subprocess.TimeoutExpired:
                process.kill()
                complete = False
        out.seek(0)
        log.seek(0)
        hashes = [
            line.rsplit(b",", 1)[1].strip().decode() for line in out if b"," in line and not line.startswith(b"#")
        ]
        text = log.read()
    shown = SHOWINFO.findall(text)
    # With `-frames:v 1` the filter may have printed a frame that was not written any more.
    if complete and "-frames:v" not in after and len(shown) != len(hashes):
        # The filter prints a line in several parts, and a warning of another thread may come between them.
        if attempts > 1:
            return decode(path, before, after, timeout, attempts - 1)
        raise RuntimeError(f"{path.name}: {len(shown)} frames shown, {len(hashes)} hashed")
    # showinfo prints the frames' own times. The muxer after it may separate equal times.
    frames = [
        Frame(None if pts == b"NOPTS" else int(pts), int(width), int(height), fmt.decode(), md5)
        for (pts, fmt, width, height), md5 in zip(shown, hashes, strict=False)
    ]
    base = TIME_BASE.search(text)
    mapping = MAPPING.search(text)
    time_base = Fraction(int(base[1]), int(base[2])) if base else None
    return Decode(frames, time_base, int(mapping[1]) if mapping else None, complete)


def to_ticks(time: Fraction, time_base: Fraction) -> int:
    """Returns the nearest tick, halves away from zero (as libav's rescaling does)."""
    ticks = time / time_base
    nearest = int(abs(ticks) + Fraction(1, 2))
    return nearest if ticks >= 0 else -nearest


def choose(
    frames: list[Frame], time_base: Fraction, start: Fraction | None, duration: Fraction | None
) -> tuple[str, Frame]:
    """Applies the rule at the top of this file."""
    start = start or Fraction(0)
    frames = [frame for frame in frames if abs((frame.pts or 0) * time_base) < ABSURD_SECONDS] or frames
    first = to_ticks(start, time_base)
    if duration is not None:
        half = to_ticks(start + duration / 2, time_base)
    else:
        half = first + ((frames[-1].pts or 0) - first) // 2
    for reason, wanted in (("at_target", to_ticks(start + TARGET, time_base)), ("half_duration", half)):
        for frame in frames:
            if frame.pts is not None and frame.pts >= wanted:
                return reason, frame
    return "last_frame", frames[-1]


def examine(path: Path, timeout: float = 600) -> dict[str, object] | None:
    """Returns the row for one file, or None if no frame decodes."""
    if path.name in MENDED:
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / path.name.replace("bad", "mended")
            mend = [ffmpeg(), "-nostdin", "-v", "error", "-i", path, "-c", "copy", "-bsf:v", MENDED[path.name], copy]
            subprocess.run(mend, check=True, timeout=timeout)
            row = examine(copy, timeout)
        return row and row | {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    start, duration = timings(path)
    before = WHOLE_PACKETS if path.name.startswith(CUT) else ()
    whole = decode(path, before=before, timeout=timeout)
    if not whole.frames or whole.time_base is None:
        return None
    reason, frame = choose(whole.frames, whole.time_base, start, duration)
    sought = decode(path, before=(*before, "-ss", str(TARGET)), after=("-frames:v", "1"), timeout=timeout)
    if not sought.frames:
        ss5 = "none"
    elif sought.frames[0] == frame:
        ss5 = "same"
    else:
        ss5 = f"pts {sought.frames[0].pts} md5 {sought.frames[0].md5}"
    return {
        "file": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "reason": reason,
        "pts": frame.pts,
        "time_base": f"{whole.time_base.numerator}/{whole.time_base.denominator}",
        "pts_seconds": None if frame.pts is None else f"{float(frame.pts * whole.time_base):.6f}",
        "width": frame.width,
        "height": frame.height,
        "pix_fmt": frame.pix_fmt,
        "md5": frame.md5,
        "container_start": None if start is None else f"{float(start):.6f}",
        "container_duration": None if duration is None else f"{float(duration):.6f}",
        "n_frames": len(whole.frames) if whole.complete else None,
        "stream": whole.stream,
        "ss5": ss5,
    }


def main() -> int:
    """Writes the table. The status is 1 if a file that should decode does not."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="only print the rows of these")
    names = parser.parse_args().names
    paths = [FIXTURES / name for name in names] or [FIXTURES / name for name in expected()]
    rows, failed = [], []
    for path in paths:
        row = examine(path)
        if row is None:
            failed.append(path.name)
            continue
        row["file"] = path.relative_to(FIXTURES).as_posix()
        rows.append("\t".join("-" if row[column] is None else str(row[column]) for column in COLUMNS))
    table = "\n".join(["\t".join(COLUMNS), *rows]) + "\n"
    if names:
        print(table, end="")
    else:
        (FIXTURES / "oracle.tsv").write_text(table, encoding="utf-8")
        write_seeks(rows)
    for name in failed:
        print(f"{name}: no frame decodes", file=sys.stderr)
    return 1 if failed else 0


def write_seeks(rows: list[str]) -> None:
    """Lists in the README the fixtures where a seek gives another frame."""
    lines = ["| file | whole decode | `-ss 5` |", "|---|---|---|"]
    for row in rows:
        values = dict(zip(COLUMNS, row.split("\t"), strict=True))
        if values["ss5"] != "same":
            lines.append(f"| `{values['file']}` | {values['reason']}, pts {values['pts']} | {values['ss5']} |")
    path = FIXTURES / "README.md"
    text = fixtures.replaced(path.read_text(encoding="utf-8"), "seeks", "\n".join(lines))
    path.write_text(text, encoding="utf-8")


def expected() -> list[str]:
    """Returns the fixtures of SHA256SUMS that should give a picture."""
    lines = (FIXTURES / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    names = [line.split("  ", 1)[1] for line in lines]
    return [name for name in names if not Path(name).name.startswith("x_") and not name.startswith("audio_only")]


if __name__ == "__main__":
    sys.exit(main())
