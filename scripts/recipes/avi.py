"""AVI files without an index, as interrupted recorders leave them: libavformat treats every frame as a keyframe. AVI files with a damaged
first frame, or with dropped frames.

The layout is that of the RIFF file (`hdrl`, `movi`, `idx1`) in Microsoft's AVI reference.
"""

from __future__ import annotations

import struct

from recipes.base import GOP, X264, X265, X265_PARAMS, patched, pattern, tone, video

HAS_INDEX, MUST_USE_INDEX = 0x10, 0x20
# Half of a typical size, because some of these codecs need many bytes.
SMALL = pattern("64x48")


def avi() -> None:
    """One file for each codec whose frames depend on each other."""
    for name, encoder, source in (
        ("msmpeg4v2", "msmpeg4v2", pattern("96x64")),
        ("msmpeg4v3", "msmpeg4", pattern("96x64")),
        ("cinepak", "cinepak", SMALL),
        ("msvideo1", "msvideo1", SMALL),
        ("wmv2", "wmv2", pattern("96x64")),
        ("h263", "h263", pattern("128x96")),
        ("flv1", "flv", pattern("96x64")),
    ):
        patched(f"noindex_{name}.avi", f"{name} in AVI, which ends after its frames: no index",
                f"testsrc2, {encoder}, idx1 cut off", without_index, *options(encoder), source=source)  # fmt: skip
    patched("noindex_stopped.avi", "MPEG-4 in AVI, as a stopped recorder leaves it: no index, sizes and counts of 0",
            "testsrc2, mpeg4, idx1 cut off, header fields cleared", stopped, *options("mpeg4"),
            source=pattern("96x64"))  # fmt: skip
    # An empty chunk stands for each frame that is left out.
    video("dropped_frames.avi", "AVI with sound and dropped frames: empty chunks", "-c:v", "mpeg4", "-q:v", "20", "-g", "20",
          "-vf", "select='gt(random(1),0.5)'", "-fps_mode", "passthrough", "-c:a", "pcm_u8",
          source=(*pattern("96x64", "20"), *tone(rate="4000")))  # fmt: skip
    video("dropped_last.avi", "AVI with B-frames and dropped frames: FFmpeg repeats the distance of the last two frames at the end",
          *X264, *GOP, "-vf", "select='not(mod(n,3))'", "-fps_mode", "passthrough", source=pattern("96x64"))  # fmt: skip
    video("held_back.avi", "the same, and the last keyframe precedes the last frame by two frames", *X264, "-g", "5",
          "-vf", "select='not(mod(n,3))'", "-fps_mode", "vfr", source=pattern("96x64", "15", "6.6"))  # fmt: skip
    video("late_first.avi", "dropped frames before the second frame: libavformat gives the first one another time after a seek",
          "-c:v", "mpeg1video", "-q:v", "20", "-bf", "1", *GOP, source=("-itsoffset", "2.2", *pattern("96x64", "25", "6")))  # fmt: skip
    x265 = (*X265, "-tag:v", "HEVC", "-x265-params", f"{X265_PARAMS}:bframes=0")
    for name, encoder, options_of_it in (("h264", "libx264", (*X264, *GOP)), ("hevc", "libx265", x265)):
        patched(f"damaged_first_{name}.avi", f"{name} in AVI, first frame damaged: libavformat stops analysing there",
                f"testsrc2, {encoder}, first frame overwritten", damaged_first, *options_of_it,
                "-bf", "0", source=pattern("96x64"))  # fmt: skip


def damaged_first(data: bytes) -> bytes:
    """Overwrites the first frame with bytes that contain no start code."""
    at = data.index(b"00dc", data.index(b"movi"))
    (size,) = struct.unpack_from("<I", data, at + 4)
    return data[: at + 8] + bytes(1 + i % 251 for i in range(size)) + data[at + 8 + size :]


def options(encoder: str) -> tuple[str, ...]:
    """Returns the encoder's options, which reserve no room for an index in the header."""
    return ("-c:v", encoder, "-q:v", "20", *GOP, "-reserve_index_space", "0")


def without_index(data: bytes) -> bytes:
    """Cuts the file behind the list of frames, and clears the index flag in the header."""
    movi = data.index(b"movi")
    end = movi + struct.unpack_from("<I", data, movi - 4)[0]
    out = bytearray(data[:end])
    struct.pack_into("<I", out, 4, end - 8)
    flags = out.index(b"avih") + 8 + 12
    (value,) = struct.unpack_from("<I", out, flags)
    struct.pack_into("<I", out, flags, value & ~(HAS_INDEX | MUST_USE_INDEX))
    return bytes(out)


def stopped(data: bytes) -> bytes:
    """Also writes 0 into every field that a recorder fills in only at the end."""
    out = bytearray(without_index(data))
    # The sizes of the file and of `movi`; the frames in `avih`, and the length in `strh`.
    for at in (4, out.index(b"movi") - 4, out.index(b"avih") + 8 + 16, out.index(b"strh") + 8 + 32):
        struct.pack_into("<I", out, at, 0)
    return bytes(out)
