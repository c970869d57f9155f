#!/bin/sh
# Runs each fuzz target for a while, starting from the tests' files: `make fuzz`.
#
#   FUZZ_SECONDS=60     for each target
#   FUZZ_TARGETS='...'  only these targets (fuzz/README.md describes each); probe_open:matroska selects one family of containers
#
# libav is compiled with AddressSanitizer and libFuzzer's counters, so that its code paths steer the search. Inputs that reach new code
# are kept in fuzz/corpus for the next run. A failing input is written to fuzz/artifacts: repair the fault, and turn the input into a
# test.
set -eu
cd "$(dirname "$0")/.."

say() { printf 'fuzz: %s\n' "$*"; }

scripts/sanitized_libav.sh
tool=$(scripts/cargo_tool.sh cargo-fuzz)
seconds=${FUZZ_SECONDS:-60}
# libFuzzer is C++. clang brings a C++ compiler, and Debian's gcc package alone does not.
export CXX=clang++
export FFMPEG_DIR="$PWD/vendor/libav/prefix-asan" RUSTUP_TOOLCHAIN="${NIGHTLY:-nightly}"

# The fixtures of each family of containers, which are the first inputs of probe_open.
seeds_of() {
    case $1 in
        mp4) echo mp4 mov m4a 3gp heic avif ;;
        matroska) echo mkv webm ;;
        mpeg) echo ts mpg ;;
        avi) echo avi ;;
        broadcast) echo mxf gxf dv ;;
        streaming) echo flv asf rm wtv ;;
        ogg) echo ogv nut ;;
        pictures) echo gif png jpg h264 ;;
        *) return 1 ;;
    esac
}

families='probe_open:mp4 probe_open:matroska probe_open:mpeg probe_open:avi probe_open:broadcast probe_open:streaming probe_open:ogg probe_open:pictures'
for name in ${FUZZ_TARGETS:-event_json mp4_tables reader_script $families}; do
    target=${name%%:*} more=
    # The maximum length of an input in bytes, and the folder of the first inputs.
    case $name in
        event_json) longest=16384 seeds=tests/events ;;
        # Only the beginning of a larger seed is used.
        mp4_tables | probe_open) longest=65536 seeds=tests/fixtures ;;
        probe_open:*)
            longest=65536 seeds=target/fuzz/seeds/${name#*:}
            extensions=$(seeds_of "${name#*:}") || { echo "fuzz: there is no family ${name#*:}" >&2; exit 1; }
            rm -rf "$seeds"
            mkdir -p "$seeds"
            for extension in $extensions; do
                find tests/fixtures -name "*.$extension" -exec cp -t "$seeds" {} +
            done
            ;;
        # Any bytes are a script, and long scripts are tried from the start.
        reader_script) longest=2048 seeds='' more=-len_control=0 ;;
        *) echo "fuzz: there is no target $name" >&2; exit 1 ;;
    esac
    say "$name, $seconds s"
    corpus=fuzz/corpus/$(echo "$name" | tr : -)
    mkdir -p "$corpus"
    # shellcheck disable=SC2086 # an empty value is no argument
    "$tool" run --target-dir target/fuzz "$target" "$corpus" $seeds -- \
        -max_total_time="$seconds" -max_len="$longest" -timeout=30 -rss_limit_mb=3000 -print_final_stats=1 $more
done
say "nothing was found"
