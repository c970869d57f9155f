"""GIF, APNG, PNG and JPEG whose cost is out of proportion to their size."""

import struct
import zlib

import avi
from parts import fill


def gif(width, height, frames):
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6) + frames + b";"


def gif_frame(x=0, y=0, width=1, height=1, dispose=1):
    control = b"!\xf9\4" + bytes([dispose << 2]) + b"\1\0\0\0"
    return control + b"," + struct.pack("<HHHHB", x, y, width, height, 0) + b"\2\2\x44\1\0"


def gif_small_frames(size):
    """Frames of one pixel on a canvas of 8K. Each frame becomes a whole picture."""
    return gif(8192, 4320, fill(size, lambda i: gif_frame()))


def gif_disposed_frames(size):
    return gif(8192, 4320, fill(size, lambda i: gif_frame(dispose=2 + i % 2)))


def gif_comments(size):
    return gif(16, 16, fill(size, lambda i: b"!\xfe\xff" + b"c" * 255 + b"\0") + gif_frame())


def gif_extensions(size):
    return gif(16, 16, fill(size, lambda i: b"!\xff\0") + gif_frame())


def chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(width, height, chunks, more=b""):
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) + chunks + chunk(b"IEND", b"") + more


def apng(width, height, frames, more=b""):
    first = chunk(b"acTL", struct.pack(">II", 1 << 20, 0)) + more
    return png(width, height, first + frames)


def apng_frame(number, width=1, height=1):
    control = struct.pack(">IIIIIHHBB", 2 * number, width, height, 0, 0, 1, 25, 0, 0)
    data = zlib.compress(b"\0" + bytes(3 * width) if height == 1 else bytes((3 * width + 1) * height), 9)
    return chunk(b"fcTL", control) + (chunk(b"IDAT", data) if number == 0 else chunk(b"fdAT", struct.pack(">I", 2 * number) + data))


def apng_small_frames(size):
    first = apng_frame(0, 8192, 4320)
    return apng(8192, 4320, first + fill(size, lambda i: apng_frame(i + 1)))


def apng_texts(size):
    """Texts of 4 MB, compressed to kilobytes."""
    text = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(1) + b"a" * 4_000_000, 9))
    return apng(16, 16, apng_frame(0, 16, 16), fill(size, lambda i: text))


def apng_many_texts(size):
    return apng(16, 16, apng_frame(0, 16, 16), fill(size, lambda i: chunk(b"tEXt", b"k%d\0v" % i)))


def apng_profiles(size):
    profile = chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(4_000_000), 9))
    return apng(16, 16, apng_frame(0, 16, 16), fill(size, lambda i: profile))


def segment(marker, body):
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body


TABLES = segment(0xDB, b"\0" + b"\1" * 64)
END_OF_MANY = segment(0xC4, b"\x10\1" + bytes(15) + b"\xe0")
HUFFMAN = segment(0xC4, b"\0\1" + bytes(15) + b"\0" + b"\x10\1" + bytes(15) + b"\0")


def jpeg(start, width, height, scans):
    frame = segment(start, struct.pack(">BHHB", 8, height, width, 1) + b"\1\x11\0")
    return b"\xff\xd8" + TABLES + frame + HUFFMAN + scans + b"\xff\xd9"


def jpeg_progressive_scans(size):
    """Each scan covers the whole picture."""
    def scan(i):
        # A one-bit code and fourteen further bits mark the next 32,767 blocks as empty.
        low = 1 + i % 63
        return segment(0xDA, b"\1\1\0" + bytes([low, low, 0x00])) + b"\x7f\xfe" * 18
    return jpeg(0xC2, 8192, 4320, END_OF_MANY + fill(size, scan))


def jpeg_scans(size):
    """Many scans of a sequential picture."""
    return jpeg(0xC0, 8192, 4320, fill(size, lambda i: segment(0xDA, b"\1\1\0\0\x3f\0") + b"\0"))


def jpeg_restarts(size):
    return jpeg(0xC0, 8192, 4320, segment(0xDD, b"\0\1") + segment(0xDA, b"\1\1\0\0\x3f\0") + b"\0\xff\xd0" * (size // 3))


def jpeg_comments(size):
    return jpeg(0xC0, 16, 16, fill(size, lambda i: segment(0xFE, b"c%d" % i)) + segment(0xDA, b"\1\1\0\0\x3f\0") + bytes(8))


def jpeg_profiles(size):
    return jpeg(0xC0, 16, 16, fill(size, lambda i: segment(0xE2, b"ICC_PROFILE\0" + bytes([1 + i % 255, 255]) + bytes(10))) + segment(0xDA, b"\1\1\0\0\x3f\0") + bytes(8))


def exif(size):
    """Directories that refer to one another."""
    entries = b"".join(struct.pack(">HHII", 0x8769, 4, 1, 8) for _ in range(5000))
    body = b"Exif\0\0MM\0*" + struct.pack(">IH", 8, 5000) + entries + bytes(4)
    return jpeg(0xC0, 16, 16, fill(size, lambda i: segment(0xE1, body)) + segment(0xDA, b"\1\1\0\0\x3f\0") + bytes(8))


def exif_tree(size):
    """A tree of directories. Each level refers eight times to the next one."""
    levels = 20
    places = [8 + level * (2 + 12 * 8 + 4) for level in range(levels + 1)]
    body = b"MM\0*" + struct.pack(">I", 8)
    for level in range(levels):
        body += struct.pack(">H", 8) + b"".join(struct.pack(">HHII", tag, 4, 1, places[level + 1]) for tag in (0x8769, 0x8825, 0xA005, 0x8769, 0x8825, 0xA005, 0x8769, 0x8825)) + bytes(4)
    body += bytes(6)
    return jpeg(0xC0, 16, 16, fill(size, lambda i: segment(0xE1, b"Exif\0\0" + body)) + segment(0xDA, b"\1\1\0\0\x3f\0") + bytes(8))


def jpeg2000(width, height, tile, blocks, precincts=None, layers=1, tiles=1):
    """A codestream of one component, in AVI, whose tiles are empty."""
    size = segment(0x51, struct.pack(">HIIIIIIIIH", 0, width, height, 0, 0, tile[0], tile[1], 0, 0, 1) + b"\7\1\1")
    style = bytes([0 if precincts is None else 1, 0]) + struct.pack(">HB", layers, 0) + bytes([5, blocks - 2, blocks - 2, 0, 1])
    style += b"" if precincts is None else bytes([precincts * 17] * 6)
    quantiser = segment(0x5C, b"\x40" + bytes(16))
    parts = b"".join(segment(0x90, struct.pack(">HIBB", number, 15, 0, 1)) + b"\xff\x93\x80" for number in range(tiles))
    return b"\xff\x4f" + size + segment(0x52, style) + quantiser + parts + b"\xff\xd9"


def frames_of(data, size, codec=b"MJ2C"):
    return avi.document(movie=fill(size, lambda i: avi.chunk(b"00dc", data)), codec=codec)


def jpeg2000_tiles(size):
    """Tiles of one pixel. Each tile needs its own tables."""
    side = max(2, int((size / 17) ** 0.5))
    return frames_of(jpeg2000(side, side, (1, 1), 4, tiles=side * side), size)


def jpeg2000_precincts(size):
    """Precincts of two pixels in a picture of 8K."""
    return frames_of(jpeg2000(8192, 4320, (8192, 4320), 2, 1), size)


def jpeg2000_blocks(size):
    """Code blocks of 16 pixels in a picture of 8K."""
    return frames_of(jpeg2000(8192, 4320, (8192, 4320), 2), size)


def jpeg2000_layers(size):
    return frames_of(jpeg2000(2048, 1080, (2048, 1080), 3, layers=65_535), size)


KINDS = {
    "jpeg2000_tiles": jpeg2000_tiles,
    "jpeg2000_precincts": jpeg2000_precincts,
    "jpeg2000_blocks": jpeg2000_blocks,
    "jpeg2000_layers": jpeg2000_layers,
    "gif_small_frames": gif_small_frames,
    "gif_disposed_frames": gif_disposed_frames,
    "gif_comments": gif_comments,
    "gif_extensions": gif_extensions,
    "apng_small_frames": apng_small_frames,
    "apng_texts": apng_texts,
    "apng_many_texts": apng_many_texts,
    "apng_profiles": apng_profiles,
    "jpeg_progressive_scans": jpeg_progressive_scans,
    "jpeg_scans": jpeg_scans,
    "jpeg_restarts": jpeg_restarts,
    "jpeg_comments": jpeg_comments,
    "jpeg_profiles": jpeg_profiles,
    "exif": exif,
    "exif_tree": exif_tree,
}
PIXELS = dict.fromkeys(("gif_small_frames", "gif_disposed_frames", "apng_small_frames", "jpeg_progressive_scans", "jpeg_restarts"), 8192 * 4320)
PIXELS["jpeg2000_layers"] = 2048 * 1080

SHORT = ()
