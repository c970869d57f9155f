#!/usr/bin/env python3
"""Runs the commands in the documents: `make docs-test [DOCS="docs/batch.md ..."]`.

A line above each fenced block of a document names what runs the block. Rendered pages do not show this line:

    <!-- docs-test: run -->             this script, unchanged, in a new folder
    <!-- docs-test: run, in NAME -->    the same; blocks with one NAME are one terminal, with one folder and one shell
    <!-- docs-test: moto -->            this script, with AWS (moto), MySQL (MariaDB) and the API on this machine, and their settings in
                                        the environment; also `moto, in NAME`
    <!-- docs-test: by WHO, WHO -->     something else: `make TARGET`, a script, or a test as `tests/doctor.rs::a_test`
    <!-- docs-test: account, REASON --> nobody, because of REASON. If REASON ends in "the AWS CLI checks the arguments", the CLI does that,
                                        and sends nothing
    <!-- docs-test: text -->            nobody, because it is no command

A Rust block needs no mark if rustdoc compiles the page, or the English version of the page, with src/lib.rs. Blocks run in the
language of sh and end at the first command that fails, also in a pipe. The folder contains the files that the page assumes
(READER_HAS). Words in `<>` are replaced by NAMES. Text in backticks that begins with `posterframe`, `make`, `cargo`, `aws` or a path
of the repository is also checked: `--help` must list subcommands and options, AWS must have the operation with these arguments,
and targets and files must exist.

The script needs `make libav test-servers` and a built program (POSTERFRAME, or target/debug/posterframe).
"""

import argparse
import contextlib
import dataclasses
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/servers"))
from world import FIXTURES, REGION, World  # noqa: E402

import boto3  # noqa: E402
import botocore.exceptions  # noqa: E402
import botocore.session  # noqa: E402
from botocore import xform_name  # noqa: E402

PAGES = (
    "README.md",
    "README.ko.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs/**/*.md",
    "deploy/terraform/**/*.md",
    "vendor/libav/README.md",
    "tests/fixtures/README.md",
    "examples/**/*.md",
    "fuzz/**/*.md",
)
KINDS = ("run", "moto", "by a test", "by make or script", "rustdoc", "account", "text")
# The limit for all blocks of one terminal together.
TIME_LIMIT = 300

# The files that the pages assume, by their names in the pages.
READER_HAS = {
    "video.mp4": FIXTURES / "h264_front.mp4",
    "test.mp4": FIXTURES / "h264_end.mp4",
    "1_test_video.mp4": FIXTURES / "demo/1_test_video.mp4",
}
# The reader's current folder is a checkout. These folders of it are present when a block names them.
CHECKOUT = ("deploy", "migrations", "scripts")
ACCOUNT = "123456789012"
FUNCTION = "posterframe"
REGISTRY = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
NAMES = {
    "account": ACCOUNT,
    "batch_role_arn": f"arn:aws:iam::{ACCOUNT}:role/films-batch",
    "bucket": "films",
    "function": FUNCTION,
    "function_arn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{FUNCTION}",
    "id": "7",
    "INTERNAL_TOKEN": "t0ken",
    "password": "p4ssword",
    "repository": "films",
    "repository URL": f"{REGISTRY}/films",
    "tag": "v1",
    "the old image, from step 1": f"{REGISTRY}/films@sha256:{'0' * 64}",
}
PLACEHOLDER = re.compile(r"<([A-Za-z]+|[A-Za-z][^<>\n]*[^<>\s])>")
CHECKED_BY_THE_CLI = "the AWS CLI checks the arguments"
# Commands of the AWS CLI that are not operations of an API.
CLI_S_OWN = {"configure", "ecr get-login-password", "logs tail", "s3", "sso"}
# The CLI's options that pages use, for every operation and for some.
CLI_S_OPTIONS = {"no-cli-pager", "no-paginate", "output", "profile", "query", "region", "zip-file"}


class Wrong(Exception):
    """A page contains something that is not true."""


@dataclasses.dataclass
class Block:
    page: str
    line: int
    language: str
    text: str
    mark: str | None
    kind: str = ""
    terminal: str = ""

    def place(self):
        return f"{self.page}:{self.line}"


def pages():
    found = [path for pattern in PAGES for path in sorted(ROOT.glob(pattern))]
    return [str(path.relative_to(ROOT)) for path in found if "node_modules" not in path.parts]


def read(page):
    """Returns the fenced blocks of a page, and its text without them, with the same line numbers."""
    blocks, prose, above, opened = [], [], "", None
    for number, line in enumerate((ROOT / page).read_text().splitlines(), 1):
        fence = re.match(r"\s*(```+|~~~+)\s*(.*)$", line)
        if opened is None and fence:
            marked = re.fullmatch(r"<!-- docs-test: (.+?) -->", above.strip())
            language = re.split(r"[,\s{]", fence[2] or "")[0]
            opened = fence[1], Block(page, number, language, "", marked[1] if marked else None)
        elif opened and fence and fence[1].startswith(opened[0]) and not fence[2]:
            blocks.append(opened[1])
            opened = None
        elif opened:
            opened[1].text += line.strip("\n") + "\n"
        prose.append("" if opened or fence else line)
        above = line
    if opened:
        raise Wrong(f"{opened[1].place()}: the block has no end")
    return blocks, prose


# Marks


def targets():
    return set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def rustdoc_compiles(page):
    """Whether src/lib.rs includes the page, or its English version, as documentation. Both have the same blocks (tests/documents.rs)."""
    english = page.replace(".ko.md", ".md").replace("docs/ko/", "docs/")
    return f'include_str!("../{english}")' in (ROOT / "src/lib.rs").read_text()


def check_who(who):
    """Checks that the named runner of a block exists. Returns its kind."""
    if target := re.fullmatch(r"make ([a-z0-9-]+)", who):
        if target[1] not in targets():
            raise Wrong(f"the Makefile has no target {target[1]}")
        return "by make or script"
    if test := re.fullmatch(r"([\w./-]+\.rs)::(\w+)", who):
        file = ROOT / test[1]
        if not file.is_file():
            raise Wrong(f"there is no {test[1]}")
        if not re.search(rf"#\[(tokio::)?test[^\]]*\]\s*(#\[[^\]]*\]\s*)*(async )?fn {test[2]}\(", file.read_text()):
            raise Wrong(f"{test[1]} has no test {test[2]}")
        return "by a test"
    if (ROOT / who).is_file() and os.access(ROOT / who, os.X_OK):
        return "by make or script"
    raise Wrong(f"{who!r} is no make target, no test, and no program of the repository")


def judge(block):
    """Sets the block's kind from its mark."""
    if block.mark is None:
        if block.language == "rust" and rustdoc_compiles(block.page):
            block.kind = "rustdoc"
            return
        raise Wrong("no mark above the block: <!-- docs-test: ... -->")
    kind, _, rest = block.mark.partition(" " if block.mark.startswith("by ") else ",")
    rest = rest.strip()
    if kind in ("run", "moto") and (not rest or re.fullmatch(r"in \S.*", rest)):
        block.kind, block.terminal = kind, rest.removeprefix("in ")
    elif kind == "by" and rest:
        block.kind = min(check_who(who.strip()) for who in rest.split(","))
    elif kind == "account" and rest:
        block.kind = kind
    elif block.mark == "text":
        block.kind = kind
    else:
        raise Wrong(f"the mark {block.mark!r} is none of run, moto, by, account, text with what belongs to it")


# Commands in the text


class Program:
    """The subcommands and options that `posterframe --help` lists."""

    def __init__(self, path):
        self.path, self.known = path, {}
        self.subcommands = set(re.findall(r"^  ([a-z]+)  ", self.help(), re.MULTILINE))

    def help(self, *subcommand):
        done = subprocess.run([self.path, *subcommand, "--help"], capture_output=True, text=True, check=False)
        if done.returncode:
            raise Wrong(f"`posterframe {' '.join(subcommand)} --help` fails: {done.stderr}")
        return done.stdout

    def options(self, subcommand):
        if subcommand not in self.known:
            told = self.help(*([subcommand] if subcommand else []))
            lines = re.findall(r"^ +(-.*)$", told, re.MULTILINE)
            self.known[subcommand] = {name for line in lines for name in re.findall(r"(?<![\w-])(--?[a-zA-Z][\w-]*)", line)}
        return self.known[subcommand]

    def check(self, words):
        """Checks the arguments of a command."""
        subcommand = words[0] if words and not words[0].startswith("-") else ""
        if subcommand and subcommand not in self.subcommands:
            raise Wrong(f"posterframe has no subcommand {subcommand}")
        for word in words:
            if word == "--":
                break
            option = word.partition("=")[0]
            if re.match(r"--?[a-zA-Z]", option) and option not in self.options(subcommand):
                raise Wrong(f"posterframe {subcommand} has no option {option}")


def words_of(command):
    """Returns the words of a command up to the first shell operator."""
    try:
        words = shlex.split(command, comments=True)
    except ValueError:
        words = command.split()
    while words and re.match(r"\w+=", words[0]):
        words.pop(0)
    end = next((at for at, word in enumerate(words) if re.fullmatch(r"[|&;<>(){}]+|\d?>.*|<.*", word)), len(words))
    return words[:end]


def check_make(words):
    for word in words:
        if "=" not in word and not word.startswith("-") and word not in targets() and word.upper() != word:
            raise Wrong(f"the Makefile has no target {word}")


def check_cargo(words):
    kinds = {"--test": "tests", "--bench": "benches", "--example": "examples"}
    for option, name in zip(words, words[1:]):
        if option in kinds and name != name.upper() and not (ROOT / kinds[option] / f"{name}.rs").is_file():
            raise Wrong(f"there is no {kinds[option]}/{name}.rs")


def is_cli_s_own(words):
    return bool({" ".join(words[1:2]), " ".join(words[1:3])} & CLI_S_OWN)


def check_aws(words):
    if len(words) < 3 or is_cli_s_own(words):
        return
    service, operation = words[1:3]
    try:
        model = botocore.session.get_session().get_service_model({"s3api": "s3"}.get(service, service))
    except botocore.exceptions.UnknownServiceError:
        raise Wrong(f"AWS has no {service}") from None
    if operation == "wait":
        return
    names = {xform_name(name, "-"): name for name in model.operation_names}
    if operation not in names:
        raise Wrong(f"{service} has no {operation}")
    shape = model.operation_model(names[operation]).input_shape
    known = {xform_name(name, "-") for name in shape.members} | CLI_S_OPTIONS if shape else CLI_S_OPTIONS
    for option in [word.removeprefix("--").partition("=")[0] for word in words[3:] if word.startswith("--")]:
        if option not in known and option.removeprefix("no-") not in known:
            raise Wrong(f"{service} {operation} has no --{option}")


def check_path(path):
    if not any(character in path for character in "*<>{}…") and not (ROOT / path).exists():
        raise Wrong(f"there is no {path}")


def check_command(program, command):
    """Returns whether a command in a page is one that can be checked. Raises if it is wrong."""
    words = words_of(command)
    if not words:
        return False
    first, rest = words[0], words[1:]
    if first == "posterframe":
        program.check(rest)
    elif first in program.subcommands and rest and rest[0].startswith("-"):
        program.check(words)
    elif first == "make":
        check_make(rest)
    elif first == "cargo":
        check_cargo(rest)
    elif first == "aws":
        check_aws(words)
    elif re.match(r"(scripts|deploy|tests|src|benches|examples|migrations)/[\w./-]*\w$", first):
        check_path(first)
    else:
        return False
    return True


def commands_of(text):
    """Returns the commands of a block, with continued lines joined. Commands inside of commands are not searched."""
    for line in text.replace("\\\n", " ").splitlines():
        for part in re.split(r"\s(?:&&|\|\|?|;)\s", line):
            yield part.strip()


def check_passing(program, page, prose, blocks, wrongs):
    """Checks every command in backticks, and those of all blocks except texts. Returns the number of checked commands."""
    count = 0

    def look(line, command):
        nonlocal count
        try:
            count += check_command(program, command)
        except Wrong as wrong:
            wrongs.append((f"{page}:{line}", f"`{command}`: {wrong}"))

    for number, paragraph in paragraphs(prose):
        for span in re.finditer(r"(`+)(?!`)(.+?)(?<!`)\1(?!`)", paragraph, re.DOTALL):
            command = " ".join(span[2].replace("\\|", "|").split())
            look(number + paragraph[: span.start()].count("\n"), command)
    for block in blocks:
        if block.kind not in ("text", "rustdoc") and block.language in ("sh", "bash", "", "console"):
            for command in commands_of(block.text):
                # The text may mention the `make` of another project.
                if block.kind != "account" or not command.startswith("make "):
                    look(block.line, command)
    return count


def paragraphs(prose):
    """Returns runs of lines without an empty line in between, with the number of their first line."""
    start, lines = 1, []
    for number, line in enumerate([*prose, ""], 1):
        if line.strip():
            if not lines:
                start = number
            lines.append(line)
        elif lines:
            yield start, "\n".join(lines)
            lines = []


# Running


class Run:
    """The environment in which blocks run."""

    def __init__(self, folder, posterframe):
        self.folder, self.number, self.world = folder, 0, None
        self.bin = folder / "bin"
        self.bin.mkdir()
        (self.bin / "posterframe").symlink_to(posterframe)
        # pip's own start script contains the path of the folder where it was installed.
        aws = self.bin / "aws"
        aws.write_text(f'#!/bin/sh\nexec "{ROOT}/target/python/bin/python" -m awscli "$@"\n')
        aws.chmod(0o755)

    def close(self):
        if self.world:
            self.world.close()

    def begin_page(self):
        """Sets AWS and database up as the pages assume. Each page starts anew."""
        if self.world:
            self.world.begin_again()
        else:
            place = self.folder / "world"
            place.mkdir()
            self.world = World(place, websites=["example.org"], may=None)
        furnish(self.world)

    def environment(self, kind, home):
        own = {"PATH": f"{self.bin}:{os.environ['PATH']}", "HOME": str(home), "LANG": "C.UTF-8"}
        if kind != "moto":
            return own
        authority = str(self.world.folder / "ca")
        trust = {name: authority for name in ("AWS_CA_BUNDLE", "CURL_CA_BUNDLE")}
        # Version 1 of the AWS CLI does not read AWS_REGION.
        return own | self.world.settings() | self.world.sites.settings() | trust | {"AWS_DEFAULT_REGION": REGION}

    def terminal(self, kind, blocks):
        """Runs blocks one after the other in one shell. Returns output and time of each; None if it failed or was not reached."""
        self.number += 1
        place = self.folder / f"terminal{self.number}"
        work, logs = place / "work", place / "logs"
        work.mkdir(parents=True)
        logs.mkdir()
        text = "\n".join(block.text for block in blocks)
        for name, source in READER_HAS.items():
            if re.search(rf"(?<![\w./-]){re.escape(name)}(?!\w)", text):
                shutil.copy(source, work / name)
        for name in CHECKOUT:
            if re.search(rf"(?<![\w./-]){name}/", text):
                (work / name).symlink_to(ROOT / name)
        script = ""
        for number, block in enumerate(blocks):
            commands = self.script(block)
            check_syntax(commands)
            script += f'exec >"{logs}/{number}.log" 2>&1 </dev/null\n{commands}\ndate +%s.%N >"{logs}/{number}.done"\n'
        started = time.time()
        told = self.shell(script, self.environment(kind, place), work)
        results = []
        for number in range(len(blocks)):
            log, done = logs / f"{number}.log", logs / f"{number}.done"
            output = log.read_text(errors="replace") if log.exists() else "not reached: a block before it failed\n"
            ended = float(done.read_text()) if done.exists() else None
            results.append((output if ended else output + told, ended and ended - started))
            started = ended or started
        return results

    @staticmethod
    def script(block):
        lines = [line for line in block.text.splitlines() if not line.startswith("alias posterframe=")]
        commands = "\n".join(lines)
        unknown = [name for name in PLACEHOLDER.findall(commands) if name not in NAMES]
        if unknown:
            raise Wrong(f"no name for {unknown}: NAMES in scripts/docs_test.py has what stands in <>")
        commands = PLACEHOLDER.sub(lambda found: NAMES[found[1]], commands)
        if block.kind == "account":
            # Prints the form of the answer, after the arguments have been checked.
            commands = f'(\naws() {{ command aws "$@" --generate-cli-skeleton output; }}\n{commands}\n)'
        return commands

    @staticmethod
    def shell(script, environment, folder):
        """Runs bash, because sh has no pipefail; the syntax was checked with sh. Returns a description of a failure."""
        command = ["bash", "--posix", "-e", "-o", "pipefail", "-c", script]
        shell = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        try:
            said = shell.communicate(timeout=TIME_LIMIT)[1]
            return f"{said}exit code {shell.returncode}\n"
        except subprocess.TimeoutExpired:
            return f"not done after {TIME_LIMIT} s\n"
        finally:
            # Ends processes that a block left in the background, too.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)
            shell.wait()


def check_syntax(commands):
    done = subprocess.run(["sh", "-n", "-c", commands], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Wrong(f"not sh's syntax: {done.stderr}")


def furnish(world):
    """Creates what the pages assume of the owner: a bucket, videos, and the replaced Lambda with its notification and its logs."""
    for key in ("1_x.mp4", "1_test_video.mp4"):
        world.ask(f"objects/films/videos/{key}", (FIXTURES / "h264_end.mp4").read_bytes())
    keys = {"aws_access_key_id": world.keys["access_key"], "aws_secret_access_key": world.keys["secret_key"]}

    def client(service):
        endpoint, authority = world.aws()["AWS_ENDPOINT_URL"], str(world.folder / "ca")
        return boto3.client(service, region_name=REGION, endpoint_url=endpoint, verify=authority, **keys)

    assume = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [assume]})
    role = client("iam").create_role(RoleName=FUNCTION, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    functions = client("lambda")
    image = {"ImageUri": f"{REGISTRY}/films:python"}
    variables = {name: value for name, value in world.settings().items() if not name.startswith("AWS_")}
    functions.create_function(
        FunctionName=FUNCTION, Role=role, PackageType="Image", Code=image, Timeout=600, Environment={"Variables": variables}
    )
    by_s3 = {"Principal": "s3.amazonaws.com", "SourceArn": "arn:aws:s3:::films"}
    functions.add_permission(FunctionName=FUNCTION, StatementId="s3", Action="lambda:InvokeFunction", **by_s3)
    notification = {"LambdaFunctionArn": NAMES["function_arn"], "Events": ["s3:ObjectCreated:*"]}
    client("s3").put_bucket_notification_configuration(
        Bucket="films", NotificationConfiguration={"LambdaFunctionConfigurations": [notification]}
    )
    logs, group = client("logs"), "/aws/lambda/posterframe-shadow"
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="stream")
    message = '{"level":"WARN","message":"비교 완료, 차이 있음: videos/1_x.mp4 (duration)","findings":"duration"}'
    event = {"timestamp": int(time.time() * 1000), "message": message}
    logs.put_log_events(logGroupName=group, logStreamName="stream", logEvents=[event])


def checked_by_the_cli(block):
    """Whether all commands of the block are calls of AWS's APIs whose arguments the CLI must check."""
    if block.kind != "account" or not block.mark.endswith(CHECKED_BY_THE_CLI):
        return False
    for command in commands_of(block.text):
        words = words_of(command)
        if words and (words[0] != "aws" or is_cli_s_own(words) or "wait" in words):
            raise Wrong(f"the AWS CLI cannot check the arguments of {command!r}")
    return True


def terminals(blocks):
    """Groups the blocks to run by terminal, with its kind. Arguments are checked in the terminal of a preceding block that was run."""
    found, before = {}, None
    for number, block in enumerate(blocks):
        if block.kind in ("run", "moto"):
            before = (block.kind, block.terminal or number)
            found.setdefault(before, []).append(block)
        elif checked_by_the_cli(block):
            found.setdefault(before or ("moto", number), []).append(block)
    return [(kind, together) for (kind, _), together in found.items()]


def run_page(run, blocks, arguments, wrongs):
    """Returns how many blocks of the page ran without a failure."""
    sessions = terminals(blocks)
    if any(kind == "moto" for kind, _ in sessions):
        run.begin_page()
    passed = 0
    for kind, session in sessions:
        try:
            results = run.terminal(kind, session)
        except Wrong as wrong:
            wrongs.append((session[0].place(), str(wrong)))
            continue
        for block, (output, seconds) in zip(session, results):
            if seconds is None:
                wrongs.append((block.place(), f"{block.kind} failed:\n{indented(block.text)}  which printed:\n{indented(output)}"))
            else:
                what = "arguments" if block.kind == "account" else block.kind
                print(f"{block.place()}: {what}, ok after {seconds:.1f} s", flush=True)
                if arguments.verbose:
                    print(indented(output), end="")
                passed += 1
    return passed


def indented(text):
    return "".join(f"    {line}\n" for line in text.splitlines())


def table(blocks_of):
    """Prints who runs the blocks, page by page."""
    width = max(map(len, blocks_of))
    print(f"\n{'':{width}}  " + "  ".join(KINDS))
    total = dict.fromkeys(KINDS, 0)
    for page, blocks in [*blocks_of.items(), ("in total", None)]:
        counts = total if blocks is None else {kind: sum(block.kind == kind for block in blocks) for kind in KINDS}
        print(f"{page:{width}}  " + "  ".join(f"{counts[kind] or '-':>{len(kind)}}" for kind in KINDS))
        if blocks is not None:
            total = {kind: total[kind] + counts[kind] for kind in KINDS}


def main():
    parser = argparse.ArgumentParser(description="Runs what the documents tell people to type.")
    parser.add_argument("pages", nargs="*", help="these pages only")
    parser.add_argument("--verbose", action="store_true", help="show what the blocks print")
    arguments = parser.parse_args()
    posterframe = pathlib.Path(os.environ.get("POSTERFRAME") or ROOT / "target/debug/posterframe").absolute()
    program = Program(posterframe)
    wrongs, blocks_of, looked, passed = [], {}, 0, 0
    for page in arguments.pages or pages():
        blocks, prose = read(page)
        blocks_of[page] = blocks
        for block in blocks:
            try:
                judge(block)
            except Wrong as wrong:
                wrongs.append((block.place(), str(wrong)))
        looked += check_passing(program, page, prose, blocks, wrongs)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="docs-test-"))
    run = Run(folder, posterframe)
    try:
        for blocks in blocks_of.values():
            passed += run_page(run, blocks, arguments, wrongs)
    finally:
        run.close()
        shutil.rmtree(folder)
    for place, wrong in wrongs:
        print(f"\n{place}: {wrong.rstrip()}")
    table(blocks_of)
    print(f"\n{looked} commands and paths in text and blocks looked at")
    # The form in which cargo's tests end, so that scripts/test.sh counts these.
    print(f"\ntest result: {'FAILED' if wrongs else 'ok'}. {passed} passed; {len(wrongs)} failed")
    return 1 if wrongs else 0


if __name__ == "__main__":
    sys.exit(main())
