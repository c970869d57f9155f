"""Flat patches of known colours in each matrix, range and transfer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from recipes.base import BITEXACT, END, FLAT, GOP, X264, X265, X265_PARAMS, add, pattern, run, video

# Four patches, left to right and top to bottom.
PATCHES = ((192, 32, 32), (32, 192, 32), (32, 32, 192), (192, 192, 192))


def patches(width: int, height: int) -> bytes:
    """Returns one RGB picture of four flat quarters."""
    rows = [bytes(PATCHES[2 * half]) * (width // 2) + bytes(PATCHES[2 * half + 1]) * (width // 2) for half in (0, 1)]
    return rows[0] * (height // 2) + rows[1] * (height // 2)


def to_yuv(matrix: str, full: bool = False, tagged: bool = True) -> str:
    """Returns the filters that convert RGB to this matrix, and tag the result if `tagged`."""
    span = "pc" if full else "tv"
    scale = f"scale=out_color_matrix={matrix}:out_range={span}:flags=accurate_rnd+full_chroma_int+bitexact"
    names = {"bt709": ("bt709", "bt709", "bt709"), "bt601": ("smpte170m", "smpte170m", "smpte170m")}
    space, primaries, transfer = names[matrix] if tagged else ("unknown",) * 3
    span = span if tagged else "unspecified"
    tags = f"setparams=colorspace={space}:color_primaries={primaries}:color_trc={transfer}:range={span}"
    return f"{scale},format=yuv420p,{tags}"


def coloured(filters: str, *options: str, size: tuple[int, int] = (160, 120)) -> Callable[[Path], object]:
    """Returns a maker of the four patches with these filters: 6 s at two frames a second."""

    def make(out: Path) -> None:
        width, height = size
        run(
            "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", "2", "-i", "-", *BITEXACT,
            "-vf", filters, *(options or FLAT), *END, out, data=patches(width, height) * 12,
        )  # fmt: skip

    return make


def transparent(*options: str, half: int = 128) -> Callable[[Path], object]:
    """Returns a maker of the patches with these options. The lower patches are half and fully transparent."""

    def make(out: Path) -> None:
        width, height = 160, 120
        rows = patches(width, height)
        pixels = bytearray()
        for index in range(width * height):
            is_lower, is_right = index >= width * height // 2, index % width >= width // 2
            alpha = (0 if is_right else half) if is_lower else 255
            pixels += rows[3 * index : 3 * index + 3] + bytes([alpha])
        run(
            "-f", "rawvideo", "-pix_fmt", "rgba", "-s", f"{width}x{height}", "-r", "2", "-i", "-", *BITEXACT,
            *options, out, data=bytes(pixels) * 12,
        )  # fmt: skip

    return make


def five_bits(out: Path) -> None:
    """Writes three patches of the values 24 and 4 of 31, and a white patch, without dithering."""
    width, height = 160, 120
    red, green, blue, white = (value.to_bytes(2, "big") for value in (24 << 10 | 4 << 5 | 4, 4 << 10 | 24 << 5 | 4, 4 << 10 | 4 << 5 | 24, 0x7FFF))
    picture = (red * (width // 2) + green * (width // 2)) * (height // 2) + (blue * (width // 2) + white * (width // 2)) * (height // 2)
    run(
        "-f", "rawvideo", "-pix_fmt", "rgb555be", "-s", f"{width}x{height}", "-r", "2", "-i", "-", *BITEXACT,
        "-c:v", "qtrle", "-pix_fmt", "rgb555be", *END, out, data=picture * 12,
    )  # fmt: skip


def colours() -> None:
    """Flat patches of known colours in each matrix, range and transfer."""
    known = "patches " + " ".join(str(patch).replace(" ", "") for patch in PATCHES)
    rgb = f"{known}, libx264"
    add("colours_bt709.mp4", "BT.709, tagged", rgb, coloured(to_yuv("bt709")))
    add("colours_bt601.mp4", "BT.601, tagged", rgb, coloured(to_yuv("bt601")))
    add("colours_untagged_sd.mp4", "BT.601, not tagged", rgb, coloured(to_yuv("bt601", tagged=False)))
    add("colours_untagged_720.mp4", "BT.709 at 1280x720, not tagged", rgb,
        coloured(to_yuv("bt709", tagged=False), size=(1280, 720)))  # fmt: skip
    add("colours_full_range.mp4", "BT.709, full range, tagged", rgb, coloured(to_yuv("bt709", full=True)))
    # zimg decodes BT.709 as a display does (BT.1886, gamma 2.4), and sets its white to 203 cd/m2.
    tagged = "format=gbrp,setparams=colorspace=gbr:color_primaries=bt709:color_trc=bt709:range=pc"
    linear = f"{tagged},zscale=t=linear:npl=203,format=gbrpf32le,zscale=p=bt2020"
    for name, transfer, curve in (("hdr10", "smpte2084", "PQ"), ("hlg", "arib-std-b67", "HLG")):
        chain = f"{linear},zscale=t={transfer}:m=bt2020nc:r=tv:npl=203,format=yuv420p10le"
        light = "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1):max-cll=1000,203"
        extra = f":hdr10=1:repeat-headers=1:{light}" if name == "hdr10" else ""
        tags = f":colorprim=bt2020:transfer={transfer}:colormatrix=bt2020nc:range=limited"
        options = (*X265[:4], "-crf", "4", "-tag:v", "hvc1", "-x265-params", X265_PARAMS + tags + extra)
        add(f"{name}_patches.mp4", f"the SDR patches in {curve}, white at 203 cd/m2",
            f"{known}, zscale, libx265 Main 10", coloured(chain, *options))  # fmt: skip
        moving = (*X265[:4], "-crf", "30", "-tag:v", "hvc1", "-x265-params", X265_PARAMS + tags + extra)
        source = pattern("320x180", "5", "6")
        says = "with mastering display and content light level" if extra else "without metadata"
        video(f"{name}.mp4", f"{curve}, BT.2020, 10 bits, {says}", "-vf", chain, *moving, source=source,
              note="testsrc2, zscale, libx265 Main 10")  # fmt: skip
    gbr = "format=gbrp,setparams=colorspace=gbr:color_primaries=bt709:color_trc=bt709:range=pc"
    wide = f"{gbr},zscale=t=linear,format=gbrpf32le,zscale=p=bt2020:t=2020_10:m=2020_ncl:r=tv,format=yuv420p10le"
    add("colours_bt2020.mp4", "SDR in BT.2020, tagged", f"{known}, zscale, libx264 High 10", coloured(wide, *FLAT, "-pix_fmt", "yuv420p10le"))
    ycgco = f"{gbr},zscale=m=ycgco:r=tv,format=yuv420p,setparams=colorspace=ycgco:range=tv"
    add("colours_ycgco.mp4", "YCgCo, tagged", f"{known}, zscale, libx264", coloured(ycgco))
    grey = "scale=out_color_matrix=bt709:out_range=tv,format=yuv420p,extractplanes=y,setparams=range=tv"
    add("colours_grey.mp4", "monochrome in limited range", f"{known}, luma alone, libx265",
        coloured(grey, *X265[:4], "-crf", "4", "-tag:v", "hvc1", "-x265-params", X265_PARAMS, "-pix_fmt", "gray"))  # fmt: skip
    add("colours_rgb555.mov", "five bits a component: patches of 24 and 4 of 31, and white", "drawn, qtrle", five_bits)
    alphas = "the patches with alpha 255, 255, 128 and 0"
    add("colours_alpha.mov", alphas, f"{known}, qtrle", transparent("-c:v", "qtrle", "-pix_fmt", "argb", *END))
    add("colours_alpha_png.mov", f"PNG: {alphas}", f"{known}, png", transparent("-c:v", "png", "-pix_fmt", "rgba", *END))
    ks = ("-c:v", "prores_ks", "-profile:v", "4444", "-alpha_bits", "16", "-vendor", "apl0", "-qscale:v", "4")
    yuva = to_yuv("bt709").replace("format=yuv420p", "format=yuva444p10le")
    add("colours_alpha_prores.mov", f"ProRes 4444: {alphas}", f"{known}, prores_ks", transparent("-vf", yuva, *ks, *END))
    palette = "split[a][b];[a]palettegen=reserve_transparent=1:stats_mode=single[p];[b][p]paletteuse=dither=none:new=1"
    add("colours_alpha.gif", "GIF: the patches, the lower ones wholly transparent", f"{known}, gif", transparent("-vf", palette, half=0))
    for bits in ("10", "12"):
        rows = f"{gbr},zscale=m=709:r=tv:c=left,format=yuv440p{bits}le"
        add(f"colours_440_{bits}.webm", f"VP9 with chroma in every second row, {bits} bits", f"{known}, zscale, libvpx-vp9",
            coloured(rows, "-c:v", "libvpx-vp9", "-b:v", "0", "-crf", "10", "-pix_fmt", f"yuv440p{bits}le"))  # fmt: skip
    video("h264_10bit.mp4", "H.264 High 10", *X264, "-pix_fmt", "yuv420p10le", *GOP)
