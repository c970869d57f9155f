"""Bare streams whose cost is out of proportion to their size: H.264, HEVC, VVC, AV1, MPEG-4 and others."""

from parts import fill


class Bits:
    def __init__(self):
        self.text = []

    def u(self, width, value):
        self.text.append(format(value, f"0{width}b"))
        return self

    def ue(self, value):
        binary = format(value + 1, "b")
        self.text.append("0" * (len(binary) - 1) + binary)
        return self

    se0 = None

    def bytes(self):
        text = "".join(self.text) + "1"
        text += "0" * (-len(text) % 8)
        data = int(text, 2).to_bytes(len(text) // 8, "big")
        out = bytearray()
        zeros = 0
        for byte in data:
            if zeros >= 2 and byte <= 3:
                out.append(3)
                zeros = 0
            out.append(byte)
            zeros = zeros + 1 if byte == 0 else 0
        return bytes(out)


START = b"\0\0\0\1"


def sps(width=160, height=128, number=0, frames=1):
    bits = Bits().u(8, 66).u(8, 0).u(8, 51).ue(number).ue(0).ue(0).ue(0).ue(frames).u(1, 0)
    bits.ue(width // 16 - 1).ue(height // 16 - 1).u(1, 1).u(1, 1).u(1, 0).u(1, 0)
    return START + b"\x67" + bits.bytes()


def pps(number=0, of=0):
    bits = Bits().ue(number).ue(of).u(1, 0).u(1, 0).ue(0).ue(0).ue(0).u(1, 0).u(2, 0).ue(0).ue(0).ue(0).u(1, 0).u(1, 0).u(1, 0)
    return START + b"\x68" + bits.bytes()


def idr(number=0):
    """A slice without its blocks."""
    bits = Bits().ue(0).ue(7).ue(0).u(4, 0).ue(number % 65536).ue(0).u(1, 0).u(1, 0).ue(0)
    return START + b"\x65" + bits.bytes()


def skipped(number, blocks):
    """A P picture that skips all blocks."""
    bits = Bits().ue(0).ue(5).ue(0).u(4, number % 16).ue(number % 16 * 2).u(1, 0).u(1, 0).u(1, 0).ue(0).ue(blocks)
    return START + b"\x41" + bits.bytes()


def h264_sets(size):
    return fill(size, lambda i: sps(number=i % 32) + pps(i % 256, i % 32)) + idr()


def h264_changing_sets(size):
    """The size changes with each picture."""
    return fill(size, lambda i: sps(16 * (1 + i % 100), 16 * (1 + i % 77)) + pps() + idr(i))


def h264_huge_changing_sets(size):
    """Pictures of 8K, whose size changes with each picture."""
    return fill(size, lambda i: sps(8192 - 16 * (i % 2), 4320) + pps() + idr(i))


def h264_skipped(size):
    """Pictures of 8K that take almost no bytes."""
    return sps(8192, 4320) + pps() + idr() + fill(size, lambda i: skipped(i + 1, 512 * 270))


def h264_delimiters(size):
    return sps() + pps() + START + b"\x09\xf0" * 1 + (b"\0\0\1\x09\xf0" * (size // 5))


def h264_sei(size):
    return sps() + pps() + idr() + b"\0\0\1\x06\x05\x01\0\x80" * (size // 8)


def h264_padding(size):
    return sps() + pps() + idr() + b"\0\0\1\x0c\xff\x80" * (size // 6)


def h264_slices(size):
    return sps() + pps() + fill(size, idr)


def h264_references(size):
    """Sixteen reference frames of the largest size."""
    return sps(8192, 4320, frames=16) + pps() + fill(size, idr)


def hevc_nal(kind, body):
    return START + bytes([kind << 1, 1]) + body


def hevc_ptl(bits):
    bits.u(8, 1).u(32, 0x60000000).u(32, 0).u(16, 0).u(8, 93)
    return bits


def hevc_vps(number=0):
    bits = Bits().u(4, number).u(2, 3).u(6, 0).u(3, 0).u(1, 1).u(16, 0xFFFF)
    hevc_ptl(bits).u(1, 0).ue(4).ue(0).ue(0).u(6, 0).ue(0).u(1, 0).u(1, 0)
    return hevc_nal(32, bits.bytes())


def hevc_sps(number=0, width=416, height=240, sets=0):
    bits = Bits().u(4, 0).u(3, 0).u(1, 1)
    hevc_ptl(bits).ue(number).ue(1).ue(width).ue(height).u(1, 0).ue(0).ue(0).ue(4).u(1, 0).ue(4).ue(0).ue(0)
    bits.ue(0).ue(3).ue(0).ue(3).ue(0).ue(0).u(1, 0).u(1, 0).u(1, 0).u(1, 0)
    bits.ue(sets)
    for index in range(sets):
        if index:
            bits.u(1, 0)
        bits.ue(0).ue(0)
    bits.u(1, 0).u(1, 0).u(1, 0).u(1, 0).u(1, 0)
    return hevc_nal(33, bits.bytes())


def hevc_pps(number=0, of=0):
    bits = Bits().ue(number).ue(of).u(1, 0).u(1, 0).u(3, 0).u(1, 0).u(1, 0).ue(0).ue(0).ue(0).u(1, 0).u(1, 0).u(1, 0)
    bits.ue(0).ue(0).u(1, 0).u(1, 0).u(1, 0).u(1, 0).u(1, 0).u(1, 0).u(1, 0).u(1, 0).u(1, 0).u(1, 0).ue(0).u(1, 0).u(1, 0)
    return hevc_nal(34, bits.bytes())


def hevc_pps_tiles(number=0, of=0):
    """20 by 22 tiles, which need tables for each block of the picture."""
    bits = Bits().ue(number).ue(of).u(1, 0).u(1, 0).u(3, 0).u(1, 0).u(1, 0).ue(0).ue(0).ue(0).u(1, 0).u(1, 0).u(1, 0)
    bits.ue(0).ue(0).u(1, 0).u(1, 0).u(1, 0).u(1, 0).u(1, 1).u(1, 0).ue(19).ue(21).u(1, 1).u(1, 0).u(1, 0).u(1, 0).u(1, 0).u(1, 0).ue(0).u(1, 0).u(1, 0)
    return hevc_nal(34, bits.bytes())


def hevc_slice():
    return hevc_nal(19, Bits().u(1, 1).u(1, 0).ue(0).ue(2).bytes())


def hevc_sets(size):
    return hevc_vps() + hevc_sps() + fill(size, lambda i: hevc_pps(i % 64)) + hevc_slice()


def hevc_large_sets(size):
    """Each picture parameter set has tables for each block of an 8K picture."""
    return hevc_vps() + hevc_sps(0, 8192, 4320) + fill(size, lambda i: hevc_pps_tiles(i % 64)) + hevc_slice()


def hevc_sequence_sets(size):
    return hevc_vps() + fill(size, lambda i: hevc_sps(i % 16, sets=64)) + hevc_pps() + hevc_slice()


def hevc_video_sets(size):
    return fill(size, lambda i: hevc_vps(i % 16)) + hevc_sps() + hevc_pps() + hevc_slice()


def hevc_changing(size):
    return fill(size, lambda i: hevc_vps() + hevc_sps(0, 8192 - 16 * (i % 2), 4320) + hevc_pps() + hevc_slice())


def hevc_delimiters(size):
    return hevc_vps() + hevc_sps() + hevc_pps() + hevc_slice() + b"\0\0\1\x46\1\x50" * (size // 6)


def hevc_slices(size):
    return hevc_vps() + hevc_sps() + hevc_pps() + fill(size, lambda i: hevc_slice())


def vvc_delimiters(size):
    return b"\0\0\1\0\xa1\x28" * (size // 6)


def vvc_units(size):
    """Invalid parameter sets."""
    return b"\0\0\1\0\x79\0\0\x80" * (size // 8)


def obu(kind, body):
    return bytes([kind << 3 | 2, len(body)]) + body


def av1_delimiters(size):
    return obu(2, b"") + obu(1, bytes.fromhex("00000000029fbfff3000")) + obu(2, b"") * (size // 2)


def av1_headers(size):
    return obu(2, b"") + obu(1, bytes.fromhex("00000000029fbfff3000")) * (size // 12)


def av1_padding(size):
    return obu(2, b"") + obu(1, bytes.fromhex("00000000029fbfff3000")) + obu(15, b"\x80") * (size // 3)


def mpeg4_frames(size):
    head = bytes.fromhex("000001b001000001b58913000001000000012000c48d8800cd0a041e1463")
    return head + fill(size, lambda i: b"\0\0\1\xb6\x10\x60")


def mpeg2_frames(size):
    head = bytes.fromhex("000001b30a00781300ffffe018")
    return head + fill(size, lambda i: b"\0\0\1\0\0\x0f\xff\xf8\0\0\1\1")


def jpeg_frames(size):
    """Images of two bytes."""
    return b"\xff\xd8\xff\xd9" * (size // 4)


def h263_frames(size):
    return b"\0\0\x80\x02\x08\0\0\0" * (size // 8)


def vc1_frames(size):
    head = bytes.fromhex("0000010fca8a0809f0784fc2006c0000010e48")
    return head + b"\0\0\1\x0d\xff" * (size // 5)


KINDS = {name: value for name, value in list(globals().items()) if name.split("_")[0] in {"h264", "vvc", "av1", "mpeg4", "mpeg2", "jpeg", "h263", "vc1"} and callable(value)}
KINDS |= {function.__name__: function for function in (hevc_sets, hevc_large_sets, hevc_sequence_sets, hevc_video_sets, hevc_changing, hevc_delimiters, hevc_slices)}
PIXELS = dict.fromkeys(("h264_huge_changing_sets", "h264_skipped", "h264_references"), 8192 * 4320)

SHORT = ()
