"""Rotated, mirrored, stretched, interlaced, odd and large pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from recipes import boxes
from recipes.base import AV1, BITEXACT, END, FLAT, GOP, X264, X265, X265_PARAMS, add, pattern, run, video
from recipes.colours import to_yuv

# Corners of the upright picture: top left, top right, bottom left, bottom right.
CORNERS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255))
UPRIGHT = (96, 64)

# EXIF orientation: the matrix ((a, b), (c, d), (x, y)) that turns a coded picture of w x h upright (ISO/IEC 14496-12, 8.3.2).
# It presents a point (p, q), with q counted downwards, at (a p + c q + x, b p + d q + y). The translation moves the rotated
# picture's corner to the origin. 5 to 8 swap width and height.
Matrix = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
ORIENTATIONS: dict[int, tuple[str, Callable[[int, int], Matrix]]] = {
    1: ("as coded", lambda w, h: ((1, 0), (0, 1), (0, 0))),
    2: ("mirrored left to right", lambda w, h: ((-1, 0), (0, 1), (w, 0))),
    3: ("turned by 180 degrees", lambda w, h: ((-1, 0), (0, -1), (w, h))),
    4: ("mirrored top to bottom", lambda w, h: ((1, 0), (0, -1), (0, h))),
    5: ("mirrored at the main diagonal", lambda w, h: ((0, 1), (1, 0), (0, 0))),
    6: ("turned by 90 degrees clockwise", lambda w, h: ((0, 1), (-1, 0), (h, 0))),
    7: ("mirrored at the other diagonal", lambda w, h: ((0, -1), (-1, 0), (h, w))),
    8: ("turned by 90 degrees counter-clockwise", lambda w, h: ((0, -1), (1, 0), (0, w))),
}


def corners(number: int) -> list[list[bytes]]:
    """Returns the upright picture as rows of RGB pixels: grey, coloured corners, and a black bar that moves with `number`."""
    width, height = UPRIGHT
    rows = [[bytes((128, 128, 128))] * width for _ in range(height)]
    for index, colour in enumerate(CORNERS):
        for y in range(16):
            for x in range(24):
                rows[y + (height - 16) * (index // 2)][x + (width - 24) * (index % 2)] = bytes(colour)
    for y in range(24, 40):
        for x in range(4 * number, 4 * number + 8):
            rows[y][x] = bytes((0, 0, 0))
    return rows


def as_coded(upright: list[list[bytes]], orientation: int) -> tuple[int, int, bytes]:
    """Returns width, height and pixels of the picture that the orientation's matrix turns into `upright`."""
    width, height = UPRIGHT if orientation < 5 else UPRIGHT[::-1]
    (a, b), (c, d), (x, y) = ORIENTATIONS[orientation][1](width, height)
    # The matrix moves edges. A pixel's centre is half a pixel further, which subtracts one on a reversed axis.
    x, y = x - (a + c < 0), y - (b + d < 0)
    pixels = [upright[b * p + d * q + y][a * p + c * q + x] for q in range(height) for p in range(width)]
    return width, height, b"".join(pixels)


def oriented(orientation: int) -> Callable[[Path], object]:
    """Returns a maker of the file that needs this orientation: 6 s, two frames a second."""

    def make(out: Path) -> None:
        frames = [as_coded(corners(number), orientation) for number in range(12)]
        width, height, _ = frames[0]
        run(
            "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", "2", "-i", "-", *BITEXACT,
            "-vf", to_yuv("bt709"), *FLAT, *END, out, data=b"".join(pixels for _, _, pixels in frames),
        )  # fmt: skip
        out.write_bytes(boxes.set_matrix(out.read_bytes(), ORIENTATIONS[orientation][1](width, height)))

    return make


def geometry() -> None:
    """Adds rotated, mirrored, stretched, interlaced, odd and large pictures."""
    for number, (words, matrix) in ORIENTATIONS.items():
        width, height = UPRIGHT if number < 5 else UPRIGHT[::-1]
        (a, b), (c, d), (x, y) = matrix(width, height)
        add(
            f"orient_{number}.mp4",
            f"EXIF orientation {number}: shown {words}. Upright: 96x64, red top left, green top right, "
            "blue bottom left, white bottom right",
            f"drawn {width}x{height}, libx264, tkhd matrix {a} {b} 0 / {c} {d} 0 / {x} {y} 1",
            oriented(number),
        )
    add("rotated_90.mkv", "orient_6.mp4 in Matroska (projection roll)", "remuxed",
        lambda out: run("-i", out.parent / "orient_6.mp4", *BITEXACT, "-c", "copy", out))  # fmt: skip
    sar = ("-vf", "setsar=64/45")
    video("anamorphic.mp4", "pixels of 64:45", *X264, *GOP, *sar, source=pattern("176x144"))
    video("anamorphic_vp8.mkv", "pixels of 64:45, said by the container only", "-c:v", "libvpx", "-b:v", "50k", *GOP,
          *sar, source=pattern("176x144"))  # fmt: skip
    fields = ("-vf", "tinterlace=mode=interleave_top", "-flags", "+bitexact+ildct+ilme")
    video("interlaced.mp4", "H.264 in fields, top field first", *X264, *GOP, *fields, "-x264-params", "tff=1",
          source=pattern("128x96", "20"))  # fmt: skip
    video("interlaced.ts", "H.264 in fields in MPEG-TS", *X264, *GOP, *fields, "-x264-params", "tff=1",
          source=pattern("128x96", "20"))  # fmt: skip
    video("interlaced_mpeg2.mpg", "MPEG-2 in fields", "-c:v", "mpeg2video", "-b:v", "60k", "-g", "40", "-bf", "2",
          *fields, "-f", "vob", source=pattern("128x96", "50", "6"))  # fmt: skip
    video("interlaced_packed.mov", "uncompressed UYVY in fields", *fields, "-pix_fmt", "uyvy422", "-c:v", "rawvideo", *END,
          source=("-f", "lavfi", "-i", "testsrc2=size=64x48:rate=4:duration=7,scroll=h=0.05"))  # fmt: skip
    video("black_around_5s.mp4", "a keyframe each second, black from 4 to 5.6 s", *X264, "-g", "10", "-keyint_min", "10", *END,
          "-vf", "drawbox=color=black:t=fill:enable='between(t,4,5.65)'", source=pattern())  # fmt: skip
    video("odd_size.webm", "161x121", "-c:v", "libvpx-vp9", "-b:v", "0", "-crf", "45", "-pix_fmt", "yuv420p", *GOP,
          source=("-f", "lavfi", "-i", "testsrc=size=161x121:rate=10:duration=7"))  # fmt: skip
    video("h264_1080p.mp4", "1920x1080, coded as 1920x1088", *X264, "-crf", "44", "-g", "100", *END,
          source=pattern("1920x1080", "2", "6"))  # fmt: skip
    video("left_crop.mp4", "H.264 cropped by 8 pixels at the left: 152x120", *X264, *GOP, "-bsf:v",
          "h264_metadata=crop_left=8", *END, source=pattern("160x120"))  # fmt: skip
    sizes()
    add("resolution_change.ts", "160x120, and from 4 s on 240x180", "two libx264 runs, one after the other", resized)


def sizes() -> None:
    """Adds pictures that are smaller than the coded ones: the codec crops edges, or scales its frames."""
    edges = "crop_left=8:crop_right=6:crop_top=4:crop_bottom=2"
    says = "cropped by 8, 6, 4 and 2 pixels at the left, the right, the top and the bottom: 146x122; the container says 160x128"
    few = ("-g", "12", "-keyint_min", "12")
    source = pattern("160x128", "4")
    video("crop_h264.mp4", f"H.264 {says}", *X264, *few, "-bsf:v", f"h264_metadata={edges}", *END, source=source)
    video("crop_h264_right.mp4", "H.264 cropped by 6 pixels at the right: 154x128; the container says 160x128", *X264, *few, "-bsf:v",
          "h264_metadata=crop_right=6", *END, source=source)  # fmt: skip
    hevc = (*X265, "-x265-params", X265_PARAMS.replace("keyint=30:min-keyint=30", "keyint=12:min-keyint=12"))
    for suffix in ("mp4", "mkv"):
        video(f"crop_hevc.{suffix}", f"HEVC {says}", *hevc, "-bsf:v", f"hevc_metadata={edges}", *(END if suffix == "mp4" else ()),
              source=source)  # fmt: skip
    odd = ("-f", "lavfi", "-i", "testsrc=size=161x121:rate=4:duration=7")
    video("av1_odd.mp4", "AV1 of 161x121", *AV1[:-len(GOP)], *few, "-pix_fmt", "yuv420p", *END, source=odd)
    scaled = "lp=1:resize-mode=1:resize-denom=12:resize-kf-denom=12"
    shows = "AV1 of 160x120 whose frames are coded, and to be rendered, at 107x80"
    video("av1_resized.mp4", shows, "-c:v", "libsvtav1", "-preset", "8", "-crf", "50", "-g", "12", "-svtav1-params", scaled,
          "-pix_fmt", "yuv420p", *END, source=pattern("160x120", "4"))  # fmt: skip


def resized(out: Path) -> None:
    """Writes two transport streams, of which the second continues the times of the first."""
    parts = []
    for size, seconds, offset in (("160x120", "4", "0"), ("240x180", "3", "4")):
        source = pattern(size, "10", seconds)
        parts.append(run(*source, *BITEXACT, *X264, *GOP, "-output_ts_offset", offset, "-f", "mpegts", "-"))
    out.write_bytes(b"".join(parts))
