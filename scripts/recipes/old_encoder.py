"""H.264 in 4:4:4 as x264 wrote it before build 151. Decoders must know the build, which only the first packet contains.

Those builds predicted lossless 8x8 intra blocks from unfiltered neighbours (ITU-T H.264, 8.3.2.2.1, requires filtered ones).
libavcodec does the same if an SEI message names such a build. No such build is available, so the stream is written bit by bit:
High 4:4:4 Predictive, CAVLC, lossless.

A picture is two rows of three macroblocks. The upper row is I_PCM in keyframes, and is skipped in other frames. The lower
row is I_NxN with 8x8 blocks and without coefficients: each block copies the line above it, or the column left of it.
Which of the two it copies changes with each frame.
"""

from __future__ import annotations

import struct
from pathlib import Path

from recipes import movie
from recipes.base import add, run
from recipes.bits import Bits
from recipes.field_pictures import nal

WIDTH, HEIGHT, BLOCK = 48, 32, 8
COLUMNS = WIDTH // BLOCK
RATE, FRAMES, GOP_FRAMES = 10, 70, 30
VERTICAL, HORIZONTAL, MEAN = 0, 1, 2
UUID = bytes.fromhex("dc45e9bde6d948b7962cd820d923eeef")
VERSION = b"x264 - core 142 - H.264/MPEG-4 AVC codec\x00"
Plane = list[bytearray]


def old_encoder() -> None:
    """Adds the only file."""
    add("x264_444.mp4", "H.264 4:4:4, lossless, of an old x264: its version is in the first packet only",
        "drawn 48x32, written bit by bit (I_PCM, P_Skip, I_NxN)", make)  # fmt: skip


def make(out: Path) -> None:
    """Writes the file and decodes it. With the version, the result must be the drawn pictures, and without it something else."""
    samples, planes = encode(VERSION)
    out.write_bytes(contained(samples))
    if decoded(out) != planes:
        raise RuntimeError(f"{out.name} does not decode to what was drawn")
    other = out.with_suffix(".other.mp4")
    other.write_bytes(contained(encode(b"another encoder\x00")[0]))
    differs = decoded(other) != planes
    other.unlink()
    if not differs:
        raise RuntimeError(f"{out.name} does not depend on the encoder's version")


def decoded(path: Path) -> bytes:
    """Returns all decoded planes."""
    return run("-threads", "1", "-i", path, "-fps_mode", "passthrough", "-f", "rawvideo", "-")


def parameter_sets() -> tuple[bytes, bytes]:
    """Returns the sequence parameter set (7.3.2.1.1), lossless at a QP of 0, and the picture parameter set (7.3.2.2)."""
    sps = Bits().u(8, 244, 0, 10).ue(0, 3).u(1, 0).ue(0, 0).u(1, 1, 0)
    sps.ue(4, 2, 1).u(1, 0).ue(WIDTH // 16 - 1, HEIGHT // 16 - 1).u(1, 1, 1, 0)
    sps.u(1, 1).u(1, 0, 0, 0, 0).u(1, 1).u(32, 1, 2 * RATE).u(1, 1, 0, 0, 0, 0)
    pps = Bits().ue(0, 0).u(1, 0, 0).ue(0, 0, 0).u(1, 0).u(2, 0).se(-26, 0, 0).u(1, 1, 0, 0, 1, 0).se(0)
    return nal(3, 7, sps.trailing().bytes()), nal(3, 8, pps.trailing().bytes())


def encode(version: bytes) -> tuple[list[movie.Sample], bytes]:
    """Returns the samples, and the planes of every frame."""
    samples, planes = [], []
    picture: list[Plane] = []
    for number in range(FRAMES):
        gop, place = divmod(number, GOP_FRAMES)
        key = place == 0
        units = []
        if number == 0:
            payload = UUID + version
            units.append(nal(0, 6, bytes([5, len(payload)]) + payload + b"\x80"))
        if key:
            picture = [texture(gop, plane) for plane in range(3)]
        header = Bits().ue(0, 7 if key else 5, 0).u(8, place)
        header = header.ue(gop % 2) if key else header.u(1, 0, 0)
        header = header.u(1, 0, 0) if key else header.u(1, 0)
        header.se(0).ue(1)
        units.append(nal(3 if key else 2, 5 if key else 1, slice_data(header, picture, key, number)))
        data = b"".join(struct.pack(">I", len(unit)) + unit for unit in units)
        samples.append(movie.Sample(data, 1, 0, key))
        planes += [bytes(row) for plane in picture for row in plane]
    return samples, b"".join(planes)


def texture(gop: int, plane: int) -> Plane:
    """Returns a picture whose upper half is stored. Its steps would be smoothed by a filter."""
    return [
        bytearray((x * 37 + y * (11 + gop) + plane * 50 + (x * y * 13 >> 2)) % 220 + 16 for x in range(WIDTH))
        for y in range(HEIGHT)
    ]


def slice_data(bits: Bits, picture: list[Plane], key: bool, number: int) -> bytes:
    """Writes a picture's macroblocks (7.3.4). The lower half of `picture` becomes their decoded result."""
    # Modes of the blocks above and to the left. A macroblock that is not I_NxN counts as the mean (8.3.2.1).
    modes = {(column, row): MEAN for column in range(COLUMNS) for row in range(2)}
    # One bit for each block. With this factor, no two frames are equal.
    choices = number * 2741 + 77
    if key:
        for left in range(0, WIDTH, 16):
            bits.ue(25).align()
            for plane in picture:
                bits.raw(b"".join(bytes(row[left : left + 16]) for row in plane[:16]))
    for index, left in enumerate(range(0, COLUMNS, 2)):
        if not key:
            bits.ue(WIDTH // 16 if index == 0 else 0)
        # P slices count the intra types from 5.
        bits.ue(0 if key else 5).u(1, 1)
        for column, row in ((left, 2), (left + 1, 2), (left, 3), (left + 1, 3)):
            # The blocks of the first column have no left neighbours.
            mode = HORIZONTAL if column and choices >> (column + COLUMNS * (row - 2)) & 1 else VERTICAL
            before = modes.get((column - 1, row))
            expected = MEAN if before is None else min(before, modes[column, row - 1])
            modes[column, row] = mode
            if mode == expected:
                bits.u(1, 1)
            else:
                bits.u(1, 0).u(3, mode if mode < expected else mode - 1)
            for plane in picture:
                copy(plane, column * BLOCK, row * BLOCK, mode)
        bits.ue(1)  # no coefficients
    return bits.trailing().bytes()


def copy(plane: Plane, x: int, y: int, mode: int) -> None:
    """Fills a block from the line above it, or from the column left of it."""
    above = plane[y - 1][x : x + BLOCK]
    for row in plane[y : y + BLOCK]:
        row[x : x + BLOCK] = above if mode == VERTICAL else bytes([row[x - 1]]) * BLOCK


def contained(samples: list[movie.Sample]) -> bytes:
    """Returns the MP4 file."""
    sps, pps = parameter_sets()
    # The configuration of the high profiles ends with the chroma format and the bit depths.
    configuration = movie.avc_configuration(sps, pps)
    configuration.payload += bytes([0xFC | 3, 0xF8, 0xF8, 0])
    entry = movie.visual_entry(b"avc1", WIDTH, HEIGHT, [configuration])
    return movie.movie(entry, (WIDTH, HEIGHT), samples, RATE, 0)
