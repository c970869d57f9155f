"""H.264 in which each field is a separate picture, in all the ways in which containers store the two fields of a frame."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

from recipes import movie, transport
from recipes.base import add, run
from recipes.field_pictures import FRAMES_PER_SECOND, HEIGHT, WIDTH, Frame, Stream, encode, encode_open

FRAMES = 7 * FRAMES_PER_SECOND
FIELD_TICKS = 90_000 // FRAMES_PER_SECOND // 2
# The first presentation time of the transport streams.
START = 10 * 90_000


def fields() -> None:
    """Adds field-coded streams: IDR and P fields, B fields between them, keyframes at 0, 3 and 6 s."""
    how = "drawn 64x64, written bit by bit (I_PCM, P_Skip, B_Skip, Intra16x16)"
    add("paff.mp4", "H.264, each field a picture and a sample", how, drawn(False, field_samples))
    add("paff_frames.mp4", "H.264, each field a picture, the two of a frame in one sample", how,
        drawn(False, frame_samples))  # fmt: skip
    add("paff.ts", "H.264, each field a picture and a PES packet", how, drawn(False, field_packets))
    add("paff_no_pts.ts", "H.264, each field a picture, one PES packet for both: no time for the second", how,
        drawn(False, frame_packets))  # fmt: skip
    add("paff_timing.ts", "the same with picture timing SEI messages", how, drawn(True, frame_packets))
    add("paff_field_timing.ts", "a PES packet for each field, with picture timing SEI messages", how,
        drawn(True, field_packets))  # fmt: skip
    add("paff_open.ts", "open GOPs as cameras write them: recovery points at 3 and 6 s; one PES packet for two fields",
        how, drawn(None, frame_packets))  # fmt: skip
    add("paff_open.mp4", "the same, a sample for each field", how, drawn(None, field_samples))


def drawn(timing: bool | None, contain: Callable[[Stream], bytes]) -> Callable[[Path], object]:
    """Returns a maker that also decodes the file: every frame must equal the drawn one.

    `timing` selects closed GOPs with or without picture timing, or an open stream for `None`.
    """

    def make(out: Path) -> None:
        stream = encode_open(FRAMES) if timing is None else encode(FRAMES, timing)
        out.write_bytes(contain(stream))
        decoded = run("-threads", "1", "-i", out, "-fps_mode", "passthrough", "-f", "rawvideo", "-")
        if decoded != stream.planes:
            raise RuntimeError(f"{out.name} does not decode to what was drawn")

    return make


def times(frames: list[Frame]) -> list[tuple[int, int]]:
    """Returns presentation and decoding time of each frame in fields, in decoding order. Decoding is one frame ahead."""
    return [(2 * frame.number, 2 * (place - 1)) for place, frame in enumerate(frames)]


def byte_stream(units: list[bytes]) -> bytes:
    """Returns NAL units with start codes (annex B)."""
    return b"".join(b"\x00\x00\x00\x01" + unit for unit in units)


def field_packets(stream: Stream) -> bytes:
    """Returns a transport stream with a PES packet for each field."""
    packets = []
    for frame, (pts, dts) in zip(stream.frames, times(stream.frames), strict=True):
        for bottom, units in enumerate(frame.fields):
            shown, decoded = (START + FIELD_TICKS * (time + bottom) for time in (pts, dts))
            packets.append(transport.Pes(byte_stream(units), shown, decoded, frame.kind == "I" and not bottom))
    return transport.multiplex(packets, FIELD_TICKS)


def frame_packets(stream: Stream) -> bytes:
    """Returns a transport stream with a PES packet for each frame."""
    packets = []
    for frame, (pts, dts) in zip(stream.frames, times(stream.frames), strict=True):
        shown, decoded = (START + FIELD_TICKS * time for time in (pts, dts))
        data = byte_stream([*frame.fields[0], *frame.fields[1]])
        packets.append(transport.Pes(data, shown, decoded, frame.kind == "I"))
    return transport.multiplex(packets, FIELD_TICKS)


def stored(units: list[bytes]) -> bytes:
    """Returns NAL units with their lengths, without the delimiters and parameter sets (ISO/IEC 14496-15, 5.3.2)."""
    kept = [unit for unit in units if unit[0] & 31 in (1, 5, 6)]
    return b"".join(struct.pack(">I", len(unit)) + unit for unit in kept)


def entry(stream: Stream) -> movie.Box:
    """Returns the sample entry."""
    return movie.visual_entry(b"avc1", WIDTH, HEIGHT, [movie.avc_configuration(stream.sps, stream.pps)])


def field_samples(stream: Stream) -> bytes:
    """Returns an MP4 file with a sample for each field."""
    samples = []
    for frame, (pts, dts) in zip(stream.frames, times(stream.frames), strict=True):
        for bottom, units in enumerate(frame.fields):
            samples.append(movie.Sample(stored(units), 1, pts - dts, frame.kind == "I" and not bottom))
    return movie.movie(entry(stream), (WIDTH, HEIGHT), samples, 2 * FRAMES_PER_SECOND, 2)


def frame_samples(stream: Stream) -> bytes:
    """Returns an MP4 file with a sample for each frame."""
    samples = []
    for frame, (pts, dts) in zip(stream.frames, times(stream.frames), strict=True):
        data = stored([*frame.fields[0], *frame.fields[1]])
        samples.append(movie.Sample(data, 2, pts - dts, frame.kind == "I"))
    return movie.movie(entry(stream), (WIDTH, HEIGHT), samples, 2 * FRAMES_PER_SECOND, 2)
