#!/usr/bin/env python3
"""Creates the long videos that scripts/bench_remote.py reads: about 8 GB, in a folder outside the repository.

    python3 -m venv .venv
    .venv/bin/pip install imageio-ffmpeg==0.8.1
    nice .venv/bin/python scripts/bench_files.py [--data bench-data] [NAME...]

Existing files stay, so an interrupted run can be resumed; delete a file to create it again. Only some seconds of pictures are
encoded, and the long films are stream copies of them in a loop. The benchmark measures indexes, packets and the distance between
them, and these do not depend on what the pictures show.
"""

from __future__ import annotations

import argparse
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

# The longest header of a box has 16 bytes: size, kind and a 64-bit size.
HEADER = struct.Struct(">I4s")
LONG_HEADER = struct.Struct(">I4sQ")

GOP = ("-g", "50", "-keyint_min", "50")
X264 = ("-c:v", "libx264", "-preset", "medium", "-profile:v", "high", *GOP, "-sc_threshold", "0", "-bf", "3",
        "-pix_fmt", "yuv420p", "-threads", "1")  # fmt: skip
BT709 = ("-color_primaries", "bt709", "-color_trc", "bt709", "-colorspace", "bt709")
FRAGMENTS = "+frag_keyframe+empty_moov+default_base_moof"
MINUTE = 60
RATE = 25


@dataclass(frozen=True)
class Box:
    """One top-level box of an MP4 file."""

    kind: str
    start: int
    size: int

    @property
    def end(self) -> int:
        return self.start + self.size


def boxes(path: Path) -> list[Box]:
    """Returns the top-level boxes, in file order."""
    found, position, length = [], 0, path.stat().st_size
    with path.open("rb") as file:
        while position < length:
            file.seek(position)
            head = file.read(LONG_HEADER.size)
            size, kind = HEADER.unpack_from(head)
            if size == 1:
                size = LONG_HEADER.unpack(head)[2]
            elif size == 0:
                size = length - position
            if size < HEADER.size:
                raise ValueError(f"{path.name}: {kind!r} at {position} claims {size} bytes")
            found.append(Box(kind.decode("latin-1"), position, size))
            position += size
    return found


def layout(found: list[Box]) -> str:
    """Returns the kinds of boxes in order, with repetitions folded: `ftyp moov 300x(moof mdat)`."""
    kinds = [box.kind for box in found]
    fragments = kinds.count("moof")
    if fragments:
        first = kinds.index("moof")
        kinds[first : first + 2 * fragments] = [f"{fragments}x(moof mdat)"]
    return " ".join(kinds)


class Maker:
    """Runs ffmpeg in the data folder."""

    def __init__(self, ffmpeg: str, data: Path) -> None:
        self.ffmpeg, self.data = ffmpeg, data

    def run(self, *arguments: str | Path) -> str:
        """Runs ffmpeg once, and returns its standard output. Error messages are shown only if it fails."""
        command = [self.ffmpeg, "-nostdin", "-hide_banner", "-loglevel", "error", "-y", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, check=False, text=True)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}\n{done.stderr}")
        return done.stdout

    def looped(self, clip: str, sound: str, seconds: int, *options: str) -> Callable[[Path], object]:
        """Returns a maker of a film: the clip in a loop, beside the sound, which is as long as the longest film.

        The sound is not looped: an encoder's priming, and a last frame that ends after the clip, would leave a gap at every seam.
        The frames are counted because copying stops by decoding time, which is before the presentation time. A surplus keyframe
        would become an additional fragment.
        """

        def make(out: Path) -> None:
            self.run(
                "-stream_loop", "-1", "-i", self.data / clip, "-i", self.data / sound, "-map", "0:v", "-map", "1:a",
                "-c", "copy", "-frames:v", str(RATE * seconds), "-t", str(seconds), *options, out,
            )  # fmt: skip

        return make

    def picture(self, seconds: int, *encoder: str) -> Callable[[Path], object]:
        """Returns a maker of the 1080p clip. It has detail everywhere and grain, so that the requested bit rate is used."""
        return lambda out: self.run(
            "-f", "lavfi", "-i", f"mandelbrot=s=1920x1080:rate={RATE}:maxiter=400:end_scale=0.01:end_pts=600",
            "-f", "lavfi", "-i", f"testsrc2=s=640x360:rate={RATE}",
            "-filter_complex", "[0:v]format=yuv420p,noise=alls=6:allf=t[m];"
            "[m][1:v]overlay=x='100+40*t':y='200+20*sin(t)'[v]",
            "-map", "[v]", "-t", str(seconds), *encoder, *BT709, out,
        )  # fmt: skip

    def small_picture(self, seconds: int) -> Callable[[Path], object]:
        """Returns a maker of a clip of few bytes, for films that need a long index, not large pictures."""
        return lambda out: self.run(
            "-f", "lavfi", "-i", f"testsrc2=s=320x180:rate={RATE}:duration={seconds}", *X264, "-b:v", "100k", out
        )

    def sound(self, seconds: int, *encoder: str) -> Callable[[Path], object]:
        """Returns a maker of noise, because a sine would not use the bit rate."""
        noise = f"anoisesrc=color=pink:amplitude=0.4:sample_rate=48000:duration={seconds}"
        return lambda out: self.run("-f", "lavfi", "-i", noise, "-ac", "2", *encoder, out)

    def sparse(self, source: str, size: int) -> Callable[[Path], object]:
        """Returns a maker of a file of `size` bytes, with the samples and the index of another file. Its mdat ends in a hole.

        Muxers leave 8 bytes in front of mdat for its 64-bit size. These bytes become part of the header, so no sample moves and
        every chunk offset stays correct.
        """

        def make(out: Path) -> None:
            path = self.data / source
            found = boxes(path)
            at = next(index for index, box in enumerate(found) if box.kind == "mdat")
            spare, samples, after = found[at - 1], found[at], found[at + 1 :]
            if spare.kind != "free" or spare.size != 8:
                raise ValueError(f"{source}: no spare header before mdat, but {spare}")
            end = size - sum(box.size for box in after)
            with path.open("rb") as old, out.open("wb") as new:
                shutil.copyfileobj(old, new, 1 << 20)
                new.truncate(samples.end)
                new.seek(spare.start)
                new.write(LONG_HEADER.pack(1, b"mdat", end - spare.start))
                old.seek(samples.end)
                new.seek(end)
                shutil.copyfileobj(old, new, 1 << 20)
                new.truncate(size)

        return make


@dataclass(frozen=True)
class File:
    """The maker of a file, and the top-level boxes that it must have (None: not an MP4)."""

    make: Callable[[Path], object]
    boxes: str | None = None


def files(maker: Maker) -> dict[str, File]:
    """Returns all files, each after the files from which it is made."""
    # The rate of so short a clip overshoots: the result has 6.35 Mbit/s, and ten minutes have 487 MB.
    h264 = (*X264, "-b:v", "5850k", "-maxrate", "8M", "-bufsize", "8M")
    vp9 = ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-threads", "1", *GOP,
           "-b:v", "6300k", "-minrate", "6300k", "-maxrate", "6300k", "-pix_fmt", "yuv420p")  # fmt: skip

    def film(minutes: int, *options: str, clip: str = "clip.mp4", sound: str = "sound.m4a") -> Callable[[Path], object]:
        return maker.looped(clip, sound, minutes * MINUTE, *options)

    def fragmented(flags: str = "") -> Callable[[Path], object]:
        return film(10, "-movflags", FRAGMENTS + flags)

    front = ("-movflags", "+faststart")
    # The same sound twice, as in a film in two languages, makes a moov of 8 MB.
    languages = ("-map", "1:a")
    at_end, in_front = "ftyp free mdat moov", "ftyp moov free mdat"
    return {
        "clip.mp4": File(maker.picture(20, *h264)),
        "clip_small.mp4": File(maker.small_picture(20)),
        "clip.webm": File(maker.picture(20, *vp9)),
        "sound.m4a": File(maker.sound(120 * MINUTE, "-c:a", "aac", "-b:a", "128k")),
        "sound.webm": File(maker.sound(10 * MINUTE, "-c:a", "libopus", "-b:a", "128k")),
        "film_50MB.mp4": File(film(1), at_end),
        "film_10m_end.mp4": File(film(10), at_end),
        "film_10m_front.mp4": File(film(10, *front), in_front),
        "film_40m_end.mp4": File(film(40), at_end),
        "film_2h_end.mp4": File(film(120, *languages, clip="clip_small.mp4"), at_end),
        "film_2h_front.mp4": File(film(120, *languages, *front, clip="clip_small.mp4"), in_front),
        "film_10m_frag.mp4": File(fragmented("+skip_trailer"), "ftyp moov 300x(moof mdat)"),
        "film_10m_frag_mfra.mp4": File(fragmented(), "ftyp moov 300x(moof mdat) mfra"),
        # Each track has one sidx.
        "film_10m_frag_sidx.mp4": File(fragmented("+global_sidx+skip_trailer"), "ftyp moov sidx sidx 300x(moof mdat)"),
        "film_10m.mkv": File(film(10)),
        "film_10m.webm": File(film(10, clip="clip.webm", sound="sound.webm")),
        "film_10m.ts": File(film(10)),
        "film_5GB.mp4": File(maker.sparse("film_10m_end.mp4", 5_000_000_000), "ftyp mdat moov"),
        "film_5GB_front.mp4": File(maker.sparse("film_10m_front.mp4", 5_000_000_000), "ftyp moov mdat"),
    }


def check(maker: Maker, path: Path, expected: str | None) -> None:
    """Refuses a film whose layout is not the one that the benchmark describes, or from which ffmpeg takes no frame."""
    if expected is not None and (found := layout(boxes(path))) != expected:
        raise ValueError(f"{path.name}: boxes are '{found}', not '{expected}'")
    for time in ("5", "50"):
        hashes = maker.run("-xerror", "-ss", time, "-i", path, "-map", "0:v", "-frames:v", "1", "-f", "framemd5", "-")
        if not any(line and not line.startswith("#") for line in hashes.splitlines()):
            raise ValueError(f"{path.name}: no frame at {time} s")


def table(data: Path, names: list[str]) -> None:
    """Prints the current sizes on disk."""
    print(f"{'file':24} {'bytes':>14} {'on disk':>14} {'moov':>10}  layout")
    for name in names:
        path = data / name
        if not path.exists():
            continue
        status = path.stat()
        moov, shape = "", ""
        if path.suffix == ".mp4":
            found = boxes(path)
            moov, shape = str(sum(box.size for box in found if box.kind == "moov")), layout(found)
        print(f"{name:24} {status.st_size:14} {status.st_blocks * 512:14} {moov:>10}  {shape}")


def default_ffmpeg() -> str:
    """Returns the ffmpeg that makes the test fixtures if it is installed, otherwise the one in PATH."""
    try:
        import imageio_ffmpeg
    except ImportError:
        return "ffmpeg"
    return imageio_ffmpeg.get_ffmpeg_exe()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these (and nothing they are made from)")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("BENCH_DATA", "bench-data")))
    parser.add_argument("--ffmpeg", default=default_ffmpeg(), help="default: imageio-ffmpeg's, else the one in PATH")
    arguments = parser.parse_args()

    maker = Maker(arguments.ffmpeg, arguments.data)
    every = files(maker)
    if unknown := set(arguments.names) - set(every):
        sys.exit(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(every)}")
    arguments.data.mkdir(parents=True, exist_ok=True)
    for name in arguments.names or every:
        path = arguments.data / name
        if path.exists():
            continue
        print(f"making {name}", flush=True)
        # The file gets its name only when it is complete. The suffix stays, because ffmpeg chooses the format by it.
        part = arguments.data / f"part-{name}"
        every[name].make(part)
        if name.startswith("film"):
            check(maker, part, every[name].boxes)
        part.rename(path)
    table(arguments.data, list(every))


if __name__ == "__main__":
    main()
