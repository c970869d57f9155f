#!/usr/bin/env python3
"""Measures the colours of the pictures: `make charts`.

The script draws charts of 32 patches as H.273 defines their numbers, one file for each kind of video, and grabs each as PNG, JPEG
and WebP. It compares the middle of each patch with the colour that its numbers define (scripts/colour_science.py). The table gives
the largest CIEDE2000 of each kind, and that of FFmpeg's zscale if zscale supports the kind. The script fails when a picture of SDR
differs by more than 2. target/charts/index.html shows every chart as posterframe renders it.

Usage: charts.py [PROGRAM]     (target/debug/posterframe)
"""

from __future__ import annotations

import html
import re
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import imageio_ffmpeg

import colour_science as science
from colour_science import Space, Triple

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
OUT = Path("target/charts")
LIMIT = 2.0
# The limit against the documented curve, also for lossy WebP.
HDR_LIMIT = 2.5
# The patches of a ColorChecker in sRGB, then primaries, secondaries, black, white.
PATCHES = [
    tuple(bytes.fromhex(colour))
    for colour in (
        "735244 c29682 627a9d 576c43 8580b1 67bdaa d67e2c 505ba6 c15a63 5e3c6c 9dbc40 e0a32e 383d96 469449 af363c e7c71f bb5695 0885a1 "
        "f3f3f2 c8c8c8 a0a0a0 7a7a79 555555 343434 ff0000 00ff00 0000ff 00ffff ff00ff ffff00 000000 ffffff"
    ).split()
]
COLUMNS, PATCH = 8, 16
WIDTH, HEIGHT = COLUMNS * PATCH, len(PATCHES) // COLUMNS * PATCH
FORMATS = ("png", "jpg", "webp")
YUV = re.compile(r"yuv(a?)(j?)(420|422|440|444|411|410)p(\d*)(le|be)?$")
SHIFTS = {"420": (1, 1), "422": (1, 0), "440": (0, 1), "444": (0, 0), "411": (2, 0), "410": (2, 2)}
# Formats that store the samples of a planar format in another order.
PACKED = {
    "nv12": "yuv420p", "nv21": "yuv420p", "uyvy422": "yuv422p", "yuyv422": "yuv422p", "yvyu422": "yuv422p",
    "yuv420p10be": "yuv420p10le", "yuv444p16be": "yuv444p16le",
    "yuv422p12be": "yuv422p12le", "gray16be": "gray16le", "rgb24": "gbrp", "bgr24": "gbrp", "bgr0": "gbrp", "0rgb": "gbrp", "argb": "gbrap", "rgba": "gbrap",
    "bgra": "gbrap", "rgb48be": "gbrp16le", "rgb48le": "gbrp16le", "rgba64be": "gbrap16le",
}  # fmt: skip


@dataclass
class Case:
    """A kind of video."""

    group: str
    name: str
    pix_fmt: str
    space: Space = Space()
    # The tags to write; `None` writes those of `space`.
    tags: dict[str, str] | None = None
    coder: Sequence[str] = ("-c:v", "ffv1", "-level", "3")
    suffix: str = "mkv"
    size: tuple[int, int] = (WIDTH, HEIGHT)
    # The additional difference that a lossy coder may cause.
    loss: float = 0.0
    colours: Sequence[tuple[int, ...]] = field(default_factory=lambda: PATCHES)
    # Further filters before the coder.
    filters: str = ""
    is_hdr: bool = False
    found: dict[str, list[tuple[float, int]]] = field(default_factory=dict)

    @property
    def planar(self) -> str:
        return PACKED.get(self.pix_fmt, self.pix_fmt)

    @property
    def depth(self) -> int:
        digits = re.search(r"(?:p|gray)(\d+)(?:le|be)?$", self.planar)
        return int(digits[1]) if digits else 8

    @property
    def is_rgb(self) -> bool:
        return self.planar.startswith("gbr") or self.pix_fmt in ("pal8", "rgb555le", "rgb565le", "monow", "monob")

    def numbers(self, patch: tuple[int, ...]) -> tuple[int, ...]:
        """Returns the codes of a patch, in the order of the planes."""
        rgb: Triple = tuple(value / 255 for value in patch)  # type: ignore[assignment]
        top = (1 << self.depth) - 1
        if self.is_rgb:
            r, g, b = (round(value * top) for value in rgb)
            return (g, b, r)
        if self.planar.startswith("gray"):
            return self.space.codes(rgb, self.depth)[:1]
        return self.space.codes(rgb, self.depth)

    def expected(self, patch: tuple[int, ...]) -> Triple:
        """Returns the expected 8-bit colour of a patch in the picture."""
        numbers = self.numbers(patch)
        if self.is_rgb:
            g, b, r = (value / ((1 << self.depth) - 1) for value in numbers)
            signals: Triple = (r, g, b)
        elif len(numbers) == 1:
            middle = 1 << (self.depth - 1)
            signals = self.space.signals((numbers[0], middle, middle), self.depth)
        else:
            signals = self.space.signals(numbers, self.depth)
        return science.shown(signals, self.space, self.is_rgb)

    def planes(self) -> bytes:
        """Returns the chart in the planar format."""
        grid = [self.numbers(patch) for patch in self.colours]
        word = "B" if self.depth == 8 else "<H"
        yuv = YUV.match(self.planar)
        shifts = SHIFTS[yuv[3]] if yuv else (0, 0)
        out = bytearray()
        width, height = self.size
        side_x, side_y = width // COLUMNS, height // (len(PATCHES) // COLUMNS)
        for plane in range(len(grid[0])):
            across, down = (1 << shift if plane and yuv else 1 for shift in shifts)
            for row in range(len(PATCHES) // COLUMNS):
                line = b"".join(
                    struct.pack(word, grid[row * COLUMNS + column][plane]) * (side_x // across) for column in range(COLUMNS)
                )
                out += line * (side_y // down)
        if self.planar.startswith(("yuva", "gbrap")):
            out += struct.pack(word, (1 << self.depth) - 1) * (width * height)
        return bytes(out)

    def write(self, path: Path) -> None:
        tags = self.tags
        if tags is None:
            tags = {
                "colorspace": "gbr" if self.is_rgb else self.space.matrix,
                "color_primaries": self.space.primaries,
                "color_trc": self.space.transfer,
                "range": "pc" if self.space.full or self.is_rgb else "tv",
            }
        # Only the order of the samples changes.
        filters = ["scale", f"format={self.pix_fmt}"] if self.pix_fmt != self.planar else [f"format={self.pix_fmt}"]
        if self.filters:
            filters = [self.filters]
        if tags:
            filters.append("setparams=" + ":".join(f"{name}={value}" for name, value in tags.items()))
        width, height = self.size
        command = [FFMPEG, "-hide_banner", "-loglevel", "error", "-y", "-f", "rawvideo", "-pix_fmt", self.planar, "-s", f"{width}x{height}", "-r", "1", "-i", "-"]
        range_of_coder = ["-color_range", tags["range"]] if "range" in tags else []
        command += ["-noauto_conversion_filters", "-vf", ",".join(filters), *range_of_coder, *self.coder, str(path)]
        done = subprocess.run(command, input=self.planes(), capture_output=True)
        if done.returncode:
            print(f"{self.group}, {self.name}: {done.stderr.decode()}", file=sys.stderr)

    def by_zscale(self, path: Path) -> bytes | None:
        """Returns the picture as zscale converts it; `None` if zscale does not support the kind."""
        space = self.space
        out = "iec61966-2-1" if space.transfer == "iec61966-2-1" else "709"
        before = {"min": "gbr" if self.is_rgb else space.matrix, "tin": space.transfer, "pin": space.primaries, "rin": "full" if space.full or self.is_rgb else "limited"}
        after = {"m": "gbr", "t": out, "p": "709", "r": "full"}
        chain = f"format={self.planar},zscale=" + ":".join(f"{name}={value}" for name, value in {**before, **after}.items()) + ",format=gbrp,format=rgb24"
        command = [FFMPEG, "-hide_banner", "-loglevel", "error", "-i", str(path), "-frames:v", "1", "-vf", chain, "-f", "rawvideo", "-"]
        done = subprocess.run(command, capture_output=True)
        return done.stdout if not done.returncode and done.stdout else None

    def measure(self, by: str, picture: bytes) -> None:
        width, height = self.size
        side_x, side_y = width // COLUMNS, height // (len(PATCHES) // COLUMNS)
        differences = []
        for index, patch in enumerate(self.colours):
            left, top = index % COLUMNS * side_x, index // COLUMNS * side_y
            pixels = [
                3 * (y * width + x)
                for y in range(top + side_y // 4, top + side_y * 3 // 4)
                for x in range(left + side_x // 4, left + side_x * 3 // 4)
            ]
            mean = [sum(picture[at + component] for at in pixels) / len(pixels) for component in range(3)]
            differences.append((science.ciede2000(science.lab(mean), science.lab(self.expected(patch))), index))
        self.found[by] = sorted(differences, reverse=True)

    def worst(self, by: str) -> float | None:
        return self.found[by][0][0] if by in self.found else None


def sampling(depth: int, kind: str) -> str:
    return f"yuv{kind}p{depth}le" if depth > 8 else f"yuv{kind}p"


def span(full: bool) -> str:
    return "full" if full else "limited"


def matrices() -> Iterator[Case]:
    """Yields every matrix that consists of weights, and YCgCo, in both ranges and all depths."""
    names = ("bt709", "fcc", "bt470bg", "smpte170m", "smpte240m", "bt2020nc", "ycgco")
    for matrix in names:
        for full in (False, True):
            for pix_fmt in ("yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p12le", "yuv444p12le", "yuv444p16le"):
                yield Case(f"matrix {matrix}, {span(full)} range", pix_fmt, pix_fmt, Space(matrix, full))
    for primaries in science.PRIMARIES:
        for full in (False, True):
            space = Space("chroma-derived-nc", full, primaries)
            yield Case(f"matrix of the primaries, {span(full)} range", primaries, "yuv444p10le", space)


def constant_luminance() -> Iterator[Case]:
    for full in (False, True):
        for pix_fmt in ("yuv420p10le", "yuv444p12le"):
            for transfer in ("bt2020-10", "bt2020-12", "bt709"):
                yield Case("BT.2020 of constant luminance", f"{pix_fmt} {span(full)} {transfer}", pix_fmt, Space("bt2020c", full, "bt2020", transfer))
            for primaries in ("bt709", "smpte432"):
                space = Space("chroma-derived-c", full, primaries, "bt709")
                yield Case("constant luminance of the primaries", f"{pix_fmt} {span(full)} {primaries}", pix_fmt, space)


def light() -> Iterator[Case]:
    """Yields all primaries with all curves."""
    curves = [name for name in science.TRANSFERS if name not in ("unknown", *science.HDR_CURVES)]
    for primaries in science.PRIMARIES:
        for transfer in curves:
            matrix = "bt2020nc" if primaries == "bt2020" else "bt709"
            yield Case(f"primaries {primaries}, all curves", transfer, "yuv444p12le", Space(matrix, False, primaries, transfer))
    for transfer in curves:
        yield Case("RGB, all curves", transfer, "gbrp12le", Space(transfer=transfer))
    for pix_fmt in ("yuv420p", "yuv420p10le", "yuv422p10le"):
        for matrix, primaries, transfer in (
            ("bt2020nc", "bt2020", "bt2020-10"), ("bt709", "smpte432", "bt709"), ("bt709", "smpte432", "iec61966-2-1"), ("bt709", "smpte431", "bt709"),
            ("bt470bg", "bt470bg", "bt709"), ("smpte170m", "smpte170m", "smpte170m"),
        ):  # fmt: skip
            yield Case("usual sets of tags", f"{pix_fmt} {primaries} {transfer}", pix_fmt, Space(matrix, False, primaries, transfer))


def layouts() -> Iterator[Case]:
    """Yields every layout that a lossless coder writes."""
    planar = [sampling(depth, kind) for depth in (8, 9, 10, 12, 14, 16) for kind in ("420", "422", "444")]
    planar += ["yuv440p", "yuv411p", "yuv410p", "yuv440p10le", "yuv440p12le", "yuva420p", "yuva444p10le", "yuva422p16le"]
    for full in (False, True):
        for pix_fmt in planar:
            # In this format 16 pixels share a chroma sample, so the patches are larger.
            size = (2 * WIDTH, 2 * HEIGHT) if pix_fmt == "yuv410p" else (WIDTH, HEIGHT)
            yield Case(f"planar YUV, {span(full)} range", pix_fmt, pix_fmt, Space(full=full), size=size)
        for pix_fmt in ("gray", "gray10le", "gray12le", "gray14le", "gray16le"):
            yield Case(f"monochrome, {span(full)} range", pix_fmt, pix_fmt, Space(full=full))
    raw = ("-c:v", "rawvideo")
    for pix_fmt in ("nv12", "nv21", "uyvy422", "yuyv422", "yvyu422", "yuv420p10be", "yuv444p16be", "yuv422p12be"):
        yield Case("packed YUV", pix_fmt, pix_fmt, Space("smpte170m"), {}, raw, "nut")
    for pix_fmt in ("gbrp10le", "gbrp12le", "gbrp14le", "gbrp16le", "gbrap16le", "bgr0", "bgra"):
        yield Case("RGB", pix_fmt, pix_fmt)
    for pix_fmt in ("rgb24", "bgr24", "0rgb", "argb", "rgba", "rgb48be", "rgb48le", "rgba64be"):
        yield Case("RGB", f"{pix_fmt} in NUT", pix_fmt, Space(), {}, raw, "nut")


def coders() -> Iterator[Case]:
    """Yields decoders that report colours themselves, with coders as lossless as possible."""
    hd, sd, wide = Space(), Space("smpte170m", False, "smpte170m", "smpte170m"), Space("bt2020nc", False, "bt2020", "bt2020-10")
    x264, x265 = ("-c:v", "libx264", "-qp", "0"), ("-c:v", "libx265", "-x265-params", "lossless=1:log-level=none")
    vp9, av1 = ("-c:v", "libvpx-vp9", "-lossless", "1"), ("-c:v", "libaom-av1", "-cpu-used", "8", "-crf", "0", "-aom-params", "lossless=1")
    for pix_fmt in ("yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "yuv444p10le"):
        for space in (hd, sd, wide, Space(full=True), Space("ycgco"), Space("fcc"), Space("smpte240m", False, "smpte240m", "smpte240m")):
            name = f"{pix_fmt} {space.matrix} {span(space.full)}"
            yield Case("H.264", name, pix_fmt, space, coder=x264, suffix="mp4")
            yield Case("H.265", name, pix_fmt, space, coder=x265, suffix="mp4")
    for space in (hd, sd, Space(full=True)):
        for pix_fmt in ("yuv420p", "yuv422p", "yuv440p", "yuv444p", "yuv420p10le", "yuv422p12le"):
            yield Case("VP9", f"{pix_fmt} {space.matrix} {span(space.full)}", pix_fmt, space, coder=vp9, suffix="webm")
        for pix_fmt in ("yuv420p", "yuv444p", "yuv420p10le", "gray"):
            yield Case("AV1", f"{pix_fmt} {space.matrix} {span(space.full)}", pix_fmt, space, coder=av1, suffix="mp4")
    yield Case("H.264", "RGB", "rgb24", coder=("-c:v", "libx264rgb", "-qp", "0"), suffix="mp4")
    yield Case("H.265", "RGB", "gbrp", coder=x265, suffix="mp4")
    yield Case("H.265", "gray", "gray", coder=x265, suffix="mp4")
    yield Case("VP9", "RGB", "gbrp", coder=vp9, suffix="webm")
    for pix_fmt in ("yuv422p10le", "yuv444p10le", "yuva444p10le"):
        yield Case("ProRes", pix_fmt, pix_fmt, hd, coder=("-c:v", "prores_ks", "-qscale:v", "1"), suffix="mov", loss=0.5)
    jpeg = Space("smpte170m", True)
    for pix_fmt in ("yuvj420p", "yuvj422p", "yuvj444p"):
        yield Case("Motion JPEG", pix_fmt, pix_fmt, jpeg, {"range": "pc"}, ("-c:v", "mjpeg", "-q:v", "1"), "avi", loss=0.5)
    for coder in ("ffvhuff", "huffyuv", "utvideo", "magicyuv"):
        for pix_fmt in ("yuv422p", "gbrp"):
            given = "rgb24" if coder in ("huffyuv",) and pix_fmt == "gbrp" else pix_fmt
            yield Case("AVI of editors", f"{coder} {pix_fmt}", given, Space("smpte170m") if pix_fmt == "yuv422p" else Space(), {}, ("-c:v", coder), "avi")
    yield Case("AVI of editors", "v210", "yuv422p10le", Space("smpte170m"), {}, ("-c:v", "v210"), "mov")
    palette = "scale,format=bgra,split[a][b];[a]palettegen=reserve_transparent=0[p];[b][p]paletteuse=dither=none"
    yield Case("GIF, PNG", "GIF", "rgb24", Space(), {}, (), "gif", filters=palette)
    for pix_fmt in ("rgb24", "rgb48be", "gray", "gray16be", "rgba"):
        space = Space(transfer="iec61966-2-1", full=True)
        yield Case("GIF, PNG", f"PNG {pix_fmt}", pix_fmt, space, {}, ("-c:v", "png"), "mov")
    yield Case("GIF, PNG", "PNG in sRGB", "rgb24", Space(transfer="iec61966-2-1"), {"color_trc": "iec61966-2-1", "color_primaries": "bt709", "range": "pc"}, ("-c:v", "png"), "mov")


def untagged() -> Iterator[Case]:
    """Yields videos without tags, where the size decides."""
    for width, height, matrix in ((1280, 64, "bt709"), (1264, 576, "smpte170m"), (128, 592, "bt709"), (1920, 1088, "bt709"), (720, 576, "smpte170m")):
        for pix_fmt in ("yuv420p", "yuv420p10le", "yuv444p"):
            yield Case("untagged, by size", f"{width}x{height} {pix_fmt}", pix_fmt, Space(matrix), {}, size=(width, height))


def hdr() -> Iterator[Case]:
    """Yields PQ and HLG. The reference is the documented curve for a peak of 1000 cd/m2."""
    for transfer, name in (("smpte2084", "PQ"), ("arib-std-b67", "HLG")):
        for full in (False, True):
            for primaries in ("bt2020", "smpte432", "bt709"):
                for pix_fmt in ("yuv420p10le", "yuv444p12le", "yuv444p16le"):
                    matrix = "bt709" if primaries == "bt709" else "bt2020nc"
                    case = Case(f"{name}, {span(full)} range", f"{primaries} {pix_fmt}", pix_fmt, Space(matrix, full, primaries, transfer), is_hdr=True)
                    yield case
        for full in (False, True):
            for pix_fmt in ("yuv420p10le", "yuv444p12le"):
                yield Case(f"{name} in ICtCp", f"{pix_fmt} {span(full)}", pix_fmt, Space("ictcp", full, "bt2020", transfer), is_hdr=True)


def all_cases() -> list[Case]:
    makers = (matrices, constant_luminance, light, layouts, coders, untagged, hdr)
    return [case for maker in makers for case in maker()]


def unpack(pictures: list[Path], width: int, height: int) -> bytes:
    """Returns the RGB of pictures of one size, one after the other."""
    listing = "".join(f"file '{path.resolve()}'\n" for path in pictures)
    name = OUT / f"{pictures[0].suffix[1:]}.txt"
    name.write_text(listing)
    command = [FFMPEG, "-hide_banner", "-loglevel", "error", "-f", "concat", "-safe", "0", "-i", str(name), "-fps_mode", "passthrough"]
    # Converts YUV without shortcuts.
    command += ["-sws_flags", "accurate_rnd+full_chroma_int+full_chroma_inp", "-pix_fmt", "rgb24", "-f", "rawvideo", "-"]
    data = subprocess.run(command, check=True, capture_output=True).stdout
    name.unlink()
    size = 3 * width * height
    if len(data) != size * len(pictures):
        raise SystemExit(f"{len(pictures)} pictures of {width}x{height} gave {len(data)} bytes")
    return data


def grab(program: str, cases: list[tuple[Case, Path]], suffix: str) -> list[Path]:
    """Grabs all pictures in a format. Pictures that failed are left out."""
    folder = OUT / suffix
    folder.mkdir()
    kind = {"jpg": "jpeg"}.get(suffix, suffix)
    for start in range(0, len(cases), 100):
        paths = [path for _, path in cases[start : start + 100]]
        command = [program, "grab", *paths, "--at", "0", "--format", kind, "--quality", "100", "-o", f"{folder}/"]
        done = subprocess.run(command, capture_output=True)
        if done.returncode:
            print(done.stderr.decode(), file=sys.stderr)
    return [folder / f"{path.stem}.{suffix}" for _, path in cases]


def measure(program: str, cases: list[Case]) -> None:
    videos = OUT / "videos"
    videos.mkdir(parents=True)
    paths = [videos / f"{index:04}.{case.suffix}" for index, case in enumerate(cases)]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda pair: pair[0].write(pair[1]), zip(cases, paths, strict=True)))
        for case, picture in zip(cases, pool.map(lambda pair: pair[0].by_zscale(pair[1]), zip(cases, paths, strict=True)), strict=True):
            if picture and not case.is_hdr and not case.planar.startswith(("yuva", "gbrap")):
                case.measure("zscale", picture)
    for suffix in FORMATS:
        pictures = dict(zip(paths, grab(program, list(zip(cases, paths, strict=True)), suffix), strict=True))
        for size in {case.size for case in cases}:
            some = [(case, pictures[path]) for case, path in zip(cases, paths, strict=True) if case.size == size and pictures[path].exists()]
            step = 3 * size[0] * size[1]
            for case, picture in some if suffix == "webp" else []:
                case.measure(suffix, unpack([picture], *size))
            if suffix != "webp":
                data = unpack([picture for _, picture in some], *size)
                for index, (case, _) in enumerate(some):
                    case.measure(suffix, data[step * index : step * (index + 1)])


def figure(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def table(cases: list[Case]) -> str:
    lines = ["| videos | cases | PNG | JPEG | WebP | zscale |", "|---|---:|---:|---:|---:|---:|"]
    groups: dict[str, list[Case]] = {}
    for case in cases:
        groups.setdefault(case.group, []).append(case)
    for group, members in groups.items():
        figures = []
        for by in (*FORMATS, "zscale"):
            known = [worst for case in members if (worst := case.worst(by)) is not None]
            missing = f" ({len(known)})" if 0 < len(known) < len(members) else ""
            figures.append((figure(max(known)) if known else "–") + missing)
        lines.append(f"| {group} | {len(members)} | " + " | ".join(figures) + " |")
    return "\n".join(lines)


def page(cases: list[Case], paths: list[Path]) -> str:
    rows = []
    for case, path in zip(cases, paths, strict=True):
        figures = "".join(f"<td>{figure(case.worst(by))}" for by in (*FORMATS, "zscale"))
        worst = case.found.get("jpg", [(0.0, 0)])[0][1]
        expected = "".join(
            f'<i style="background:rgb({",".join(f"{value:.0f}" for value in case.expected(patch))})"></i>' for patch in case.colours
        )
        pictures = "".join(f'<td><img src="{suffix}/{path.stem}.{suffix}">' for suffix in FORMATS)
        names = f"<td>{html.escape(case.group)}<td>{html.escape(case.name)}"
        rows.append(f'<tr>{names}<td><div class="expected">{expected}</div>{pictures}{figures}<td>{worst + 1}')
    style = "body{font:14px sans-serif}td,th{padding:2px 6px;text-align:left}img,.expected{width:128px;height:64px}.expected i{float:left;width:16px;height:16px}"
    heads = "<tr><th>videos<th>case<th>expected<th>PNG<th>JPEG<th>WebP" + "".join(f"<th>{by}" for by in (*FORMATS, "zscale")) + "<th>worst patch (JPEG)"
    return f'<!doctype html><meta charset="utf-8"><title>Charts</title><style>{style}</style><h1>Charts, largest CIEDE2000</h1><table>{heads}{"".join(rows)}</table>\n'


def main() -> None:
    program = sys.argv[1] if len(sys.argv) > 1 else "target/debug/posterframe"
    science.check()
    shutil.rmtree(OUT, ignore_errors=True)
    cases = all_cases()
    measure(program, cases)
    shutil.rmtree(OUT / "videos")
    paths = [Path(f"{index:04}.{case.suffix}") for index, case in enumerate(cases)]
    (OUT / "index.html").write_text(page(cases, paths))
    print(table(cases))
    wrong = 0
    for case in cases:
        for suffix in FORMATS:
            worst = case.worst(suffix)
            limit = HDR_LIMIT if case.is_hdr else LIMIT + case.loss
            if worst is None or worst > limit:
                wrong += 1
                at = f"patch {case.found[suffix][0][1] + 1} is {worst:.2f} away" if worst is not None else "no picture"
                print(f"{case.group}, {case.name}, {suffix}: {at}")
    print(f"{len(cases)} charts in {len(FORMATS)} formats, {wrong} too far away (SDR: {LIMIT:g}, HDR: {HDR_LIMIT:g})")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
