"""Shared by all recipes: the list of fixtures, the ffmpeg program, the usual inputs and the encoders' options."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg

# Two switches per stage: the generic `bitexact` flags reach the muxer and the encoders.
BITEXACT = ("-map_metadata", "-1", "-fflags", "+bitexact", "-flags", "+bitexact", "-threads", "1")

X264 = ("-c:v", "libx264", "-preset", "medium", "-crf", "38", "-pix_fmt", "yuv420p", "-sc_threshold", "0", "-bf", "2")
# Keyframes at 0, 3 and 6 s: the frame at 5 s needs the 20 before it.
GOP = ("-g", "30", "-keyint_min", "30")
X265 = ("-c:v", "libx265", "-preset", "medium", "-crf", "34", "-pix_fmt", "yuv420p", "-tag:v", "hvc1")
X265_PARAMS = "log-level=none:pools=none:frame-threads=1:info=0:keyint=30:min-keyint=30:scenecut=0:bframes=2"
AV1 = ("-c:v", "libaom-av1", "-cpu-used", "8", "-crf", "45", "-b:v", "0", *GOP)
AAC = ("-c:a", "aac", "-b:a", "16k")
END = ("-movflags", "-faststart")
FLAT = ("-c:v", "libx264", "-preset", "medium", "-crf", "4", "-pix_fmt", "yuv420p", *GOP, "-bf", "2")


@dataclass(frozen=True)
class Fixture:
    """A fixture: its name, its content, the description of its production (for the README), and the function that writes it."""

    name: str
    shows: str
    how: str
    make: Callable[[Path], object]


ALL: dict[str, Fixture] = {}


def add(name: str, shows: str, how: str, make: Callable[[Path], object]) -> None:
    """Adds a fixture to the list. A fixture made from others comes after them."""
    if name in ALL:
        raise ValueError(f"{name} is there twice")
    ALL[name] = Fixture(name, shows, how, make)


def run(*arguments: str | Path, data: bytes | None = None) -> bytes:
    """Runs ffmpeg. Its messages are shown only if it fails."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-loglevel", "error", "-y", *arguments]
    done = subprocess.run(command, input=data, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}\n{done.stderr.decode(errors='replace')}")
    return done.stdout


def pattern(size: str = "160x120", rate: str = "10", seconds: str = "7") -> tuple[str, ...]:
    """Returns the usual picture as an input: a test pattern with a frame counter."""
    return ("-f", "lavfi", "-i", f"testsrc2=size={size}:rate={rate}:duration={seconds}")


def tone(seconds: str = "7", rate: str = "22050") -> tuple[str, ...]:
    """Returns the usual sound as an input."""
    return ("-f", "lavfi", "-i", f"sine=frequency=440:sample_rate={rate}:duration={seconds}")


def encoded(*arguments: str, source: tuple[str, ...] | None = None) -> Callable[[Path], object]:
    """Returns a maker that encodes the source (by default the usual picture) with these options."""
    return lambda out: run(*(source or pattern()), *BITEXACT, *arguments, out)


def video(name: str, shows: str, *arguments: str, source: tuple[str, ...] | None = None, note: str = "") -> None:
    """Adds the result of one run of ffmpeg."""
    codec = arguments[arguments.index("-c:v") + 1]
    origin = "testsrc2" if source is None or "testsrc2" in " ".join(source) else "synthetic source"
    add(name, shows, note or f"{origin}, {codec}", encoded(*arguments, source=source))


def derived(name: str, shows: str, how: str, source: str, change: Callable[[bytes], bytes]) -> None:
    """Adds a fixture that is another fixture with changed bytes."""
    add(name, shows, how, lambda out: out.write_bytes(change((out.parent / source).read_bytes())))


def patched(
    name: str,
    shows: str,
    how: str,
    change: Callable[[bytes], bytes],
    *arguments: str,
    source: tuple[str, ...] | None = None,
) -> None:
    """Adds a fixture that is a changed file. The original file is not a fixture."""

    def make(out: Path) -> None:
        encoded(*arguments, source=source)(out)
        out.write_bytes(change(out.read_bytes()))

    add(name, shows, how, make)


def chaptered(*arguments: str) -> Callable[[Path], object]:
    """Returns a maker: the usual picture with these options and three chapters, of which the last has no title."""
    chapters = ((0, 2000, "Beginning"), (2000, 4500, "Middle: a = b"), (4500, 7000, ""))
    lines = [";FFMETADATA1"]
    for start, end, title in chapters:
        lines += ["[CHAPTER]", "TIMEBASE=1/1000", f"START={start}", f"END={end}"]
        lines += [f"title={title}".replace("= b", "\\= b")] if title else []
    metadata = "\n".join([*lines, ""]).encode()
    given = ("-f", "ffmetadata", "-i", "-", "-map", "0", "-map_chapters", "1")
    # The titles are metadata, which the first option in BITEXACT removes.
    return lambda out: run(*pattern(), *given, *BITEXACT[2:], *arguments, out, data=metadata)
