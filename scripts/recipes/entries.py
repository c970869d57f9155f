"""Streams that are hard to enter: open GOPs, one keyframe only, gradual intra refresh, layers of frames."""

from __future__ import annotations

from recipes.base import END, GOP, X264, pattern, video

SMALL = pattern("96x64")
# Keyframes at 1.7, 3.4 and 5.1 s: the frame at 5 s follows the last one in the file and also needs the one before.
OPEN = ("-g", "17", "-keyint_min", "17", "-x264-params", "open-gop=1:b-adapt=0")
MPEG2 = ("-c:v", "mpeg2video", "-b:v", "40k", "-maxrate", "60k", "-bufsize", "50k", "-g", "42", "-bf", "2",
         "-sc_threshold", "1000000000")  # fmt: skip


def entries() -> None:
    """Streams whose keyframes do not begin something new, or that have none."""
    leads = "the frame at 5 s leads the keyframe at 5.1 s"
    video("open_gop.mp4", f"open GOP in MP4: {leads}", *X264, *OPEN, *END, source=SMALL)
    video("open_gop.ts", f"open GOP in MPEG-TS: {leads}", *X264, *OPEN, source=SMALL)
    # At 25 frames a second, keyframes every 1.68 s: one at 5.04 s, with two B-frames before it.
    slow = pattern("96x64", "25", "6")
    video("open_gop_mpeg2.ts", "MPEG-2, open GOP: the frame at 5 s leads a keyframe", *MPEG2, source=slow)
    video("open_gop_mpeg2.mov", "the same in QuickTime, with partial sync samples", *MPEG2, *END, source=slow)
    video("one_keyframe.ts", "MPEG-TS with one keyframe, at 0", *X264, "-g", "10000", source=SMALL)
    refresh = (*X264, "-bf", "0", *GOP, "-x264-params", "intra-refresh=1")
    video("intra_refresh.ts", "gradual intra refresh: one IDR picture, then recovery points", *refresh, source=SMALL)
    video("intra_refresh.mp4", "the same in MP4", *refresh, *END, source=SMALL)
