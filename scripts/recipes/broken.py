"""Truncated, wrong and malicious files, and the video of `make demo`."""

from __future__ import annotations

import random

from recipes import boxes
from recipes.base import AAC, AV1, END, X264, add, derived, patched, pattern, tone, video


def broken() -> None:
    """Adds truncated, wrong and malicious files. A name that begins with `x_` gives no picture."""
    derived("truncated_mdat.mp4", "40 % of h264_front.mp4: ends before 5 s", "cut", "h264_front.mp4",
            lambda data: data[: len(data) * 2 // 5])  # fmt: skip
    derived("truncated_mkv.mkv", "half of h264.mkv", "cut", "h264.mkv", lambda data: data[: len(data) // 2])
    derived("frag_dash_cut.mp4", "ends inside a fragment: the last sidx names a later end", "cut", "h264_frag_dash.mp4",
            lambda data: data[: data.rindex(b"sidx") + 1200])  # fmt: skip
    fragments = (*X264, "-g", "10", *AAC, "-movflags", "+delay_moov+frag_keyframe+default_base_moof")
    sound = (*pattern("96x64"), *tone())
    patched("frag_late.mp4", "a recording that began late: no first fragments, and an mfra with wrong positions", "libx264, fragments removed",
            lambda data: boxes.without_fragments(data, 2), *fragments, source=sound)  # fmt: skip
    patched("frag_disorder.mp4", "the first fragments are the last", "libx264, fragments moved",
            lambda data: boxes.without_fragments(data, 3, at_end=True), *fragments, "-shortest", source=sound)  # fmt: skip
    derived("damaged_ahead.mp4", "a damaged P-frame: the frames presented before it refer to it", "12 bytes overwritten", "h264_front.mp4",
            damaged_ahead)  # fmt: skip
    cut_packets()
    derived("x_truncated_moov.mp4", "ends inside the moov", "h264_front.mp4, cut", "h264_front.mp4",
            lambda data: data[: data.index(b"moov") + 700])  # fmt: skip
    derived(
        "x_no_moov.mp4", "60 % of h264_end.mp4: no moov", "cut", "h264_end.mp4", lambda data: data[: len(data) * 3 // 5]
    )
    add(
        "x_garbage.mp4",
        "random bytes",
        "fixed seed",
        lambda out: out.write_bytes(random.Random(5).randbytes(4096)),
    )
    add("x_empty.mp4", "no bytes", "-", lambda out: out.write_bytes(b""))
    text = "This is a text file, whatever its name says.\n" * 20
    add("x_text.mp4", "a text", "-", lambda out: out.write_text(text, encoding="ascii"))
    tiny = pattern("32x32", seconds="0.1")
    patched("x_bomb_stsz.mp4", "declares 80 million samples: gigabytes of index in a naive reader",
            "libx264, sample tables replaced", lambda data: boxes.claim_samples(data, 80_000_000),
            *X264, *END, source=tiny)  # fmt: skip
    patched("x_bomb_tracks.mp4", "16 tracks of 5 million samples: each below a limit per table, the sum not",
            "libx264, sample tables replaced, track repeated", lambda data: boxes.claim_samples(data, 5_000_000, 16),
            *X264, *END, source=tiny)  # fmt: skip
    video("x_huge_pixels.mp4", "16384x8704: more pixels than the limit", "-c:v", "libx264", "-preset", "superfast",
          "-crf", "40", "-x264-params", "log-level=-1:rc-lookahead=0", "-pix_fmt", "yuv420p", "-frames:v", "1", *END,
          source=("-f", "lavfi", "-i", "color=gray:size=16384x8704:rate=1"), note="flat grey, libx264")  # fmt: skip
    strange = "av1_metadata=color_primaries=200:transfer_characteristics=200:matrix_coefficients=200"
    video("bad_enum.mp4", "AV1 with colour numbers (200) that no standard knows: still a picture", *AV1,
          "-pix_fmt", "yuv420p", "-bsf:v", strange)  # fmt: skip


def damaged_ahead(data: bytes) -> bytes:
    """Overwrites bytes of a P-frame near the middle."""
    begin = data.index(b"mdat") + 4
    place = begin + (len(data) - begin) * 27 // 55
    return data[:place] + b"\xff" * 12 + data[place + 12 :]


def cut_packets() -> None:
    """Adds files that end inside a packet, before half of their duration. Their last whole frame is the one before."""
    front = ("-movflags", "+faststart")
    few = pattern("96x64", "2", "6")
    for codec, options in (("qtrle", ("-pix_fmt", "rgb24", "-g", "1")), ("mjpeg", ("-pix_fmt", "yuvj420p"))):
        patched(f"cut_packet_{codec}.mov", f"{codec}, keyframes only, ends inside the packet of the frame at 2 s",
                f"testsrc2, {codec}, cut", lambda data: boxes.cut_in_sample(data, 4), "-c:v", codec, "-q:v", "20",
                *options, *front, source=few)  # fmt: skip
    patched("cut_packet_h264.mp4", "H.264, ends inside the packet of the frame at 2 s", "testsrc2, libx264, cut",
            lambda data: boxes.cut_in_sample(data, 20), *X264, "-bf", "0", "-g", "70", *front,
            source=pattern("96x64"))  # fmt: skip


def demo() -> None:
    """The video of `make demo`."""
    # All random choices of this source are set here, because its seed alone does not determine them.
    colours = "nb_colors=4:c0=0x1b2a49:c1=0x3fa7d6:c2=0xfac05e:c3=0xee6352:x0=0:y0=0:x1=640:y1=360:seed=7"
    gradient = f"gradients=size=640x360:rate=25:duration=8:type=spiral:speed=0.02:{colours}"
    video("demo/1_test_video.mp4", "what the demonstration works on: 8 s, moov at the end", *X264, "-crf", "30",
          "-g", "100", *AAC, "-shortest", *END, source=("-f", "lavfi", "-i", gradient, *tone("8", "44100")),
          note="spiral gradient, libx264, aac")  # fmt: skip
