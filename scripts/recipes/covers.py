"""Files with a cover, or without any picture."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from recipes import boxes
from recipes.base import AAC, BITEXACT, END, GOP, X264, add, encoded, pattern, run, tone


def covers() -> None:
    """Adds files with a cover, or without any picture."""
    add("audio_only.m4a", "sound only: not a video", "sine, aac", encoded(*AAC, source=tone("6")))
    add(
        "cover_only.m4a",
        "sound and a cover: the cover is the picture",
        "sine, aac, PNG cover",
        covered(video_too=False),
    )
    add("cover_art.mp4", "a cover, larger than the video and the first stream, is not the picture",
        "testsrc2, libx264, aac, PNG cover, udta moved before the tracks", covered(video_too=True))  # fmt: skip


def covered(video_too: bool) -> Callable[[Path], object]:
    """Returns a maker of a file with a cover of 240x240."""

    def make(out: Path) -> None:
        with tempfile.TemporaryDirectory() as folder:
            cover = Path(folder) / "cover.png"
            run("-f", "lavfi", "-i", "color=orange:size=240x240", *BITEXACT, "-frames:v", "1", cover)
            inputs = (*pattern(), *tone()) if video_too else tone("7")
            maps = ("-map", "0", "-map", "1", *(("-map", "2") if video_too else ()))
            picture = (*X264, *GOP) if video_too else ()
            number = int(video_too)
            run(*inputs, "-i", cover, *maps, *BITEXACT, *picture, *AAC, f"-c:v:{number}", "copy",
                f"-disposition:v:{number}", "attached_pic", *END, "-f", "mp4", out)  # fmt: skip
        if video_too:
            out.write_bytes(boxes.user_data_first(out.read_bytes()))

    return make
