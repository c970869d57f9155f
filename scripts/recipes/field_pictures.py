"""An H.264 encoder for pictures coded field by field (PAFF), which no available encoder writes.

The layouts are those of ITU-T H.264 (08/2021), 7.3. The profile is Main with CAVLC, `frame_mbs_only_flag` 0 and
`field_pic_flag` 1 in every slice. A frame is two access units, the top field's and the bottom field's.

The pictures are drawn so that the decoder's result is known to the bit. In each GOP, in display order,

- frame 0 is an IDR field of I_PCM macroblocks (a gradient), and a P field that copies it except for one mark;
- every even frame, and the GOP's last frame, is two P fields: P_Skip except for one macroblock, the mark, which is
  Intra16x16 with one DC coefficient. A mark stays until a later one replaces it;
- each other frame is two B fields (`nal_ref_idc` 0) of B_Skip only: the mean of the frame before and the frame after.

The frames before and after are the nearest in display order, and the deblocking filter is off.

In an open stream, as cameras write it, only the first frame is IDR. At the start of each later GOP, both fields are I_PCM with
a recovery point message. The B fields between two GOPs follow that frame in the stream, and need the frame before it.
"""

from __future__ import annotations

from dataclasses import dataclass

from recipes.bits import Bits

WIDTH, HEIGHT = 64, 64
COLUMNS, ROWS = WIDTH // 16, HEIGHT // 32
MACROBLOCKS = COLUMNS * ROWS
FRAMES_PER_SECOND = 10
GOP_FRAMES = 30
# A coefficient of 1 changes the macroblock by 5: LevelScale is 160, shifted left by QP / 6 - 6, and 64 is one level.
QP, STEP = 42, 5
KINDS = "IPB"
SLICE_TYPES = {"P": 5, "B": 6, "I": 7}
Plane = list[bytearray]


@dataclass(frozen=True)
class Frame:
    """A coded frame: its number in display order, its kind, and its NAL units without start codes for each field."""

    number: int
    kind: str
    fields: tuple[list[bytes], list[bytes]]


@dataclass(frozen=True)
class Stream:
    """The output of the encoder: parameter sets, frames in decoding order, and the planes (yuv420p) in display order."""

    sps: bytes
    pps: bytes
    frames: list[Frame]
    planes: bytes


def nal(reference: int, kind: int, payload: bytes) -> bytes:
    """Builds a NAL unit with its header and its emulation prevention bytes (7.4.1)."""
    out, zeros = bytearray([reference << 5 | kind]), 0
    for byte in payload:
        if zeros == 2 and byte <= 3:
            out.append(3)
            zeros = 0
        zeros = zeros + 1 if byte == 0 else 0
        out.append(byte)
    return bytes(out)


def sequence_parameters(picture_timing: bool) -> bytes:
    """Returns the sequence parameter set (7.3.2.1.1): Main, level 2.1, with the VUI's timing and reordering."""
    bits = Bits().u(8, 77, 0, 21).ue(0)
    bits.ue(4, 0, 4, 2).u(1, 0)  # 8 bits of frame_num and of the picture order count; two reference frames
    bits.ue(COLUMNS - 1, ROWS - 1).u(1, 0, 0, 1, 0)  # not frame_mbs_only, no MBAFF, direct_8x8_inference, no crop
    bits.u(1, 1)  # VUI (E.1.1)
    bits.u(1, 0, 0, 0, 0).u(1, 1).u(32, 1, 2 * FRAMES_PER_SECOND).u(1, 1)  # a tick is a field
    bits.u(1, 0, 0, int(picture_timing))
    bits.u(1, 1, 1).ue(0, 0, 8, 8, 1, 2)  # one frame is reordered, two are kept
    return nal(3, 7, bits.trailing().bytes())


def picture_parameters() -> bytes:
    """Returns the picture parameter set (7.3.2.2): CAVLC, one reference in each list, the slices control the filter."""
    bits = Bits().ue(0, 0).u(1, 0, 0).ue(0, 0, 0).u(1, 0).u(2, 0).se(QP - 26, 0, 0).u(1, 1, 0, 0)
    return nal(3, 8, bits.trailing().bytes())


def picture_timing(bottom: int) -> bytes:
    """Returns a picture timing SEI message (D.1.3) that contains only the parity of the field."""
    payload = Bits().u(4, 1 + bottom).u(1, 0).trailing().bytes()
    return nal(0, 6, bytes([1, len(payload)]) + payload + b"\x80")


def recovery_point() -> bytes:
    """Returns a recovery point SEI message (D.1.8): the following frames in display order are exact."""
    payload = Bits().ue(0).u(1, 1, 0).u(2, 0).trailing().bytes()
    return nal(0, 6, bytes([6, len(payload)]) + payload + b"\x80")


def delimiter(kind: str) -> bytes:
    """An access unit delimiter (7.3.2.4)."""
    return nal(0, 9, Bits().u(3, KINDS.index(kind)).trailing().bytes())


def slice_header(kind: str, idr: bool, bottom: int, frame_num: int, order: int, idr_number: int) -> Bits:
    """Returns a slice header (7.3.3); `order` is the field's picture order count."""
    bits = Bits().ue(0, SLICE_TYPES[kind], 0).u(8, frame_num).u(1, 1, bottom)
    if idr:
        bits.ue(idr_number)
    bits.u(8, order)
    if kind == "B":
        bits.u(1, 1)  # spatial direct prediction
    bits.u(1, *{"I": (), "P": (0, 0), "B": (0, 0, 0)}[kind])  # the default number and order of references
    if idr:
        bits.u(1, 0, 0)
    elif kind != "B":
        bits.u(1, 0)
    return bits.se(0).ue(1)


def pcm_slice(header: Bits, luma: Plane, chroma: tuple[int, int]) -> bytes:
    """Returns a field of I_PCM macroblocks (7.3.5)."""
    for number in range(MACROBLOCKS):
        x, y = number % COLUMNS * 16, number // COLUMNS * 16
        header.ue(25).align()
        for row in luma[y : y + 16]:
            header.raw(row[x : x + 16])
        header.raw(bytes([chroma[0]]) * 64 + bytes([chroma[1]]) * 64)
    return header.trailing().bytes()


def level(bits: Bits, value: int) -> Bits:
    """Writes one coefficient, which is the block's first and not 0 (9.2.1 and 9.2.2, with no coefficients in the neighbours)."""
    if abs(value) == 1:
        bits.u(2, 1).u(1, int(value < 0))
    else:
        code = (2 * value if value > 0 else -2 * value + 1) - 4
        bits.u(6, 5)
        if code < 14:
            bits.u(code + 1, 1)
        elif code < 30:
            bits.u(15, 1).u(4, code - 14)
        else:
            bits.u(16, 1).u(12, code - 30)
    return bits.u(1, 1)  # no zeros before it


def marked_slice(header: Bits, luma: Plane, position: int, brightness: int) -> bytes:
    """Returns a P field that skips every macroblock except the one at `position`, which gets about `brightness` in `luma`."""
    x, y = position % COLUMNS * 16, position // COLUMNS * 16
    near = list(luma[y - 1][x : x + 16]) if y else []
    near += [row[x - 1] for row in luma[y : y + 16]] if x else []
    # The mean of the 16 or 32 neighbours (8.3.3.3).
    mean = (sum(near) + len(near) // 2) // len(near)
    value = round((brightness - mean) / STEP) or 1
    for row in luma[y : y + 16]:
        row[x : x + 16] = bytes([mean + STEP * value]) * 16
    # Intra16x16 with DC prediction and only the luma's DC coefficient: mb_type 3, which P slices count from 5.
    header.ue(position, 5 + 3, 0).se(0)
    level(header, value)
    if position < MACROBLOCKS - 1:
        header.ue(MACROBLOCKS - 1 - position)
    return header.trailing().bytes()


def skipped_slice(header: Bits) -> bytes:
    """Returns a field whose macroblocks are all skipped."""
    return header.ue(MACROBLOCKS).trailing().bytes()


def gradient(gop: int) -> Plane:
    """Returns the first field of a GOP."""
    lines = range(HEIGHT // 2)
    return [bytearray(16 + 12 * gop + (3 * x + 2 * y * (gop + 1)) % 64 for x in range(WIDTH)) for y in lines]


def mean(first: Plane, second: Plane) -> Plane:
    """Returns the result of B_Skip: the mean of two fields, rounded up (8.4.2.3.1)."""
    pairs = zip(first, second, strict=True)
    return [bytearray((a + b + 1) // 2 for a, b in zip(one, two, strict=True)) for one, two in pairs]


def gop_order(frames: int) -> list[tuple[int, str]]:
    """Returns a GOP's frames in decoding order: I0 P2 B1 P4 B3 ... and a P frame at the end."""
    order = [(0, "I")]
    for number in range(2, frames, 2):
        order += [(number, "P"), (number - 1, "B")]
    return order if frames % 2 else [*order, (frames - 1, "P")]


def encode(frames: int, timing: bool) -> Stream:
    """Encodes this many frames. `timing` adds a picture timing SEI message to each access unit."""
    sps, pps = sequence_parameters(timing), picture_parameters()
    coded: list[Frame] = []
    planes: list[bytes] = []
    for gop, start in enumerate(range(0, frames, GOP_FRAMES)):
        shown = encode_gop(coded, start, min(GOP_FRAMES, frames - start), gop, [sps, pps], timing)
        chroma = b"".join(bytes([value]) * (WIDTH * HEIGHT // 4) for value in tint(gop))
        planes += [woven(fields) + chroma for _, fields in sorted(shown.items())]
    return Stream(sps, pps, coded, b"".join(planes))


def tint(gop: int) -> tuple[int, int]:
    """Returns the chroma of all pictures in a GOP."""
    return 118 + 10 * (gop % 3), 138 - 10 * (gop % 3)


def woven(fields: tuple[Plane, Plane]) -> bytes:
    """Returns the luma of a frame: alternating lines of the top field and of the bottom field."""
    return b"".join(bytes(top + bottom) for top, bottom in zip(*fields, strict=True))


def encode_gop(
    coded: list[Frame], start: int, frames: int, gop: int, parameters: list[bytes], timing: bool
) -> dict[int, tuple[Plane, Plane]]:
    """Appends a GOP's frames to `coded`. Returns the fields that each of its frames shows."""
    shown: dict[int, tuple[Plane, Plane]] = {}
    now = (gradient(gop), gradient(gop))
    before, references, marks = now, 0, 0
    for number, kind in gop_order(frames):
        fields: list[list[bytes]] = []
        position, brightness = 1 + marks % (MACROBLOCKS - 1), 120 + 37 * (marks + 5 * gop) % 110
        for bottom in (0, 1):
            field_kind = "P" if kind == "I" and bottom else kind
            idr = field_kind == "I"
            header = slice_header(field_kind, idr, bottom, references, 2 * number + bottom, gop % 2)
            if idr:
                body = pcm_slice(header, now[0], tint(gop))
            elif field_kind == "P":
                body = marked_slice(header, now[bottom], position, brightness + 20 * bottom)
            else:
                body = skipped_slice(header)
            sei = [picture_timing(bottom)] if timing else []
            sets = parameters if idr else []
            unit = nal(0 if kind == "B" else 3 if idr else 2, 5 if idr else 1, body)
            fields.append([delimiter(field_kind), *sets, *sei, unit])
        coded.append(Frame(start + number, kind, (fields[0], fields[1])))
        if kind == "B":
            shown[number] = (mean(before[0], now[0]), mean(before[1], now[1]))
        else:
            before = shown[max(shown)] if shown else now
            shown[number] = tuple([bytearray(row) for row in plane] for plane in now)
            references, marks = references + 1, marks + 1
    return shown


def encode_open(frames: int) -> Stream:
    """Encodes this many frames as one open stream."""
    sps, pps = sequence_parameters(False), picture_parameters()
    coded: list[Frame] = []
    shown: dict[int, tuple[Plane, Plane]] = {}
    references = 0
    for number, coded_kind in gop_order(frames):
        kind = "I" if number % GOP_FRAMES == 0 else coded_kind
        gop = number // GOP_FRAMES
        before, after = shown.get(number - 1), shown.get(number + 1)
        if kind == "B":
            planes = mean(before[0], after[0]), mean(before[1], after[1])
        elif kind == "I":
            planes = gradient(gop), gradient(gop + 1)
        else:
            previous = shown[max(shown)]
            planes = tuple([bytearray(row) for row in plane] for plane in previous)
        fields: list[list[bytes]] = []
        for bottom in (0, 1):
            idr = number == 0 and not bottom
            header = slice_header(kind, idr, bottom, references, 2 * number + bottom, 0)
            if kind == "I":
                body = pcm_slice(header, planes[bottom], tint(0))
            elif kind == "P":
                place = 1 + references % (MACROBLOCKS - 1)
                body = marked_slice(header, planes[bottom], place, 120 + 37 * references % 110 + 20 * bottom)
            else:
                body = skipped_slice(header)
            entry = [sps, pps, recovery_point()] if kind == "I" and not bottom else []
            unit = nal(0 if kind == "B" else 3 if kind == "I" else 2, 5 if idr else 1, body)
            fields.append([delimiter(kind), *entry, unit])
        coded.append(Frame(number, kind, (fields[0], fields[1])))
        shown[number] = planes
        references += kind != "B"
    chroma = b"".join(bytes([value]) * (WIDTH * HEIGHT // 4) for value in tint(0))
    return Stream(sps, pps, coded, b"".join(woven(planes) + chroma for _, planes in sorted(shown.items())))
