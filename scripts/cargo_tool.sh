#!/bin/sh
# Prints the path of a cargo tool, in exactly the version that this list has; installs it in target/tools first if it is not there.
#
#   cargo_tool.sh cargo-deny
set -eu
cd "$(dirname "$0")/.."

case ${1:-} in
    cargo-deny) version=0.20.2 ;;
    cargo-fuzz) version=0.13.2 ;;
    *) echo "cargo_tool: no version of '${1:-}' is known here" >&2; exit 1 ;;
esac
root=$PWD/target/tools/$1-$version
if [ ! -x "$root/bin/$1" ]; then
    echo "cargo_tool: installing $1 $version into ${root#"$PWD"/} (once)" >&2
    cargo install --quiet --locked --root "$root" --target-dir "$root/build" --version "=$version" "$1" >&2
    rm -rf "$root/build"
fi
printf '%s\n' "$root/bin/$1"
