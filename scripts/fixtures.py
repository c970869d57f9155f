#!/usr/bin/env python3
"""Creates the small synthetic videos in tests/fixtures, their checksums, and the table in their README.

Everything is generated: the pictures are test patterns, and the sound is a sine. The encoders are those of the ffmpeg 9.0.2
program inside PyPI's imageio-ffmpeg 0.8.1:

    python3 -m venv .venv
    .venv/bin/pip install imageio-ffmpeg==0.8.1
    .venv/bin/python scripts/fixtures.py            creates all of them
    .venv/bin/python scripts/fixtures.py NAME...    creates some of them (checksums and README stay unchanged)
    .venv/bin/python scripts/fixtures.py --check    creates all of them elsewhere and compares checksums

Afterwards, `scripts/fixtures_oracle.py` reports which frame ffmpeg takes from each.

The same program gives the same bytes: one thread, no dates, no random identifiers, no encoder names.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
from pathlib import Path

from recipes.avi import avi
from recipes.base import ALL, run
from recipes.broken import broken, demo
from recipes.colours import colours
from recipes.containers import containers
from recipes.covers import covers
from recipes.encrypted import encrypted
from recipes.entries import entries
from recipes.fields import fields
from recipes.flags import flags
from recipes.geometry import geometry
from recipes.heif import heif
from recipes.ogg import ogg
from recipes.old_encoder import old_encoder
from recipes.samples import samples
from recipes.times import times
from recipes.vp9_frames import vp9_frames

ROOT = Path(__file__).resolve().parent.parent
FIXTURES = ROOT / "tests" / "fixtures"
FFMPEG_VERSION = "9.0.2"
PARTS = (
    containers, geometry, colours, times, fields, avi, flags, entries, samples, ogg, encrypted, heif,
    old_encoder, covers, vp9_frames, broken, demo,
)  # fmt: skip


def make(folder: Path, names: list[str]) -> None:
    """Creates these fixtures, in the list's order."""
    for name, fixture in ALL.items():
        if not names or name in names:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            fixture.make(path)
            print(f"{path.stat().st_size:8} {name}", flush=True)


def checksums(folder: Path) -> str:
    """Returns the lines of SHA256SUMS."""
    return "".join(f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in ALL)


def readme() -> None:
    """Writes the table between its two marks in the README."""
    path = FIXTURES / "README.md"
    rows = [f"| `{fixture.name}` | {fixture.shows} | {fixture.how} |" for fixture in ALL.values()]
    table = "\n".join(["| file | shows | how it is made |", "|---|---|---|", *rows])
    path.write_text(replaced(path.read_text(encoding="utf-8"), "files", table), encoding="utf-8")


def replaced(text: str, mark: str, inside: str) -> str:
    """Returns the text with the part between `<!-- mark -->` and `<!-- /mark -->` replaced."""
    before, rest = text.split(f"<!-- {mark} -->\n", 1)
    _, after = rest.split(f"<!-- /{mark} -->", 1)
    return f"{before}<!-- {mark} -->\n{inside}\n<!-- /{mark} -->{after}"


def main() -> int:
    """Creates the fixtures that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="make them elsewhere and compare with SHA256SUMS")
    parser.add_argument("names", nargs="*", help="only these")
    options = parser.parse_args()
    for part in PARTS:
        part()
    if unknown := set(options.names) - set(ALL):
        parser.error(f"no such fixture: {', '.join(sorted(unknown))}")
    version = run("-version").decode().split()[2]
    if FFMPEG_VERSION not in version:
        parser.error(f"ffmpeg is {version}; the checksums are those of {FFMPEG_VERSION}")
    if options.check:
        with tempfile.TemporaryDirectory() as folder:
            make(Path(folder), [])
            made, kept = checksums(Path(folder)), (FIXTURES / "SHA256SUMS").read_text(encoding="utf-8")
        differ = sorted({line.split("  ")[1] for line in set(made.splitlines()) ^ set(kept.splitlines())})
        print("\n".join(f"differs: {name}" for name in differ) or "all the same")
        return 1 if differ else 0
    make(FIXTURES, options.names)
    if not options.names:
        (FIXTURES / "SHA256SUMS").write_text(checksums(FIXTURES), encoding="utf-8")
        readme()
    return 0


if __name__ == "__main__":
    sys.exit(main())
