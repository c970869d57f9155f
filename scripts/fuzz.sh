#!/bin/sh
# Runs each fuzz target for a while, on what the tests' files begin with: `make fuzz`.
#
#   FUZZ_SECONDS=60     of each target
#   FUZZ_TARGETS='...'  some of them (fuzz/README.md says what each holds)
#
# libav is compiled with AddressSanitizer and libFuzzer's counters, so that what is found inside it steers the search. What new
# inputs reach is kept in fuzz/corpus, for the next run to begin with. An input that fails is left in fuzz/artifacts; mend what it
# shows, and make a test of it.
set -eu
cd "$(dirname "$0")/.."

say() { printf 'fuzz: %s\n' "$*"; }

scripts/sanitized_libav.sh
tool=$(scripts/cargo_tool.sh cargo-fuzz)
seconds=${FUZZ_SECONDS:-60}
# libFuzzer is C++; clang brings a compiler for that, Debian's gcc by itself does not.
export CXX=clang++
export FFMPEG_DIR="$PWD/vendor/libav/prefix-asan" RUSTUP_TOOLCHAIN="${NIGHTLY:-nightly}"

for target in ${FUZZ_TARGETS:-event_json mp4_tables reader_script probe_open}; do
    more=
    # The longest input, in bytes; and where the first ones are.
    case $target in
        event_json) longest=16384 seeds=tests/events ;;
        # Of a large seed, the beginning is taken.
        mp4_tables) longest=65536 seeds=tests/fixtures ;;
        probe_open) longest=65536 seeds=tests/fixtures ;;
        # Scripts are made of any bytes, and long ones are tried from the start.
        reader_script) longest=2048 seeds='' more=-len_control=0 ;;
        *) echo "fuzz: there is no target $target" >&2; exit 1 ;;
    esac
    say "$target, $seconds s"
    mkdir -p "fuzz/corpus/$target"
    # shellcheck disable=SC2086 # what is empty is no argument
    "$tool" run --target-dir target/fuzz "$target" "fuzz/corpus/$target" $seeds -- \
        -max_total_time="$seconds" -max_len="$longest" -timeout=30 -rss_limit_mb=3000 -print_final_stats=1 $more
done
say "nothing was found"
