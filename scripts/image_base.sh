#!/usr/bin/env bash
# Builds a replacement of the Dockerfile's Rust image, for a machine without access to a registry: `make image BASE=local` runs it.
#
# The replacement has the name in the FROM line. It is Debian by debootstrap, with this machine's Rust and the certificates that its
# cargo trusts. The Dockerfile's result is of the same kind: the program, compiled by this Rust, and Debian's C library.
# The script needs root, and installs debootstrap and buildah. ENGINE gets the image; RUST_IMAGE_VERSION is as in scripts/image.sh.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'image: %s\n' "$*"; }
fail() { printf 'image: %s\n' "$*" >&2; exit 1; }

[ "$(id -u)" = 0 ] || fail "BASE=local wants root: debootstrap and buildah change roots"
engine=${ENGINE:-buildah}
scripts/setup.sh buildah debootstrap

version=${RUST_IMAGE_VERSION:-$(sed -n 's/^ARG RUST_VERSION=//p' Dockerfile)}
name=$(sed -n 's/^FROM \([^ ]*\) AS build$/\1/p' Dockerfile)
name=${name/"\${RUST_VERSION}"/$version}
suite=${name##*-}
here=$(rustc --version | cut -d ' ' -f 2)
[ "$here" = "$version" ] ||
    fail "the Dockerfile wants Rust $version, this machine has $here: RUST_IMAGE_VERSION=$here makes it do with that"

# podman and buildah share their images.
if [ "$engine" = docker ] && docker image inspect "$name" >/dev/null 2>&1; then
    say "$name is there (docker rmi removes it)"
    exit 0
fi
if buildah images --quiet "$name" >/dev/null 2>&1; then
    say "$name is there (buildah rmi removes it)"
else
    mkdir -p target
    work=$(mktemp -d target/image-base.XXXXXX)
    trap 'rm -rf "$work"' EXIT
    mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
        grep -oE 'https?://[^ ]+/debian/?( |$)' | head -n 1 | tr -d ' ' || true)
    say "making a stand-in of $name: Debian $suite, with this machine's Rust $version"
    debootstrap --variant=minbase "$suite" "$work/root" "${mirror:-http://deb.debian.org/debian}" >"$work/log" 2>&1 ||
        { tail -n 20 "$work/log" >&2; fail "debootstrap failed"; }
    sysroot=$(rustc --print sysroot)
    target=$(rustc -vV | sed -n 's/^host: //p')
    mkdir -p "$work/root/usr/local/rust/lib/rustlib"
    cp -R "$sysroot/bin" "$work/root/usr/local/rust/"
    find "$sysroot/lib" -maxdepth 1 -type f -exec cp {} "$work/root/usr/local/rust/lib/" \;
    cp -R "$sysroot/lib/rustlib/$target" "$work/root/usr/local/rust/lib/rustlib/"
    install -D -m 644 /etc/ssl/certs/ca-certificates.crt "$work/root/usr/local/share/machine.crt"
    container=$(buildah from scratch)
    buildah add --quiet "$container" "$work/root" / >/dev/null
    # cargo's home has the same path as in the real image, so that the Dockerfile mounts its cache there.
    buildah config --env PATH=/usr/local/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        --env CARGO_HOME=/usr/local/cargo --env CARGO_HTTP_CAINFO=/usr/local/share/machine.crt "$container"
    buildah commit --quiet --rm "$container" "$name" >/dev/null
fi
if [ "$engine" = docker ]; then
    work=${work:-$(mktemp -d target/image-base.XXXXXX)}
    trap 'rm -rf "$work"' EXIT
    say "handing it to docker"
    buildah push --quiet "$name" "docker-archive:$work/base.tar:$name" >/dev/null
    docker load --quiet --input "$work/base.tar" >/dev/null
fi
say "done: $name"
