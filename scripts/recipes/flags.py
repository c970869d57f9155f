"""Files that describe their samples wrongly: false keyframe flags, an empty first track."""

from __future__ import annotations

from recipes import boxes, ebml, transport
from recipes.base import END, GOP, X264, patched, pattern, video

SMALL = pattern("64x48")


def flags() -> None:
    """Adds MOV and MP4 files that mark all samples as sync samples."""
    how = "every sample marked as a sync sample"
    patched("allsync_cinepak.mov", "Cinepak in QuickTime, no stss: every sample counts as a keyframe",
            f"testsrc2, cinepak, {how}", boxes.all_sync, "-c:v", "cinepak", "-q:v", "60", *GOP,
            source=SMALL)  # fmt: skip
    patched("allsync_qtrle.mov", "QuickTime Animation, no stss", f"testsrc2, qtrle, {how}", boxes.all_sync,
            "-c:v", "qtrle", "-pix_fmt", "rgb24", *GOP, source=SMALL)  # fmt: skip
    patched("allsync_svq1.mov", "Sorenson Video 1, stss names every sample", f"testsrc2, svq1, {how}",
            lambda data: boxes.all_sync(data, listed=True), "-c:v", "svq1", "-q:v", "20", *GOP,
            source=pattern("96x64"))  # fmt: skip
    patched("allsync_h264.mp4", "H.264, no stss", f"testsrc2, libx264, {how}", boxes.all_sync, *X264, *GOP)
    for codec, encoder, seconds in (("vp8", "libvpx", "2"), ("vp9", "libvpx-vp9", "2"), ("vp9_7s", "libvpx-vp9", "7")):
        patched(f"no_key_flags_{codec}.webm", f"no block says that it is a keyframe, {seconds} s",
                f"testsrc2, {encoder}, keyframe bits cleared", ebml.without_keyframe_flags, "-c:v", encoder,
                "-b:v", "30k", *GOP, source=pattern("96x64", "10", seconds))  # fmt: skip
    patched("no_key_flags_h264.mkv", "the same with H.264, 7 s", "testsrc2, libx264, keyframe bits cleared",
            ebml.without_keyframe_flags, *X264, *GOP, source=pattern("96x64"))  # fmt: skip
    # tests/many_cues.rs builds a file with 60,000 of these frames.
    video("ffv1_keyframes.mkv", "FFV1, each of its 12 frames a keyframe of another colour", "-c:v", "ffv1",
          "-level", "3", "-slices", "4", "-g", "1", "-pix_fmt", "bgr0",
          source=("-f", "lavfi", "-i", "color=red:size=32x32:rate=2:duration=6,hue=h=30*t"))  # fmt: skip
    empty()


def empty() -> None:
    """Adds files whose first video track has no packets, so that the second track is the video."""
    small = pattern("96x64")
    two = (*pattern("192x128", seconds="0.1"), *small)
    patched("empty_first_track.mkv", "the first video track, larger and default, has no blocks",
            "testsrc2, libx264, blocks voided", lambda data: ebml.without_blocks(data, 1),
            "-map", "0", "-map", "1", *X264, *GOP, source=two)  # fmt: skip
    patched("empty_first_track.mp4", "the first video track has no samples", "testsrc2, libx264, track copied",
            boxes.empty_track_first, *X264, *GOP, *END, source=small)  # fmt: skip
    patched("empty_first_track.ts", "the first video stream of the program has no packets",
            "testsrc2, libx264, program map rewritten", transport.empty_stream_first, *X264, *GOP,
            source=small)  # fmt: skip
