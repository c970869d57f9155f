#!/usr/bin/env python3
"""Finds phrases that CONTRIBUTING.md ("Style") replaces, in texts for users: pages, help texts and rustdoc of public items.

    scripts/words.py            # prints path:line: the phrase, and its replacement; the exit status is 1 if there is any

Code blocks, code spans, Korean pages and the word list itself are left out.
"""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Each phrase with its replacement. Only phrases that are wrong everywhere: "made" or "say" may be right.
PHRASES = [
    (r"ask(s|ed)? for\b", "request, fetch"),
    (r"(goes|went|going) on (from|where|with)\b", "continue, resume"),
    (r"(work|works|worked|working) on (it|them|these|those|what)\b", "process"),
    (r"put(s|ting)? right\b", "fix"),
    (r"mend(s|ed|ing)?\b", "fix, repair"),
    (r"br(eak|eaks|oken|oke) off\b", "abort, cancel"),
    (r"so many\b", "N, at most N"),
    (r"doubled\b", "duplicate"),
    (r"whoever\b", "name the actor"),
    (r"of (one's|your|its|their|our) own\b", "your own, custom, separate"),
    (r"as it stands\b|how it stands\b", "state, status"),
    (r"the file's word\b", "the value stored in the file"),
    (r"is not to be\b|are not to be\b|is to be\b|are to be\b", "must not, must"),
    (r"what is (there|missing|wrong|not right)\b", "name the thing"),
    (r"told apart\b", "distinguish"),
    (r"stands? in the (way|place)\b", "name the effect"),
]


def tracked(*patterns):
    names = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [ROOT / name for name in names.splitlines()]


def page(path):
    """Returns the lines of a page that are prose, without code and the word list."""
    is_code, in_style = False, False
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.lstrip().startswith("```"):
            is_code = not is_code
        if line.startswith("## "):
            in_style = path.name == "CONTRIBUTING.md" and line == "## Style"
        if not is_code and not (in_style and line.startswith("|")):
            yield number, re.sub(r"`[^`]*`", "", line)


def rustdoc(path):
    """Returns the documentation of public items, and of modules that have some."""
    lines = path.read_text(encoding="utf-8").splitlines()
    pending, is_code = [], False
    for number, line in enumerate(lines, 1):
        found = re.match(r"\s*//([/!]) ?(.*)", line)
        if found:
            if found[2].startswith("```"):
                is_code = not is_code
            if not is_code:
                pending.append((number, re.sub(r"`[^`]*`", "", found[2]), found[1] == "!"))
            continue
        if re.match(r"\s*#\[|\s*\)\]|\s*$", line) and pending:
            yield from (item[:2] for item in pending if item[2])
            pending = [item for item in pending if not item[2]]
            continue
        if re.match(r"\s*pub (?!\()", line):
            yield from (item[:2] for item in pending)
        pending, is_code = [], False


def texts():
    for path in tracked("*.md"):
        if "ko" not in path.parts and not path.name.endswith(".ko.md"):
            yield path, page(path)
    for path in tracked("src/*.rs"):
        name = path.relative_to(ROOT).as_posix()
        if name.startswith("src/cli/arguments"):
            # clap shows comments and strings.
            yield path, enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        elif not name.startswith(("src/cli", "src/bin")):
            yield path, rustdoc(path)


def main():
    phrases = [(re.compile(r"\b" + pattern, re.IGNORECASE), better) for pattern, better in PHRASES]
    count = 0
    for path, lines in texts():
        for number, line in lines:
            for pattern, better in phrases:
                for found in pattern.finditer(line):
                    count += 1
                    print(f"{path.relative_to(ROOT)}:{number}: \"{found[0]}\": write {better}")
    if count:
        sys.exit(f"words: {count} phrases; CONTRIBUTING.md, \"Style\", has the list")


if __name__ == "__main__":
    main()
