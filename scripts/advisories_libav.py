#!/usr/bin/env python3
"""Checks vendor/libav/advisories.toml against the build: `make advisories-libav`.

    scripts/advisories_libav.py [--all] [FOLDER]

FOLDER is a repository (default: this one). The script prints each advisory on a compiled component, with --all every advisory:
whether the fault can be reached, which release has the fix, and our patch. It fails, with a line for each fault, when

- an advisory is open: its component is compiled in and can be reached, the locked version has the fault, and we have no patch;
- the table does not state whether an affected compiled component can be reached;
- the table is malformed, or names an unknown kind of component or a missing patch, or no advisory names an existing patch (numbers
  from 1000 on);
- a lock file has another version of a crate than the table.

The script uses no network.
"""

import argparse
import pathlib
import sys

from libav_table import LIBAV, ROOT, Malformed, components, load, locked

# Patches in patches/ below this number do not belong to advisories.
FIRST = 1000


def faults(root):
    """Returns the rows of the table to print, and the faults."""
    folder = root / LIBAV
    libraries, advisories = load((folder / "advisories.toml").read_text(encoding="utf-8"))
    listed = components((folder / "components.txt").read_text(encoding="utf-8"))
    wrong = []
    for library in libraries.values():
        packages = locked((root / library.lock).read_text(encoding="utf-8")).get(library.crate, [])
        versions = [package["version"] for package in packages]
        if versions != [library.crate_version]:
            wrong.append(
                f"{library.name}: {library.lock} has {library.crate} {', '.join(versions) or 'not at all'}, the table {library.crate_version}: "
                "see which version of the library is in it, and which advisories that closes and opens"
            )
    rows = []
    for advisory in advisories:
        state = advisory.state(libraries[advisory.library].version, listed)
        if state == "open":
            wrong.append(f"{advisory.id} is open: {', '.join(advisory.component)}: {advisory.title}")
        if state == "undecided":
            wrong.append(f"{advisory.id}: {', '.join(advisory.component)} is compiled in, and nothing says whether the fault can be reached")
        rows.append((advisory, state))
    there = {path.name for path in (folder / "patches").glob("*.patch")}
    named = {advisory.patch for advisory in advisories if advisory.patch}
    wrong += [f"{patch} is not in {LIBAV}/patches" for patch in sorted(named - there)]
    for patch in sorted(there - named):
        digits = patch.split("-")[0]
        if digits.isdigit() and int(digits) >= FIRST:
            wrong.append(f"{patch} is for no advisory of the table")
    return rows, wrong


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--all", action="store_true")
    parser.add_argument("folder", nargs="?", type=pathlib.Path, default=ROOT)
    arguments = parser.parse_args()
    try:
        rows, wrong = faults(arguments.folder)
    except (Malformed, OSError) as error:
        sys.exit(f"advisories-libav: {error}")
    order = ["open", "undecided", "patched", "unreachable", "fixed", "not compiled in"]
    counts = dict.fromkeys(order, 0)
    print(f"{'advisory':17} {'component':36} {'state':16} {'fixed in':18} patch, or why it cannot be reached")
    for advisory, state in sorted(rows, key=lambda row: (order.index(row[1]), row[0].library, row[0].id)):
        counts[state] += 1
        if state != "not compiled in" or arguments.all:
            what = f"{advisory.library}: {', '.join(advisory.component)}" if advisory.library != "ffmpeg" else ", ".join(advisory.component)
            last = advisory.patch if state == "patched" else advisory.reason
            print(f"{advisory.id:17} {what:36} {state:16} {', '.join(advisory.fixed_in) or '-':18} {last}".rstrip())
    print(", ".join(f"{count} {state}" for state, count in counts.items()))
    for line in wrong:
        print(f"advisories-libav: {line}", file=sys.stderr)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
