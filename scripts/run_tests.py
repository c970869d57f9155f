#!/usr/bin/env python3
"""Builds the test programs of `cargo test`, and runs two of them at a time: many tests wait for servers and leave the processors idle.

    scripts/run_tests.py build [ARGUMENT ...]    arguments of `cargo test`, for example --locked --features static
    scripts/run_tests.py run [NAME=COMMAND ...]  runs what was built last, and these commands, without cargo: another cargo may build
                                                 meanwhile

The output of each program is printed when the program ends, in cargo's form. Programs in ALONE measure times: they run last, one by
one. Documentation tests are not included. The exit status is 1 if a test failed, and that of cargo if the build failed.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILT = ROOT / "target" / "test-programs.json"
# Tests that depend on times fail more often with three programs on two processors.
AT_ONCE = 2
# These programs run for longest. They start first, so that none of them runs by itself at the end.
LONGEST = ["lambda", "scale", "mysql", "libav", "doctor", "cage"]
ALONE = ["round_trips"]


def build(arguments: list[str]) -> dict[str, Path]:
    """Returns the test programs by the names of their targets."""
    command = ["cargo", "test", "--no-run", "--message-format=json-render-diagnostics", *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as cargo:
        assert cargo.stdout is not None
        programs = {}
        for line in cargo.stdout:
            message = json.loads(line)
            if message.get("reason") == "compiler-artifact" and message["profile"]["test"] and message["executable"]:
                target = message["target"]
                # The library and the programs may have the same name.
                name = target["name"] if target["kind"] == ["test"] else f"{target['kind'][0]} {target['name']}"
                programs[name] = Path(message["executable"])
    if cargo.returncode:
        sys.exit(cargo.returncode)
    return programs


def variables() -> dict[str, str]:
    """Returns the environment of the programs, with the variables that `cargo test` sets and that programs started by tests could read.

    rustup's cargo sets RUSTUP_TOOLCHAIN. Without it, a rustc that starts in the folder of a crate obeys the crate's rust-toolchain.toml,
    and rustup may replace the installed Rust.
    """
    environment = os.environ | {"CARGO_MANIFEST_DIR": str(ROOT)}
    if "RUSTUP_TOOLCHAIN" not in environment and shutil.which("rustup"):
        active = subprocess.run(["rustup", "show", "active-toolchain"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout
        environment["RUSTUP_TOOLCHAIN"] = active.split()[0]
    return environment


def run(name: str, command: list[str], environment: dict[str, str]) -> bool:
    start = time.monotonic()
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace") as process:
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds, cpu = time.monotonic() - start, used.ru_utime + used.ru_stime
    shown = shlex.join(command).removeprefix(f"{ROOT}/")
    # One write, because another program may end at the same time.
    sys.stdout.write(f"     Running {name} ({shown}), {seconds:.0f} s, {cpu:.0f} s of CPU time\n{output}\n")
    sys.stdout.flush()
    if process.returncode < 0:
        print(f"{name} ended by signal {-process.returncode}", flush=True)
    return process.returncode == 0


def run_all(programs: dict[str, list[str]]) -> list[str]:
    """Returns the names of the programs that failed."""
    unknown = [name for name in LONGEST + ALONE if name not in programs]
    if unknown:
        sys.exit(f"run_tests: there is no test program {', '.join(unknown)}")
    environment = variables()
    together = sorted(programs.keys() - ALONE, key=lambda name: LONGEST.index(name) if name in LONGEST else len(LONGEST))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        running = {pool.submit(run, name, programs[name], environment): name for name in together}
        failed = [running[future] for future in as_completed(running) if not future.result()]
    return failed + [name for name in ALONE if not run(name, programs[name], environment)]


def main() -> None:
    command, *arguments = sys.argv[1:] or [""]
    if command == "build":
        BUILT.unlink(missing_ok=True)
        programs = build(arguments)
        BUILT.write_text(json.dumps({name: str(program) for name, program in programs.items()}), encoding="utf-8")
    elif command == "run" and all("=" in argument for argument in arguments):
        programs = {name: [program] for name, program in json.loads(BUILT.read_text(encoding="utf-8")).items()}
        failed = run_all(programs | {name: shlex.split(words) for name, _, words in (argument.partition("=") for argument in arguments)})
        if failed:
            sys.exit(f"run_tests: failed: {', '.join(failed)}")
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
