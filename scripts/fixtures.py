#!/usr/bin/env python3
"""Make the small synthetic videos in tests/fixtures, their checksums, and the table in their README.

Everything is generated: the pictures are test patterns, the sound a sine. The encoders are those of the ffmpeg 9.0.2
program inside PyPI's imageio-ffmpeg 0.8.1:

    python3 -m venv .venv
    .venv/bin/pip install imageio-ffmpeg==0.8.1
    .venv/bin/python scripts/fixtures.py            make all of them
    .venv/bin/python scripts/fixtures.py NAME...    make some of them (checksums and README stay as they are)
    .venv/bin/python scripts/fixtures.py --check    make all of them elsewhere and compare checksums

Then `scripts/fixtures_oracle.py` says which frame ffmpeg takes from each.

The same program gives the same bytes: one thread, no dates, no random identifiers, no encoder names.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg

import fixtures_mp4 as mp4

ROOT = Path(__file__).resolve().parent.parent
FIXTURES = ROOT / "tests" / "fixtures"
FFMPEG_VERSION = "9.0.2"

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

# Four patches, left to right and top to bottom.
PATCHES = ((192, 32, 32), (32, 192, 32), (32, 32, 192), (192, 192, 192))
# Corners of the upright picture: top left, top right, bottom left, bottom right.
CORNERS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255))
UPRIGHT = (96, 64)

# EXIF orientation: the matrix ((a, b), (c, d), (x, y)) that brings a coded picture of w x h upright
# (ISO/IEC 14496-12, 8.3.2): a point (p, q), q counted downwards, is shown at (a p + c q + x, b p + d q + y). The
# translation puts the turned picture's corner back to the origin. 5 to 8 swap width and height.
Matrix = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
ORIENTATIONS: dict[int, tuple[str, Callable[[int, int], Matrix]]] = {
    1: ("as coded", lambda w, h: ((1, 0), (0, 1), (0, 0))),
    2: ("mirrored left to right", lambda w, h: ((-1, 0), (0, 1), (w, 0))),
    3: ("turned by 180 degrees", lambda w, h: ((-1, 0), (0, -1), (w, h))),
    4: ("mirrored top to bottom", lambda w, h: ((1, 0), (0, -1), (0, h))),
    5: ("mirrored at the main diagonal", lambda w, h: ((0, 1), (1, 0), (0, 0))),
    6: ("turned by 90 degrees clockwise", lambda w, h: ((0, 1), (-1, 0), (h, 0))),
    7: ("mirrored at the other diagonal", lambda w, h: ((0, -1), (-1, 0), (h, w))),
    8: ("turned by 90 degrees counter-clockwise", lambda w, h: ((0, -1), (1, 0), (0, w))),
}


@dataclass(frozen=True)
class Fixture:
    """A file's name, what it shows, how it is made (for the README), and what makes it."""

    name: str
    shows: str
    how: str
    make: Callable[[Path], object]


ALL: dict[str, Fixture] = {}


def add(name: str, shows: str, how: str, make: Callable[[Path], object]) -> None:
    """Put a fixture on the list; fixtures made from others come after them."""
    if name in ALL:
        raise ValueError(f"{name} is there twice")
    ALL[name] = Fixture(name, shows, how, make)


# --- Running ffmpeg -------------------------------------------------------------------------------------------------


def run(*arguments: str | Path, data: bytes | None = None) -> bytes:
    """Run ffmpeg; what it says is shown only if it fails."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-loglevel", "error", "-y", *arguments]
    done = subprocess.run(command, input=data, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}\n{done.stderr.decode(errors='replace')}")
    return done.stdout


def pattern(size: str = "160x120", rate: str = "10", seconds: str = "7") -> tuple[str, ...]:
    """The usual picture as an input: a test pattern that counts its frames."""
    return ("-f", "lavfi", "-i", f"testsrc2=size={size}:rate={rate}:duration={seconds}")


def tone(seconds: str = "7", rate: str = "22050") -> tuple[str, ...]:
    """The usual sound as an input."""
    return ("-f", "lavfi", "-i", f"sine=frequency=440:sample_rate={rate}:duration={seconds}")


def encoded(*arguments: str, source: tuple[str, ...] | None = None) -> Callable[[Path], object]:
    """A maker: the source (the usual picture if not given) through these options."""
    return lambda out: run(*(source or pattern()), *BITEXACT, *arguments, out)


def video(name: str, shows: str, *arguments: str, source: tuple[str, ...] | None = None, note: str = "") -> None:
    """Add what one run of ffmpeg makes."""
    codec = arguments[arguments.index("-c:v") + 1]
    origin = "testsrc2" if source is None or "testsrc2" in " ".join(source) else "synthetic source"
    add(name, shows, note or f"{origin}, {codec}", encoded(*arguments, source=source))


def derived(name: str, shows: str, how: str, source: str, change: Callable[[bytes], bytes]) -> None:
    """Add what a change of another fixture's bytes makes."""
    add(name, shows, how, lambda out: out.write_bytes(change((out.parent / source).read_bytes())))


def patched(
    name: str,
    shows: str,
    how: str,
    change: Callable[[bytes], bytes],
    *arguments: str,
    source: tuple[str, ...] | None = None,
) -> None:
    """Add what a change of a file that is not itself a fixture makes."""

    def make(out: Path) -> None:
        encoded(*arguments, source=source)(out)
        out.write_bytes(change(out.read_bytes()))

    add(name, shows, how, make)


# --- Pictures drawn here --------------------------------------------------------------------------------------------


def patches(width: int, height: int) -> bytes:
    """One RGB picture: four flat quarters."""
    rows = [bytes(PATCHES[2 * half]) * (width // 2) + bytes(PATCHES[2 * half + 1]) * (width // 2) for half in (0, 1)]
    return rows[0] * (height // 2) + rows[1] * (height // 2)


def corners(number: int) -> list[list[bytes]]:
    """The upright picture as rows of RGB pixels: grey, coloured corners, and a black bar that moves with `number`."""
    width, height = UPRIGHT
    rows = [[bytes((128, 128, 128))] * width for _ in range(height)]
    for index, colour in enumerate(CORNERS):
        for y in range(16):
            for x in range(24):
                rows[y + (height - 16) * (index // 2)][x + (width - 24) * (index % 2)] = bytes(colour)
    for y in range(24, 40):
        for x in range(4 * number, 4 * number + 8):
            rows[y][x] = bytes((0, 0, 0))
    return rows


def as_coded(upright: list[list[bytes]], orientation: int) -> tuple[int, int, bytes]:
    """Width, height and pixels of the picture that the orientation's matrix turns into `upright`."""
    width, height = UPRIGHT if orientation < 5 else UPRIGHT[::-1]
    (a, b), (c, d), (x, y) = ORIENTATIONS[orientation][1](width, height)
    # The matrix moves edges; a pixel's centre is half a pixel further, which takes one off where an axis is reversed.
    x, y = x - (a + c < 0), y - (b + d < 0)
    pixels = [upright[b * p + d * q + y][a * p + c * q + x] for q in range(height) for p in range(width)]
    return width, height, b"".join(pixels)


def oriented(orientation: int) -> Callable[[Path], object]:
    """A maker of the file that needs this orientation: 6 s, two frames a second."""

    def make(out: Path) -> None:
        frames = [as_coded(corners(number), orientation) for number in range(12)]
        width, height, _ = frames[0]
        run(
            "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", "2", "-i", "-", *BITEXACT,
            "-vf", to_yuv("bt709"), *FLAT, *END, out, data=b"".join(pixels for _, _, pixels in frames),
        )  # fmt: skip
        out.write_bytes(mp4.set_matrix(out.read_bytes(), ORIENTATIONS[orientation][1](width, height)))

    return make


def to_yuv(matrix: str, full: bool = False, tagged: bool = True) -> str:
    """The filters that turn RGB into this matrix and say so, or not."""
    span = "pc" if full else "tv"
    scale = f"scale=out_color_matrix={matrix}:out_range={span}:flags=accurate_rnd+full_chroma_int+bitexact"
    names = {"bt709": ("bt709", "bt709", "bt709"), "bt601": ("smpte170m", "smpte170m", "smpte170m")}
    space, primaries, transfer = names[matrix] if tagged else ("unknown",) * 3
    span = span if tagged else "unspecified"
    tags = f"setparams=colorspace={space}:color_primaries={primaries}:color_trc={transfer}:range={span}"
    return f"{scale},format=yuv420p,{tags}"


def coloured(filters: str, *options: str, size: tuple[int, int] = (160, 120)) -> Callable[[Path], object]:
    """A maker: the four patches for 6 s at two frames a second through these filters."""

    def make(out: Path) -> None:
        width, height = size
        run(
            "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", "2", "-i", "-", *BITEXACT,
            "-vf", filters, *(options or FLAT), *END, out, data=patches(width, height) * 12,
        )  # fmt: skip

    return make


# --- Containers -----------------------------------------------------------------------------------------------------


def containers() -> None:
    """One of each kind of container and codec."""
    sound = (*pattern(), *tone())
    h264 = (*X264, *GOP, *AAC, "-shortest")
    video("h264_front.mp4", "moov before the data", *h264, "-movflags", "+faststart", source=sound)
    video("h264_end.mp4", "moov after the data", *h264, *END, source=sound)
    fragments = "+frag_keyframe+empty_moov+default_base_moof"
    second = (*X264, "-g", "10", *AAC, "-shortest", "-write_tmcd", "0", "-movflags")
    video(
        "h264_frag_noindex.mp4",
        "fragments of 1 s, no index of them",
        *second,
        fragments + "+skip_trailer",
        source=sound,
    )
    video("h264_frag_mfra.mp4", "fragments of 1 s, mfra at the end", *second, fragments, source=sound)
    video(
        "h264_frag_sidx.mp4", "fragments of 1 s, one sidx for all in front", *second,
        fragments + "+global_sidx+skip_trailer", source=sound,
    )  # fmt: skip
    video(
        "h264_frag_dash.mp4",
        "fragments of 1 s, a sidx before each",
        *second,
        "+dash+frag_keyframe+skip_trailer",
        source=sound,
    )
    video("h264.mkv", "Matroska, with Opus", *X264, *GOP, "-c:a", "libopus", "-b:a", "24k",
          "-shortest", source=(*pattern(), *tone(rate="48000")))  # fmt: skip
    video("h264.ts", "MPEG-TS that starts at 100 s", *h264, "-output_ts_offset", "100", source=sound)
    video("h264_raw.h264", "a stream without a container, so without times", *X264, *GOP)
    video("hevc.mp4", "HEVC", *X265, "-x265-params", X265_PARAMS)
    video("vvc.mp4", "VVC, 10 bits, CRA keyframes", "-c:v", "libvvenc", "-preset", "faster", "-qp", "36",
          "-period", "1", "-pix_fmt", "yuv420p10le")  # fmt: skip
    video("vp8.webm", "VP8", "-c:v", "libvpx", "-b:v", "50k", "-auto-alt-ref", "1", "-lag-in-frames", "16", *GOP)
    video("vp9.webm", "VP9 with hidden frames, and Opus", "-c:v", "libvpx-vp9", "-b:v", "0", "-crf", "45",
          "-auto-alt-ref", "1", "-lag-in-frames", "16", *GOP, "-c:a", "libopus", "-b:a", "24k", "-shortest",
          source=(*pattern(), *tone(rate="48000")))  # fmt: skip
    video("av1.mp4", "AV1", *AV1, "-pix_fmt", "yuv420p")
    video("av1.mkv", "AV1, 10 bits", *AV1, "-pix_fmt", "yuv420p10le")
    slow = pattern(rate="25", seconds="6")
    mpeg = ("-b:v", "80k", "-maxrate", "120k", "-bufsize", "100k", "-g", "40", "-bf", "2")
    video("mpeg1.mpg", "MPEG-1 program stream", "-c:v", "mpeg1video", *mpeg, "-f", "mpeg", source=slow)
    video("mpeg2.ps.mpg", "MPEG-2 program stream", "-c:v", "mpeg2video", *mpeg, "-f", "vob", source=slow)
    video("mpeg2.mxf", "MXF", "-c:v", "mpeg2video", *mpeg, source=pattern("96x64", "25", "6"))
    video("mpeg4.avi", "AVI with MPEG-4 and B-frames", "-c:v", "mpeg4", "-q:v", "20", "-bf", "2", *GOP)
    video("flv.flv", "Flash video, Sorenson codec", "-c:v", "flv", "-q:v", "20", *GOP)
    video("wmv2.asf", "ASF", "-c:v", "wmv2", "-q:v", "20", *GOP)
    video("h263.3gp", "3GP with H.263", "-c:v", "h263", "-q:v", "20", *GOP, source=pattern("128x96"))
    video("theora.ogv", "Ogg", "-c:v", "libtheora", "-q:v", "2", *GOP)
    few = pattern(rate="3", seconds="6")
    video("mjpeg.mov", "QuickTime, keyframes only", "-c:v", "mjpeg", "-q:v", "20", "-pix_fmt", "yuvj420p", source=few)
    flat = ("-f", "lavfi", "-i", "color=red:size=96x64:rate=2:duration=6,hue=h=30*t")
    video("ffv1.mkv", "lossless, RGB", "-c:v", "ffv1", "-level", "3", "-pix_fmt", "bgr0", source=flat)
    video("prores.mov", "ProRes, 4:2:2, 10 bits", "-c:v", "prores_ks", "-profile:v", "0", "-qscale:v", "28",
          source=pattern(rate="2", seconds="6"))  # fmt: skip
    video("dnxhr.mov", "DNxHR, 4:2:2", "-c:v", "dnxhd", "-profile:v", "dnxhr_lb", "-pix_fmt", "yuv422p",
          source=pattern("256x120", "1", "6"))  # fmt: skip
    video("dnxhd.mxf", "DNxHR in MXF, 4 frames only for its size", "-c:v", "dnxhd", "-profile:v", "dnxhr_lb",
          "-pix_fmt", "yuv422p", source=pattern("256x120", "25", "0.16"))  # fmt: skip
    video("dv.avi", "DV, one frame only for its size", "-c:v", "dvvideo", "-pix_fmt", "yuv411p", "-frames:v", "1",
          source=("-f", "lavfi", "-i", "smptebars=size=720x480:rate=30000/1001"))  # fmt: skip
    video("gif.gif", "palette", "-c:v", "gif", source=pattern("96x64", "5", "6"))


# --- Geometry -------------------------------------------------------------------------------------------------------


def geometry() -> None:
    """Turned, mirrored, stretched, interlaced, odd and large pictures."""
    for number, (words, matrix) in ORIENTATIONS.items():
        width, height = UPRIGHT if number < 5 else UPRIGHT[::-1]
        (a, b), (c, d), (x, y) = matrix(width, height)
        add(
            f"orient_{number}.mp4",
            f"EXIF orientation {number}: shown {words}. Upright: 96x64, red top left, green top right, "
            "blue bottom left, white bottom right",
            f"drawn {width}x{height}, libx264, tkhd matrix {a} {b} 0 / {c} {d} 0 / {x} {y} 1",
            oriented(number),
        )
    add("rotated_90.mkv", "orient_6.mp4 in Matroska (projection roll)", "remuxed",
        lambda out: run("-i", out.parent / "orient_6.mp4", *BITEXACT, "-c", "copy", out))  # fmt: skip
    sar = ("-vf", "setsar=64/45")
    video("anamorphic.mp4", "pixels of 64:45", *X264, *GOP, *sar, source=pattern("176x144"))
    video("anamorphic_vp8.mkv", "pixels of 64:45, said by the container only", "-c:v", "libvpx", "-b:v", "50k", *GOP,
          *sar, source=pattern("176x144"))  # fmt: skip
    fields = ("-vf", "tinterlace=mode=interleave_top", "-flags", "+bitexact+ildct+ilme")
    video("interlaced.mp4", "H.264 in fields, top field first", *X264, *GOP, *fields, "-x264-params", "tff=1",
          source=pattern("128x96", "20"))  # fmt: skip
    video("interlaced.ts", "H.264 in fields in MPEG-TS", *X264, *GOP, *fields, "-x264-params", "tff=1",
          source=pattern("128x96", "20"))  # fmt: skip
    video("interlaced_mpeg2.mpg", "MPEG-2 in fields", "-c:v", "mpeg2video", "-b:v", "60k", "-g", "40", "-bf", "2",
          *fields, "-f", "vob", source=pattern("128x96", "50", "6"))  # fmt: skip
    video("odd_size.webm", "161x121", "-c:v", "libvpx-vp9", "-b:v", "0", "-crf", "45", "-pix_fmt", "yuv420p", *GOP,
          source=("-f", "lavfi", "-i", "testsrc=size=161x121:rate=10:duration=7"))  # fmt: skip
    video("h264_1080p.mp4", "1920x1080, coded as 1920x1088", *X264, "-crf", "44", "-g", "100", *END,
          source=pattern("1920x1080", "2", "6"))  # fmt: skip
    add("resolution_change.ts", "160x120, and from 4 s on 240x180", "two libx264 runs, one after the other", resized)


def resized(out: Path) -> None:
    """Two transport streams, the second continuing the first one's times."""
    parts = []
    for size, seconds, offset in (("160x120", "4", "0"), ("240x180", "3", "4")):
        source = pattern(size, "10", seconds)
        parts.append(run(*source, *BITEXACT, *X264, *GOP, "-output_ts_offset", offset, "-f", "mpegts", "-"))
    out.write_bytes(b"".join(parts))


# --- Colours --------------------------------------------------------------------------------------------------------


def colours() -> None:
    """Flat patches of known colours in each matrix, range and transfer."""
    known = "patches " + " ".join(str(patch).replace(" ", "") for patch in PATCHES)
    rgb = f"{known}, libx264"
    add("colours_bt709.mp4", "BT.709, tagged", rgb, coloured(to_yuv("bt709")))
    add("colours_bt601.mp4", "BT.601, tagged", rgb, coloured(to_yuv("bt601")))
    add("colours_untagged_sd.mp4", "BT.601, not tagged", rgb, coloured(to_yuv("bt601", tagged=False)))
    add("colours_untagged_720.mp4", "BT.709 at 1280x720, not tagged", rgb,
        coloured(to_yuv("bt709", tagged=False), size=(1280, 720)))  # fmt: skip
    add("colours_full_range.mp4", "BT.709, full range, tagged", rgb, coloured(to_yuv("bt709", full=True)))
    # zimg reads BT.709 as a display does (BT.1886, gamma 2.4) and puts its white at 203 cd/m2.
    tagged = "format=gbrp,setparams=colorspace=gbr:color_primaries=bt709:color_trc=bt709:range=pc"
    linear = f"{tagged},zscale=t=linear:npl=203,format=gbrpf32le,zscale=p=bt2020"
    for name, transfer, curve in (("hdr10", "smpte2084", "PQ"), ("hlg", "arib-std-b67", "HLG")):
        chain = f"{linear},zscale=t={transfer}:m=bt2020nc:r=tv:npl=203,format=yuv420p10le"
        light = "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1):max-cll=1000,203"
        extra = f":hdr10=1:repeat-headers=1:{light}" if name == "hdr10" else ""
        tags = f":colorprim=bt2020:transfer={transfer}:colormatrix=bt2020nc:range=limited"
        options = (*X265[:4], "-crf", "4", "-tag:v", "hvc1", "-x265-params", X265_PARAMS + tags + extra)
        add(f"{name}_patches.mp4", f"the SDR patches in {curve}, white at 203 cd/m2",
            f"{known}, zscale, libx265 Main 10", coloured(chain, *options))  # fmt: skip
        moving = (*X265[:4], "-crf", "30", "-tag:v", "hvc1", "-x265-params", X265_PARAMS + tags + extra)
        source = pattern("320x180", "5", "6")
        says = "with mastering display and content light level" if extra else "without metadata"
        video(f"{name}.mp4", f"{curve}, BT.2020, 10 bits, {says}", "-vf", chain, *moving, source=source,
              note="testsrc2, zscale, libx265 Main 10")  # fmt: skip
    video("h264_10bit.mp4", "H.264 High 10", *X264, "-pix_fmt", "yuv420p10le", *GOP)


# --- Time -----------------------------------------------------------------------------------------------------------


def times() -> None:
    """Short files, edits, offsets, uneven frame rates, keyframes in unusual places."""
    video("short_3s.mp4", "ends before 5 s", *X264, *GOP, *END, source=pattern(seconds="3"))
    video("exactly_5s.mp4", "5 s long: the last frame is at 4.9 s", *X264, *GOP, *END, source=pattern(seconds="5"))
    video("one_frame.mp4", "one frame", *X264, *END, source=pattern(seconds="0.1"))
    video("vfr.mp4", "uneven frame rate", *X264, "-g", "60", "-vf", "select='not(mod(n,7)*mod(n,5))'",
          "-fps_mode", "vfr", "-enc_time_base", "1/1000", "-video_track_timescale", "1000",
          source=pattern(rate="25"))  # fmt: skip
    video("start_offset.mkv", "starts at 10 s", *X264, *GOP, "-output_ts_offset", "10")
    video(
        "negative_cts.mp4",
        "no edit list: composition offsets below 0",
        *X264,
        *GOP,
        "-movflags",
        "+negative_cts_offsets",
    )
    video("long_gop.mp4", "one keyframe, at 0", *X264, "-g", "1000", *END)
    # Keyframes at 1.7, 3.4 and 5.1 s: the frame at 5 s follows the last one in the file and also needs the one before.
    video("open_gop.mkv", "open GOP: the frame at 5 s leads the keyframe at 5.1 s", *X264, "-g", "17",
          "-keyint_min", "17", "-x264-params", "open-gop=1:b-adapt=0")  # fmt: skip
    video("open_gop_hevc.mp4", "the same with CRA pictures", *X265, "-x265-params",
          X265_PARAMS.replace("=30", "=17") + ":open-gop=1:b-adapt=0")  # fmt: skip

    def cut_in(data: bytes) -> bytes:
        movie, media, delay = mp4.edits(data)
        return mp4.set_edits(data, [(7 * movie, delay + media * 3 // 2)])

    def wait(data: bytes) -> bytes:
        movie, _, delay = mp4.edits(data)
        return mp4.set_edits(data, [(movie, -1), (7 * movie, delay)])

    patched("edit_list.mp4", "the edit starts at 1.5 s of the media", "testsrc2, libx264, elst replaced", cut_in,
            *X264, *GOP, *END, source=pattern(seconds="8.5"))  # fmt: skip
    sound = (*pattern(), *tone("8"))
    patched("edit_empty.mp4", "an empty edit: the picture starts 1 s after the sound",
            "testsrc2, libx264, elst replaced", wait, *X264, *GOP, *AAC, *END, source=sound)  # fmt: skip
    patched("edit_empty_alone.mp4", "an empty edit of 1 s and no sound", "testsrc2, libx264, elst replaced", wait,
            *X264, *GOP, *END)  # fmt: skip


# --- Covers and sound -----------------------------------------------------------------------------------------------


def covers() -> None:
    """Files with a cover, or with no picture at all."""
    add("audio_only.m4a", "sound only: not a video", "sine, aac", encoded(*AAC, source=tone("6")))
    add(
        "cover_only.m4a",
        "sound and a cover: the cover is the picture",
        "sine, aac, PNG cover",
        covered(video_too=False),
    )
    add("cover_art.mp4", "a cover, larger than the video and the first stream, is not the picture",
        "testsrc2, libx264, aac, PNG cover, udta moved before the tracks", covered(video_too=True))  # fmt: skip


def covered(video_too: bool) -> Callable[[Path], object]:
    """A maker of a file with a cover of 240x240."""

    def make(out: Path) -> None:
        with tempfile.TemporaryDirectory() as folder:
            cover = Path(folder) / "cover.png"
            run("-f", "lavfi", "-i", "color=orange:size=240x240", *BITEXACT, "-frames:v", "1", cover)
            inputs = (*pattern(), *tone()) if video_too else tone("7")
            maps = ("-map", "0", "-map", "1", *(("-map", "2") if video_too else ()))
            picture = (*X264, *GOP) if video_too else ()
            number = int(video_too)
            run(*inputs, "-i", cover, *maps, *BITEXACT, *picture, *AAC, f"-c:v:{number}", "copy",
                f"-disposition:v:{number}", "attached_pic", *END, "-f", "mp4", out)  # fmt: skip
        if video_too:
            out.write_bytes(mp4.user_data_first(out.read_bytes()))

    return make


# --- Broken and hostile ---------------------------------------------------------------------------------------------


def broken() -> None:
    """Cut, wrong and malicious files. A name that begins with `x_` gives no picture."""
    derived("truncated_mdat.mp4", "40 % of h264_front.mp4: ends before 5 s", "cut", "h264_front.mp4",
            lambda data: data[: len(data) * 2 // 5])  # fmt: skip
    derived("truncated_mkv.mkv", "half of h264.mkv", "cut", "h264.mkv", lambda data: data[: len(data) // 2])
    derived("x_truncated_moov.mp4", "ends inside the moov", "h264_front.mp4, cut", "h264_front.mp4",
            lambda data: data[: data.index(b"moov") + 700])  # fmt: skip
    derived(
        "x_no_moov.mp4", "60 % of h264_end.mp4: no moov", "cut", "h264_end.mp4", lambda data: data[: len(data) * 3 // 5]
    )
    add(
        "x_garbage.mp4",
        "random bytes",
        "fixed seed",
        lambda out: out.write_bytes(random.Random(5).randbytes(4096)),
    )
    add("x_empty.mp4", "no bytes", "-", lambda out: out.write_bytes(b""))
    text = "This is a text file, whatever its name says.\n" * 20
    add("x_text.mp4", "a text", "-", lambda out: out.write_text(text, encoding="ascii"))
    tiny = pattern("32x32", seconds="0.1")
    patched("x_bomb_stsz.mp4", "declares 80 million samples: gigabytes of index in a naive reader",
            "libx264, sample tables replaced", lambda data: mp4.claim_samples(data, 80_000_000),
            *X264, *END, source=tiny)  # fmt: skip
    patched("x_bomb_tracks.mp4", "16 tracks of 5 million samples: each below a limit per table, the sum not",
            "libx264, sample tables replaced, track repeated", lambda data: mp4.claim_samples(data, 5_000_000, 16),
            *X264, *END, source=tiny)  # fmt: skip
    video("x_huge_pixels.mp4", "16384x8704: more pixels than the limit", "-c:v", "libx264", "-preset", "superfast",
          "-crf", "40", "-x264-params", "log-level=-1:rc-lookahead=0", "-pix_fmt", "yuv420p", "-frames:v", "1", *END,
          source=("-f", "lavfi", "-i", "color=gray:size=16384x8704:rate=1"), note="flat grey, libx264")  # fmt: skip
    strange = "av1_metadata=color_primaries=200:transfer_characteristics=200:matrix_coefficients=200"
    video("bad_enum.mp4", "AV1 with colour numbers (200) that no standard knows: still a picture", *AV1,
          "-pix_fmt", "yuv420p", "-bsf:v", strange)  # fmt: skip


def demo() -> None:
    """The video of `make demo`."""
    # Every random choice of this source is made here: its seed alone does not fix them.
    colours = "nb_colors=4:c0=0x1b2a49:c1=0x3fa7d6:c2=0xfac05e:c3=0xee6352:x0=0:y0=0:x1=640:y1=360:seed=7"
    gradient = f"gradients=size=640x360:rate=25:duration=8:type=spiral:speed=0.02:{colours}"
    video("demo/1_test_video.mp4", "what the demonstration works on: 8 s, moov at the end", *X264, "-crf", "30",
          "-g", "100", *AAC, "-shortest", *END, source=("-f", "lavfi", "-i", gradient, *tone("8", "44100")),
          note="spiral gradient, libx264, aac")  # fmt: skip


# --- All of them ----------------------------------------------------------------------------------------------------


def make(folder: Path, names: list[str]) -> None:
    """Make these fixtures, in the list's order."""
    for name, fixture in ALL.items():
        if not names or name in names:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            fixture.make(path)
            print(f"{path.stat().st_size:8} {name}", flush=True)


def checksums(folder: Path) -> str:
    """The lines of SHA256SUMS."""
    return "".join(f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in ALL)


def readme() -> None:
    """Write the table between its two marks in the README."""
    path = FIXTURES / "README.md"
    rows = [f"| `{fixture.name}` | {fixture.shows} | {fixture.how} |" for fixture in ALL.values()]
    table = "\n".join(["| file | shows | how it is made |", "|---|---|---|", *rows])
    path.write_text(replaced(path.read_text(encoding="utf-8"), "files", table), encoding="utf-8")


def replaced(text: str, mark: str, inside: str) -> str:
    """The text with what stands between `<!-- mark -->` and `<!-- /mark -->` replaced."""
    before, rest = text.split(f"<!-- {mark} -->\n", 1)
    _, after = rest.split(f"<!-- /{mark} -->", 1)
    return f"{before}<!-- {mark} -->\n{inside}\n<!-- /{mark} -->{after}"


def main() -> int:
    """Make what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="make them elsewhere and compare with SHA256SUMS")
    parser.add_argument("names", nargs="*", help="only these")
    options = parser.parse_args()
    for part in (containers, geometry, colours, times, covers, broken, demo):
        part()
    if unknown := set(options.names) - set(ALL):
        parser.error(f"no such fixture: {', '.join(sorted(unknown))}")
    version = run("-version").decode().split()[2]
    if FFMPEG_VERSION not in version:
        parser.error(f"ffmpeg is {version}; the checksums are those of {FFMPEG_VERSION}")
    if options.check:
        with tempfile.TemporaryDirectory() as folder:
            make(Path(folder), [])
            made, kept = checksums(Path(folder)), (FIXTURES / "SHA256SUMS").read_text(encoding="utf-8")
        differ = sorted({line.split("  ")[1] for line in set(made.splitlines()) ^ set(kept.splitlines())})
        print("\n".join(f"differs: {name}" for name in differ) or "all the same")
        return 1 if differ else 0
    make(FIXTURES, options.names)
    if not options.names:
        (FIXTURES / "SHA256SUMS").write_text(checksums(FIXTURES), encoding="utf-8")
        readme()
    return 0


if __name__ == "__main__":
    sys.exit(main())
