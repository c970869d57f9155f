#!/usr/bin/env bash
# Builds the image with whichever of docker, podman and buildah works here: `make image`.
#
#   IMAGE=posterframe:latest    the name of the image
#   PLATFORM=linux/arm64        another platform than the builder's: needs a builder of that platform, or emulation
#   ENGINE=buildah              this engine, not the first that works
#   BASE=local                  builds the Dockerfile's Rust image from Debian's packages and this machine's Rust, instead of fetching
#                               it from its registry (scripts/image_base.sh; as root)
#   RUST_IMAGE_VERSION=1.95.0   another version of the Rust image than the Dockerfile's
#
# image.sh --engine only prints the engine that it would use.
set -euo pipefail
cd "$(dirname "$0")/.."

IMAGE=${IMAGE:-posterframe:latest}

say() { printf 'image: %s\n' "$*"; }
fail() { printf 'image: %s\n' "$*" >&2; exit 1; }

# A docker without its daemon, or an account without access to it, does not count.
works() {
    command -v "$1" >/dev/null || return 1
    case $1 in
        docker) docker info >/dev/null 2>&1 ;;
        *) "$1" info >/dev/null 2>&1 ;;
    esac
}
if [ -n "${ENGINE:-}" ]; then
    case $ENGINE in
        docker | podman | buildah) ;;
        *) fail "ENGINE is docker, podman or buildah, not $ENGINE" ;;
    esac
    works "$ENGINE" || fail "$ENGINE does not work here: see what '$ENGINE info' says"
else
    for engine in docker podman buildah; do
        if works "$engine"; then ENGINE=$engine && break; fi
    done
    [ -n "${ENGINE:-}" ] ||
        fail "none of docker, podman and buildah works here; on Debian, scripts/setup.sh buildah installs one that needs no daemon"
fi
if [ "${1:-}" = --engine ]; then
    echo "$ENGINE"
    exit 0
fi

options=(--tag "$IMAGE")
[ -z "${PLATFORM:-}" ] || options+=(--platform "$PLATFORM")
[ -z "${RUST_IMAGE_VERSION:-}" ] || options+=(--build-arg "RUST_VERSION=$RUST_IMAGE_VERSION")
case ${BASE:-registry} in
    registry) ;;
    local)
        ENGINE=$ENGINE scripts/image_base.sh
        options+=(--network host)
        # docker itself looks for local images first.
        [ "$ENGINE" = docker ] || options+=(--pull=never --isolation chroot)
        ;;
    *) fail "BASE is registry or local, not $BASE" ;;
esac

say "building $IMAGE with $ENGINE (base: ${BASE:-registry})"
case $ENGINE in
    # Layers make a second build fast; the other engines keep them anyway.
    buildah) buildah build --layers "${options[@]}" . ;;
    podman) podman build "${options[@]}" . ;;
    # The cache mounts for cargo need BuildKit.
    docker) DOCKER_BUILDKIT=1 docker build "${options[@]}" . ;;
esac
say "done: $IMAGE"
