#!/usr/bin/env python3
"""Tests of the scripts for linked code: advisories_libav.py, update_libav.py, sbom.py (`make test`; SEED=n repeats an earlier run).

The tests use no network except the crate registry, for crates that are not downloaded yet.
"""

import contextlib
import io
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
import uuid

import sbom
import update_libav
from advisories_libav import faults
from libav_table import LIBAV, ROOT, Malformed, components, load, locked, number

SEED = int(os.environ.get("SEED") or random.SystemRandom().randrange(1 << 32))
TABLE = (ROOT / LIBAV / "advisories.toml").read_text(encoding="utf-8")
LISTED = components((ROOT / LIBAV / "components.txt").read_text(encoding="utf-8"))
SMALL = """
[[library]]
name = "ffmpeg"
version = "9.0.2"
crate = "ffmpeg-src"
crate_version = "9.0.2"
lock = "vendor/libav/pins.lock"
license = "LGPL-2.1-or-later"
purl = "pkg:github/FFmpeg/FFmpeg@n9.0.2"
cpe = "cpe:2.3:a:ffmpeg:ffmpeg:9.0.2:*:*:*:*:*:*:*"

[[advisory]]
id = "CVE-2026-12345"
title = "it is written out of bounds"
library = "ffmpeg"
component = "decoder:hevc"
affected = "<=9.0.2"
reachable = true
source = "https://example.com/"
"""


def draw():
    """Returns a source of values that differ in each run."""
    print(f"SEED={SEED}", file=sys.stderr)
    return random.Random(SEED)


class Repository:
    """A copy of the files that the check reads. A test can change it."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        shutil.copytree(ROOT / LIBAV / "patches", self.folder / LIBAV / "patches")
        for name in ("advisories.toml", "components.txt", "pins.toml", "pins.lock"):
            shutil.copy(ROOT / LIBAV / name, self.folder / LIBAV / name)
        shutil.copy(ROOT / "Cargo.lock", self.folder / "Cargo.lock")

    def change(self, file, old, new):
        path = self.folder / file
        text = path.read_text(encoding="utf-8")
        assert old in text, (file, old)
        path.write_text(text.replace(old, new), encoding="utf-8")

    def check(self):
        """Returns the command's exit code and its whole output."""
        command = [sys.executable, "-B", ROOT / "scripts/advisories_libav.py", self.folder]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        return done.returncode, done.stdout


@contextlib.contextmanager
def repository():
    with tempfile.TemporaryDirectory() as folder:
        yield Repository(folder)


class Table(unittest.TestCase):
    """The rules of the table, and their consequences."""

    def test_ranges_are_those_of_numbers(self):
        any_of = draw()
        for _ in range(2000):
            low, high, version, fix = (tuple(any_of.randrange(4) for _ in range(3)) for _ in range(4))
            text = [".".join(map(str, one)) for one in (low, high, version, fix)]
            said = {"=": f"={text[1]}", "<": f">={text[0]}, <{text[1]}", "<=": f">={text[0]}, <={text[1]}"}
            for end, affected in said.items():
                fixed = [text[1]] if end == "<" else any_of.choice([[], [text[3]]])
                line = f'affected = "{affected}"\nfixed_in = {json.dumps(fixed)}' if fixed else f'affected = "{affected}"'
                _, (advisory,) = load(SMALL.replace('affected = "<=9.0.2"', line))
                releases = [tuple(map(int, one.split("."))) for one in fixed]
                mended = any(version >= one and (version[:2] == one[:2] or one == max(releases)) for one in releases)
                inside = version == high if end == "=" else version >= low and (version < high or end == "<=" and (version == high or not fixed))
                self.assertEqual(advisory.affects(text[2]), inside and not mended, (affected, fixed, text[2]))

    def test_what_is_open_is_what_is_built_reached_affected_and_not_mended(self):
        any_of = draw()
        some = sorted(LISTED)
        for _ in range(1000):
            parts = any_of.choices([*some, "core:avutil", "encoder:gif", "hwaccel:hevc_vaapi", "external:libxevd"], k=any_of.randrange(1, 4))
            listed = set(any_of.sample(some, k=any_of.randrange(len(some))))
            reachable, patched, bound = any_of.random() < 0.5, any_of.random() < 0.5, any_of.choice(["<=9.0.1", "<=9.0.2", "<9.0.2", "<9.0.3", ">=9.0.3", ">=8.1"])
            lines = [f"component = {json.dumps(parts)}", f'affected = "{bound}"', f"reachable = {json.dumps(reachable)}"]
            if bound.startswith("<9"):
                lines.append(f'fixed_in = "{bound[1:]}"')
            lines += ['patch = "1001-a.patch"'] if reachable and patched else [] if reachable else ['reason = "so"']
            text = SMALL.replace('component = "decoder:hevc"\naffected = "<=9.0.2"\nreachable = true', "\n".join(lines))
            _, (advisory,) = load(text)
            built = any(part in listed or part.startswith("core:") for part in parts)
            affected = bound not in ("<9.0.2", ">=9.0.3")
            self.assertEqual(advisory.state("9.0.2", listed) == "open", built and affected and reachable and not patched, text)

    def test_what_is_malformed_is_named(self):
        for old, new, says in (
            ("CVE-2026-12345", "PixelSmash", "is no CVE"),
            ("decoder:hevc", "codec:hevc", "no component of a known kind"),
            ("decoder:hevc", "decoder", "no component of a known kind"),
            ('"decoder:hevc"', "[]", "component is not of its form"),
            ('library = "ffmpeg"', 'library = "x264"', "none of the libraries"),
            ("<=9.0.2", "until 9.0.2", "no range of versions"),
            ("<=9.0.2", "<=9.0.x", "is no version"),
            ("<=9.0.2", "<9.0.3", "which fixed_in does not have"),
            ("reachable = true", "reachable = false", "without a reason"),
            ("reachable = true", 'reachable = "no"', "reachable is not of its form"),
            ("reachable = true", 'patch = "1001-a.patch"', "not said to be reachable"),
            ("reachable = true", "severity = 9.8", "unknown: severity"),
            ('title = "it is written out of bounds"', 'title = ""', "title is not of its form"),
            ("https://example.com/", "a friend", "source"),
            ('source = "https://example.com/"', "", "source"),
            ("reachable = true", 'reachable = true\npublished = "in May"', "published"),
            ("[[advisory]]", "[[advisories]]", "unknown: advisories"),
            ("[[advisory]]", "[advisory", "no TOML"),
        ):
            with self.subTest(new=new):
                self.assertIn(old, SMALL)
                with self.assertRaisesRegex(Malformed, re.escape(says)):
                    load(SMALL.replace(old, new))
        twice = SMALL + SMALL[SMALL.index("[[advisory]]"):]
        with self.assertRaisesRegex(Malformed, "CVE-2026-12345 is there twice"):
            load(twice)


class Check(unittest.TestCase):
    """`make advisories-libav` as a command."""

    def test_nothing_is_open(self):
        code, said = subprocess.getstatusoutput(f"{sys.executable} -B {ROOT}/scripts/advisories_libav.py --all")
        self.assertEqual(code, 0, said)
        self.assertIn("0 open, 0 undecided", said)
        _, advisories = load(TABLE)
        for advisory in advisories:
            self.assertIn(advisory.id, said)

    def test_each_patch_is_needed(self):
        rows, wrong = faults(ROOT)
        self.assertEqual(wrong, [])
        patched = [advisory for advisory, state in rows if state == "patched"]
        self.assertGreater(len(patched), 0)
        with repository() as here:
            for advisory in patched:
                here.change(LIBAV / "advisories.toml", f'patch = "{advisory.patch}"\n', "")
                _, wrong = faults(here.folder)
                self.assertTrue(any(line.startswith(f"{advisory.id} is open") for line in wrong), wrong)
                self.assertIn(f"{advisory.patch} is for no advisory of the table", wrong)
                shutil.copy(ROOT / LIBAV / "advisories.toml", here.folder / LIBAV / "advisories.toml")
            here.change(LIBAV / "advisories.toml", f'patch = "{patched[0].patch}"\n', "")
            code, said = here.check()
            self.assertEqual(code, 1, said)
            self.assertIn(f"advisories-libav: {patched[0].id} is open", said)

    def test_a_patch_that_is_not_there_is_missed(self):
        with repository() as here:
            (here.folder / LIBAV / "patches/1001-pssh-boxes.patch").unlink()
            code, said = here.check()
            self.assertEqual(code, 1)
            self.assertIn("1001-pssh-boxes.patch is not in vendor/libav/patches", said)

    def test_patches_for_other_things_are_nobodys_business(self):
        with repository() as here:
            (here.folder / LIBAV / "patches/0007-faster.patch").write_text("")
            self.assertEqual(here.check()[0], 0)
            (here.folder / LIBAV / "patches/1999-what.patch").write_text("")
            code, said = here.check()
            self.assertEqual(code, 1)
            self.assertIn("1999-what.patch is for no advisory", said)

    def test_a_component_that_is_added_brings_its_advisories(self):
        with repository() as here:
            here.change(LIBAV / "components.txt", "decoder: png apng", "decoder: cljr png apng")
            code, said = here.check()
            self.assertEqual(code, 1)
            self.assertIn("CVE-2026-125066: decoder:cljr is compiled in, and nothing says", said)

    def test_a_component_that_is_removed_takes_them_along(self):
        with repository() as here:
            here.change(LIBAV / "components.txt", "rawvideo ", "")
            here.change(LIBAV / "advisories.toml", 'patch = "1002-rawvideo-uninitialized.patch"\n', "")
            (here.folder / LIBAV / "patches/1002-rawvideo-uninitialized.patch").unlink()
            code, said = here.check()
            self.assertEqual(code, 0, said)

    def test_another_version_in_a_lock_file_is_noticed(self):
        for lock, old in ((LIBAV / "pins.lock", 'name = "ffmpeg-src"\nversion = "9.0.2"'), ("Cargo.lock", 'name = "libwebp-sys"\nversion = "0.9.6"')):
            with self.subTest(lock=str(lock)), repository() as here:
                here.change(lock, old, old[:-2] + '9"')
                code, said = here.check()
                self.assertEqual(code, 1)
                self.assertRegex(said, rf"{re.escape(str(lock))} has \S+ \S+9, the table")

    def test_a_release_that_nobody_calls_mended_closes_nothing(self):
        # "Through 9.0.2" was the knowledge when it was written, and no promise about 9.0.3.
        with repository() as here:
            here.change(LIBAV / "pins.lock", 'name = "ffmpeg-src"\nversion = "9.0.2"', 'name = "ffmpeg-src"\nversion = "9.0.3"')
            text = (here.folder / LIBAV / "advisories.toml").read_text(encoding="utf-8")
            text = update_libav.renew(update_libav.renew(text, "ffmpeg", "9.0.3", "9.0.3"), "zlib", "1.3.2", "9.0.3")
            text = re.sub(r'(id = "CVE-2026-125254"(?:\n.+)*?\naffected = .*)', r'\1\nfixed_in = "9.0.3"', text)
            (here.folder / LIBAV / "advisories.toml").write_text(text, encoding="utf-8")
            rows, wrong = faults(here.folder)
            self.assertEqual(wrong, [])
            states = {advisory.id: state for advisory, state in rows}
            self.assertEqual(states["CVE-2026-125254"], "fixed")
            self.assertEqual(states["CVE-2026-125236"], "patched")
            closed, opened = update_libav.changes(load(TABLE)[1], load(text)[1], "9.0.2", "9.0.3", LISTED)
            self.assertEqual([advisory.id for advisory in closed], ["CVE-2026-125254"])
            self.assertEqual(opened, [])


class Update(unittest.TestCase):
    """The parts of `make update-libav`."""

    def test_the_pin_and_the_table_say_the_same_afterwards(self):
        pins, old = update_libav.pin((ROOT / LIBAV / "pins.toml").read_text(encoding="utf-8"), "9.1")
        self.assertEqual(old, load(TABLE)[0]["ffmpeg"].version)
        self.assertEqual(update_libav.pin(pins, "9.1")[1], "9.1")
        before, after = load(TABLE), load(update_libav.renew(TABLE, "ffmpeg", "9.1", "9.1.0"))
        self.assertEqual(before[1], after[1])
        library = after[0]["ffmpeg"]
        self.assertEqual((library.version, library.crate_version), ("9.1", "9.1.0"))
        self.assertIn("9.1", library.purl)
        self.assertIn(":9.1:", library.cpe)
        self.assertEqual({**before[0], "ffmpeg": None}, {**after[0], "ffmpeg": None})
        with self.assertRaises(Malformed):
            update_libav.pin("[dependencies]", "9.1")

    def test_patches_apply_one_after_the_other_and_those_that_do_not_are_named(self):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            (folder / "source").mkdir()
            (folder / "source/a.c").write_text("one\ntwo\n")
            for name, old, new in (("1001-a", "two", "three"), ("1002-b", "three", "four"), ("1003-c", "nine", "ten")):
                (folder / f"{name}.patch").write_text(f"Reason: so\n\n--- a/a.c\n+++ b/a.c\n@@ -1,2 +1,2 @@\n one\n-{old}\n+{new}\n")
            failed = update_libav.apply(folder / "source", folder.glob("*.patch"))
            self.assertEqual((folder / "source/a.c").read_text(), "one\nfour\n")
            self.assertEqual([name for name, _ in failed], ["1003-c.patch"])

    def test_the_patches_apply_to_the_pinned_source(self):
        patches = list((ROOT / LIBAV / "patches").glob("*.patch"))
        touched = {"ffmpeg/" + name for path in patches for name in re.findall(r"(?m)^--- a/(\S+)", path.read_text(encoding="utf-8"))}
        self.assertGreater(len(touched), 0)
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            package = update_libav.crate(ROOT, "ffmpeg-src", folder)
            update_libav.unpack(package / "native/ffmpeg.tar.xz", folder, *sorted(touched))
            self.assertEqual(update_libav.apply(folder / "ffmpeg", patches), [])

    def test_each_patch_says_what_it_is_for(self):
        _, advisories = load(TABLE)
        for path in (ROOT / LIBAV / "patches").glob("1*.patch"):
            head = path.read_text(encoding="utf-8").split("\n--- ")[0]
            named = {advisory.id for advisory in advisories if advisory.patch == path.name}
            self.assertEqual(set(re.findall(r"CVE-[0-9]+-[0-9]+", head.split("\nReason: ")[0])), named, path.name)
            self.assertRegex(head, r"(?m)^Origin: \S", path.name)


class Hardening(unittest.TestCase):
    """The compiler options of the static libraries, seen in the functions that their objects call."""

    # An object of each library with buffers on the stack.
    OBJECTS = {
        "libavcodec.a": ("h264_slice.o", "hevcdec.o"),
        "libavformat.a": ("mov.o", "matroskadec.o"),
        "libswscale.a": ("utils.o",),
        # libavutil, dav1d and zlib.
        "libavutil.a": ("dict.o", "obu.c.o", "inflate.o"),
    }

    def test_a_write_past_a_buffer_ends_the_program(self):
        prefix = pathlib.Path(os.environ.get("FFMPEG_DIR") or ROOT / LIBAV / "prefix")
        for archive, names in self.OBJECTS.items():
            symbols = subprocess.run(("readelf", "-sW", prefix / "lib" / archive), check=True, capture_output=True, text=True).stdout
            objects = dict(re.findall(r"^File: .*\(([^)]*)\)\n((?:(?!^File: ).*\n?)*)", symbols, re.MULTILINE))
            for name in names:
                self.assertIn("__stack_chk_fail", objects.get(name, ""), f"{archive}({name})")
            # Functions that copy into a buffer of known size check that size.
            if archive in ("libavcodec.a", "libavformat.a", "libavutil.a"):
                self.assertRegex(symbols, r" __(v?snprintf|mem(cpy|set|move))_chk\n", archive)


class Bill(unittest.TestCase):
    """`make sbom`."""

    @classmethod
    def setUpClass(cls):
        cls.folder = cls.enterClassContext(tempfile.TemporaryDirectory())
        with contextlib.redirect_stdout(io.StringIO()):
            sys.argv = ["sbom.py", cls.folder]
            sbom.main()
        cls.bills = {path.name.split(".")[0]: json.loads(path.read_text(encoding="utf-8")) for path in pathlib.Path(cls.folder).glob("*.cdx.json")}

    def test_both_programs_have_one(self):
        self.assertEqual(self.bills.keys(), sbom.PRODUCTS.keys())

    def test_it_is_of_the_form(self):
        for name, bill in self.bills.items():
            with self.subTest(name=name):
                self.assertEqual((bill["bomFormat"], bill["specVersion"], bill["version"]), ("CycloneDX", "1.5", 1))
                uuid.UUID(bill["serialNumber"].removeprefix("urn:uuid:"))
                self.assertEqual(bill["metadata"]["component"]["name"], name)
                refs = [component["bom-ref"] for component in bill["components"]] + [bill["metadata"]["component"]["bom-ref"]]
                self.assertEqual(len(refs), len(set(refs)))
                self.assertEqual({edge["ref"] for edge in bill["dependencies"]}, set(refs))
                for edge in bill["dependencies"]:
                    self.assertLessEqual(set(edge["dependsOn"]), set(refs))
                for component in bill["components"]:
                    self.assertEqual(component["type"], "library")
                    self.assertIn(component["scope"], ("required", "excluded"))
                    self.assertTrue(component["version"] and component["purl"].startswith("pkg:"), component)
                    for one in component["licenses"]:
                        self.assertTrue(one["expression"], component)
                    for one in component.get("hashes", []):
                        self.assertRegex(one["content"], r"^[0-9a-f]{64}$")

    def test_it_has_each_crate_of_the_program_with_its_hash_and_no_other(self):
        lock = locked((ROOT / "Cargo.lock").read_text(encoding="utf-8"))
        for name, bill in self.bills.items():
            with self.subTest(name=name):
                crates = [component for component in bill["components"] if component["bom-ref"].startswith("pkg:cargo/")]
                required = {(one["name"], one["version"]) for one in crates if one["scope"] == "required"}
                linked = set().union(*(sbom.tree("normal,no-proc-macro", target, sbom.PRODUCTS[name]) for target in sbom.TARGETS))
                self.assertEqual(required, {one for one in linked if one[0] != "posterframe"})
                for one in crates:
                    package = next(package for package in lock[one["name"]] if package["version"] == one["version"])
                    self.assertEqual(one["hashes"], [{"alg": "SHA-256", "content": package["checksum"]}])

    def test_it_names_each_c_library(self):
        libraries, advisories = load(TABLE)
        pins = locked((ROOT / LIBAV / "pins.lock").read_text(encoding="utf-8"))
        for name, bill in self.bills.items():
            with self.subTest(name=name):
                found = {one["name"]: one for one in bill["components"] if one["bom-ref"].startswith("c:")}
                # The function's catalogue is only MySQL.
                self.assertEqual(found.keys(), libraries.keys() - ({"sqlite"} if name == "posterframe-lambda" else set()))
                for one in found.values():
                    library = libraries[one["name"]]
                    self.assertEqual((one["version"], one["purl"], one["cpe"]), (library.version, library.purl, library.cpe))
                    self.assertTrue(any(one["bom-ref"] in edge["dependsOn"] for edge in bill["dependencies"]), one["name"])
                source = found["ffmpeg"]["externalReferences"][0]
                self.assertEqual(source["hashes"][0]["content"], pins["ffmpeg-src"][0]["checksum"])
                patches = found["ffmpeg"]["pedigree"]["patches"]
                self.assertEqual([one["diff"]["url"] for one in patches], sorted(path.name for path in (ROOT / LIBAV / "patches").glob("*.patch")))
                resolved = {issue["id"] for one in patches for issue in one.get("resolves", [])}
                self.assertEqual(resolved, {advisory.id for advisory in advisories if advisory.patch})
                for library in found.keys() - {"ffmpeg"}:
                    self.assertNotIn("pedigree", found[library])

    def test_versions_are_numbers(self):
        for library in load(TABLE)[0].values():
            self.assertGreater(number(library.version), (0, 0, 0, 0))


if __name__ == "__main__":
    unittest.main()
