#!/usr/bin/env bash
# Everything that a change has to pass, ending with the number of tests: `make test`.
#
# A failing step does not stop the later ones, so that one run shows all there is to repair; the exit status is that of the whole.
set -uo pipefail
cd "$(dirname "$0")/.." || exit

work=$(mktemp -d)
log=$work/log
broken=()
lanes=()

# What was started beside this script ends with it: each lane is a process group of its own.
end_lanes() {
    local lane
    for lane in "${lanes[@]}"; do kill -- "-$lane" 2>/dev/null; done
    rm -rf "$work"
}
trap end_lanes EXIT

report() {
    local name=$1 status=$2 seconds=$3
    printf '==> %s: %s after %d s\n' "$name" "$([ "$status" = 0 ] && echo ok || echo FAILED)" "$seconds"
    [ "$status" = 0 ] || broken+=("$name")
}

step() {
    local name=$1 start=$SECONDS
    shift
    printf '\n==> %s: %s\n' "$name" "$*"
    "$@" 2>&1 | tee -a "$log"
    report "$name" "${PIPESTATUS[0]}" $((SECONDS - start))
}

finish() {
    printf '\n==> %d minutes\n' $(((SECONDS + 59) / 60))
    if [ ${#broken[@]} -gt 0 ]; then printf '==> FAILED: %s\n' "${broken[*]}"; fi
    awk '/^test result: / { passed += $4; failed += $6 } END { printf "%d passed, %d failed\n", passed, failed }' "$log"
    [ ${#broken[@]} -eq 0 ]
    exit
}

# Starts a function beside this script.
lane() {
    set -m
    "$@" </dev/null 2>&1 &
    set +m
    lanes+=($!)
}

# Compiles the crates that need no FFmpeg, as the tests and the lints use them later. There is no libav yet: the crates that need it fail here, and
# nothing else may use a libav that happens to be there. The steps below report real failures.
crates() {
    export FFMPEG_DIR=$work/none
    scripts/progress.sh tests "$work/crates" cargo build --locked --keep-going --features static --all-targets
    scripts/progress.sh lints "$work/crates" cargo check --locked --keep-going --features static --all-targets
    scripts/progress.sh library "$work/crates" cargo build --locked --keep-going --no-default-features --features static --tests
    true
}

: >"$log"
start=$SECONDS
printf '==> prepare: packages, libav, servers, and the crates that need none of them\n'
scripts/setup.sh --test || { report packages 1 $((SECONDS - start)); finish; }
lane scripts/servers.sh
servers=$!
if [ -z "${FFMPEG_DIR:-}" ] && ! vendor/libav/build.sh current >/dev/null 2>&1; then lane crates; fi
scripts/libav.sh
libav=$?
wait "$servers"
report servers $? $((SECONDS - start))
wait
report libav "$libav" $((SECONDS - start))
lanes=()
# Without libav nothing can be compiled.
[ "$libav" = 0 ] || finish

# All feature sets: `make lint`, which CI runs beside this.
step lint scripts/lint.sh --short
# What is linked: crates against deny.toml, C libraries against the table of advisories, and the scripts that say so.
step deny scripts/deny.sh
step advisories-libav scripts/advisories_libav.py
step supply-chain python3 -B scripts/test_supply_chain.py
# Unit, integration and documentation tests of the program, the Lambda function and all their features. Every test is real: none is ignored.
step test cargo test --locked --features static --no-fail-fast
# A few times of each fixture, by the example that the step before built: `make any-time` requests more.
step any-time target/python/bin/python -B scripts/any_time.py --times 5
# The tools that change files, and a few changed copies of some fixtures, by the program that was built for the tests: `make mutate` reads more.
step mutate-tools target/python/bin/python -B scripts/test_mutate.py
POSTERFRAME=target/debug/posterframe step mutate target/python/bin/python -B scripts/mutate.py --short --mutations 8
# A few hostile files: `make cost` has all kinds, and larger ones.
step cost scripts/cost.py --short
# What the documents tell people to type, with the program that was built for the tests.
POSTERFRAME=target/debug/posterframe step docs-test target/python/bin/python -B scripts/docs_test.py
step test-library scripts/test_library.sh
# The last: it leaves a program that links Debian's FFmpeg in the place of the tests' own.
step system-ffmpeg scripts/test_system_ffmpeg.sh
finish
