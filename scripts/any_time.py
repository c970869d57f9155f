#!/usr/bin/env python3
"""Compares the frames that posterframe takes at any time with a full decode by FFmpeg: `make any-time CORPUS=dir [SEED=n]`.

FFmpeg 9.0.2 (PyPI's imageio-ffmpeg) decodes each file completely and without a seek; nothing in that decode depends on an index.
Presentation times and MD5s of the planes are the truth, and FFmpeg's choice of stream, its start time and its duration. Then the
example `any_time` returns the frame at some times, drawn anew in each run: anywhere, at 0, before and behind the end, exactly on a
frame, half-way between two, a tick beside one. It opens the file for each time and keeps it open, reads it as a file and by ranges.

The rule is that of docs: the first frame in the order of the full decode whose time is at or after start + time, rounded to the
nearest tick; where none is, the first at or after half of the duration (of what the decode shows, where the container has no
duration); else the last. Frames with equal pts count as one.

A fault is a wrong time, other pixels, an error where FFmpeg decodes, `at_target` on a frame that is not, a kept video that
differs from a fresh one, and ranges that differ from the file. The exit status is 1 if there is a fault outside EXEMPT.

Efficiency is reported for well-formed files: without a decoding error, presentation times that rise, a packet for each frame. A
frame needs the packets in decoding order from the last keyframe whose pts is at or before the wanted time, through its own.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import imageio_ffmpeg

ROOT = Path(__file__).resolve().parent.parent
FIXTURES = ROOT / "tests" / "fixtures"

# What a decode by FFmpeg cannot judge. A file of such a kind is compared all the same; its faults are printed, and do not count.
EXEMPT = {
    "encrypted": "the payload of the frame is encrypted, and FFmpeg decodes the ciphertext",
    "lcevc": "FFmpeg's program adds the LCEVC enhancement, which our libav has no decoder for",
    "resized": "FFmpeg's program converts later frames to the pixel format of the first",
}

SECONDS = Fraction(1, 1_000_000)
# The mark of an encrypted packet in framecrc's lines, and of an encrypted stream in FFmpeg's report.
ENCRYPTED_PACKET = b"Encryption info"
ENCRYPTED_STREAM = re.compile(rb"enc_key_id|ENC_KEY_ID|DRM protected stream")
LCEVC = re.compile(rb"LCEVC", re.IGNORECASE)
ERROR = re.compile(rb"\[(?:error|fatal|panic)\] (?!.*framecrc)")
TIMINGS = re.compile(rb"\] (?:\[\w+\] )?format: start_time: (\S+) duration: (\S+) ")
TIME_BASE = re.compile(rb"showinfo_0 @ 0x[0-9a-f]+\] \[info\] config in time_base: (\d+)/(\d+)")
SHOWN = re.compile(rb"showinfo_0 @ 0x[0-9a-f]+\] \[info\] n: *\d+ pts: *(-?\d+) .*? fmt:(\S+) ")


class Unusable(Exception):
    """The reference cannot judge the file; the message says why."""


@dataclass(frozen=True)
class Frame:
    """A frame of the full decode: its time in ticks, and the MD5 of its planes."""

    pts: int
    md5: str


@dataclass(frozen=True)
class Packet:
    """A packet of the video stream, in decoding order."""

    pts: int
    is_key: bool
    is_encrypted: bool


@dataclass
class Truth:
    """What FFmpeg says of a file."""

    frames: list[Frame]
    packets: list[Packet]
    time_base: Fraction
    start: int
    duration: int | None
    errors: int
    kinds: set[str]

    def ticks(self, microseconds: Fraction | int) -> int:
        """The nearest tick, halves away from zero."""
        ticks = microseconds * SECONDS / self.time_base
        nearest = int(abs(ticks) + Fraction(1, 2))
        return nearest if ticks >= 0 else -nearest

    def after_start(self, pts: int | Fraction) -> int:
        """A time in ticks as microseconds after the start, to the nearest, not below 0."""
        return max(0, round(pts * self.time_base / SECONDS - self.start))

    def first_from(self, wanted: int) -> Frame | None:
        return next((frame for frame in self.frames if frame.pts >= wanted), None)

    def expected(self, at: int) -> tuple[str, Frame]:
        """The reason and the frame at a time in microseconds after the start."""
        if frame := self.first_from(self.ticks(self.start + at)):
            return "at_target", frame
        if self.duration is not None:
            half = self.ticks(self.start + Fraction(self.duration, 2))
        else:
            start = self.ticks(self.start)
            half = start + (self.frames[-1].pts - start) // 2
        if frame := self.first_from(half):
            return "half_duration", frame
        return "last_frame", self.frames[-1]

    def exemption(self, frame: Frame) -> str | None:
        """Why the frame cannot be judged."""
        if "encrypted" in self.kinds:
            pts = [packet.pts for packet in self.packets if packet.is_encrypted]
            # A clear lead is judged.
            if not pts or frame.pts >= min(pts):
                return "encrypted"
        return next((kind for kind in ("lcevc", "resized") if kind in self.kinds), None)

    def is_well_formed(self) -> bool:
        pts = [frame.pts for frame in self.frames]
        rises = all(a < b for a, b in zip(pts, pts[1:]))
        return not self.errors and not self.kinds and rises and sorted(packet.pts for packet in self.packets) == pts

    def needed(self, wanted: int, frame: Frame) -> int:
        """How many packets the frame at a wanted time needs, in a well-formed file."""
        order = {packet.pts: place for place, packet in enumerate(self.packets)}
        keys = [place for place, packet in enumerate(self.packets) if packet.is_key and packet.pts <= wanted]
        entry = max((place for place in keys if place <= order[frame.pts]), default=0)
        return order[frame.pts] - entry + 1


@dataclass
class Result:
    """What came of a file."""

    name: str
    asked: int = 0
    faults: list[str] = field(default_factory=list)
    exempt: dict[str, list[str]] = field(default_factory=dict)
    # Packets decoded and needed, and the number of decoding passes where the example prints it.
    costs: list[tuple[int, int, int | None]] = field(default_factory=list)
    skipped: str | None = None


def run(command: list[str | Path], limit: float) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=limit, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired as late:
        raise Unusable(f"{Path(command[0]).name} took more than {limit:.0f} s") from late


def microseconds(printed: bytes) -> int | None:
    return None if printed in (b"NOPTS", b"N/A") else round(Fraction(printed.decode()) / SECONDS)


def timings(path: Path, limit: float) -> tuple[int | None, int | None]:
    """The container's start and duration. Only the trace has all six decimals."""
    log = run([imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "trace", "-i", path], limit).stderr
    found = TIMINGS.search(log)
    return (microseconds(found[1]), microseconds(found[2])) if found else (None, None)


def decode(path: Path, limit: float) -> Truth:
    """Decodes the stream that FFmpeg chooses, and lists its packets.

    One thread, because errors are concealed differently with more. showinfo prints a frame's own time, which the muxer behind it
    may move; a frame keeps its own size.
    """
    with tempfile.TemporaryDirectory() as folder:
        hashes, packets = Path(folder, "hashes"), Path(folder, "packets")
        only_video = ["-an", "-sn", "-dn"]
        done = run(
            [
                imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-nostats", "-loglevel", "level+info",
                "-threads", "1", "-noautorotate", "-copyts", "-i", path,
                *only_video, "-noautoscale", "-vf", "showinfo=checksum=0", "-fps_mode", "passthrough",
                "-enc_time_base", "demux", "-f", "framemd5", hashes,
                *only_video, "-c", "copy", "-copyinkf", "-copytb", "1", "-f", "framecrc", packets,
            ],
            limit,
        )  # fmt: skip
        rows = table(hashes)
        copied = table(packets)
    base = TIME_BASE.search(done.stderr)
    if not rows or not base:
        raise Unusable("FFmpeg decodes no frame")
    shown = SHOWN.findall(done.stderr)
    if len(shown) != len(rows):
        shown = [(row[2], b"") for row in rows]
    frames = [Frame(int(pts), row[5].decode()) for (pts, _), row in zip(shown, rows, strict=True)]
    listed = [Packet(int(row[2]), not any(b"F=0x" in extra for extra in row[6:]), ENCRYPTED_PACKET in row) for row in copied]
    kinds = set()
    if any(packet.is_encrypted for packet in listed) or ENCRYPTED_STREAM.search(done.stderr):
        kinds.add("encrypted")
    if LCEVC.search(done.stderr):
        kinds.add("lcevc")
    if len({pixel_format for _, pixel_format in shown}) > 1:
        kinds.add("resized")
    start, duration = timings(path, limit)
    return Truth(
        frames, listed, Fraction(int(base[1]), int(base[2])), start or 0, duration, len(ERROR.findall(done.stderr)), kinds
    )


def table(path: Path) -> list[list[bytes]]:
    """The columns of a framehash file."""
    if not path.exists():
        return []
    lines = path.read_bytes().splitlines()
    return [[column.strip() for column in line.split(b",")] for line in lines if line and not line.startswith(b"#")]


def draw_times(truth: Truth, count: int, chance: random.Random) -> list[int]:
    """Times in microseconds after the start, in no order."""
    pts = sorted({frame.pts for frame in truth.frames})
    last = truth.after_start(pts[-1])

    def anywhere() -> int:
        return chance.randint(0, last)

    def on_a_frame() -> int:
        return truth.after_start(chance.choice(pts))

    def half_way() -> int:
        place = chance.randrange(max(1, len(pts) - 1))
        return truth.after_start(Fraction(pts[place] + pts[min(place + 1, len(pts) - 1)], 2))

    def a_tick_beside() -> int:
        return truth.after_start(chance.choice(pts) + chance.choice((-1, 1)))

    def behind() -> int:
        return max(last, truth.duration or 0) + chance.randint(1_000_000, 4_000_000)

    def before_last() -> int:
        return truth.after_start(pts[-1] - 1)

    def after_last() -> int:
        return truth.after_start(pts[-1] + 1)

    kinds = [anywhere, behind, on_a_frame, half_way, a_tick_beside, lambda: 0, before_last]
    kinds += [anywhere, anywhere, on_a_frame, a_tick_beside, half_way, anywhere, after_last, anywhere, on_a_frame, anywhere]
    times = [kinds[place % len(kinds)]() for place in range(count)]
    chance.shuffle(times)
    return times


def judge(result: Result, truth: Truth, lines: list[list[str]]) -> None:
    """Compares the example's lines with the truth, and with each other."""
    first: dict[str, list[str]] = {}
    well_formed = truth.is_well_formed()
    for source, state, printed, *columns in lines:
        at = int(printed)
        result.asked += 1
        reason, frame = truth.expected(at)
        where = f"{source} {state} at {at / 1e6:.6f}"
        exemption = truth.exemption(frame)
        faults = result.faults if exemption is None else result.exempt.setdefault(exemption, [])
        other = first.setdefault(printed, columns)
        same = columns[:3] == other[:3] and columns[4:5] == other[4:5]
        if columns[0] == "error":
            faults.append(f"{where}: {columns[1]}: {columns[2]}; FFmpeg has {seconds(truth, frame)}")
            continue
        pts, numbers, got, packets, md5, *passes = columns
        if fault := difference(truth, (reason, frame), (int(pts), Fraction(numbers), got, md5)):
            faults.append(f"{where}: {fault}")
        elif not same:
            faults.append(f"{where}: differs from the file opened afresh: {' '.join(columns)}, not {' '.join(other)}")
        elif well_formed and reason == "at_target":
            needed = truth.needed(truth.ticks(truth.start + at), frame)
            result.costs.append((int(packets), needed, int(passes[0]) if passes else None))


def difference(truth: Truth, expected: tuple[str, Frame], got: tuple[int, Fraction, str, str]) -> str | None:
    """What is wrong with a frame, in words."""
    (reason, frame), (pts, time_base, label, md5) = expected, got
    if pts * time_base != frame.pts * truth.time_base:
        ours = float(pts * time_base)
        return f"pts {ours:.6f} ({label}), FFmpeg has {seconds(truth, frame)} ({reason})"
    if (label == "at_target") != (reason == "at_target"):
        return f"pts {seconds(truth, frame)} is labelled {label}, not {reason}"
    if md5 not in {other.md5 for other in truth.frames if other.pts == frame.pts}:
        place = [other.pts for other in truth.frames if other.md5 == md5]
        whose = f"those of {float(place[0] * truth.time_base):.6f}" if place else "no frame's"
        return f"pts {seconds(truth, frame)} ({label}) has other pixels: {whose}"
    return None


def seconds(truth: Truth, frame: Frame) -> str:
    return f"{float(frame.pts * truth.time_base):.6f}"


def examine(path: Path, name: str, options: argparse.Namespace) -> Result:
    result = Result(name)
    try:
        truth = decode(path, options.limit)
    except Unusable as reason:
        result.skipped = str(reason)
        return result
    times = draw_times(truth, options.times, random.Random(f"{options.seed} {name}"))
    try:
        done = run([options.example, path, *map(str, times)], options.limit)
    except Unusable as late:
        result.faults.append(str(late))
        return result
    lines = [line.split("\t") for line in done.stdout.decode("utf-8", "replace").splitlines()]
    judge(result, truth, lines)
    if done.returncode or len(lines) != 4 * len(times):
        said = done.stderr.decode("utf-8", "replace").strip()[-200:]
        result.faults.append(f"the example printed {len(lines)} lines and ended with {done.returncode}: {said}")
    return result


def videos(paths: list[Path]) -> Iterator[tuple[Path, str]]:
    """The files of the folders, and their names for the report."""
    for path in paths:
        if path.is_dir():
            found = (file for file in sorted(path.rglob("*")) if file.is_file() and file.stat().st_size)
            yield from ((file, str(file.relative_to(path))) for file in found)
        else:
            yield path, path.name


def fixtures() -> list[tuple[Path, str]]:
    """The fixtures that give a picture."""
    lines = (FIXTURES / "oracle.tsv").read_text(encoding="utf-8").splitlines()[1:]
    return [(FIXTURES / name, name) for name in (line.split("\t", 1)[0] for line in lines)]


def quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def report(results: list[Result], options: argparse.Namespace) -> bool:
    """Prints what was found; whether there was no fault."""
    for result in results:
        if result.faults:
            print(f"{result.name}: {len(result.faults)} of {result.asked} frames")
            for fault in result.faults[: options.show]:
                print(f"    {fault}")
    for kind, reason in EXEMPT.items():
        for result in (result for result in results if result.exempt.get(kind)):
            faults = result.exempt[kind]
            print(f"exempt: {result.name}: {len(faults)} of {result.asked} frames: {reason}\n    {faults[0]}")
    for result in results:
        if result.skipped:
            print(f"not compared: {result.name}: {result.skipped}")
    costs = [cost for result in results for cost in result.costs]
    if costs:
        ratios = [decoded / needed for decoded, needed, _ in costs]
        files = sum(bool(result.costs) for result in results)
        line = f"{len(costs)} frames of {files} well-formed files: packets decoded / needed: "
        line += f"median {quantile(ratios, 0.5):.2f}, p95 {quantile(ratios, 0.95):.2f}"
        passes = [count for *_, count in costs if count is not None]
        if passes:
            line += f"; {100 * sum(count > 1 for count in passes) / len(passes):.1f} % took a second pass"
        print(line)
    asked, faults = sum(result.asked for result in results), sum(len(result.faults) for result in results)
    compared = [result for result in results if not result.skipped]
    at_fault = sum(bool(result.faults) for result in compared)
    exempt = sum(bool(result.exempt) and any(result.exempt.values()) for result in results)
    print(
        f"SEED={options.seed}: {len(compared)} files compared, {asked} frames, {faults} faults in {at_fault} files; "
        f"{exempt} files exempt, {len(results) - len(compared)} not compared"
    )
    # As cargo's tests end, so that scripts/test.sh counts these.
    print(f"test result: {'FAILED' if at_fault else 'ok'}. {len(compared) - at_fault} passed; {at_fault} failed")
    return not at_fault


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("paths", nargs="*", type=Path, help="files and folders; none: the fixtures that give a picture")
    parser.add_argument("--example", type=Path, default=ROOT / "target/release/examples/any_time", help="the built example")
    parser.add_argument("--times", type=int, default=17, help="times per file")
    parser.add_argument("--jobs", type=int, default=2, help="files at once")
    parser.add_argument("--limit", type=float, default=300, metavar="SECONDS", help="of each program for each file")
    parser.add_argument("--show", type=int, default=3, help="faults to print per file")
    options = parser.parse_args()
    options.seed = os.environ.get("SEED") or str(random.randrange(1 << 30))
    files = list(videos(options.paths)) if options.paths else fixtures()
    with ThreadPoolExecutor(options.jobs) as pool:
        results = list(pool.map(lambda file: examine(*file, options), files))
    return 0 if report(results, options) else 1


if __name__ == "__main__":
    sys.exit(main())
