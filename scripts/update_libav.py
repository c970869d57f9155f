#!/usr/bin/env python3
"""Moves the static libav to another release of FFmpeg: `make update-libav VERSION=9.0.3`.

The script changes vendor/libav/pins.toml, renews pins.lock and the versions in advisories.toml, and reports

- which patches in vendor/libav/patches still apply to the new source, one after the other;
- which advisories the release closes or opens, and which patches no advisory needs any more.

It fails when a patch does not apply or an advisory is open. The changes then stay, to be repaired or reverted by git. When the
registry does not have the release, nothing is changed. The script contacts only the crate registry and builds nothing: `make libav`
does that.
"""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile

from libav_table import LIBAV, ROOT, Malformed, components, load, locked, number

PIN = re.compile(r'^(ffmpeg-src = \{ version = "=)([^"]+)(")', re.MULTILINE)


def pin(text, version):
    """Returns pins.toml with this version of ffmpeg-src, and the version it had."""
    found = PIN.search(text)
    if not found:
        raise Malformed("pins.toml does not name ffmpeg-src as expected")
    return PIN.sub(rf"\g<1>{version}\g<3>", text), found[2]


def renew(text, name, version, crate_version):
    """Returns the table with another version of a library, in all fields of its `[[library]]` block."""
    head, *blocks = re.split(r"(?m)^(?=\[\[)", text)
    for at, block in enumerate(blocks):
        if block.startswith("[[library]]") and f'\nname = "{name}"\n' in block:
            old = re.search(r'^version = "([^"]+)"', block, re.MULTILINE)[1]
            block = re.sub(r'(?m)^(crate_version = ")[^"]+', rf"\g<1>{crate_version}", block)
            block = re.sub(r'(?m)^(version = ")[^"]+', rf"\g<1>{version}", block)
            block = re.sub(rf"(?m)^((?:purl|cpe) = .*){re.escape(old)}", rf"\g<1>{version}", block)
            blocks[at] = block
            return head + "".join(blocks)
    raise Malformed(f"no library {name} in the table")


def unpack(archive, folder, *names):
    """Unpacks a tar file, or only these names. Python's tarfile has its safe filter only since 3.11.4; Debian 12 may have 3.11.2."""
    subprocess.run(("tar", "-C", folder, "-xf", archive, *names), check=True)


def apply(source, patches):
    """Applies the patches in the order of their names, as the build does. Returns those that fail, each with the output of patch(1)."""
    failed = []
    for path in sorted(patches):
        done = subprocess.run(
            ["patch", "--strip=1", "--forward", "--batch", "--fuzz=0", "--directory", source, "--input", path.resolve()],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )
        if done.returncode != 0:
            failed.append((path.name, done.stdout.strip()))
    return failed


def changes(before, after, old, new, listed):
    """Returns the advisories that another version closes, and those that it opens."""
    closed, opened = [], []
    for was, now in zip(before, after, strict=True):
        if was.library == "ffmpeg" and was.compiled_in(listed):
            if was.affects(old) and not now.affects(new):
                closed.append(now)
            if now.affects(new) and not was.affects(old):
                opened.append(now)
    return closed, opened


def crate(root, name, work):
    """Returns the folder of a pinned crate, as cargo unpacks it."""
    pins = work / "pins"
    (pins / "src").mkdir(parents=True)
    shutil.copy(root / LIBAV / "pins.toml", pins / "Cargo.toml")
    shutil.copy(root / LIBAV / "pins.lock", pins / "Cargo.lock")
    (pins / "src/lib.rs").touch()
    about = subprocess.run(
        ["cargo", "metadata", "--quiet", "--locked", "--format-version", "1", "--manifest-path", pins / "Cargo.toml"],
        check=True, stdout=subprocess.PIPE, text=True,
    )
    for package in json.loads(about.stdout)["packages"]:
        if package["name"] == name:
            return pathlib.Path(package["manifest_path"]).parent
    raise Malformed(f"the pins do not bring {name}")


def zlib_version(package):
    """Returns the version of the zlib in the crate ffmpeg-src."""
    with tarfile.open(package / "native/zlib.tar.xz") as archive:
        header = next(member for member in archive if re.fullmatch(r"(\./)?[^/]+/zlib\.h", member.name))
        return re.search(rb'define ZLIB_VERSION "([^"]+)"', archive.extractfile(header).read())[1].decode()


def main():
    if len(sys.argv) != 2:
        sys.exit("update-libav: VERSION=9.0.3 says to which release")
    new = sys.argv[1]
    folder = ROOT / LIBAV
    pins, table = folder / "pins.toml", folder / "advisories.toml"
    number(new)
    text = pins.read_text(encoding="utf-8")
    changed, old = pin(text, new)
    pins.write_text(changed, encoding="utf-8")
    if subprocess.run([folder / "build.sh", "update"], check=False).returncode != 0:
        pins.write_text(text, encoding="utf-8")
        sys.exit(f"update-libav: the registry has no ffmpeg-src {new}, or does not answer; nothing is changed")
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        package = crate(ROOT, "ffmpeg-src", work)
        before = table.read_text(encoding="utf-8")
        after = renew(before, "ffmpeg", new, new)
        after = renew(after, "zlib", zlib_version(package), new)
        dav1d = locked((folder / "pins.lock").read_text(encoding="utf-8"))["libdav1d-sys"][0]["version"]
        after = renew(after, "dav1d", dav1d.split("+libdav1d.")[-1], dav1d)
        table.write_text(after, encoding="utf-8")
        unpack(package / "native/ffmpeg.tar.xz", work)
        patches = list((folder / "patches").glob("*.patch"))
        failed = apply(work / "ffmpeg", patches)
    print(f"FFmpeg {old} -> {new}: {len(patches) - len(failed)} of {len(patches)} patches apply")
    for name, why in failed:
        print(f"\n{name} does not apply:\n{why}")
    listed = components((folder / "components.txt").read_text(encoding="utf-8"))
    closed, opened = changes(load(before)[1], load(after)[1], old, new, listed)
    for word, some in (("closes", closed), ("opens", opened)):
        for advisory in some:
            print(f"{word} {advisory.id}: {advisory.title}" + (f"; {advisory.patch} is for nothing now" if word == "closes" and advisory.patch else ""))
    if not closed:
        print("closes no advisory: each of those that are open names no release with the fix (fixed_in), or a later one")
    print("\nNext: give fixed_in to what the release mends (its Changelog, https://ffmpeg.org/security.html), remove patches that it has, then `make libav` and")
    print("vendor/libav/README.md, Upgrading.\n")
    sys.stdout.flush()
    checked = subprocess.run([sys.executable, "-B", ROOT / "scripts/advisories_libav.py"], check=False)
    sys.exit(1 if failed else checked.returncode)


if __name__ == "__main__":
    main()
