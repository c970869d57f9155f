"""Still pictures that consist of a grid of tiles, as phones write them (ISO/IEC 23008-12, 6.6.2.3.2)."""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Callable
from pathlib import Path

from recipes import boxes
from recipes.base import BITEXACT, END, X265, X265_PARAMS, add, run
from recipes.boxes import Box, full

TILE, ROWS, COLUMNS = 64, 2, 2
# The grid is cropped at the right and lower edges.
SHOWN = (120, 100)


def heif() -> None:
    """Adds one picture of two by two tiles, in each of the two usual codecs."""
    shows = f"a picture of {SHOWN[0]}x{SHOWN[1]} in {COLUMNS} x {ROWS} tiles of {TILE}x{TILE}"
    hevc = (*X265, "-crf", "20", "-x265-params", f"{X265_PARAMS}:bframes=0", "-force_key_frames", "expr:1",
            "-forced-idr", "1")  # fmt: skip
    av1 = ("-c:v", "libaom-av1", "-cpu-used", "8", "-crf", "30", "-b:v", "0", "-g", "1", "-pix_fmt", "yuv420p")
    add("grid.heic", f"HEIF: {shows}, HEVC", "testsrc2, libx265, boxes written",
        tiled(b"heic", b"hvc1", b"hvcC", *hevc))  # fmt: skip
    add("grid.avif", f"HEIF: {shows}, AV1", "testsrc2, libaom-av1, boxes written",
        tiled(b"avif", b"av01", b"av1C", *av1))  # fmt: skip


def tiled(brand: bytes, codec: bytes, configuration: bytes, *options: str) -> Callable[[Path], object]:
    """Returns a maker of a grid whose tiles are the frames of a video. All frames are keyframes."""

    def make(out: Path) -> None:
        count = ROWS * COLUMNS
        # Each frame is a different tile of one picture.
        crop = f"crop={TILE}:{TILE}:mod(n\\,{COLUMNS})*{TILE}:floor(n/{COLUMNS})*{TILE}"
        source = f"testsrc2=size={TILE * COLUMNS}x{TILE * ROWS}:rate=1:duration=1,loop={count - 1}:1,{crop}"
        with tempfile.TemporaryDirectory() as folder:
            video = Path(folder) / "tiles.mp4"
            run("-f", "lavfi", "-i", source, *BITEXACT, *options, *END, video)
            data = video.read_bytes()
        root = boxes.parse(data)
        entry = root.one(b"stsd").payload + b"".join(child.bytes() for child in root.one(b"stsd").children)
        at = entry.index(configuration) - 4
        size = struct.unpack_from(">I", entry, at)[0]
        sizes = struct.unpack_from(f">{count}I", root.one(b"stsz").payload, 12)
        start = struct.unpack_from(">I", root.one(b"stco").payload, 8)[0]
        tiles = [data[start + sum(sizes[:number]) :][: sizes[number]] for number in range(count)]
        out.write_bytes(picture(brand, codec, Box(configuration, entry[at + 8 : at + size]), tiles))

    return make


def picture(brand: bytes, codec: bytes, configuration: Box, tiles: list[bytes]) -> bytes:
    """Returns the file. Item 1 is the grid, and the tiles follow."""
    file_type = Box(b"ftyp", brand + bytes(4) + b"mif1" + brand + b"miaf").bytes()
    grid = struct.pack(">BBBBHH", 0, 0, ROWS - 1, COLUMNS - 1, *SHOWN)
    items = [grid, *tiles]
    # Positions have a fixed size, so the length of the part before the data is known before the positions are.
    head = len(file_type) + len(described(codec, configuration, items, 0).bytes()) + 8
    meta = described(codec, configuration, items, head)
    return file_type + meta.bytes() + Box(b"mdat", b"".join(items)).bytes()


def described(codec: bytes, configuration: Box, items: list[bytes], data_at: int) -> Box:
    """Returns the `meta` box (ISO/IEC 14496-12, 8.11) of items that are stored one after the other from this position on."""
    numbers = range(1, len(items) + 1)
    handler = Box(b"hdlr", struct.pack(">II4s12x", 0, 0, b"pict") + b"\x00")
    primary = Box(b"pitm", struct.pack(">IH", 0, 1))
    places = struct.pack(">IHH", 0, 0x4400, len(items))
    for number, item in zip(numbers, items, strict=True):
        places += struct.pack(">HHHII", number, 0, 1, data_at, len(item))
        data_at += len(item)
    kinds = [b"grid"] + [codec] * (len(items) - 1)
    entries = [
        Box(b"infe", struct.pack(">IHH4s", 2 << 24, number, 0, kind) + b"\x00")
        for number, kind in zip(numbers, kinds, strict=True)
    ]
    information = Box(b"iinf", struct.pack(">IH", 0, len(items)) + b"".join(entry.bytes() for entry in entries))
    derived = Box(b"dimg", struct.pack(f">HH{len(items) - 1}H", 1, len(items) - 1, *numbers[1:]))
    references = Box(b"iref", struct.pack(">I", 0) + derived.bytes())
    children = [handler, primary, Box(b"iloc", places), information, references, properties(configuration, len(items))]
    return Box(b"meta", struct.pack(">I", 0) + b"".join(child.bytes() for child in children))


def properties(configuration: Box, count: int) -> Box:
    """Returns the `iprp` box (ISO/IEC 23008-12, 9.3): the configuration, the two sizes, and 8 bits for each component."""
    kept = [
        configuration,
        full(b"ispe", TILE, TILE),
        full(b"ispe", *SHOWN),
        Box(b"pixi", struct.pack(">IBBBB", 0, 3, 8, 8, 8)),
    ]
    container = Box(b"ipco", b"".join(child.bytes() for child in kept))
    # The highest bit marks the configuration as essential.
    links = struct.pack(">II", 0, count) + struct.pack(">HBBB", 1, 2, 3, 4)
    for number in range(2, count + 1):
        links += struct.pack(">HBBBB", number, 3, 0x81, 2, 4)
    return Box(b"iprp", container.bytes() + Box(b"ipma", links).bytes())
