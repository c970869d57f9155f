"""Writes MP4 files with one video track, for samples that no muxer would lay out in this way (ISO/IEC 14496-12)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import groupby

from recipes.boxes import Box, full

IDENTITY = (1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)


@dataclass(frozen=True)
class Sample:
    """A sample: its bytes, its duration and presentation offset (in ticks), and whether it is in `stss`."""

    data: bytes
    duration: int
    offset: int
    sync: bool


def visual_entry(kind: bytes, width: int, height: int, boxes: list[Box]) -> Box:
    """Builds a sample entry (12.1.3) with the boxes that follow its fields."""
    fields = struct.pack(">6xH16xHH", 1, width, height) + struct.pack(">IIIH32xHh", 72 << 16, 72 << 16, 0, 1, 24, -1)
    return Box(kind, fields + b"".join(box.bytes() for box in boxes))


def avc_configuration(sps: bytes, pps: bytes) -> Box:
    """Builds the decoder configuration of H.264 with lengths of four bytes (ISO/IEC 14496-15, 5.3.3.1)."""
    head = bytes([1, *sps[1:4], 0xFF, 0xE1]) + struct.pack(">H", len(sps)) + sps
    return Box(b"avcC", head + b"\x01" + struct.pack(">H", len(pps)) + pps)


def runs(values: list[int]) -> list[int]:
    """Returns pairs of a count and a value, one after the other."""
    return [number for value, same in groupby(values) for number in (len(list(same)), value)]


def sample_table(entry: Box, samples: list[Sample], data_at: int) -> Box:
    """Builds the `stbl` box of samples that are stored one after the other from this position on."""
    durations, offsets = runs([sample.duration for sample in samples]), runs([sample.offset for sample in samples])
    sync = [number for number, sample in enumerate(samples, 1) if sample.sync]
    tables = [
        Box(b"stsd", struct.pack(">II", 0, 1) + entry.bytes()),
        full(b"stts", len(durations) // 2, *durations),
        full(b"ctts", len(offsets) // 2, *offsets),
        full(b"stss", len(sync), *sync),
        full(b"stsc", 1, 1, len(samples), 1),
        full(b"stsz", 0, len(samples), *[len(sample.data) for sample in samples]),
        full(b"stco", 1, data_at),
    ]
    return Box(b"stbl", children=tables)


def movie(entry: Box, size: tuple[int, int], samples: list[Sample], timescale: int, start: int) -> bytes:
    """Returns the file. Its edit starts at the media time `start` and lasts as long as the samples."""
    width, height = size
    total = sum(sample.duration for sample in samples)
    file_type = Box(b"ftyp", b"isom\x00\x00\x02\x00isomiso2avc1mp41")
    data = Box(b"mdat", b"".join(sample.data for sample in samples))
    head = file_type.bytes()
    header = full(b"mvhd", 0, 0, timescale, total, 1 << 16, 1 << 24, 0, 0, *IDENTITY, 0, 0, 0, 0, 0, 0, 2)
    track = full(b"tkhd", 0, 0, 1, 0, total, 0, 0, 0, 0, *IDENTITY, width << 16, height << 16, flags=3)
    edit = Box(b"edts", children=[full(b"elst", 1, total, start, 1 << 16)])
    handler = Box(b"hdlr", struct.pack(">II4s12x", 0, 0, b"vide") + b"video\x00")
    here = Box(b"dinf", children=[Box(b"dref", struct.pack(">II", 0, 1) + full(b"url ", flags=1).bytes())])
    table = sample_table(entry, samples, len(head) + 8)
    information = Box(b"minf", children=[full(b"vmhd", 0, 0, flags=1), here, table])
    media_header = full(b"mdhd", 0, 0, timescale, total, 0x55C40000)
    media = Box(b"mdia", children=[media_header, handler, information])
    moov = Box(b"moov", children=[header, Box(b"trak", children=[track, edit, media])])
    return head + data.bytes() + moov.bytes()
