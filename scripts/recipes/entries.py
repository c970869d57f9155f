"""Streams without simple random access: open GOPs, only one keyframe, gradual intra refresh, layers of frames."""

from __future__ import annotations

from recipes.base import END, GOP, X264, X265, X265_PARAMS, pattern, video

SMALL = pattern("96x64")
# Keyframes at 1.7, 3.4 and 5.1 s. The frame at 5 s follows the last keyframe in the file, and also needs the one before.
OPEN = ("-g", "17", "-keyint_min", "17", "-x264-params", "open-gop=1:b-adapt=0")
MPEG2 = ("-c:v", "mpeg2video", "-b:v", "40k", "-maxrate", "60k", "-bufsize", "50k", "-g", "42", "-bf", "2",
         "-sc_threshold", "1000000000")  # fmt: skip


def entries() -> None:
    """Adds streams whose keyframes do not start an independent part, or that have no keyframes."""
    leads = "the frame at 5 s leads the keyframe at 5.1 s"
    video("open_gop.mp4", f"open GOP in MP4: {leads}", *X264, *OPEN, *END, source=SMALL)
    video("open_gop.ts", f"open GOP in MPEG-TS: {leads}", *X264, *OPEN, source=SMALL)
    # At 25 frames a second, keyframes every 1.68 s: one at 5.04 s, with two B-frames before it.
    slow = pattern("96x64", "25", "6")
    video("open_gop_mpeg2.ts", "MPEG-2, open GOP: the frame at 5 s leads a keyframe", *MPEG2, source=slow)
    video("open_gop_mpeg2.mov", "the same in QuickTime, with partial sync samples", *MPEG2, *END, source=slow)
    video("interlaced_mpeg4.mp4", "interlaced MPEG-4, open GOPs: B-frames lead each keyframe", "-c:v", "mpeg4", "-q:v", "20", "-bf", "2",
          "-flags", "+ildct+ilme+bitexact", *GOP, *END, source=pattern("96x64", seconds="26"))  # fmt: skip
    video("one_keyframe.ts", "MPEG-TS with one keyframe, at 0", *X264, "-g", "10000", source=SMALL)
    refresh = (*X264, "-bf", "0", *GOP, "-x264-params", "intra-refresh=1")
    video("intra_refresh.ts", "gradual intra refresh: one IDR picture, then recovery points", *refresh, source=SMALL)
    video("intra_refresh.avi", "the same in AVI, which ends before the frames after the last recovery point have refreshed the picture",
          *X264, *GOP, "-x264-params", "intra-refresh=1", source=pattern("96x64", seconds="6.4"))  # fmt: skip
    video("intra_refresh.mp4", "the same in MP4", *refresh, *END, source=SMALL)
    # After one refresh, some of these frames still differ from those of a full decode.
    video("intra_refresh_twice.mp4", "frames that are exact only after a second refresh", *X264, "-preset", "veryfast", "-bf", "0",
          "-g", "20", "-x264-params", "intra-refresh=1", *END, source=pattern("176x144", seconds="9"))  # fmt: skip
    video("disposed_keyframe.apng", "APNG whose keyframe at 83.2 s is removed again: the frames after it refer to those before it",
          "-c:v", "apng", "-vf", "setpts=16*PTS", "-fps_mode", "passthrough", source=pattern("96x64", "5", "7"))  # fmt: skip
    video("decoding_times.mp4", "one frame in each fragment, with B-frames, and decoding times only", *X264[:2], "-preset", "veryfast",
          *X264[4:8], "-g", "5", "-bf", "3", "-bsf:v", "setts=pts=DTS", "-movflags", "+frag_every_frame+empty_moov+default_base_moof",
          source=pattern("96x64", "50", "5.2"))  # fmt: skip
    layers()


def layers() -> None:
    """Adds streams in temporal layers. No frame refers to a frame of the highest layer."""
    nothing = "more than half of the frames refresh no reference"
    video("av1_layers.mp4", f"AV1 with a hierarchy of frames: {nothing}", "-c:v", "libsvtav1", "-preset", "8",
          "-crf", "45", *GOP, "-svtav1-params", "lp=1:hierarchical-levels=4", source=SMALL)  # fmt: skip
    three = (
        "-b:v", "30k", "-deadline", "realtime", "-lag-in-frames", "0", "-error-resilient", "1", *GOP, "-ts-parameters",
        "ts_number_layers=3:ts_target_bitrate=10,20,30:ts_rate_decimator=4,2,1:ts_periodicity=4:"
        "ts_layer_id=0,2,1,2:ts_layering_mode=3",
    )  # fmt: skip
    video("vp9_layers.webm", f"VP9, three temporal layers: {nothing}", "-c:v", "libvpx-vp9", "-cpu-used", "5", *three,
          source=SMALL)  # fmt: skip
    # With a negative speed, the result does not depend on the speed of the processor.
    video("vp8_layers.webm", "VP8, three temporal layers", "-c:v", "libvpx", "-cpu-used", "-5", *three,
          source=SMALL)  # fmt: skip
    video("hevc_layers.mp4", "HEVC, three temporal layers", *X265, "-x265-params",
          f"{X265_PARAMS}:temporal-layers=3:b-pyramid=1:b-adapt=0".replace("bframes=2", "bframes=3"),
          source=SMALL)  # fmt: skip
