#!/usr/bin/env python3
"""Tests a built image, with ENGINE (docker, podman or buildah) and IMAGE from the environment: `make test-image`.

The tests check the contents and the account of the image; the commands on fixtures that are mounted into it; and the whole job with
real servers (MariaDB, FastAPI, moto's S3 over TLS), by `process --event` and in AWS's Lambda runtime interface emulator. Only a name
server of this test knows the servers' names, so the C library of the image must query it.
"""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests/servers"))
from world import DEADLINE, FIXTURES, ROOT, World, free_port, run

ENGINE, IMAGE = os.environ["ENGINE"], os.environ["IMAGE"]
LIMIT = 60_000_000
# All names below `.test` lead to this machine.
DATABASE_HOST, API_HOST, WEBSITE = "database.films.test", "api.films.test", "www.films.test"
# The path inside a container of the certificate authority that signed the servers' certificates.
AUTHORITY = "/world/ca"


class Container:
    """Runs commands in the image."""

    def __init__(self):
        # The name server is set here, because buildah replaces a mounted file by its own.
        start = ["buildah", "from", "--pull-never", "--dns", "127.0.0.1", IMAGE]
        self.name = run(*start).decode().strip() if ENGINE == "buildah" else None

    def close(self):
        if self.name:
            run("buildah", "rm", self.name)

    def command(self, arguments, env=None, files=None, entry=None, folder=None, user=None):
        """Returns the command line that runs the image's own program, or `entry`. `files` are mounted read-only. `folder` is mounted
        writable as /w, where the program starts, as `user`."""
        options = [part for name, value in (env or {}).items() for part in ("--env", f"{name}={value}")]
        options += [part for here, there in (files or {}).items() for part in ("--volume", f"{here}:{there}:ro")]
        if folder:
            options += ["--volume", f"{folder}:/w", "--workingdir" if ENGINE == "buildah" else "--workdir", "/w", "--user", user]
        if ENGINE == "buildah":
            # buildah runs a command, and leaves the entry point to its caller.
            entry = [entry] if entry else image.config["Entrypoint"]
            return ["buildah", "run", "--isolation", "chroot", "--network", "host", *options, self.name, "--", *entry, *arguments]
        entry = ["--entrypoint", entry] if entry else []
        return [ENGINE, "run", "--rm", "--network", "host", "--dns", "127.0.0.1", *options, *entry, IMAGE, *arguments]

    def run(self, *arguments, **options):
        command = list(map(str, self.command(list(arguments), **options)))
        return subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=DEADLINE, check=False)


class Image:
    """The contents of the image, from an archive that all three engines write in Docker's format."""

    def __init__(self, folder):
        archive = folder / "image.tar"
        if ENGINE == "buildah":
            run("buildah", "push", "--quiet", IMAGE, f"docker-archive:{archive}:{IMAGE}")
        else:
            run(ENGINE, "save", "--output", archive, IMAGE)
        self.folder = folder / "image"
        self.folder.mkdir()
        # Python's tarfile has its safe filter only since 3.11.4; Debian 12 may have 3.11.2.
        run("tar", "-C", self.folder, "-xf", archive)
        manifest = json.loads((self.folder / "manifest.json").read_text())[0]
        self.about = json.loads((self.folder / manifest["Config"]).read_text())
        self.config = self.about["config"]
        self.layers = [self.folder / layer for layer in manifest["Layers"]]
        self.members = {}
        for layer in self.layers:
            with tarfile.open(layer) as opened:
                self.members |= {"/" + member.name.strip("./"): (layer, member) for member in opened}

    def read(self, path):
        layer, member = self.members[path]
        with tarfile.open(layer) as opened:
            return opened.extractfile(member).read()


class NameServer(threading.Thread):
    """Answers every query for an IPv4 address of a name below `.test` with 127.0.0.1, and other queries with no address."""

    def __init__(self):
        super().__init__(daemon=True)
        self.asked = set()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 53))

    def run(self):
        while True:
            query, sender = self.socket.recvfrom(1500)
            end, labels = 12, []
            while query[end]:
                labels.append(query[end + 1 : end + 1 + query[end]].decode())
                end += 1 + query[end]
            name, kind = ".".join(labels).lower(), int.from_bytes(query[end + 1 : end + 3], "big")
            self.asked.add(name)
            found = name.endswith(".test")
            answer = b"\xc0\x0c\0\1\0\1\0\0\0\5\0\4\x7f\0\0\1" if found and kind == 1 else b""
            flags = b"\x81\x80" if found else b"\x81\x83"
            counts = b"\0\1" + (b"\0\1" if answer else b"\0\0") + b"\0\0\0\0"
            self.socket.sendto(query[:2] + flags + counts + query[12 : end + 5] + answer, sender)


def authority():
    return {world.folder / "ca": AUTHORITY}


def event(key):
    return {"Records": [{"s3": {"bucket": {"name": "films"}, "object": {"key": key}}}]}


class Contents(unittest.TestCase):
    """The contents of the image."""

    def test_is_small(self):
        size = sum(member.size for _, member in image.members.values())
        print(f"{size / 1e6:.1f} MB, ", end="", flush=True)
        self.assertLess(size, LIMIT)

    def test_starts_the_program_as_an_ordinary_user(self):
        self.assertEqual(image.config["Entrypoint"], ["/usr/bin/posterframe"])
        self.assertFalse(image.config.get("Cmd"))
        self.assertEqual(image.config["User"], "65532:65532")
        machine = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
        self.assertEqual((image.about["os"], image.about["architecture"]), ("linux", machine))

    def test_holds_the_program_and_its_libraries_and_nothing_else_that_runs(self):
        programs = {path for path, (_, member) in image.members.items() if member.isfile() and member.mode & 0o111}
        names = {path.rpartition("/")[2] for path in programs}
        loaders = {name for name in names if re.fullmatch(r"ld-linux-.*\.so\.\d", name)}
        self.assertEqual(names - loaders, {"posterframe", "libc.so.6", "libm.so.6", "libgcc_s.so.1"})
        self.assertEqual(len(loaders), 1)

    def test_anybody_may_read_it_and_nobody_may_change_it(self):
        for path, (_, member) in image.members.items():
            self.assertEqual((member.uid, member.gid), (0, 0), path)
            if path == "/tmp":
                self.assertEqual(stat.S_IMODE(member.mode), 0o1777)
            else:
                self.assertEqual(member.mode & 0o7022, 0, path)
                self.assertEqual(member.mode & 0o044, 0o044, path)

    def test_holds_authorities_and_licences(self):
        authorities = image.read("/etc/ssl/certs/ca-certificates.crt").count(b"BEGIN CERTIFICATE")
        self.assertGreater(authorities, 100)
        documents = "/usr/share/doc/posterframe/"
        for name, words in {
            "FFmpeg-LGPL-2.1.txt": "GNU LESSER GENERAL PUBLIC LICENSE",
            "dav1d-BSD-2-Clause.txt": "VideoLAN",
            "zlib.txt": "Jean-loup Gailly",
            "licensing.md": "based in part on the work of the Independent JPEG Group",
            "crates.txt": "\nlibwebp-sys ",
            "libraries/libc6.txt": "GNU C Library",
            "libraries/libgcc-s1.txt": "GCC Runtime Library Exception",
        }.items():
            text = image.read(documents + name).decode().lower()
            self.assertIn(words.lower(), text, name)

    def test_nothing_of_this_machine_is_in_the_program(self):
        program = image.read("/usr/bin/posterframe")
        for path in (str(ROOT), str(pathlib.Path.home())):
            self.assertNotIn(path.encode() + b"/", program)


class Commands(unittest.TestCase):
    """The command line in a container."""

    def setUp(self):
        self.container = Container()
        self.addCleanup(self.container.close)

    def run_in(self, *arguments, code=0, **options):
        done = self.container.run(*arguments, files={FIXTURES: "/videos"} | options.pop("files", {}), **options)
        self.assertEqual(done.returncode, code, (done.stdout[-2000:], done.stderr.decode()))
        return done

    def test_without_arguments_it_says_what_is_missing(self):
        said = self.run_in(code=2).stderr.decode()
        self.assertIn("no AWS_LAMBDA_RUNTIME_API", said)
        self.assertIn("process", said)

    def test_tells_its_ffmpeg(self):
        said = self.run_in("--version").stdout.decode()
        self.assertRegex(said, r"FFmpeg licence: LGPL version 2\.1 or later")
        build = image.read("/usr/share/doc/posterframe/FFmpeg-build-info.txt").decode()
        self.assertIn(build.splitlines()[2].removeprefix("configuration: "), said)

    def test_reads_and_decodes_videos(self):
        for name in ("h264_front.mp4", "hevc.mp4", "av1.mp4", "vp9.webm", "prores.mov", "hdr10.mp4"):
            with self.subTest(name):
                self.assertIn(b"streams", self.run_in("probe", f"/videos/{name}", "--json").stdout)
                picture = self.run_in("grab", f"/videos/{name}", "-o", "-", "--format", "jpeg").stdout
                self.assertEqual(picture[:3], b"\xff\xd8\xff")
        self.assertEqual(self.run_in("grab", "/videos/h264_front.mp4", "-o", "-", "--format", "webp").stdout[8:12], b"WEBP")
        self.assertEqual(self.run_in("grab", "/videos/h264_front.mp4", "-o", "-", "--format", "png").stdout[1:4], b"PNG")

    def test_does_the_job_in_a_folder(self):
        videos = {FIXTURES / "h264_front.mp4": "/bucket/videos/1_test_video.mp4"}
        done = self.run_in("process", "/bucket/videos/1_test_video.mp4", "--store", "/tmp/bucket", "--json", files=videos)
        self.assertEqual(json.loads(done.stdout)["content_id"], 1)

    def test_may_write_nowhere_but_in_tmp(self):
        self.run_in("grab", "/videos/h264_front.mp4", "-o", "/picture.jpg", code=4)
        self.run_in("grab", "/videos/h264_front.mp4", "-o", "/tmp/picture.jpg")

    def test_writes_into_a_folder_of_whoever_runs_it(self):
        # As in the README: -v "$PWD:/w" -w /w --user "$(id -u):$(id -g)"
        with tempfile.TemporaryDirectory() as place:
            shutil.copy(FIXTURES / "h264_front.mp4", f"{place}/film.mp4")
            os.chown(place, 4321, 4321)
            self.run_in("grab", "film.mp4", "-o", "poster.jpg", folder=place, user="4321:4321")
            picture = pathlib.Path(place, "poster.jpg")
            self.assertEqual(picture.read_bytes()[:3], b"\xff\xd8\xff")
            self.assertEqual((picture.stat().st_uid, picture.stat().st_gid), (4321, 4321))

    def test_reads_over_https_by_name(self):
        url = f"https://{WEBSITE}:{world.sites.port}/a.mp4"
        told = {"SSL_CERT_FILE": AUTHORITY}
        self.assertIn(b"h264", self.run_in("probe", url, env=told, files=authority()).stdout)
        self.assertIn(WEBSITE, names.asked)

    def test_trusts_the_public_authorities_and_those_it_is_told_of(self):
        world.ask("objects/films/videos/5_e.mp4", (FIXTURES / "h264_front.mp4").read_bytes())
        command = ("probe", "s3://films/videos/5_e.mp4", "--json")
        said = self.run_in(*command, env=world.aws(), files=authority(), code=9).stdout.decode()
        self.assertIn("certificate", said)
        told = world.aws() | {"SSL_CERT_FILE": AUTHORITY}
        self.assertIn(b"h264", self.run_in(*command, env=told, files=authority()).stdout)


class Jobs(unittest.TestCase):
    """The whole job with S3, the API and the database, each over TLS and by its name."""

    def setUp(self):
        self.container = Container()
        self.addCleanup(self.container.close)

    def check(self, content, answer):
        result = answer["results"][0]
        self.assertEqual((result["status"], result["content_id"]), ("processed", content), answer)
        title, video, thumbnail, duration = world.rows(content)[0]
        self.assertEqual((title, video, duration), ("Test Video", f"s3://films/videos/{content}_test_video.mp4", 7))
        self.assertEqual(thumbnail, f"s3://films/thumbnails/{content}_test_video.jpg")
        self.assertEqual(world.ask(f"objects/films/thumbnails/{content}_test_video.jpg")[:3], b"\xff\xd8\xff")
        self.assertLessEqual({DATABASE_HOST, API_HOST}, names.asked)

    def test_process_event(self):
        key = "videos/1_test_video.mp4"
        world.ask(f"objects/films/{key}", (FIXTURES / "h264_end.mp4").read_bytes())
        file = world.folder / "event.json"
        file.write_text(json.dumps(event(key)))
        files = authority() | {file: "/event.json"}
        done = self.container.run("process", "--event", "/event.json", env=world.settings(AUTHORITY), files=files)
        self.assertEqual(done.returncode, 0, (done.stdout, done.stderr.decode()))
        self.check(1, json.loads(done.stdout))

    def test_in_the_lambda_emulator(self):
        """AWS's emulator is mounted into the container and starts the image's entry point, as Lambda does, without arguments."""
        key = "videos/2_test_video.mp4"
        world.ask(f"objects/films/{key}", (FIXTURES / "h264_end.mp4").read_bytes())
        port, runtime = free_port(), free_port()
        addresses = ["--runtime-interface-emulator-address", f"127.0.0.1:{port}", "--runtime-api-address", f"127.0.0.1:{runtime}"]
        limits = {"AWS_LAMBDA_FUNCTION_NAME": "films", "AWS_LAMBDA_FUNCTION_TIMEOUT": "60", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512"}
        command = self.container.command(
            [*addresses, *image.config["Entrypoint"]],
            env=world.settings(AUTHORITY) | limits,
            files=authority() | {ROOT / "target/rie/aws-lambda-rie": "/aws-lambda-rie"},
            entry="/aws-lambda-rie",
        )
        with open(world.folder / "emulator", "wb") as log:
            # The emulator gets its own process group, so that everything that the engine starts ends with it.
            emulator = subprocess.Popen(
                list(map(str, command)), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        try:
            url = f"http://127.0.0.1:{port}/2015-03-31/functions/function/invocations"
            for attempt in range(100):
                try:
                    with urllib.request.urlopen(url, json.dumps(event(key)).encode(), timeout=DEADLINE) as reply:
                        answer = json.load(reply)
                    break
                except urllib.error.URLError:
                    self.assertIsNone(emulator.poll(), (world.folder / "emulator").read_text())
                    self.assertLess(attempt, 99, (world.folder / "emulator").read_text())
                    time.sleep(0.2)
            self.assertIn("results", answer, (world.folder / "emulator").read_text())
            self.check(2, answer)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(emulator.pid, signal.SIGTERM)
            emulator.wait(30)


def setUpModule():
    global folder, image, names, world
    folder = pathlib.Path(tempfile.mkdtemp(prefix="posterframe-image-"))
    # The image's user must be able to read the mounted files.
    folder.chmod(0o755)
    unittest.addModuleCleanup(shutil.rmtree, folder)
    image = Image(folder)
    names = NameServer()
    names.start()
    world = World(folder, DATABASE_HOST, API_HOST, websites=[WEBSITE])
    unittest.addModuleCleanup(world.close)


if __name__ == "__main__":
    unittest.main()
