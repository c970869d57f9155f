"""One of each kind of container and codec."""

from __future__ import annotations

from pathlib import Path

from recipes.base import AAC, AV1, BITEXACT, END, GOP, X264, X265, X265_PARAMS, add, chaptered, pattern, run, tone, video


def containers() -> None:
    """Adds one file of each kind of container and codec."""
    sound = (*pattern(), *tone())
    h264 = (*X264, *GOP, *AAC, "-shortest")
    video("h264_front.mp4", "moov before the data", *h264, "-movflags", "+faststart", source=sound)
    video("h264_end.mp4", "moov after the data", *h264, *END, source=sound)
    fragments = "+frag_keyframe+empty_moov+default_base_moof"
    second = (*X264, "-g", "10", *AAC, "-shortest", "-write_tmcd", "0", "-movflags")
    video(
        "h264_frag_noindex.mp4",
        "fragments of 1 s, no index of them",
        *second,
        fragments + "+skip_trailer",
        source=sound,
    )
    video("h264_frag_mfra.mp4", "fragments of 1 s, mfra at the end", *second, fragments, source=sound)
    video(
        "h264_frag_sidx.mp4", "fragments of 1 s, one sidx for all in front", *second,
        fragments + "+global_sidx+skip_trailer", source=sound,
    )  # fmt: skip
    video(
        "h264_frag_dash.mp4",
        "fragments of 1 s, a sidx before each",
        *second,
        "+dash+frag_keyframe+skip_trailer",
        source=sound,
    )
    ac3 = ("-c:a", "ac3", "-b:a", "48k", "-ac", "1", "-shortest", "-movflags", "+delay_moov+frag_keyframe")
    video("frag_ac3.mp4", "fragments of 1 s with AC-3: FFmpeg counts times from the first sample, which is inaudible", *X264, "-g", "10", *ac3,
          source=(*pattern("96x64"), *tone(rate="48000")))  # fmt: skip
    video("frag_signed.mp4", "CMAF, one frame in each fragment: frames later in the file show how far FFmpeg shifts all times",
          *X264, *GOP, "-bf", "3", "-vf", r"select=gt(random(1)\,0.4)", "-fps_mode", "vfr", *AAC, "-movflags", "+cmaf+frag_every_frame",
          source=(*pattern("96x64", seconds="4"), *tone(seconds="4")))  # fmt: skip
    video("h264.mkv", "Matroska, with Opus", *X264, *GOP, "-c:a", "libopus", "-b:a", "24k",
          "-shortest", source=(*pattern(), *tone(rate="48000")))  # fmt: skip
    before = ("-output_ts_offset", "-1", "-avoid_negative_ts", "disabled")
    video("before_zero.mkv", "the first second is before zero: FFmpeg computes its times from later ones", *X264, *GOP, *before,
          source=pattern("96x64"))  # fmt: skip
    video("h264.ts", "MPEG-TS that starts at 100 s", *h264, "-output_ts_offset", "100", source=sound)
    late = ("-itsoffset", "1.5", *pattern(size="96x64", seconds="6"), *tone())
    video("aac.m2ts", "AAC as private data, which the content reveals; the sound begins first", *X264, *GOP, *AAC, source=late)
    video("h264_raw.h264", "a stream without a container, so without times", *X264, *GOP)
    video("hevc.mp4", "HEVC", *X265, "-x265-params", X265_PARAMS)
    video("vvc.mp4", "VVC, 10 bits, CRA keyframes", "-c:v", "libvvenc", "-preset", "faster", "-qp", "36",
          "-period", "1", "-pix_fmt", "yuv420p10le")  # fmt: skip
    video("vp8.webm", "VP8", "-c:v", "libvpx", "-b:v", "50k", "-auto-alt-ref", "1", "-lag-in-frames", "16", *GOP)
    video("vp9.webm", "VP9 with hidden frames, and Opus", "-c:v", "libvpx-vp9", "-b:v", "0", "-crf", "45",
          "-auto-alt-ref", "1", "-lag-in-frames", "16", *GOP, "-c:a", "libopus", "-b:a", "24k", "-shortest",
          source=(*pattern(), *tone(rate="48000")))  # fmt: skip
    video("av1.mp4", "AV1", *AV1, "-pix_fmt", "yuv420p")
    video("av1.mkv", "AV1, 10 bits", *AV1, "-pix_fmt", "yuv420p10le")
    single = "one frame in each fragment, with its own index; the sound begins first"
    add("frag_single.mp4", single, "testsrc2, mjpeg, remuxed", single_frames)
    telecine = (*X264, "-g", "120", "-x264-params", "pulldown=32")
    video("telecine.h264", "raw H.264 with repeated fields: frames of two and three fields", *telecine, source=pattern("96x64", "120", "6"))
    slow = pattern(rate="25", seconds="6")
    mpeg = ("-b:v", "80k", "-maxrate", "120k", "-bufsize", "100k", "-g", "40", "-bf", "2")
    video("mpeg1.mpg", "MPEG-1 program stream", "-c:v", "mpeg1video", *mpeg, "-f", "mpeg", source=slow)
    video("mpeg2.ps.mpg", "MPEG-2 program stream", "-c:v", "mpeg2video", *mpeg, "-f", "vob", source=slow)
    video("mpeg2.mxf", "MXF", "-c:v", "mpeg2video", *mpeg, source=pattern("96x64", "25", "6"))
    video("h264.mxf", "MXF without presentation times of reordered frames", *X264, *GOP, source=pattern("96x64", "25", "6"))
    video("late_b_frames.mxf", "the same; after some keyframes, two P-frames precede the first B-frame", *X264[:8], "-g", "12", "-bf", "3",
          source=pattern("96x64", "30000/1001", "2.3"))  # fmt: skip
    video("mpeg4.avi", "AVI with MPEG-4 and B-frames", "-c:v", "mpeg4", "-q:v", "20", "-bf", "2", *GOP)
    video("mpeg4.nut", "NUT with MPEG-4 and B-frames: FFmpeg reports no start", "-c:v", "mpeg4", "-q:v", "20", "-bf", "2", *GOP)
    video("flv.flv", "Flash video, Sorenson codec", "-c:v", "flv", "-q:v", "20", *GOP)
    few_colours = ("-pix_fmt", "gray", "-c:v", "qtrle")
    video("palette.mov", "a palette, which the demuxer attaches to the first packet only", *few_colours, *GOP, source=pattern("64x48"))
    video("smc.mov", "keyframes that use the colours of earlier frames", "-c:v", "smc", *GOP, source=pattern("64x48"))
    video("palette_changes.avi", "a palette that changes from frame to frame, without compression", "-c:v", "rawvideo",
          "-vf", "split[a][b];[a]palettegen=stats_mode=single[p];[b][p]paletteuse=new=1", source=pattern("32x24"))  # fmt: skip
    video("mpeg4.asf", "ASF with short GOPs: a seek to the start lands at the second keyframe", "-c:v", "mpeg4", "-q:v", "8",
          "-g", "25", source=pattern("160x128", seconds="6"))  # fmt: skip
    video("mpeg2.asf", "ASF without a presentation time for the first packet after a seek", "-c:v", "mpeg2video", "-q:v", "20",
          "-g", "12", source=pattern("96x64", "25", "6"))  # fmt: skip
    video("wmv2.asf", "ASF", "-c:v", "wmv2", "-q:v", "20", *GOP)
    video("h263.3gp", "3GP with H.263", "-c:v", "h263", "-q:v", "20", *GOP, source=pattern("128x96"))
    video("theora.ogv", "Ogg", "-c:v", "libtheora", "-q:v", "2", *GOP)
    few = pattern(rate="3", seconds="6")
    video("mjpeg.mov", "QuickTime, keyframes only", "-c:v", "mjpeg", "-q:v", "20", "-pix_fmt", "yuvj420p", source=few)
    flat = ("-f", "lavfi", "-i", "color=red:size=96x64:rate=2:duration=6,hue=h=30*t")
    video("ffv1.mkv", "lossless, RGB", "-c:v", "ffv1", "-level", "3", "-pix_fmt", "bgr0", source=flat)
    video("prores.mov", "ProRes, 4:2:2, 10 bits", "-c:v", "prores_ks", "-profile:v", "0", "-qscale:v", "28",
          source=pattern(rate="2", seconds="6"))  # fmt: skip
    video("dnxhr.mov", "DNxHR, 4:2:2", "-c:v", "dnxhd", "-profile:v", "dnxhr_lb", "-pix_fmt", "yuv422p",
          source=pattern("256x120", "1", "6"))  # fmt: skip
    video("dnxhd.mxf", "DNxHR in MXF, 4 frames only for its size", "-c:v", "dnxhd", "-profile:v", "dnxhr_lb",
          "-pix_fmt", "yuv422p", source=pattern("256x120", "25", "0.16"))  # fmt: skip
    video("dv.avi", "DV, one frame only for its size", "-c:v", "dvvideo", "-pix_fmt", "yuv411p", "-frames:v", "1",
          source=("-f", "lavfi", "-i", "smptebars=size=720x480:rate=30000/1001"))  # fmt: skip
    video("gif.gif", "palette", "-c:v", "gif", source=pattern("96x64", "5", "6"))
    how = "testsrc2, libx264, chapters from FFmpeg's metadata format"
    add("chapters.mp4", "three chapters, as a track and as a list (`chpl`)", how, chaptered(*X264, *GOP))
    add("chapters.mkv", "three chapters", how, chaptered(*X264, *GOP))


def single_frames(out: Path) -> None:
    """The first fragments contain sound only, and the end of the file only the last picture. ffmpeg interleaves the frames of two encoders
    in another order in each run, so the fragments come from a file."""
    between = out.with_suffix(".mkv")
    run("-itsoffset", "1", *pattern("256x192", "1", "6"), *tone("6"), *BITEXACT, "-c:v", "mjpeg", "-q:v", "2", *AAC, between)
    run("-i", between, *BITEXACT, "-c", "copy", "-movflags", "+dash+frag_every_frame+empty_moov+default_base_moof", out)
    between.unlink()
