"""MPEG program streams whose cost is out of proportion to their size."""

from mpegts import stamp
from parts import fill

PACK = b"\0\0\1\xba" + bytes.fromhex("44000400040100000303f8")[:10]
SEQUENCE = bytes.fromhex("000001b30a00781300ffffe018")


def pes(stream, data, time=None, more=b""):
    head = b"\x80\x80\x05" + stamp(2, time) if time is not None else b"\x80\0\0"
    body = head + more + data
    return b"\0\0\1" + bytes([stream]) + len(body).to_bytes(2, "big") + body


def empty_packets(size):
    return PACK + pes(0xE0, SEQUENCE, 0) + fill(size, lambda i: pes(0xE0, b""))


def tiny_packets(size):
    return PACK + pes(0xE0, SEQUENCE, 0) + fill(size, lambda i: pes(0xE0, b"\0", i))


def sequence_headers(size):
    """Frames that consist of headers only."""
    return PACK + fill(size, lambda i: pes(0xE0, (SEQUENCE + b"\0\0\1\0\0\x0f\xff\xf8") * 50, i * 3600))


def falling_times(size):
    return PACK + fill(size, lambda i: pes(0xE0, SEQUENCE, max(0, (1 << 31) - i)))


def streams(size):
    """Packets of all possible streams."""
    return PACK + pes(0xE0, SEQUENCE, 0) + fill(size, lambda i: pes(0xBD, b"\0\0\0\0", i, bytes([0x20 + i % 224])))


def system_headers(size):
    return PACK + pes(0xE0, SEQUENCE, 0) + fill(size, lambda i: b"\0\0\1\xbb\0\x06" + bytes(6))


def packs(size):
    return PACK + pes(0xE0, SEQUENCE, 0) + fill(size, lambda i: PACK)


def stream_maps(size):
    return PACK + pes(0xE0, SEQUENCE, 0) + fill(size, lambda i: b"\0\0\1\xbc\0\x12\xe0\xff\0\0\0\x08" + (b"\x1b\xe0\0\0" * 2) + bytes(4))


def start_codes(size):
    """Start codes without content."""
    return PACK + pes(0xE0, SEQUENCE, 0) + b"\0\0\1\x05" * (size // 4)


KINDS = {
    "empty_packets": empty_packets,
    "tiny_packets": tiny_packets,
    "sequence_headers": sequence_headers,
    "falling_times": falling_times,
    "streams": streams,
    "system_headers": system_headers,
    "packs": packs,
    "stream_maps": stream_maps,
    "start_codes": start_codes,
}

SHORT = ()
