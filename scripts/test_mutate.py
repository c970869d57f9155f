#!/usr/bin/env python3
"""Tests of mutate.py, soak.py and the package mutations: part of `make test`. SEED=n repeats a run."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import random
import shlex
import subprocess
import sys
import tempfile
import unittest
import unittest.mock
from collections import Counter
from pathlib import Path

import mutate
import soak
from mutate import Campaign, Result, Run, judge
from mutations import FORMATS, Format, Node, format_of, mutant
from mutations.tree import change_tree, resize_all
from soak import Sample

SEED = mutate.seed_from_environment()
# A fixture of each format, and kinds of parts in its innermost containers, which the tree must reach.
FAMILIES = {
    "h264_front.mp4": ("Boxes", {b"stsz", b"stco", b"avcC", b"elst", b"mdat"}),
    "h264_frag_sidx.mp4": ("Boxes", {b"sidx", b"trun", b"tfhd", b"trex"}),
    "grid.heic": ("Boxes", {b"iloc", b"infe", b"hvcC", b"ipma"}),
    "prores.mov": ("Boxes", {b"stsz", b"stsc"}),
    "vp9.webm": ("Ebml", {b"\xa3", b"\xd7", b"\xb3", b"\xf1", b"\xb0"}),
    "h264.ts": ("Transport", {b"0 start", b"256 start", b"256"}),
    "mpeg4.avi": ("Riff", {b"avih", b"strh", b"idx1", b"00dc"}),
    "flv.flv": ("Flv", {b"tag 9", b"tag 18"}),
    "theora.ogv": ("Ogg", {b"page 2", b"page 0", b"page 4"}),
    "wmv2.asf": ("Asf", {b"packet"}),
    "mpeg2.mxf": ("Klv", set()),
    "mpeg1.mpg": ("StartCodes", {b"\xe0", b"\xba"}),
    "h264_raw.h264": ("StartCodes", {b"\x67"}),
}
# Their writers left sizes that do not fit the content, or that would fit in fewer bytes.
UNFIT = {
    "cut_packet_h264.mp4", "cut_packet_mjpeg.mov", "cut_packet_qtrle.mov", "truncated_mdat.mp4", "truncated_mkv.mkv", "x_no_moov.mp4",
    "x_truncated_moov.mp4", "noindex_stopped.avi", "frag_dash_cut.mp4", "dnxhd.mxf", "h264.mxf", "late_b_frames.mxf",
    "mpeg2.mxf",
}  # fmt: skip
# What a fake program does when the byte at PLACE differs from that of the film.
PLACE = 10_000
DEEDS = {
    "signal": "os.kill(os.getpid(), signal.SIGSEGV)",
    "panic": "sys.stderr.write('thread main panicked at src/lib.rs'); sys.exit(101)",
    "memory": "data *= 1 + 700_000_000 // max(1, len(data)); print(json.dumps({'bytes': 1}))",
    "late": "time.sleep(60)",
    "json": "print('{')",
    "blame": "print(json.dumps({'error': {'kind': 'internal'}})); sys.exit(1)",
}


def fixture(name: str) -> bytes:
    return (mutate.FIXTURES / name).read_bytes()


def fixtures() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(mutate.FIXTURES.iterdir()) if path.is_file()}


def parts(root: Node) -> list[Node]:
    return [parent.children[at] for parent, at in root.below()]


class Trees(unittest.TestCase):
    """The parsers of the formats."""

    def assert_kept(self, known: Format, data: bytes, what: str) -> None:
        self.assertEqual(known.parse(data).stored(), data, f"{type(known).__name__}, {what}, SEED={SEED}")

    def test_each_format_keeps_every_byte_of_any_file(self) -> None:
        files = fixtures()
        chance = random.Random(f"{SEED} bytes")
        for name, data in files.items():
            changed = [mutant(data, number, chance, lambda: files[chance.choice(sorted(files))]).data for number in range(2)]
            for known in FORMATS:
                for number, copy in enumerate((data, *changed)):
                    if known.recognises(copy) or len(copy) < 50_000:
                        self.assert_kept(known, copy, f"{name}, copy {number}")

    def test_each_format_keeps_bytes_that_mean_nothing(self) -> None:
        chance = random.Random(f"{SEED} noise")
        for known in FORMATS:
            for number in range(300):
                start = chance.choice((b"", b"\x00\x00\x00\x08moov", b"\x1aE\xdf\xa3\x80\x18S\x80g\xff", b"RIFF", b"OggS", b"FLV", b"\x00\x00\x01"))
                data = start + chance.randbytes(chance.randrange(200)) * chance.choice((1, 3))
                self.assert_kept(known, data, f"noise {number}")

    def test_heads_of_whole_files_fit_already(self) -> None:
        for name, data in fixtures().items():
            known = format_of(data)
            if known and name not in UNFIT:
                root = known.parse(data)
                resize_all(known, root)
                self.assertEqual(root.stored(), data, name)

    def test_the_tree_reaches_the_innermost_parts(self) -> None:
        for name, (family, kinds) in FAMILIES.items():
            data = fixture(name)
            known = format_of(data)
            self.assertEqual(type(known).__name__, family, name)
            found = {part.kind for part in parts(known.parse(data))}
            self.assertLessEqual(kinds, found, name)
            self.assertGreater(len(parts(known.parse(data))), 5, name)

    def test_a_dropped_part_leaves_a_file_whose_heads_fit(self) -> None:
        known = format_of(fixture("h264_front.mp4"))
        root = known.parse(fixture("h264_front.mp4"))
        table = next(part for part in parts(root) if part.kind == b"stbl")
        table.children = [child for child in table.children if child.kind != b"stss"]
        resize_all(known, root)
        again = known.parse(root.stored())
        self.assertEqual([part.kind for part in parts(again)], [part.kind for part in parts(root)])
        self.assertNotIn(b"stss", [part.kind for part in parts(again)])


class Mutants(unittest.TestCase):
    """Changed copies."""

    def test_a_seed_repeats_its_copies_and_nearly_all_differ_from_the_file(self) -> None:
        equal = 0
        for name in FAMILIES:
            data = fixture(name)
            for number in range(20):
                made = [mutant(data, number, random.Random(f"{SEED} {number}"), lambda: data) for _ in range(2)]
                self.assertEqual(made[0], made[1], f"{name}, copy {number}, SEED={SEED}")
                self.assertTrue(made[0].changes, name)
                equal += made[0].data == data
        self.assertLess(equal, 20 * len(FAMILIES) / 8, f"SEED={SEED}")

    def test_every_sort_of_change_of_a_tree_comes_up(self) -> None:
        chance, seen = random.Random(f"{SEED} sorts"), Counter()
        known, data = format_of(fixture("h264_frag_sidx.mp4")), fixture("h264_frag_sidx.mp4")
        words = ("more", "dropped", "swapped", "copied into", "nested", "count", "entry", "version", "64-bit size", "type", ": size")
        for _ in range(600):
            changes, changed = change_tree(known, known.parse(data), 1, 1 << 20, chance)
            seen.update(word for word in words if any(word in change for change in changes))
            self.assertLess(len(changed), len(data) + (3 << 20))
        self.assertEqual(set(words), set(seen), f"SEED={SEED}")


class Judgement(unittest.TestCase):
    """The rules for a failure."""

    def outcome(self, **changed: object) -> str:
        run = Run(0, 1.0, 50_000_000, b'{"bytes": 5}', b"")
        for name, value in changed.items():
            setattr(run, name, value)
        outcome, reason = judge(run, 1_000_000, 10, 0.2)
        self.assertEqual(reason is None, outcome in {"picture", *mutate.KINDS.values()})
        return outcome

    def test_each_failure_has_its_name(self) -> None:
        def error(kind: str) -> bytes:
            return json.dumps({"error": {"kind": kind}}).encode()

        self.assertEqual(self.outcome(), "picture")
        self.assertEqual(self.outcome(status=6, output=error("malformed")), "malformed")
        self.assertEqual(self.outcome(status=6, output=error("timeout")), "json")
        self.assertEqual(self.outcome(status=1, output=error("internal")), "blame")
        self.assertEqual(self.outcome(status=77, output=error("malformed")), "blame")
        self.assertEqual(self.outcome(output=b""), "json")
        self.assertEqual(self.outcome(output=b"[]"), "json")
        self.assertEqual(self.outcome(output=b'{"error": {}}'), "json")
        self.assertEqual(self.outcome(status=-11), "signal")
        self.assertEqual(self.outcome(status=101), "panic")
        self.assertEqual(self.outcome(errors=b"thread 'io' panicked at src/x.rs"), "panic")
        self.assertEqual(self.outcome(seconds=10.29), "picture")
        self.assertEqual(self.outcome(seconds=10.31), "late")
        self.assertEqual(self.outcome(peak_bytes=403_900_000), "picture")
        self.assertEqual(self.outcome(peak_bytes=404_100_000), "memory")


class Programs(unittest.TestCase):
    """Fake programs in place of posterframe."""

    def setUp(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = Path(self.folder.name)

    def program(self, text: str) -> list[str]:
        """Writes a program in Python."""
        path = self.path / "fake.py"
        path.write_text(f"import json, os, signal, sys, time\n{text}", encoding="utf-8")
        return [sys.executable, "-I", "-S", str(path)]


class Crashes(Programs):
    """Fake programs that fail on some files."""

    def campaign(self, program: list[str], mutations: int, timeout: float = 10) -> Result:
        film = self.path / "film.mp4"
        film.write_bytes(fixture("h264_front.mp4"))
        options = argparse.Namespace(
            program=program, seed=SEED, timeout=timeout, mutations=mutations, only=None, jobs=2, keep=self.path / "kept"
        )
        with contextlib.redirect_stdout(io.StringIO()):
            (result,) = Campaign([(film, "film.mp4")], options).run()
        return result

    def test_a_program_that_survives_has_no_failure(self) -> None:
        result = self.campaign(self.program("print(json.dumps({'bytes': 1}))"), 6)
        self.assertEqual((result.outcomes, result.failures), (Counter(picture=6), []))

    def test_every_crash_on_a_certain_byte_is_found_and_kept(self) -> None:
        film = fixture("h264_front.mp4")
        program = self.program(
            "if '--version' in sys.argv: sys.exit()\n"
            "data = open(sys.argv[2], 'rb').read()\n"
            f"if data[{PLACE}:{PLACE + 1}] != {film[PLACE : PLACE + 1]!r}: {DEEDS['signal']}\n"
            "print(json.dumps({'bytes': 1}))"
        )
        result = self.campaign(program, 40)
        copies = [Campaign.copy(self.seeded(), self.path / "film.mp4", "film.mp4", number)[0] for number in range(40)]
        expected = [number for number, copy in enumerate(copies) if copy[PLACE : PLACE + 1] != film[PLACE : PLACE + 1]]
        self.assertEqual([failure.number for failure in result.failures], expected, f"SEED={SEED}")
        self.assertTrue(expected, f"no copy changes the byte: SEED={SEED}")
        # The text beside a kept copy repeats its failure.
        failure = result.failures[0]
        self.assertEqual(failure.kept.read_bytes(), copies[failure.number])
        story = failure.kept.with_name(failure.kept.name + ".txt").read_text(encoding="utf-8").splitlines()
        self.assertIn(f"SEED={SEED}", story[0])
        self.assertIn("signal 11", story[1])
        command = next(line for line in story if line.startswith(sys.executable))
        self.assertEqual(subprocess.run(shlex.split(command), check=False).returncode, -11)

    def seeded(self) -> Campaign:
        campaign = object.__new__(Campaign)
        campaign.files = [(self.path / "film.mp4", "film.mp4")]
        campaign.options = argparse.Namespace(seed=SEED)
        return campaign

    def test_each_deed_is_named(self) -> None:
        for outcome, deed in DEEDS.items():
            program = self.program(f"if '--version' in sys.argv: sys.exit()\ndata = open(sys.argv[2], 'rb').read()\n{deed}")
            with self.subTest(outcome), unittest.mock.patch.object(mutate, "PATIENCE_SECONDS", 0.7):
                result = self.campaign(program, 1, 0.5 if outcome == "late" else 10)
                self.assertEqual(result.outcomes, Counter([outcome]), result.failures)
                self.assertEqual(len(result.failures), 1)


class Soak(Programs):
    """The rules for a long run, and fake programs that use more and more resources."""

    def samples(self, memory: float, descriptors: float = 0, threads: float = 0) -> list[Sample]:
        """Returns samples that grow by these amounts per 1,000 files, with noise in the memory."""
        chance = random.Random(f"{SEED} samples")
        return [
            Sample(files, 60_000 + round(memory * files / 1000) + chance.randint(-800, 800), 6 + int(descriptors * files / 1000), 5 + int(threads * files / 1000))
            for files in range(1000, 10_001, 500)
        ]

    def test_noise_is_no_growth_and_a_leak_is(self) -> None:
        self.assertEqual(soak.judge(self.samples(0), soak.BOUND), [], f"SEED={SEED}")
        self.assertIn("memory", soak.judge(self.samples(1000), soak.BOUND)[0], f"SEED={SEED}")
        self.assertIn("descriptors", soak.judge(self.samples(0, descriptors=0.5), soak.BOUND)[0])
        self.assertIn("threads", soak.judge(self.samples(0, threads=0.5), soak.BOUND)[0])

    def test_one_sample_that_is_higher_is_no_growth(self) -> None:
        samples = self.samples(0)
        samples[-2] = Sample(samples[-2].files, 400_000, 9, 8)
        self.assertEqual(soak.judge(samples, soak.BOUND), [], f"SEED={SEED}")

    def run_soak(self, deed: str, files: int = 120) -> list[str]:
        program = self.program(
            "held, number = [], 0\n"
            "for line in sys.stdin:\n"
            "    number += 1\n"
            f"    {deed}\n"
            "    print('picture')\n"
            "    if number % int(sys.argv[1]) == 0:\n"
            "        resident = int(open('/proc/self/statm').read().split()[1]) * 4\n"
            "        print('sample', number, resident, len(os.listdir('/proc/self/fd')) - 1, len(os.listdir('/proc/self/task')), sep='\\t')\n"
            "    sys.stdout.flush()\n"
        )
        options = argparse.Namespace(
            paths=[mutate.FIXTURES / "gif.gif"], seed=SEED, files=files, every=10, warm_up=20, bound=20_000, folder=self.path / "soak"
        )
        with contextlib.redirect_stdout(io.StringIO()):
            return soak.soak(program, options)

    def test_what_a_process_leaks_is_found(self) -> None:
        self.assertEqual(self.run_soak("pass"), [])
        self.assertIn("descriptors grow", self.run_soak("held.append(open(os.devnull))")[0])
        self.assertIn("memory grows", self.run_soak("held.append(b'x' * 40_000)")[0])
        self.assertEqual(list((self.path / "soak").iterdir()), [])

    def test_the_file_that_ends_the_process_stays(self) -> None:
        (fault,) = self.run_soak("if number == 7: os._exit(3)")
        kept = self.path / "soak" / f"{SEED}-7.gif"
        self.assertEqual(fault, f"{kept}: the process ended with 3")
        self.assertTrue(kept.exists())


def main() -> int:
    print(f"SEED={SEED}", flush=True)
    program = unittest.main(exit=False, verbosity=1)
    result = program.result
    failed = len(result.failures) + len(result.errors)
    # The form in which cargo's tests end, so that scripts/test.sh counts these.
    print(f"test result: {'FAILED' if failed else 'ok'}. {result.testsRun - failed} passed; {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
