#!/usr/bin/env bash
# Everything that a change has to pass, in order, ending with the number of tests: `make test`.
#
# A failing step does not stop the later ones, so that one run shows all there is to mend; the exit status is that of the whole.
set -uo pipefail
cd "$(dirname "$0")/.." || exit

log=$(mktemp)
trap 'rm -f "$log"' EXIT
broken=()

step() {
    local name=$1 start=$SECONDS
    shift
    printf '\n==> %s: %s\n' "$name" "$*"
    "$@" 2>&1 | tee -a "$log"
    local status=${PIPESTATUS[0]}
    printf '==> %s: %s after %d s\n' "$name" "$([ "$status" = 0 ] && echo ok || echo FAILED)" $((SECONDS - start))
    [ "$status" = 0 ] || broken+=("$name")
}

step lint scripts/lint.sh
# Unit, integration and documentation tests of the program, the Lambda function and all their features. Every test is real: none is ignored.
step test cargo test --locked --features static --no-fail-fast
# A few times of each fixture, by the example that the step before built: `make any-time` requests more.
step any-time target/python/bin/python -B scripts/any_time.py --times 5
# The library as its users may have it: no async runtime, no command line. The examples are built this way, then run by
# tests/examples.rs.
step test-library cargo test --locked --no-default-features --features static --no-fail-fast
step system-ffmpeg scripts/test_system_ffmpeg.sh
# What the documents tell people to type, with the program that was built for the tests.
export POSTERFRAME=target/debug/posterframe
step demo scripts/demo.sh
step docs-test target/python/bin/python -B scripts/docs_test.py

printf '\n==> %d minutes\n' $(((SECONDS + 59) / 60))
if [ ${#broken[@]} -gt 0 ]; then printf '==> FAILED: %s\n' "${broken[*]}"; fi
awk '/^test result: / { passed += $4; failed += $6 } END { printf "%d passed, %d failed\n", passed, failed }' "$log"
[ ${#broken[@]} -eq 0 ]
