#!/usr/bin/env bash
# Builds the image with whichever of docker, podman and buildah works here: `make image`.
#
#   IMAGE=posterframe:latest    what it is called
#   PLATFORM=linux/arm64        for another platform than the builder's own: wants a builder of that kind, or emulation there
#   ENGINE=buildah              this one, not the first that works
#   BASE=local                  the Rust image of the Dockerfile is not taken from its registry, but made here of Debian's
#                               packages and this machine's Rust (scripts/image_base.sh; buildah only, as root)
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
    works "$ENGINE" || fail "$ENGINE does not work here: see what '$ENGINE info' says"
else
    engines="docker podman buildah"
    [ "${BASE:-}" != local ] || engines=buildah
    for engine in $engines; do
        if works "$engine"; then ENGINE=$engine && break; fi
    done
    [ -n "${ENGINE:-}" ] || fail "none of these works here: $engines; on Debian, scripts/setup.sh buildah installs one that needs no daemon"
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
        [ "$ENGINE" = buildah ] || fail "BASE=local is for buildah"
        scripts/image_base.sh
        # Rust is mounted and not copied; the certificates are those that this machine's cargo trusts.
        options+=(--pull-never --network host --isolation chroot
            --volume "$(rustc --print sysroot):/usr/local/rust:ro"
            --volume /etc/ssl/certs/ca-certificates.crt:/usr/local/share/machine.crt:ro)
        ;;
    *) fail "BASE is registry or local, not $BASE" ;;
esac

say "building $IMAGE with $ENGINE (base: ${BASE:-registry})"
case $ENGINE in
    # Layers make a second build quick; docker and podman keep them anyway.
    buildah) buildah build --layers "${options[@]}" . ;;
    # The mounts that keep cargo's work are BuildKit's.
    docker) DOCKER_BUILDKIT=1 docker build "${options[@]}" . ;;
    *) "$ENGINE" build "${options[@]}" . ;;
esac
say "done: $IMAGE"
