#!/bin/sh
# Runs each fuzz target for a while, on what the tests' files begin with: `make fuzz`.
#
#   FUZZ_SECONDS=60     of each target
#   FUZZ_TARGETS='...'  some of them (fuzz/README.md says what each holds); probe_open:matroska for one family of containers
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

# The fixtures of each family of containers, which probe_open begins with.
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
    # The longest input, in bytes; and where the first ones are.
    case $name in
        event_json) longest=16384 seeds=tests/events ;;
        # Of a large seed, the beginning is taken.
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
        # Scripts are made of any bytes, and long ones are tried from the start.
        reader_script) longest=2048 seeds='' more=-len_control=0 ;;
        *) echo "fuzz: there is no target $name" >&2; exit 1 ;;
    esac
    say "$name, $seconds s"
    corpus=fuzz/corpus/$(echo "$name" | tr : -)
    mkdir -p "$corpus"
    # shellcheck disable=SC2086 # what is empty is no argument
    "$tool" run --target-dir target/fuzz "$target" "$corpus" $seeds -- \
        -max_total_time="$seconds" -max_len="$longest" -timeout=30 -rss_limit_mb=3000 -print_final_stats=1 $more
done
say "nothing was found"
