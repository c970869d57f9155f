#!/usr/bin/env bash
# Makes the stand-in of the Dockerfile's Rust image, for a machine that reaches no registry: `make image BASE=local` runs it.
#
# It has the name that the FROM line asks for, and holds Debian by debootstrap, with this machine's Rust mounted into it while
# building. The image that comes out holds the same kind of things: the program, compiled by this Rust, and Debian's C library.
# Wants root, debootstrap and buildah. RUST_IMAGE_VERSION as in scripts/image.sh.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'image: %s\n' "$*"; }
fail() { printf 'image: %s\n' "$*" >&2; exit 1; }

[ "$(id -u)" = 0 ] || fail "BASE=local wants root: debootstrap and buildah change roots"
scripts/setup.sh buildah debootstrap

version=${RUST_IMAGE_VERSION:-$(sed -n 's/^ARG RUST_VERSION=//p' Dockerfile)}
name=$(sed -n 's/^FROM \([^ ]*\) AS build$/\1/p' Dockerfile)
name=${name/"\${RUST_VERSION}"/$version}
suite=${name##*-}
here=$(rustc --version | cut -d ' ' -f 2)
[ "$here" = "$version" ] ||
    fail "the Dockerfile wants Rust $version, this machine has $here: RUST_IMAGE_VERSION=$here makes it do with that"
if buildah images --quiet "$name" >/dev/null 2>&1; then
    say "the stand-in of $name is there (buildah rmi $name removes it)"
    exit 0
fi

mkdir -p target
work=$(mktemp -d target/image-base.XXXXXX)
trap 'rm -rf "$work"' EXIT
mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
    grep -oE 'https?://[^ ]+/debian/?( |$)' | head -n 1 | tr -d ' ' || true)
say "making a stand-in of $name: Debian $suite, with this machine's Rust $version"
debootstrap --variant=minbase "$suite" "$work/root" "${mirror:-http://deb.debian.org/debian}" >"$work/log" 2>&1 ||
    { tail -n 20 "$work/log" >&2; fail "debootstrap failed"; }
container=$(buildah from scratch)
buildah add --quiet "$container" "$work/root" / >/dev/null
# Where the real one has cargo's home, so that the Dockerfile's cache is mounted at the same place.
buildah config --env PATH=/usr/local/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    --env CARGO_HOME=/usr/local/cargo --env CARGO_HTTP_CAINFO=/usr/local/share/machine.crt "$container"
buildah commit --quiet --rm "$container" "$name" >/dev/null
say "done: $name"
