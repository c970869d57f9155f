"""MPEG transport streams whose cost is out of proportion to their size."""

from ogg import TABLE
from parts import fill


def crc(data):
    value = 0xFFFFFFFF
    for byte in data:
        value = (value << 8 & 0xFFFFFFFF) ^ TABLE[value >> 24 ^ byte]
    return value.to_bytes(4, "big")


def packet(pid, payload, start=True, count=0):
    """Returns a packet of 188 bytes. An adaptation field fills it up."""
    head = bytes([0x47, (0x40 if start else 0) | pid >> 8, pid & 255])
    room = 184 - len(payload)
    if room == 0:
        return head + bytes([0x10 | count & 15]) + payload
    field = bytes([room - 1]) + (b"\0" + b"\xff" * (room - 2) if room > 1 else b"")
    return head + bytes([0x30 | count & 15]) + field + payload


def section(pid, table, number, body, count=0, version=0):
    data = bytes([table]) + (0xB000 | len(body) + 9).to_bytes(2, "big") + number.to_bytes(2, "big") + bytes([0xC1 | version << 1 & 0x3E, 0, 0]) + body
    data += crc(data)
    parts = []
    payload = b"\0" + data
    while payload:
        parts.append(packet(pid, payload[:184], not parts, count + len(parts)))
        payload = payload[184:]
    return b"".join(parts)


def pat(programs, count=0, version=0):
    return section(0, 0, 1, b"".join(n.to_bytes(2, "big") + (0xE000 | pid).to_bytes(2, "big") for n, pid in programs), count, version)


def pmt(pid, number, streams, count=0, version=0, info=b""):
    body = (0xE000 | 0x1FFF).to_bytes(2, "big") + (0xF000 | len(info)).to_bytes(2, "big") + info
    for kind, stream, more in streams:
        body += bytes([kind]) + (0xE000 | stream).to_bytes(2, "big") + (0xF000 | len(more)).to_bytes(2, "big") + more
    return section(pid, 2, number, body, count, version)


def stamp(prefix, time):
    return bytes([prefix << 4 | (time >> 30 & 7) << 1 | 1, time >> 22 & 255, (time >> 15 & 127) << 1 | 1, time >> 7 & 255, (time & 127) << 1 | 1])


def pes(pid, time, data, count, stream=0xE0, length=0):
    return packet(pid, b"\0\0\1" + bytes([stream]) + length.to_bytes(2, "big") + b"\x80\x80\x05" + stamp(2, time) + data, True, count)


HEAD = pat([(1, 100)]) + pmt(100, 1, [(0x1B, 101, b"")])
SPS = bytes.fromhex("0000000167 42001e da0280f6".replace(" ", "")) + b"\x40"
PPS = bytes.fromhex("0000000168ce3c80")


def delimiters(size):
    """Access unit delimiters, each of which the parser treats as a frame."""
    return HEAD + fill(size, lambda i: packet(101, (b"\0\0\1\x09\xf0" * 40)[:184] if i else b"\0\0\1\xe0\0\0\x80\x80\x05" + stamp(2, 0) + b"\0\0\1\x09\xf0" * 30, not i, i))


def hevc_delimiters(size):
    head = pat([(1, 100)]) + pmt(100, 1, [(0x24, 101, b"")])
    return head + fill(size, lambda i: packet(101, (b"\0\0\1\x46\1\x50" * 40)[:184] if i else b"\0\0\1\xe0\0\0\x80\x80\x05" + stamp(2, 0) + b"\0\0\1\x46\1\x50" * 20, not i, i))


def falling_times(size):
    count = size // 188
    return HEAD + fill(size, lambda i: pes(101, (2 * count - i) * 90, SPS + PPS, i))


def programs(size):
    """Program tables, each with different programs."""
    return fill(size, lambda i: pat([(1 + (i * 40 + j) % 60_000, 100 + (i * 40 + j) % 8000) for j in range(40)], i, i)) + HEAD


def program_maps(size):
    """Program maps, each with different streams."""
    streams = lambda i: [(0x1B, 200 + (i * 20 + j) % 7900, b"") for j in range(20)]
    return pat([(1, 100)]) + fill(size, lambda i: pmt(100, 1, streams(i), i, i))


def streams(size):
    """95 streams, with one packet of each in turn."""
    head = pat([(1, 100)]) + pmt(100, 1, [(0x1B, 200 + j, b"") for j in range(95)])
    return head + fill(size, lambda i: pes(200 + i % 95, i * 90, SPS + PPS, i // 95))


def unknown_streams(size):
    """Streams whose codec is guessed from their content."""
    head = pat([(1, 100)]) + pmt(100, 1, [(0x06, 200 + j, b"") for j in range(95)])
    return head + fill(size, lambda i: pes(200 + i % 95, i * 90, b"\xff" * 100, i // 95, 0xBD))


def tiny_pes(size):
    return HEAD + fill(size, lambda i: pes(101, i * 90, b"", i))


def services(size):
    """Descriptions of services that do not exist."""
    entry = lambda n: n.to_bytes(2, "big") + b"\xfc\x80\x0a\x48\x08\x01\x02ab\x02cd\0"
    return HEAD + fill(size, lambda i: section(0x11, 0x42, 1, b"\0\1\xff" + b"".join(entry((i * 10 + j) % 60_000) for j in range(10)), i, i))


def one_long_frame(size):
    """A frame without an end."""
    return HEAD + fill(size, lambda i: packet(101, bytes(184) if i else b"\0\0\1\xe0\0\0\x80\x80\x05" + stamp(2, 0), not i, i))


def audio_of_one_byte(size):
    head = pat([(1, 100)]) + pmt(100, 1, [(0x0F, 101, b"")])
    return head + fill(size, lambda i: pes(101, i * 90, b"\xff\xf1\x50\x80\x00\xff\xfc" * 20, i, 0xC0))


KINDS = {
    "delimiters": delimiters,
    "hevc_delimiters": hevc_delimiters,
    "falling_times": falling_times,
    "programs": programs,
    "program_maps": program_maps,
    "streams": streams,
    "unknown_streams": unknown_streams,
    "tiny_pes": tiny_pes,
    "services": services,
    "one_long_frame": one_long_frame,
    "audio_of_one_byte": audio_of_one_byte,
}

SHORT = ()
