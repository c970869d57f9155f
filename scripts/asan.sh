#!/usr/bin/env bash
# Runs the decoding tests under AddressSanitizer, with a libav that is compiled with it too. LeakSanitizer runs at their ends: `make asan`.
#
# Before that, the script proves that both sanitizers work, across the border between Rust and C. A program makes mistakes on purpose
# (tests/asan_proof.rs), and each mistake must be reported. The tests cover the library and the job in a folder. The network code (AWS's
# SDK, MySQL, SSH) contains no C of ours; `make test` covers it.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'asan: %s\n' "$*"; }
fail() { printf 'asan: %s\n' "$*" >&2; exit 1; }

scripts/sanitized_libav.sh
host=$(rustc -vV | sed -n 's/^host: //p')
export FFMPEG_DIR=$PWD/vendor/libav/prefix-asan RUSTUP_TOOLCHAIN=${NIGHTLY:-nightly}
export CARGO_TARGET_DIR=$PWD/target/asan
# The host is named as a target, so that build scripts and macros, which run in other programs, have no sanitizer.
export CARGO_BUILD_TARGET=$host
# Without its assembly, libav rounds differently in some places. The tests know these places.
export RUSTFLAGS='-Zsanitizer=address -Cforce-frame-pointers=yes --cfg libav_without_assembly'
# libwebp and SQLite get the sanitizer, too.
export "CC_${host//-/_}=clang" "CFLAGS_${host//-/_}=-fsanitize=address -fno-omit-frame-pointer"
# Without optimisation, some tests would exceed their time limits.
export CARGO_PROFILE_DEV_OPT_LEVEL=1
export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1
features=static,png,webp,remote,sqlite

log=$(mktemp)
trap 'rm -f "$log"' EXIT

# proof MISTAKE WORDS...: the report of a mistake must contain all of these words.
proof() {
    local mistake=$1 words
    shift
    if cargo test --quiet --locked --no-default-features --features "$features" --test asan_proof -- "$mistake" >"$log" 2>&1; then
        fail "the mistake '$mistake' was not reported: the sanitizer is not on"
    fi
    for words in "$@"; do
        grep -qF -e "$words" "$log" || { cat "$log" >&2; fail "the report of '$mistake' does not say '$words'"; }
    done
    say "reported, as it should be: $mistake"
}
proof overflow 'AddressSanitizer: heap-buffer-overflow' av_adler32_update
proof use-after-free 'AddressSanitizer: heap-use-after-free' 'in av_malloc' asan_proof.rs
proof leak 'LeakSanitizer: detected memory leaks' '4242 byte(s)' av_malloc

tests=(arrival event golden hostile info mutated oracle parameters picture process remote truncated)
status=0
cargo test --locked --no-default-features --features "$features" --no-fail-fast --lib "${tests[@]/#/--test=}" 2>&1 |
    tee "$log" || status=$?
awk '/^test result: / { passed += $4; failed += $6 } END { printf "asan: %d passed, %d failed\n", passed, failed }' "$log"
exit "$status"
