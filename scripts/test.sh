#!/usr/bin/env bash
# Runs all checks that a change must pass, and prints the number of tests at the end: `make test`.
#
# A failing step does not stop the later ones, so that one run shows all failures; the exit status is that of the whole.
set -uo pipefail
cd "$(dirname "$0")/.." || exit

work=$(mktemp -d)
log=$work/log
broken=()
lanes=()

# Processes that were started in parallel end with this script. Each lane is a separate process group.
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

# Runs a step in parallel with the next steps, at the lowest priority: it gets the processor time that they leave. `collect NAME` prints its
# output.
beside() {
    local name=$1
    shift
    printf '\n==> %s: %s, beside the next steps\n' "$name" "$*"
    lane timed "$work/$name" nice -n 19 "$@"
    beside_pid=$!
}

timed() {
    local output=$1 start=$SECONDS status
    shift
    "$@" >"$output" 2>&1
    status=$?
    echo $((SECONDS - start)) >"$output.seconds"
    return $status
}

collect() {
    local name=$1 status
    printf '\n==> %s\n' "$name"
    wait "$beside_pid"
    status=$?
    tee -a "$log" <"$work/$name"
    report "$name" "$status" "$(cat "$work/$name.seconds")"
}

finish() {
    printf '\n==> %d minutes\n' $(((SECONDS + 59) / 60))
    if [ ${#broken[@]} -gt 0 ]; then printf '==> FAILED: %s\n' "${broken[*]}"; fi
    awk '/^test result: / { passed += $4; failed += $6 } END { printf "%d passed, %d failed\n", passed, failed }' "$log"
    [ ${#broken[@]} -eq 0 ]
    exit
}

# Runs a function in parallel with this script.
lane() {
    set -m
    "$@" </dev/null 2>&1 &
    set +m
    lanes+=($!)
}

# Compiles the crates that do not need FFmpeg, in the form that tests and lints use later. There is no libav yet: the crates that need it
# fail here, and the others must not use a libav that happens to exist. The steps below report real failures.
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
# Without libav, nothing can be compiled.
[ "$libav" = 0 ] || finish

# The linked code: crates against deny.toml, C libraries against the table of advisories, and the tests of these scripts.
step deny scripts/deny.sh
step advisories-libav scripts/advisories_libav.py
# Unit and integration tests of the program, the Lambda function and all their features. No test is ignored.
step build scripts/run_tests.py build --locked --features static
# Format, lints and some feature sets. `make lint` checks all sets, and CI runs it in parallel.
beside lint scripts/lint.sh --short
# With the tests run: a few times of each fixture, by the example that was built with the tests (`make any-time` requests more times); the
# tests of the tools that change files; a few changed copies of some fixtures (`make mutate` reads more copies); the commands in the documents;
# and the tests of the supply chain's tools.
python='target/python/bin/python -B'
program=target/debug/posterframe
step test scripts/run_tests.py run \
    any-time="$python scripts/any_time.py --times 5" \
    docs-test="env POSTERFRAME=$program $python scripts/docs_test.py" \
    mutate="env POSTERFRAME=$program $python scripts/mutate.py --short --mutations 8" \
    mutate-tools="$python scripts/test_mutate.py" \
    supply-chain="python3 -B scripts/test_supply_chain.py"
# A few hostile files. `make cost` has all kinds, and larger files.
step cost scripts/cost.py --short
collect lint
step documentation cargo test --doc --no-fail-fast --locked --features static
step test-library scripts/test_library.sh
# The last step, because it replaces the tests' program by one that links Debian's FFmpeg.
step system-ffmpeg scripts/test_system_ffmpeg.sh
finish
