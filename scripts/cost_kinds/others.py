"""RealMedia, GXF, IVF, YUV4MPEG and DV whose cost is out of proportion to their size."""

import struct

from parts import fill


def real(name, version, body):
    return name + struct.pack(">IH", 10 + len(body), version) + body


def real_stream(number=0):
    special = struct.pack(">I4s4sHHHH", 34, b"VIDO", b"RV40", 160, 120, 12, 0) + struct.pack(">HI", 0, 25 << 16) + bytes(8)
    special = struct.pack(">I", len(special)) + special[4:]
    return real(b"MDPR", 0, struct.pack(">HIIIIIII", number, 1000, 1000, 100, 100, 0, 0, 10_000) + b"\0" + b"\x14video/x-pn-realvideo" + struct.pack(">I", len(special)) + special)


def real_document(header, data=b"", index=b"", place=0):
    properties = real(b"PROP", 0, struct.pack(">IIIIIIIIIHH", 1000, 1000, 100, 100, 10, 10_000, 0, place, 0, 1, 0))
    return real(b".RMF", 0, struct.pack(">II", 0, 5)) + properties + header + real(b"DATA", 0, struct.pack(">II", 1 << 20, 0) + data) + index


def real_streams(size):
    return real_document(fill(size, lambda i: real_stream(i)))


def real_packets_falling(size):
    count = size // 13
    return real_document(real_stream(), fill(size, lambda i: struct.pack(">HHHIBB", 0, 13, 0, max(0, count - i), 0, 2) + b"\xc0"))


def real_index_falling(size):
    """An index behind the data."""
    def whole(place):
        entries = fill(size, lambda i: struct.pack(">HIII", 0, size - i, 100, i))
        return real_document(real_stream(), b"", real(b"INDX", 0, struct.pack(">IHI", len(entries) // 14, 0, 0) + entries), place)
    return whole(whole(0).rindex(b"INDX"))


def gxf_packet(kind, body):
    return b"\0\0\0\0\1" + bytes([kind]) + struct.pack(">I", 16 + len(body)) + bytes(4) + b"\xe1\xe2" + body


def gxf_document(material, tracks, more=b"", streams=None):
    track = lambda n: bytes([11 | 0x80, n | 0xC0]) + struct.pack(">H", 6) + b"\x4c\4\0\0\0\1"
    tracks = b"".join(track(n) for n in range(streams or 1)) if tracks is None else tracks
    return gxf_packet(0xBC, b"\xe0\xff" + struct.pack(">H", len(material)) + material + struct.pack(">H", len(tracks)) + tracks) + more


def gxf_fields(size):
    """A field locator table with a million entries in many packets."""
    table = gxf_packet(0xFC, struct.pack("<II", 1, 1000) + bytes(4000))
    return gxf_document(b"", None, fill(size, lambda i: table))


def gxf_maps(size):
    track = bytes([11 | 0x80, 0xC0]) + struct.pack(">H", 6) + b"\x4c\4\0\0\0\1"
    return fill(size, lambda i: gxf_document(b"", track * 1000))


def gxf_media(size):
    piece = gxf_packet(0xBF, bytes([11, 0]) + struct.pack(">I", 1) + bytes(10))
    return gxf_document(b"", None, fill(size, lambda i: piece))


def ivf(code, frames):
    return b"DKIF\0\0 \0" + code + struct.pack("<HHIIII", 160, 120, 25, 1, 1 << 20, 0) + frames


def ivf_empty_frames(size):
    return ivf(b"VP80", fill(size, lambda i: struct.pack("<IQ", 0, i)))


def ivf_falling(size):
    count = size // 13
    return ivf(b"VP80", fill(size, lambda i: struct.pack("<IQ", 1, max(0, count - i)) + b"\0"))


def vp9_superframes(size):
    """Each packet contains 255 empty frames."""
    inner = b"\xc0" + bytes(8) + b"\xc0"
    return ivf(b"VP90", fill(size, lambda i: struct.pack("<IQ", len(inner), i) + inner))


def ivf_av1(size):
    return ivf(b"AV01", fill(size, lambda i: struct.pack("<IQ", 400, i) + b"\x12\0" * 200))


def yuv_empty(size):
    return b"YUV4MPEG2 W1 H1 F25:1 C420\n" + b"FRAME\n\0\0\0" * (size // 9)


def yuv_huge(size):
    return b"YUV4MPEG2 W8192 H4320 F25:1 C444p16\n" + b"FRAME\n" + bytes(size)


def riff_wtv(size):
    """Empty chunks."""
    return bytes.fromhex("b7d800203749da11a64e0007e95ead8d") + bytes(size)


KINDS = {name: value for name, value in list(globals().items()) if name.split("_")[0] in {"real", "gxf", "ivf", "vp9", "yuv", "riff"} and name.count("_") and name not in {"real_stream", "real_document", "gxf_packet", "gxf_document"}}

SHORT = ()
