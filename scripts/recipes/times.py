"""Short files, edits, offsets, uneven frame rates, keyframes in unusual places."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from recipes import boxes
from recipes.base import AAC, BITEXACT, END, GOP, X264, X265, X265_PARAMS, add, patched, pattern, run, tone, video


def times() -> None:
    """Adds short files, edits, offsets, uneven frame rates, and keyframes in unusual places."""
    video("short_3s.mp4", "ends before 5 s", *X264, *GOP, *END, source=pattern(seconds="3"))
    video("exactly_5s.mp4", "5 s long: the last frame is at 4.9 s", *X264, *GOP, *END, source=pattern(seconds="5"))
    video("one_frame.mp4", "one frame", *X264, *END, source=pattern(seconds="0.1"))
    video("vfr.mp4", "uneven frame rate", *X264, "-g", "60", "-vf", "select='not(mod(n,7)*mod(n,5))'",
          "-fps_mode", "vfr", "-enc_time_base", "1/1000", "-video_track_timescale", "1000",
          source=pattern(rate="25"))  # fmt: skip
    video("start_offset.mkv", "starts at 10 s", *X264, *GOP, "-output_ts_offset", "10")
    text_first()
    video(
        "negative_cts.mp4",
        "no edit list: composition offsets below 0",
        *X264,
        *GOP,
        "-movflags",
        "+negative_cts_offsets",
    )
    video("long_gop.mp4", "one keyframe, at 0", *X264, "-g", "1000", *END)
    # Keyframes at 1.7, 3.4 and 5.1 s. The frame at 5 s follows the last keyframe in the file, and also needs the one before.
    video("open_gop.mkv", "open GOP: the frame at 5 s leads the keyframe at 5.1 s", *X264, "-g", "17",
          "-keyint_min", "17", "-x264-params", "open-gop=1:b-adapt=0")  # fmt: skip
    video("open_gop_hevc.mp4", "the same with CRA pictures", *X265, "-x265-params",
          X265_PARAMS.replace("=30", "=17") + ":open-gop=1:b-adapt=0")  # fmt: skip

    def cut_in(data: bytes) -> bytes:
        movie, media, delay = boxes.edits(data)
        return boxes.set_edits(data, [(7 * movie, delay + media * 3 // 2)])

    def wait(data: bytes) -> bytes:
        movie, _, delay = boxes.edits(data)
        return boxes.set_edits(data, [(movie, -1), (7 * movie, delay)])

    patched("edit_list.mp4", "the edit starts at 1.5 s of the media", "testsrc2, libx264, elst replaced", cut_in,
            *X264, *GOP, *END, source=pattern(seconds="8.5"))  # fmt: skip
    sound = (*pattern(), *tone("8"))
    patched("edit_empty.mp4", "an empty edit: the picture starts 1 s after the sound",
            "testsrc2, libx264, elst replaced", wait, *X264, *GOP, *AAC, *END, source=sound)  # fmt: skip
    patched("edit_empty_alone.mp4", "an empty edit of 1 s and no sound", "testsrc2, libx264, elst replaced", wait,
            *X264, *GOP, *END)  # fmt: skip


def text_first() -> None:
    """Adds files whose times count from a text or a time code that begins before the picture."""
    no_edits = ("-use_editlist", "0")
    video("timecode.mov", "a time code begins 0.2 s before the picture, which has no edit list", *X264, *GOP, "-timecode", "01:00:00:00",
          *no_edits)  # fmt: skip

    def subtitled(start: str, *arguments: str) -> Callable[[Path], object]:
        text = f"1\n00:00:{start} --> 00:00:02,000\nEarly.\n".encode()
        given = ("-itsoffset", "0.7", *pattern("96x64"), "-f", "srt", "-i", "-")
        return lambda out: run(*given, *BITEXACT, *X264, *GOP, *arguments, out, data=text)

    how = "testsrc2, libx264, subtitles"
    add("early_text.mp4", "the subtitles begin before the picture", how, subtitled("00,000", "-c:s", "mov_text", *no_edits))
    add("early_text.mkv", "the first subtitle comes after the first frame in the file, and is shown before it", how, subtitled("00,500"))
