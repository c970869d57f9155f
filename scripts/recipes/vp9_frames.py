"""VP9 frames that are written bit by bit, and whose size differs from the size of their reference frame."""

from __future__ import annotations

import struct
from pathlib import Path

from recipes.base import BITEXACT, add, pattern, run
from recipes.bits import Bits

# Size of the keyframe, and of the frames after it in turn. The frame at 5 s is larger than its reference.
KEYFRAME = (64, 48)
SIZES = ((96, 72), (48, 36), (80, 60))
FRAMES = 13
# Number of zero bytes for the entropy decoder, which decodes each of them to many zero bits.
ZEROS = 128


def scaled_copy(size: tuple[int, int]) -> bytes:
    """Returns an inter frame of this size that shows the scaled keyframe ("VP9 Bitstream & Decoding Process Specification", 6.2).

    All blocks belong to one segment, which copies them from the same place of the first reference and skips their residual. All other
    decisions are zero bits: blocks of 64x64, and no change of a probability.
    """
    bits = Bits().u(2, 2)  # frame_marker
    bits.u(1, 0, 0, 0)  # profile 0, not show_existing_frame
    bits.u(1, 1, 1, 1)  # not a keyframe, show_frame, error_resilient_mode
    bits.u(8, 1)  # refresh_frame_flags: the first slot
    for _reference in range(3):
        bits.u(3, 1).u(1, 0)  # ref_frame_idx: the second slot, which keeps the keyframe; no sign bias
    bits.u(1, 0, 0, 0)  # found_ref: the size is none of the references'
    bits.u(16, size[0] - 1, size[1] - 1)
    bits.u(1, 1).u(16, KEYFRAME[0] - 1, KEYFRAME[1] - 1)  # render_and_frame_size_different
    bits.u(1, 0)  # allow_high_precision_mv
    bits.u(1, 0).u(2, 1)  # interpolation filter: eight taps
    bits.u(2, 0)  # frame_context_idx
    bits.u(6, 0).u(3, 0).u(1, 0)  # no loop filter
    bits.u(8, 64).u(1, 0, 0, 0)  # base_q_idx, no differences
    bits.u(1, 1, 0, 1, 0)  # segmentation: enabled, no map, data, not absolute
    for segment in range(8):
        bits.u(1, 0, 0)  # quantiser and loop filter
        if segment:
            bits.u(1, 0, 0)
        else:
            bits.u(1, 1).u(2, 1)  # reference: the last frame
            bits.u(1, 1)  # skip
    bits.u(1, 0)  # tile_rows_log2; pictures below 512 columns have one tile column
    bits.u(16, ZEROS)  # size of the compressed header
    return bits.align().bytes() + bytes(ZEROS) * 2


def ivf(frames: list[bytes]) -> bytes:
    """Returns the frames as an IVF file, two a second."""
    header = b"DKIF" + struct.pack("<HH4sHHIIII", 0, 32, b"VP90", *KEYFRAME, 2, 1, len(frames), 0)
    return header + b"".join(struct.pack("<IQ", len(frame), number) + frame for number, frame in enumerate(frames))


def resized(out: Path) -> None:
    """Writes a keyframe of libvpx, and copies of it in other sizes."""
    source = pattern(f"{KEYFRAME[0]}x{KEYFRAME[1]}", "2", "1")
    coder = ("-c:v", "libvpx-vp9", "-b:v", "0", "-crf", "20", "-pix_fmt", "yuv420p", "-frames:v", "1", "-f", "ivf")
    made = run(*source, *BITEXACT, *coder, "-")
    (length,) = struct.unpack_from("<I", made, 32)
    copies = [scaled_copy(SIZES[number % len(SIZES)]) for number in range(FRAMES - 1)]
    run("-f", "ivf", "-i", "-", *BITEXACT, "-c", "copy", out, data=ivf([made[44 : 44 + length], *copies]))


def vp9_frames() -> None:
    """Adds a video whose frames differ in size from their reference."""
    sizes = ", ".join(f"{width}x{height}" for width, height in SIZES)
    add(
        "vp9_resized.webm",
        f"VP9: a keyframe of {KEYFRAME[0]}x{KEYFRAME[1]}, and frames of {sizes} in turn that scale it",
        "testsrc2, libvpx-vp9, and frames written bit by bit",
        resized,
    )
