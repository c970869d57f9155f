#!/usr/bin/env python3
"""Writes `tests/fixtures/times.tsv`: the frame that a full decode by FFmpeg 9.0.2 gives at some times of each fixture.

The times are the same in each run: 0, exactly on a frame, half-way between two frames, a tick before and behind a frame, just
before the last frame, and behind the end. A time is left out if libavcodec moves its frame because of packets that a search does not read.
`tests/times.rs` requests each of them from posterframe. `scripts/any_time.py` draws other times in each run.
"""

from __future__ import annotations

from fractions import Fraction

from full_decode import ROOT, NoTruth, Truth, truth_of

FIXTURES = ROOT / "tests" / "fixtures"
LIMIT_SECONDS = 300
# A frame later than this is damaged. For FFmpeg's program it is a normal frame (bad_granule.ogv).
DAY = 86_400_000_000
COLUMNS = "file\tmicroseconds\treason\tpts\tmd5"


def times(truth: Truth) -> list[int]:
    """Returns times in microseconds after the start, without duplicates."""
    pts = sorted({frame.pts for frame in truth.frames})
    third, half, late = (pts[len(pts) * part // 12] for part in (4, 6, 11))
    before = pts[max(len(pts) * 11 // 12 - 1, 0)]
    ticks = [pts[0], third, Fraction(late + before, 2), half - 1, half + 1, pts[-1] - 1, pts[-1]]
    if truth.is_length_unknown:
        return list(dict.fromkeys(map(truth.after_start, ticks)))
    behind = max(truth.after_start(pts[-1]), truth.duration or 0) + 2_000_000
    return list(dict.fromkeys([*map(truth.after_start, ticks), behind]))


def rows() -> list[str]:
    found = []
    for line in (FIXTURES / "oracle.tsv").read_text(encoding="utf-8").splitlines():
        name = line.split("\t")[0]
        if line.startswith("#") or name == "file":
            continue
        try:
            truth = truth_of(FIXTURES / name, LIMIT_SECONDS)
        except NoTruth:
            continue
        if truth.exempt:
            continue
        truth.frames = [frame for frame in truth.frames if truth.after_start(frame.pts) < DAY]
        for at in times(truth):
            reason, frame = truth.expected(at)
            if truth.is_moved(at, frame):
                continue
            # Any of the frames that share a time is right.
            md5 = ",".join(sorted({other.md5 for other in truth.frames if other.pts == frame.pts}))
            found.append(f"{name}\t{at}\t{reason}\t{frame.pts}\t{md5}")
    return found


if __name__ == "__main__":
    text = "\n".join([COLUMNS, *rows()])
    (FIXTURES / "times.tsv").write_text(text + "\n", encoding="utf-8")
