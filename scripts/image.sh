#!/usr/bin/env bash
# Builds the image with whichever of docker, podman and buildah works here: `make image`.
#
#   IMAGE=posterframe:latest    what it is called
#   PLATFORM=linux/arm64        for another platform than the builder's own: wants a builder of that kind, or emulation there
#   ENGINE=buildah              this one, not the first that works
#   BASE=local                  the Rust image of the Dockerfile is not taken from its registry, but made here of Debian's
#                               packages and this machine's Rust (scripts/image_base.sh; as root)
#   RUST_IMAGE_VERSION=1.95.0   another version of the Rust image than the Dockerfile's
#
# image.sh --engine only tells which one it would take.
set -euo pipefail
cd "$(dirname "$0")/.."

IMAGE=${IMAGE:-posterframe:latest}

say() { printf 'image: %s\n' "$*"; }
fail() { printf 'image: %s\n' "$*" >&2; exit 1; }

# A docker without its daemon, or an account that may not talk to it, is as good as none.
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
        # docker looks for images at home first by itself.
        [ "$ENGINE" = docker ] || options+=(--pull=never --isolation chroot)
        ;;
    *) fail "BASE is registry or local, not $BASE" ;;
esac

say "building $IMAGE with $ENGINE (base: ${BASE:-registry})"
case $ENGINE in
    # Layers make a second build quick; the others keep them anyway.
    buildah) buildah build --layers "${options[@]}" . ;;
    podman) podman build "${options[@]}" . ;;
    # The mounts that keep cargo's work are BuildKit's.
    docker) DOCKER_BUILDKIT=1 docker build "${options[@]}" . ;;
esac
say "done: $IMAGE"
