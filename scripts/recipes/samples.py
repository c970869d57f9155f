"""MP4 files whose times are hard to determine: shared, missing or wrong times, and a reordering that is not declared."""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Callable
from pathlib import Path

from recipes import boxes
from recipes.base import BITEXACT, END, GOP, X264, add, derived, encoded, patched, pattern, run
from recipes.movie import runs
from recipes.parameter_sets import without_vui

SMALL = pattern("96x64")
FRAGMENTS = ("-movflags", "+frag_keyframe+empty_moov+default_base_moof+skip_trailer")
# B-frames also refer to B-frames, so two frames are reordered.
PYRAMID = (*X264, "-bf", "3", *GOP, "-x264-params", "b-pyramid=normal:b-adapt=0:ref=4")


def samples() -> None:
    """Adds files whose sample tables or fragments declare too little or too much."""
    shared = "every seventh frame has the time of the one before; so has the one at 5.1 s"
    patched("same_pts.mp4", f"H.264, {shared}", "testsrc2, libx264, ctts changed", share_times, *X264, *GOP, *END,
            source=SMALL)  # fmt: skip
    derived("same_pts_vvc.mp4", f"VVC, {shared}", "vvc.mp4, ctts changed", "vvc.mp4", share_times)
    patched("same_pts_pyramid.mp4", f"H.264 that declares two reordered frames, {shared}",
            "testsrc2, libx264 with a pyramid of B-frames, ctts changed", share_times, *PYRAMID, *END, source=SMALL)  # fmt: skip
    add("same_pts_pyramid.ts", "same_pts_pyramid.mp4 in MPEG-TS", "remuxed",
        lambda out: run("-i", out.parent / "same_pts_pyramid.mp4", *BITEXACT, "-c", "copy", out))  # fmt: skip
    patched("no_ctts.mp4", "H.264 with B-frames, but without composition offsets", "testsrc2, libx264, ctts removed",
            without_offsets, *X264, *GOP, *END, source=SMALL)  # fmt: skip
    patched("near_pts.mp4", "the same, and pairs of frames one tick apart",
            "testsrc2, libx264, ctts removed, stts changed", in_pairs, *X264, *GOP, *END, source=SMALL)  # fmt: skip
    patched("bad_mehd.mp4", "2 s in fragments, of which mehd says that they last 5.6 s",
            "testsrc2, libx264, mehd inserted", lambda data: claim_duration(data, 5.6), *X264, "-g", "10", *FRAGMENTS,
            source=pattern("96x64", seconds="2"))  # fmt: skip
    note = "testsrc2, libx264 with a pyramid of B-frames, VUI removed, remuxed"
    says = "H.264 that does not declare how many frames it reorders"
    add("no_reorder.mkv", f"{says}, in Matroska", note, undeclared())
    add("no_reorder_frag.mp4", f"{says}, in fragments", note, undeclared(*FRAGMENTS))


def expanded(table: boxes.Box) -> list[int]:
    """Returns the values of a table of runs (`stts`, `ctts`)."""
    count = struct.unpack_from(">I", table.payload, 4)[0]
    pairs = struct.iter_unpack(">Ii", table.payload[8 : 8 + 8 * count])
    return [value for length, value in pairs for _ in range(length)]


def set_runs(table: boxes.Box, values: list[int]) -> None:
    """Writes the values of a table of runs."""
    pairs = runs(values)
    table.payload = boxes.full(table.kind, len(pairs) // 2, *pairs).payload


def share_times(data: bytes) -> bytes:
    """Gives every seventh frame, in order of presentation, the time of the frame before it."""
    root = boxes.parse(data)
    duration = expanded(root.one(b"stts"))[0]
    table = root.one(b"ctts")
    offsets = expanded(table)
    times = [number * duration + offset for number, offset in enumerate(offsets)]
    order = sorted(range(len(times)), key=lambda number: times[number])
    for earlier, later in list(zip(order, order[1:], strict=False))[1::7]:
        offsets[later] += times[earlier] - times[later]
    set_runs(table, offsets)
    return boxes.write(root)


def without_offsets(data: bytes) -> bytes:
    """Removes the composition offsets, and the edit list that compensates for them."""
    root = boxes.parse(data)
    for parent, kind in ((root.one(b"stbl"), b"ctts"), (root.one(b"trak"), b"edts")):
        parent.children = [child for child in parent.children if child.kind != kind]
    return boxes.write(root)


def in_pairs(data: bytes) -> bytes:
    """Removes the offsets, and moves every third frame from 3 s on to one tick before the next frame."""
    root = boxes.parse(without_offsets(data))
    table = root.one(b"stts")
    durations = expanded(table)
    for number in range(30, len(durations) - 1, 3):
        durations[number : number + 2] = [1, durations[number] + durations[number + 1] - 1]
    set_runs(table, durations)
    return boxes.write(root)


def claim_duration(data: bytes, seconds: float) -> bytes:
    """Writes a total duration of all fragments into `mehd` (ISO/IEC 14496-12, 8.8.2)."""
    root = boxes.parse(data)
    timescale = struct.unpack_from(">I", root.one(b"mvhd").payload, 12)[0]
    extends = root.one(b"mvex")
    extends.payload = boxes.full(b"mehd", round(seconds * timescale)).bytes() + extends.payload
    return boxes.write(root)


def undeclared(*options: str) -> Callable[[Path], object]:
    """Returns a maker of a stream without VUI, remuxed with these options."""

    def make(out: Path) -> None:
        with tempfile.TemporaryDirectory() as folder:
            plain = Path(folder) / "plain.mp4"
            encoded(*PYRAMID, *END, source=SMALL)(plain)
            plain.write_bytes(shorten(plain.read_bytes()))
            run("-i", plain, *BITEXACT, "-c", "copy", *options, out)

    return make


def shorten(data: bytes) -> bytes:
    """Removes the VUI of an MP4's H.264 stream. The moov is at the end."""
    root = boxes.parse(data)
    configuration = root.one(b"avcC")
    old = configuration.payload
    (length,) = struct.unpack_from(">H", old, 6)
    sps = without_vui(old[8 : 8 + length])
    configuration.payload = old[:6] + struct.pack(">H", len(sps)) + sps + old[8 + length :]
    return boxes.write(root)
