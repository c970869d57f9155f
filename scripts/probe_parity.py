#!/usr/bin/env python3
"""Compares `posterframe probe --json` with ffprobe 9.0.2, field by field: `make probe-parity CORPUS=dir`.

`dir/oracle.json` contains what `ffprobe -show_format -show_streams` reports about each video in `dir`: a list of objects with `file`,
`probe_rc`, `format` and `streams`. A field counts as compared when either program reports a value. The table lists the fields
compared and the fields that differ, for plain `probe` and for `probe --deep`: by field name, by family of demuxers, and in all.

ACCEPTED names the intended differences, each with its reason; an accepted difference still counts as one.

The exit status is 1 when `--deep` differs in more than 0.5 % of the fields, when a field name differs in more than 10 % of its
values, or when a rate is `0/0` where ffprobe reports a number.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
# The largest allowed share of differing fields, in all and of one name.
MOST_IN_ALL = 0.005
MOST_OF_A_NAME = 0.10
# A name with fewer values cannot fail by its share alone, because one difference of five is 20 %.
FEWEST = 10
MODES = {"plain": [], "deep": ["--deep"]}
FORMAT_FIELDS = ["format_name", "duration", "start_time", "bit_rate", "nb_streams"]
FAMILIES = {"mov,mp4,m4a,3gp,3g2,mj2": "MP4/MOV", "matroska,webm": "Matroska/WebM", "mpegts": "MPEG-TS"}


@dataclass(frozen=True)
class Accepted:
    """An intended difference of this field, if both values are of these kinds."""

    name: str
    reason: str
    files: tuple[str, ...] = ()


# Files of the corpus with complete headers and damaged pictures. ffprobe fails to decode a picture, and then reports less than the
# headers contain.
HEADERS_ONLY = "ffprobe decodes no picture of this file, and reports less than the headers contain"
UNDECODED = ("013_", "092_", "096_")
ACCEPTED = [
    Accepted("profile", HEADERS_ONLY, UNDECODED),
    Accepted("pix_fmt", HEADERS_ONLY, UNDECODED),
    Accepted("field_order", HEADERS_ONLY, UNDECODED),
    Accepted("color_range", HEADERS_ONLY, UNDECODED),
    Accepted("sample_aspect_ratio", HEADERS_ONLY, UNDECODED),
    Accepted("codec_name", "the samples are of layer II, as the parser finds; ffprobe's decoder hides it", ("191_",)),
    Accepted("side_data_type", "lists of keys in fragments are not shown to libavformat; `encryption` names the scheme", ("210_",)),
    Accepted("avg_frame_rate", "libavformat is shown the first fragments; ffprobe reads all of the file", ("246_",)),
]


@dataclass
class Difference:
    """A field with two values."""

    file: str
    family: str
    place: str
    name: str
    ours: Any
    theirs: Any

    @property
    def accepted(self) -> Accepted | None:
        return next((a for a in ACCEPTED if a.name == self.name and (not a.files or self.file.startswith(a.files))), None)


@dataclass
class Tally:
    """Fields compared, and those that differ, of one mode."""

    compared: Counter[tuple[str, str]] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)

    def share(self, name: str | None = None, family: str | None = None) -> tuple[int, int]:
        """Returns the fields that differ and the fields compared, of a name and a family."""
        compared = sum(n for (f, fam), n in self.compared.items() if name in (None, f) and family in (None, fam))
        differing = sum(1 for d in self.differences if name in (None, d.name) and family in (None, d.family))
        return differing, compared


def flat(stream: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """Returns a stream's fields by name. Fields of side data have the type of the side data in their name."""
    fields = {name: stream.get(name) for name in names}
    sides = stream.get("side", stream.get("side_data_list")) or []
    for number, side in enumerate(sides):
        kind = side.get("side_data_type")
        fields[f"side_data {number}"] = kind
        fields |= {f"{kind}: {key}": value for key, value in side.items() if key != "side_data_type"}
    pic = stream.get("pic", (stream.get("disposition") or {}).get("attached_pic"))
    return fields | {"attached_pic": pic}


def group(name: str) -> str:
    """Returns the name under which a field is counted. Side data is counted by its type."""
    if name.startswith("side_data "):
        return "side_data_type"
    return name


def compare(tally: Tally, entry: dict[str, Any], answer: dict[str, Any]) -> None:
    """Adds the fields of one file."""
    name = entry["file"]
    format_name = entry["format"]["format_name"]
    family = FAMILIES.get(format_name, "others")

    def one(place: str, ours: dict[str, Any], theirs: dict[str, Any]) -> None:
        for key in theirs | ours:
            left, right = ours.get(key), theirs.get(key)
            if left is None and right is None:
                continue
            tally.compared[group(key), family] += 1
            if str(left) != str(right):
                tally.differences.append(Difference(name, family, place, group(key), left, right))

    one("format", {key: answer["format"].get(key) for key in FORMAT_FIELDS}, entry["format"])
    streams = answer["streams"]
    for number, theirs in enumerate(entry["streams"]):
        names = [key for key in theirs if key not in ("side", "pic")]
        ours = streams[number] if number < len(streams) else {}
        one(f"stream {number}", flat(ours, names), flat(theirs, names))


def ask(program: str, file: Path, options: list[str]) -> dict[str, Any]:
    """Returns what posterframe reports about a file; its error under `error`."""
    command = [program, "probe", "--json", *options, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return json.loads(done.stdout)


def run(program: str, corpus: Path, jobs: int) -> tuple[dict[str, Tally], list[str]]:
    """Probes the files of a corpus in each mode."""
    entries = json.loads((corpus / "oracle.json").read_text())
    tallies, faults = {}, []
    for mode, options in MODES.items():
        tally = tallies[mode] = Tally()
        with ThreadPoolExecutor(jobs) as pool:
            answers = list(pool.map(lambda e: ask(program, corpus / e["file"], options), entries))  # noqa: B023
        for entry, answer in zip(entries, answers, strict=True):
            if (entry["probe_rc"] == 0) != ("error" not in answer):
                faults.append(f"{mode}: {entry['file']}: {answer.get('error', 'no error')}, where ffprobe's exit code is {entry['probe_rc']}")
            elif entry["probe_rc"] == 0:
                compare(tally, entry, answer)
    return tallies, faults


def percent(differing: int, compared: int) -> str:
    return f"{differing} of {compared} ({100 * differing / max(1, compared):.2f} %)"


def table(title: str, tallies: dict[str, Tally], rows: dict[str, dict[str, str | None]]) -> None:
    """Prints a table of shares."""
    print(f"\n| {title} | " + " | ".join(tallies) + " |\n|---|" + "---|" * len(tallies))
    for row, selection in rows.items():
        shares = [percent(*tally.share(**selection)) for tally in tallies.values()]
        print(f"| {row} | " + " | ".join(shares) + " |")


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare `posterframe probe --json` with ffprobe's answers")
    parser.add_argument("corpus", type=Path, help="a folder with videos and oracle.json")
    parser.add_argument("--posterframe", default=os.environ.get("POSTERFRAME", str(ROOT / "target/debug/posterframe")))
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--all", action="store_true", help="list the differences of plain `probe` too")
    arguments = parser.parse_args()
    tallies, faults = run(arguments.posterframe, arguments.corpus, arguments.jobs)
    names = sorted({name for tally in tallies.values() for name, _ in tally.compared})
    families = sorted({family for tally in tallies.values() for _, family in tally.compared})
    table("field", tallies, {name: {"name": name} for name in names})
    table("family", tallies, {family: {"family": family} for family in families} | {"all": {}})
    for mode, tally in tallies.items():
        if mode == "deep" or arguments.all:
            print(f"\n{mode}: what differs")
            for one in sorted(tally.differences, key=lambda one: (one.name, one.file)):
                reason = f"  [{one.accepted.reason}]" if one.accepted else ""
                print(f"  {one.name}: {one.file} {one.place}: {one.ours!r}, ffprobe {one.theirs!r}{reason}")
    deep = tallies["deep"]
    zero = [d for d in deep.differences if str(d.ours) == "0/0"]
    faults += [f"deep: {d.file} {d.place}: {d.name} is 0/0, where ffprobe reports {d.theirs}" for d in zero]
    differing, compared = deep.share()
    if differing > MOST_IN_ALL * compared:
        faults.append(f"deep: {percent(differing, compared)} of the fields differ; at most {MOST_IN_ALL:.1%} may")
    for name in names:
        differing, compared = deep.share(name)
        if compared >= FEWEST and differing > MOST_OF_A_NAME * compared:
            faults.append(f"deep: {name}: {percent(differing, compared)} differ; at most {MOST_OF_A_NAME:.0%} may")
    faults += [
        f"deep: {d.name}: {d.file}: a difference without a reason in ACCEPTED" for d in deep.differences if not d.accepted
    ]
    print()
    for fault in faults:
        print(f"fault: {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
