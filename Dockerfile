# The image of posterframe: a Lambda function, and the command line program in a container.
#
#   make image                                              builds it with docker, podman or buildah
#   docker run --rm IMAGE probe https://example.org/a.mp4   a command
#   docker run --rm -e DB_HOST=... -v "$PWD:/w:ro" IMAGE process --event /w/event.json
#
# Each architecture (x86-64, arm64) is built on a machine of its own kind: the same lines serve both.
ARG RUST_VERSION=1.95.0

FROM docker.io/library/rust:${RUST_VERSION}-slim-bookworm AS build
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        binutils ca-certificates gcc libc6-dev libclang-dev make meson nasm ninja-build patch pkg-config python3 xz-utils \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src

# libav, a layer of its own: it is made again when its own files change, and at no other time.
COPY vendor/libav vendor/libav
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked vendor/libav/build.sh

# The program. What cargo compiled stays in a cache of the builder, apart for each architecture.
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/cache,sharing=locked \
    export CARGO_TARGET_DIR="/cache/$(uname -m)" \
    && cargo build --release --locked --features static --bin posterframe \
    && scripts/image_root.sh "$CARGO_TARGET_DIR/release/posterframe" /image

# Nothing but the program, the C library it was linked with, and what they read.
FROM scratch
COPY --from=build /image /
LABEL org.opencontainers.image.title="posterframe" \
    org.opencontainers.image.description="Media information and poster frames from video: Lambda function and command line" \
    org.opencontainers.image.licenses="(MIT OR Apache-2.0) AND LGPL-2.1-or-later AND LGPL-3.0-or-later AND BSD-2-Clause AND BSD-3-Clause AND IJG AND Zlib"
# Lambda takes a user of its own instead.
USER 65532:65532
ENV PATH=/usr/bin
# Without arguments, where Lambda's runtime API is: the function. Elsewhere: the usage, and exit code 2.
ENTRYPOINT ["/usr/bin/posterframe"]
