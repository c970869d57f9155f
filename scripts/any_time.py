#!/usr/bin/env python3
"""Compares the frames that posterframe takes at any time with a full decode by FFmpeg 9.0.2: `make any-time CORPUS=dir [SEED=n]`.

The example `any_time` takes frames at some times, drawn anew in each run: anywhere, at 0, before and behind the end, exactly on
a frame, half-way between two frames, one tick beside a frame. It opens the file for each time, and also keeps it open for all
times; it reads the file directly, and by byte ranges. The truth is the first frame of the full decode (full_decode.py) whose time
is at or after start + time, rounded to the nearest tick. If there is none, the truth is the first frame at or after half of the
duration, and otherwise the last frame. A container without a duration lasts as long as the decode shows. Frames with equal times
count as equal.

Faults are a wrong time, other pixels, an error where FFmpeg decodes, a wrong `at_target`, a difference between a fresh open and
an open that was kept, and a difference between byte ranges and the file. A fault that EXEMPT does not cover makes the exit
status 1.

Efficiency is measured on well-formed files: no decoding error, one frame for each packet, increasing times, and correctly
marked keyframes.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from full_decode import ROOT, Frame, NoTruth, TooSlow, Truth, run, truth_of

FIXTURES = ROOT / "tests" / "fixtures"
# The number of lines that the example prints for each time.
WAYS = 4
# The number of files to list with the worst efficiency.
WORST = 5


@dataclass
class Exemption:
    """A difference that is no fault, if full_decode.py finds that the file is of this kind. The difference is still printed."""

    sorts: str
    reason: str


EXEMPT = {
    "repeated": Exemption("time, pixels", "libavcodec moves the times behind two packets with one time, which the search does not read"),
    "learnt": Exemption("time", "libavcodec drops a frame when it learns that H.264 holds back more frames"),
    "length": Exemption("time", "FFmpeg stops at a damaged packet before it reports a duration, and the file's header has one"),
    "cut": Exemption("time", "the end of the file cuts the packet of the frame"),
    "encrypted": Exemption("unsupported", "the payload is encrypted, and FFmpeg decodes the ciphertext"),
    "tiles": Exemption("unsupported", "FFmpeg's program composes a picture of tiles"),
    "converted": Exemption("pixels", "the pixel format changes, and FFmpeg's program converts all frames to the first one"),
}


@dataclass
class Line:
    """A line of the example's output."""

    way: str
    at: int
    columns: list[str]

    @classmethod
    def parse(cls, line: str) -> Line:
        source, state, at, *columns = line.split("\t")
        return cls(f"{source} {state}", int(at), columns)

    @property
    def is_error(self) -> bool:
        return self.columns[0] == "error"

    @property
    def outcome(self) -> list[str]:
        """Returns the values that must be equal in all four ways: the kind of an error, or time, reason and pixels of a frame."""
        return self.columns[:2] if self.is_error else self.columns[:3] + self.columns[4:5]


@dataclass
class Cost:
    """The cost of a frame of a well-formed file."""

    decoded: int
    needed: int
    # None if the example does not print it.
    passes: int | None


@dataclass
class Result:
    """The result of a file."""

    name: str
    frames: int = 0
    faults: list[str] = field(default_factory=list)
    exempt: dict[str, list[str]] = field(default_factory=dict)
    costs: list[Cost] = field(default_factory=list)
    not_compared: str | None = None


def draw_times(truth: Truth, count: int, chance: random.Random) -> list[int]:
    """Draws times in microseconds after the start, unordered. One time is always behind the end."""
    pts = sorted({frame.pts for frame in truth.frames})
    last = truth.after_start(pts[-1])

    def anywhere() -> int:
        return chance.randint(0, last)

    def on_a_frame() -> int:
        return truth.after_start(chance.choice(pts))

    def half_way() -> int:
        place = chance.randrange(len(pts))
        return truth.after_start(Fraction(pts[place] + pts[max(place - 1, 0)], 2))

    def a_tick_beside() -> int:
        return truth.after_start(chance.choice(pts) + chance.choice((-1, 1)))

    def before_last() -> int:
        return truth.after_start(pts[-1] - 1)

    def after_last() -> int:
        return truth.after_start(pts[-1] + 1)

    kinds = [anywhere] * 6 + [on_a_frame] * 3 + [half_way] * 2 + [a_tick_beside] * 2 + [before_last, after_last, lambda: 0]
    chosen = chance.sample(kinds, min(count - 1, len(kinds)))
    times = [kind() for kind in chosen]
    times.append(max(last, truth.duration or 0) + chance.randint(1_000_000, 4_000_000))
    chance.shuffle(times)
    return times


def judge(result: Result, truth: Truth, lines: list[Line]) -> None:
    """Compares the example's lines with the truth, and with each other."""
    fresh: dict[int, Line] = {}
    well_formed = truth.is_well_formed()
    for line in lines:
        result.frames += 1
        reason, frame = truth.expected(line.at)
        first = fresh.setdefault(line.at, line)
        found = difference(truth, (reason, frame), line)
        where = f"{line.way} at {line.at / 1e6:.6f}: "
        kind = exemption(truth, line.at, frame)
        if found and kind and found[0] in EXEMPT[kind].sorts.split(", "):
            result.exempt.setdefault(kind, []).append(where + found[1])
            if line.outcome != first.outcome:
                result.faults.append(f"{where}{' '.join(line.columns)}; {first.way} has {' '.join(first.columns)}")
        elif found:
            result.faults.append(where + found[1])
        elif well_formed and reason == "at_target":
            passes = int(line.columns[5]) if len(line.columns) > 5 else None
            result.costs.append(Cost(int(line.columns[3]), truth.needed(line.at, frame), passes))


def exemption(truth: Truth, at: int, frame: Frame) -> str | None:
    """Returns the key of EXEMPT for the frame that is expected at a time after the start."""
    sought = truth.ticks(truth.start + at)
    if any(packet.is_corrupt and truth.frames[-1].pts < sought <= packet.pts for packet in truth.packets[-1:]):
        return "cut"
    if truth.is_length_unknown and sought > truth.frames[-1].pts:
        return "length"
    if truth.is_moved(at, frame):
        return "repeated"
    if truth.drops_packets(at, frame):
        return "learnt"
    encrypted = [packet.pts for packet in truth.packets if packet.is_encrypted]
    # A clear lead has pictures. FFmpeg decodes no frame from some encrypted packets, and the frame at half may be clear.
    packets = [packet.pts for packet in truth.packets if packet.pts >= sought]
    needed = max(frame.pts, min(packets, default=frame.pts))
    is_clear = encrypted and needed < min(encrypted)
    return next((kind for kind in truth.exempt if not (kind == "encrypted" and is_clear)), None)


def difference(truth: Truth, expected: tuple[str, Frame], line: Line) -> tuple[str, str] | None:
    """Returns the sort of a difference, and a description."""
    reason, frame = expected
    theirs = truth.seconds(frame.pts)
    if line.is_error:
        return line.columns[1], f"{line.columns[1]}: {line.columns[2]}; FFmpeg has pts {theirs}"
    pts, time_base, label, _, md5, *_ = line.columns
    ours = int(pts) * Fraction(time_base)
    if ours != frame.pts * truth.time_base:
        return "time", f"pts {float(ours):.6f} ({label}); FFmpeg has {theirs} ({reason})"
    if (label == "at_target") != (reason == "at_target"):
        return "label", f"pts {theirs} is labelled {label}, not {reason}"
    if md5 not in {other.md5 for other in truth.frames if other.pts == frame.pts}:
        whose = next((f"those of {truth.seconds(other.pts)}" for other in truth.frames if other.md5 == md5), "no frame's")
        return "pixels", f"pts {theirs} ({label}) has other pixels: {whose}"
    return None


def examine(path: Path, name: str, options: argparse.Namespace) -> Result:
    result = Result(name)
    try:
        truth = truth_of(path, options.limit)
    except NoTruth as reason:
        result.not_compared = str(reason)
        return result
    times = draw_times(truth, options.times, random.Random(f"{options.seed} {name}"))
    try:
        done = run([options.example.absolute(), path, *map(str, times)], options.limit)
    except TooSlow as late:
        result.faults.append(str(late))
        return result
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    judge(result, truth, [Line.parse(line) for line in lines])
    if done.returncode or len(lines) != WAYS * len(times):
        last = done.stderr.decode("utf-8", "replace").strip()[-200:]
        result.faults.append(f"the example printed {len(lines)} lines and ended with {done.returncode}: {last}")
    return result


def print_result(result: Result, show: int) -> None:
    if result.not_compared:
        print(f"{result.name}: not compared: {result.not_compared}", flush=True)
    if result.faults:
        print(f"{result.name}: {len(result.faults)} faults in {result.frames} frames", flush=True)
    for fault in result.faults[:show]:
        print(f"    {fault}", flush=True)
    for kind, faults in result.exempt.items():
        print(f"{result.name}: {len(faults)} of {result.frames} frames exempt: {EXEMPT[kind].reason}", flush=True)
        print(f"    {faults[0]}", flush=True)


def quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def print_efficiency(results: list[Result]) -> None:
    costs = [cost for result in results for cost in result.costs]
    if not costs:
        return
    ratios = [cost.decoded / cost.needed for cost in costs]
    line = f"{len(costs)} frames of {sum(bool(result.costs) for result in results)} well-formed files, packets decoded / needed: "
    line += f"median {quantile(ratios, 0.5):.2f}, p95 {quantile(ratios, 0.95):.2f}"
    passes = [cost.passes for cost in costs if cost.passes is not None]
    if passes:
        line += f"; {100 * sum(count > 1 for count in passes) / len(passes):.1f} % of the frames took a second pass"
    print(line)
    medians = {result.name: quantile([cost.decoded / cost.needed for cost in result.costs], 0.5) for result in results if result.costs}
    worst = sorted(medians, key=medians.get, reverse=True)[:WORST]
    print("    highest medians: " + ", ".join(f"{name} {medians[name]:.2f}" for name in worst))


def print_summary(results: list[Result], seed: str) -> bool:
    """Prints the last lines. Returns whether there was no fault."""
    compared = [result for result in results if not result.not_compared]
    at_fault = sum(bool(result.faults) for result in compared)
    faults = sum(len(result.faults) for result in compared)
    kinds = Counter(kind for result in compared for kind in result.exempt)
    exempt = ", ".join(f"{count} {kind}" for kind, count in kinds.items()) or "none"
    print(
        f"SEED={seed}: {len(compared)} files compared, {sum(result.frames for result in compared)} frames: {faults} faults in "
        f"{at_fault} files; files exempt: {exempt}; {len(results) - len(compared)} not compared"
    )
    # The form in which cargo's tests end, so that scripts/test.sh counts these.
    print(f"test result: {'FAILED' if at_fault else 'ok'}. {len(compared) - at_fault} passed; {at_fault} failed")
    return bool(compared) and not at_fault


def videos(paths: list[Path]) -> Iterator[tuple[Path, str]]:
    """Lists the files, each with its name in the report."""
    for path in paths:
        if path.is_dir():
            found = (file for file in sorted(path.rglob("*")) if file.is_file() and file.stat().st_size)
            yield from ((file, str(file.relative_to(path))) for file in found)
        else:
            yield path, path.name


def fixtures() -> list[tuple[Path, str]]:
    """Lists the fixtures that give a picture."""
    lines = (FIXTURES / "oracle.tsv").read_text(encoding="utf-8").splitlines()[1:]
    return [(FIXTURES / name, name) for name in (line.split("\t", 1)[0] for line in lines)]


def parse(parser: argparse.ArgumentParser, times: int, limit: float) -> argparse.Namespace:
    """Parses the arguments of a comparison, with these defaults, and draws a seed unless SEED names one."""
    parser.add_argument("--example", type=Path, default=ROOT / "target/debug/examples/any_time", help="the built example")
    parser.add_argument("--times", type=int, default=times, help="times per file, at most 17")
    parser.add_argument("--jobs", type=int, default=2, help="files at once")
    parser.add_argument("--limit", type=float, default=limit, metavar="SECONDS", help="for each program and file")
    parser.add_argument("--show", type=int, default=3, metavar="N", help="faults to print per file")
    options = parser.parse_args()
    options.seed = os.environ.get("SEED") or str(random.randrange(1 << 30))
    return options


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("paths", nargs="*", type=Path, help="files and folders; none: the fixtures that give a picture")
    options = parse(parser, times=17, limit=1800)
    files = list(videos(options.paths)) if options.paths else fixtures()
    results = []
    with ThreadPoolExecutor(options.jobs) as pool:
        for result in pool.map(lambda file: examine(*file, options), files):
            print_result(result, options.show)
            results.append(result)
    print_efficiency(results)
    return 0 if print_summary(results, options.seed) else 1


if __name__ == "__main__":
    sys.exit(main())
