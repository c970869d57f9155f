#!/usr/bin/env python3
"""Prints the licences of every crate inside the program, as the packages contain them: notices.py CARGO_OPTIONS...

    scripts/notices.py --features static > crates.txt

The options are those of the build (features). Crates that only run at build time are left out. Equal texts are printed once, under
the names of all their crates. A crate without a text is named with the SPDX identifier of its licence.
"""

import json
import pathlib
import re
import subprocess
import sys

NAMES = re.compile(r"(LICEN[CS]E|COPYING|COPYRIGHT|NOTICE|UNLICENSE|PATENTS)", re.IGNORECASE)


def cargo(*arguments):
    return subprocess.run(["cargo", *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout


def texts(folder):
    """Returns the texts beside Cargo.toml, and those of foreign sources that a crate contains."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and NAMES.match(path.name) and path.suffix.lower() not in (".rs", ".py", ".c", ".h", ".json"):
            text = path.read_text(encoding="utf-8", errors="replace").strip()
            if text:
                yield "\n".join(line.rstrip() for line in text.splitlines())


def main():
    options = sys.argv[1:]
    tree = cargo("tree", "--locked", "-e", "normal,no-proc-macro", "--prefix", "none", "-f", "{p}", *options)
    inside = {tuple(line.split()[:2]) for line in tree.splitlines() if line}
    version = subprocess.run(["rustc", "-vV"], check=True, stdout=subprocess.PIPE, text=True).stdout
    host = re.search(r"^host: (.*)$", version, re.MULTILINE)[1]
    about = cargo("metadata", "--locked", "--format-version", "1", "--filter-platform", host, *options)
    packages = json.loads(about)["packages"]
    packages = [package for package in packages if (package["name"], "v" + package["version"]) in inside]
    by_text, without = {}, []
    for package in sorted(packages, key=lambda package: (package["name"], package["version"])):
        if package["source"] is None:
            continue
        title = f"{package['name']} {package['version']} ({package['license'] or 'see its text'})"
        found = list(dict.fromkeys(texts(pathlib.Path(package["manifest_path"]).parent)))
        for text in found:
            by_text.setdefault(text, []).append(title)
        if not found:
            without.append(title)
    print("The Rust crates inside posterframe, with the licences that their packages carry.\n")
    if without:
        print("Without a text of their own:\n")
        print("\n".join(without) + "\n")
    for text, titles in by_text.items():
        print("=" * 100 + "\n" + "\n".join(titles) + "\n" + "-" * 100 + "\n" + text + "\n")


if __name__ == "__main__":
    main()
