#!/usr/bin/env bash
# Builds the image and tests it: `make test-image`. Not part of `make test`, because it compiles everything once more.
#
# IMAGE, ENGINE, BASE and RUST_IMAGE_VERSION are those of scripts/image.sh; without access to a registry, use `make test-image
# BASE=local`. NO_BUILD=1 tests an existing image. scripts/test_image.py has the tests. The script needs root, for the port of its
# name server and for buildah.
set -euo pipefail
cd "$(dirname "$0")/.."

export IMAGE=${IMAGE:-posterframe:test}
ENGINE=$(scripts/image.sh --engine)
export ENGINE
for program in target/rie/aws-lambda-rie target/python/bin/python; do
    [ -x "$program" ] || { echo "test-image: $program is missing: run 'make test-servers'" >&2; exit 1; }
done
if [ -z "${NO_BUILD:-}" ]; then scripts/image.sh; fi
exec target/python/bin/python -B scripts/test_image.py --verbose
