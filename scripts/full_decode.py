"""Decodes files completely with FFmpeg 9.0.2, from the start and without a seek: the truth for `scripts/any_time.py`.

The program comes with PyPI's imageio-ffmpeg. FFmpeg itself chooses the stream, the start time and the duration. A decode takes
long and depends only on the file, so `target/any-time/` keeps the result.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import tempfile
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path

import imageio_ffmpeg

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / "target" / "any-time"
# Increased whenever a result has another form or another meaning.
FORM = 3

MICROSECOND = Fraction(1, 1_000_000)
# The status of FFmpeg's program after a signal that it handles.
INTERRUPTED = 255
# Flags of libavcodec's packets.
KEY, CORRUPT = 1, 2
# The value that framecrc prints for a packet without a time.
NO_TIME = -(1 << 63)
# Maximum number of frames over which H.264 holds a frame back (ITU-T H.264, A.3.1).
MAX_DEPTH = 16
# A frame more than 30 years from the start has a broken time.
ABSURD_SECONDS = 10**9
# The signs of encryption that FFmpeg reports: side data of MP4's packets; and in its trace, a tag of Matroska's streams, the sample
# entry of MP4's (also if FFmpeg does not know the boxes beside it, as PIFF's), and a warning for ASF.
ENCRYPTED_PACKET = b"Encryption info"
ENCRYPTED_STREAM = re.compile(rb"^ +enc_key_id +:|\] size=\d+ 4CC=encv |DRM protected stream detected", re.IGNORECASE | re.MULTILINE)
ERROR = re.compile(rb"\[(?:error|fatal|panic)\] ")
TIMINGS = re.compile(rb"\] format: start_time: (\S+) duration: (\S+) ")
TIME_BASE = re.compile(rb"showinfo_0 @ 0x[0-9a-f]+\] \[info\] config in time_base: (\d+)/(\d+)")
# Messages of other threads may come between this message and its prefix.
SHOWN = re.compile(rb"n: *\d+ pts: *(-?\d+) .*? fmt:(\S+) .*? iskey:(\d) type:")
CODEC = re.compile(rb" -> #0:0 \((\w+) ")
# A picture of tiles is a group of streams. FFmpeg's program composes it, and can filter it only in a complex graph.
GRID = re.compile(rb"Stream group #0:(\d+)[^:]*: Tile Grid")
# FFmpeg's program does not filter frames with an unknown colour number. The number does not change the planes, so a bitstream
# filter replaces it by "unspecified".
REFUSED = b"Error reinitializing filters"
UNSPECIFIED = {
    "av1": "av1_metadata=color_primaries=2:transfer_characteristics=2:matrix_coefficients=2",
    "h264": "h264_metadata=colour_primaries=2:transfer_characteristics=2:matrix_coefficients=2",
    "hevc": "hevc_metadata=colour_primaries=2:transfer_characteristics=2:matrix_coefficients=2",
}


class NoTruth(Exception):
    """FFmpeg cannot judge the file. The message contains the reason."""


class TooSlow(NoTruth):
    """A program took longer than allowed."""


@dataclass(frozen=True)
class Frame:
    """A frame: its time in ticks, the MD5 of its planes, and whether the decoder marks it as a keyframe."""

    pts: int
    md5: str
    is_key: bool


@dataclass(frozen=True)
class Packet:
    """A packet of the video stream, with its time in ticks."""

    pts: int
    is_key: bool
    is_corrupt: bool
    is_encrypted: bool

    @classmethod
    def parse(cls, row: list[bytes]) -> Packet:
        """Reads a row of framecrc, which prints the flags of a packet unless it is a plain keyframe."""
        flags = next((int(column.removeprefix(b"F="), 16) for column in row[6:] if column.startswith(b"F=")), KEY)
        return cls(int(row[2]), bool(flags & KEY), bool(flags & CORRUPT), ENCRYPTED_PACKET in row)


@dataclass
class Truth:
    """The report of FFmpeg: times in ticks of the time base, start and duration in microseconds."""

    time_base: Fraction
    start: int
    duration: int | None
    # In the order of the decoder, without the damaged frames (see `whole`).
    frames: list[Frame]
    # In decoding order.
    packets: list[Packet]
    # Lines of the log that report an error.
    errors: int
    # FFmpeg reports neither start nor duration, because it stops at a damaged packet.
    is_length_unknown: bool = False
    # Keys of the table EXEMPT in any_time.py.
    exempt: list[str] = field(default_factory=list)

    def ticks(self, microseconds: Fraction | int) -> int:
        """Converts to the nearest tick, halves away from zero."""
        ticks = microseconds * MICROSECOND / self.time_base
        nearest = int(abs(ticks) + Fraction(1, 2))
        return nearest if ticks >= 0 else -nearest

    def after_start(self, pts: int | Fraction) -> int:
        """Converts ticks to microseconds after the start, to the nearest, at least 0."""
        return max(0, round(pts * self.time_base / MICROSECOND - self.start))

    def seconds(self, pts: int) -> str:
        return f"{float(pts * self.time_base):.6f}"

    def expected(self, at: int) -> tuple[str, Frame]:
        """Returns the reason and the frame for a time in microseconds after the start."""
        if frame := self._first_from(self.ticks(self.start + at)):
            return "at_target", frame
        if self.duration is not None:
            half = self.ticks(self.start + Fraction(self.duration, 2))
        else:
            start = self.ticks(self.start)
            half = start + (self.frames[-1].pts - start) // 2
        if frame := self._first_from(half):
            return "half_duration", frame
        return "last_frame", self.frames[-1]

    def _first_from(self, wanted: int) -> Frame | None:
        return next((frame for frame in self.frames if frame.pts >= wanted), None)

    def is_moved(self, at: int, frame: Frame) -> bool:
        """Whether libavcodec moves the frame for a time after the start because of packets that a search does not read.

        This is so if two packets before that time have one time, and the packets that a search reads contain no such pair. A search reads
        from the last keyframe at or before that time until no packet between the two can follow.
        """
        sought = min(self.ticks(self.start + at), frame.pts)
        times = [packet.pts for packet in self.packets]
        stored = sorted(times)
        place = bisect_left(stored, sought)
        is_single = stored[place : place + 1] == [frame.pts] != stored[place + 1 : place + 2]
        if len(stored) == len(self.frames) and is_single and self.frames[place] == frame:
            return False
        entry = max((place for place, packet in enumerate(self.packets) if packet.is_key and NO_TIME < packet.pts <= sought), default=0)
        behind = range(entry, len(times))
        reached = next((place for place in behind if times[place] >= sought), len(times) - 1)
        least = times[entry] if times and times[entry] <= sought else NO_TIME
        end = max([reached, *(place for place in behind if least < times[place] <= sought)])
        before = [pts for place, pts in enumerate(times) if place <= end or pts <= sought]
        return has_pair(before) and not has_pair(times[entry : end + 1])

    def drops_packets(self, at: int, frame: Frame) -> bool:
        """Whether the packets at or after a time after the start, and before the frame for it, gave no frame while libavcodec learned.

        H.264 need not declare over how many frames it holds a frame back. libavcodec drops a frame that is held back over more frames than
        all those before.
        """
        sought = self.ticks(self.start + at)
        times = [packet.pts for packet in self.packets]
        depths = [sum(other > pts for other in times[max(place - MAX_DEPTH, 0) : place]) for place, pts in enumerate(times)]
        skipped = [place for place, pts in enumerate(times) if sought <= pts < frame.pts]
        return bool(skipped) and all(depths[place] > max(depths[:place], default=0) for place in skipped)

    def is_well_formed(self) -> bool:
        """Whether each packet gives one frame, no time comes twice, and the packets marked as keyframes give keyframes."""
        pts = [frame.pts for frame in self.frames]
        rises = all(before < after for before, after in zip(pts, pts[1:]))
        marked = {packet.pts for packet in self.packets if packet.is_key}
        keys = {frame.pts for frame in self.frames if frame.is_key}
        matches = sorted(packet.pts for packet in self.packets) == pts and marked <= keys
        return not self.errors and not self.exempt and rises and matches

    def needed(self, at: int, frame: Frame) -> int:
        """Counts the packets that a frame of a well-formed file needs for a time in microseconds after the start.

        These are the packets in decoding order from the last keyframe whose time is at or before the requested one, through the
        frame's own.
        """
        wanted = self.ticks(self.start + at)
        last = next(place for place, packet in enumerate(self.packets) if packet.pts == frame.pts)
        keys = (place for place, packet in enumerate(self.packets[: last + 1]) if packet.is_key and packet.pts <= wanted)
        return last + 1 - max(keys, default=0)


def has_pair(times: list[int]) -> bool:
    stored = [pts for pts in times if pts > NO_TIME]
    return len(set(stored)) < len(stored)


def truth_of(path: Path, limit: float) -> Truth:
    """Returns the report of FFmpeg on a file, from this or an earlier decode. `limit` is in seconds, for each run of the program."""
    digest = hashlib.sha256(f"{FORM} {Path(imageio_ffmpeg.get_ffmpeg_exe()).name} ".encode())
    digest.update(path.read_bytes())
    kept = CACHE / f"{digest.hexdigest()}.json"
    if kept.exists():
        return from_json(json.loads(kept.read_text(encoding="utf-8")))
    truth = decode(path, limit)
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=CACHE, delete=False, encoding="utf-8") as file:
        json.dump(asdict(truth), file, default=str)
    Path(file.name).replace(kept)
    return truth


def from_json(values: dict) -> Truth:
    values["time_base"] = Fraction(values["time_base"])
    values["frames"] = [Frame(**frame) for frame in values["frames"]]
    values["packets"] = [Packet(**packet) for packet in values["packets"]]
    return Truth(**values)


def run(command: list[str | Path], limit: float) -> subprocess.CompletedProcess[bytes]:
    """Runs a program to its end, in at most `limit` seconds."""
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=limit, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired as late:
        raise TooSlow(f"{Path(command[0]).name} took more than {limit:.0f} s") from late


def decode(path: Path, limit: float, attempts: int = 5) -> Truth:
    log, hashed, copied = run_decode(path, limit)
    codec = CODEC.search(log)
    grid = GRID.search(log) if not hashed else None
    if grid:
        log, hashed, copied = run_decode(path, limit, group=int(grid[1]))
    elif not hashed and REFUSED in log and codec and (bsf := UNSPECIFIED.get(codec[1].decode())):
        log, hashed, copied = run_decode(path, limit, before=["-bsf:v", bsf])
    base = TIME_BASE.search(log)
    if not hashed or not base:
        raise NoTruth("FFmpeg decodes no frame")
    shown = SHOWN.findall(log)
    if len(shown) != len(hashed):
        # The filter prints a line in several parts, and a warning of another thread may come between them.
        if attempts > 1:
            return decode(path, limit, attempts - 1)
        raise NoTruth(f"FFmpeg shows {len(shown)} frames and hashes {len(hashed)}")
    frames = [Frame(int(pts), row[5].decode(), key == b"1") for (pts, _, key), row in zip(shown, hashed, strict=True)]
    packets = [Packet.parse(row) for row in copied]
    trace = run([imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "trace", "-i", path], limit).stderr
    exempt = {
        "encrypted": any(packet.is_encrypted for packet in packets) or ENCRYPTED_STREAM.search(trace),
        "tiles": grid,
        "converted": len({pixel_format for _, pixel_format, _ in shown}) > 1,
    }
    time_base = Fraction(int(base[1]), int(base[2]))
    start, duration = timings(trace)
    return Truth(
        time_base=time_base,
        start=start or 0,
        duration=duration,
        frames=whole(frames, packets, time_base, start or 0),
        packets=packets,
        errors=len(ERROR.findall(log)),
        is_length_unknown=start is None and duration is None,
        exempt=[kind for kind, found in exempt.items() if found],
    )


def whole(frames: list[Frame], packets: list[Packet], time_base: Fraction, start: int) -> list[Frame]:
    """Removes damaged frames if there are others.

    Damaged are a frame from a last packet that the end of the file cuts, and a frame whose time is absurd.
    """
    cut = packets[-1].pts if packets and packets[-1].is_corrupt else None
    return [
        frame
        for frame in frames
        if frame.pts != cut and abs(frame.pts * time_base - start * MICROSECOND) < ABSURD_SECONDS
    ] or frames


def run_decode(
    path: Path, limit: float, before: Sequence[str] = (), group: int | None = None
) -> tuple[bytes, list[list[bytes]], list[list[bytes]]]:
    """Decodes the stream that FFmpeg chooses, or a group. Returns the log, a row for each frame, and a row for each packet.

    One thread, because more threads conceal errors differently. The filter showinfo prints a frame's own time, which the muxer
    behind it may move. Each frame keeps its own size. LCEVC enhancements are exported instead of applied: our libav has no decoder
    for them.
    """
    with tempfile.TemporaryDirectory() as folder:
        hashed, copied = Path(folder, "frames"), Path(folder, "packets")
        video = ["-an", "-sn", "-dn"]
        show = ["-vf", "showinfo=checksum=0", "-enc_time_base", "demux"]
        copy = [*video, "-c", "copy", "-copyinkf", "-copytb", "1", "-f", "framecrc", copied]
        if group is not None:
            show, copy = ["-filter_complex", f"[0:g:{group}]showinfo=checksum=0"], []
        command = [
            imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-nostats", "-loglevel", "level+info",
            "-threads", "1", "-noautorotate", "-copyts", "-export_side_data", "enhancements", *before, "-i", path,
            *video, "-noautoscale", *show, "-fps_mode", "passthrough", "-f", "framemd5", hashed, *copy,
        ]  # fmt: skip
        done = run(command, limit)
        if done.returncode < 0 or done.returncode == INTERRUPTED:
            raise NoTruth("FFmpeg was interrupted")
        return done.stderr, table(hashed), table(copied)


def table(path: Path) -> list[list[bytes]]:
    """Reads the rows of FFmpeg's framecrc and framemd5: stream, dts, pts, duration, size, hash, and further columns."""
    if not path.exists():
        return []
    lines = path.read_bytes().splitlines()
    return [[column.strip() for column in line.split(b",")] for line in lines if line and not line.startswith(b"#")]


def timings(trace: bytes) -> tuple[int | None, int | None]:
    """Finds the container's start and duration, in microseconds. Only the trace has all decimals."""
    found = TIMINGS.findall(trace)
    return tuple(map(microseconds, found[-1])) if found else (None, None)


def microseconds(printed: bytes) -> int | None:
    return None if printed in (b"NOPTS", b"N/A") else round(Fraction(printed.decode()) / MICROSECOND)
