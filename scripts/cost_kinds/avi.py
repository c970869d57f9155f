"""AVI whose cost is out of proportion to its size."""

import struct

from parts import fill


def chunk(name, body):
    return name + struct.pack("<I", len(body)) + body + (b"\0" if len(body) % 2 else b"")


def folder(name, body):
    return chunk(b"LIST", name + body)


def stream(more=b"", codec=b"MJPG"):
    head = b"vids" + codec + struct.pack("<IHHIIIIIIII", 0, 0, 0, 0, 1, 25, 0, 100, 0, 0, 0) + bytes(8)
    picture = struct.pack("<IIIHH4sIIIII", 40, 160, 120, 1, 24, codec, 57600, 0, 0, 0, 0)
    return folder(b"strl", chunk(b"strh", head) + chunk(b"strf", picture) + more)


def document(movie=None, streams=1, header=b"", behind=b"", more=b"", codec=b"MJPG"):
    movie = chunk(b"00dc", bytes(40)) if movie is None else movie
    main = chunk(b"avih", struct.pack("<IIIIIIIIIIIIII", 40_000, 0, 0, 0x10, 100, 0, streams, 0, 160, 120, 0, 0, 0, 0))
    body = folder(b"hdrl", main + stream(more, codec) * streams) + header + folder(b"movi", movie) + behind
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"AVI " + body


def information(size):
    """Each name is compared with all names before it."""
    letters = [c for c in b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"]
    def name(i):
        return bytes([letters[i % 52], letters[i // 52 % 52], letters[i // 2704 % 52], letters[i // 140608 % 52]])
    return document(header=folder(b"INFO", fill(size, lambda i: chunk(name(i), b"v\0"))))


def index_falling(size):
    """The position of each entry is before that of the previous entry."""
    entries = fill(size, lambda i: struct.pack("<4sIII", b"00dc", 16, size - i, 1))
    return document(behind=chunk(b"idx1", entries))


def index_of_many_streams(size):
    entries = fill(size, lambda i: struct.pack("<4sIII", b"99dc", 16, 4 + i, 1))
    return document(streams=100, behind=chunk(b"idx1", entries))


def index_of_nothing(size):
    """Entries of length 0, which all have the same time."""
    entries = fill(size, lambda i: struct.pack("<4sIII", b"00dc", 16, 4, 0))
    return document(behind=chunk(b"idx1", entries))


def super_index(size):
    """An index of indexes, in which all entries name the same index."""
    def table(more):
        return chunk(b"indx", more)
    inner = struct.pack("<HBBI4sQI", 2, 0, 1, 2000, b"00dc", 0, 0) + fill(16_000, lambda i: struct.pack("<II", 8 + i, 8))
    def whole(place):
        entries = fill(size, lambda i: struct.pack("<QII", place, len(inner) + 8, 2000))
        head = struct.pack("<HBBI4sIII", 4, 0, 0, len(entries) // 16, b"00dc", 0, 0, 0)
        return document(more=table(head + entries), behind=chunk(b"ix00", inner))
    first = whole(0)
    return whole(first.index(b"ix00"))


def tiny_chunks(size):
    return document(movie=fill(size, lambda i: chunk(b"00dc", b"")))


def junk(size):
    return document(header=fill(size, lambda i: chunk(b"JUNK", b"")))


def stream_headers(size):
    return document(header=fill(size, lambda i: stream()))


def names(size):
    return document(more=fill(size, lambda i: chunk(b"strn", b"n%d" % i)))


def palettes(size):
    """Palette changes between the frames."""
    change = struct.pack("<BBH", 0, 255, 0) + bytes(255 * 4)
    return document(movie=fill(size, lambda i: chunk(b"00pc", change)))


def decoders(size):
    """Each stream needs a decoder of its own to be described. The first one has a raw picture, so that the file has a frame."""
    codecs = [b"H264", b"HEVC", b"XVID", b"VP80", b"VP90", b"AV01", b"FFV1", b"HFYU", b"FFVH", b"MJPG", b"cvid", b"MP42", b"MP43", b"WMV3", b"WVC1", b"MJ2C"]
    number = 95
    names = [bytes(4)] + [codecs[i % len(codecs)] for i in range(1, number)]
    bodies = [bytes(160 * 120 * 3)] + [bytes((i * 7 + j * 13) % 251 for j in range(size // number)) for i in range(1, number)]
    main = chunk(b"avih", struct.pack("<IIIIIIIIIIIIII", 40_000, 0, 0, 0x10, 100, 0, number, 0, 160, 120, 0, 0, 0, 0))
    movie = b"".join(chunk(b"%02ddc" % i, body) for i, body in enumerate(bodies))
    body = folder(b"hdrl", main + b"".join(stream(codec=name) for name in names)) + folder(b"movi", movie)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"AVI " + body


KINDS = {
    "decoders": decoders,
    "information": information,
    "index_falling": index_falling,
    "index_of_many_streams": index_of_many_streams,
    "index_of_nothing": index_of_nothing,
    "super_index": super_index,
    "tiny_chunks": tiny_chunks,
    "junk": junk,
    "stream_headers": stream_headers,
    "names": names,
    "palettes": palettes,
}

SHORT = ()
