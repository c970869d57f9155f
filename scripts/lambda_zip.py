#!/usr/bin/env python3
"""Packs the function for Lambda's provided.al2023: lambda_zip.py BOOTSTRAP ZIP (`make lambda-zip`).

The archive contains one file, `bootstrap`, that everyone may run. The same program gives the same bytes, because the archive contains
no time and no owner. Nothing is written unless the program starts on Amazon Linux 2023 (glibc 2.34, and no library that is missing
there) and the archive is smaller than 15 MB.
"""

import pathlib
import re
import subprocess
import sys
import zipfile

GLIBC = (2, 34)
LIBRARIES = re.compile(r"(libc|libm|libgcc_s)\.so\.\d+|ld-linux-(x86-64|aarch64)\.so\.\d+")
LIMIT = 15_000_000


def objdump(option, program):
    shown = subprocess.run(["objdump", option, program], capture_output=True, text=True, check=False)
    if shown.returncode:
        sys.exit(f"lambda-zip: {program} is no program: {shown.stderr.strip()}")
    return shown.stdout


def check(program):
    """Ends the script if Amazon Linux 2023 would not start the program."""
    symbols = objdump("-T", program).splitlines()
    versions = {line: re.search(r"GLIBC_(\d+)\.(\d+)", line) for line in symbols}
    versions = {line: (int(found[1]), int(found[2])) for line, found in versions.items() if found}
    if not versions:
        sys.exit(f"lambda-zip: {program} asks for no glibc symbol: that is not the program that is meant")
    newer = [line for line, version in versions.items() if version > GLIBC]
    if newer:
        sys.exit("lambda-zip: Amazon Linux 2023 has glibc 2.34, and these are newer:\n" + "\n".join(newer))
    needed = re.findall(r"^\s*NEEDED\s+(\S+)", objdump("-p", program), re.MULTILINE)
    others = [name for name in needed if not LIBRARIES.fullmatch(name)]
    if others:
        sys.exit(f"lambda-zip: {program} wants libraries that Amazon Linux 2023 may not have: {', '.join(others)}")
    return max(versions.values())


def main():
    program, archive = map(pathlib.Path, sys.argv[1:])
    version = check(program)
    # The earliest date that the format can store.
    member = zipfile.ZipInfo("bootstrap", (1980, 1, 1, 0, 0, 0))
    member.create_system = 3  # Unix: the mode counts
    member.external_attr = 0o100755 << 16
    member.compress_type = zipfile.ZIP_DEFLATED
    unfinished = archive.with_suffix(".part")
    with zipfile.ZipFile(unfinished, "w") as opened:
        opened.writestr(member, program.read_bytes(), compresslevel=9)
    size = unfinished.stat().st_size
    if size >= LIMIT:
        unfinished.unlink()
        sys.exit(f"lambda-zip: the archive has {size} bytes, and is to stay below {LIMIT}")
    unfinished.replace(archive)
    print(f"lambda-zip: {archive}, {size / 1e6:.1f} MB ({program.stat().st_size / 1e6:.1f} MB unpacked), glibc {version[0]}.{version[1]}")


if __name__ == "__main__":
    main()
