#!/bin/sh
# Tests the library as users may have it, without async runtime and command line: its public interface, pictures without the optional
# formats, and the examples, which tests/examples.rs runs. Part of `make test`.
#
# The other tests are left out here, and the unit tests. They reach the same code with and without the features, and `cargo test` runs them
# with all features.
set -eu
cd "$(dirname "$0")/.."
library() { command=$1; shift; cargo "$command" --locked --no-default-features --features static "$@"; }

library build --examples
library test --no-fail-fast --test api --test picture --test examples
