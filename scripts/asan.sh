#!/usr/bin/env bash
# Runs the tests that decode under AddressSanitizer, libav compiled with it too, and LeakSanitizer at their ends: `make asan`.
#
# Before that it proves that both are on, across the border between Rust and C: a program that makes mistakes on purpose
# (tests/asan_proof.rs) has to be reported for each. What is tested is the library and the job in a folder; the network's side
# (AWS's SDK, MySQL, SSH) has no C of ours, and is left to `make test`.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'asan: %s\n' "$*"; }
fail() { printf 'asan: %s\n' "$*" >&2; exit 1; }

scripts/sanitized_libav.sh
host=$(rustc -vV | sed -n 's/^host: //p')
export FFMPEG_DIR=$PWD/vendor/libav/prefix-asan RUSTUP_TOOLCHAIN=${NIGHTLY:-nightly}
export CARGO_TARGET_DIR=$PWD/target/asan
# Named as a target, so that build scripts and macros, which run in other programs, stay without.
export CARGO_BUILD_TARGET=$host
# Without its assembly, libav rounds otherwise here and there: the tests know where.
export RUSTFLAGS='-Zsanitizer=address -Cforce-frame-pointers=yes --cfg libav_without_assembly'
# libwebp and SQLite, too.
export "CC_${host//-/_}=clang" "CFLAGS_${host//-/_}=-fsanitize=address -fno-omit-frame-pointer"
# Unoptimised, some tests would wait too long for what they have patience with.
export CARGO_PROFILE_DEV_OPT_LEVEL=1
export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1
features=static,png,webp,remote,sqlite

log=$(mktemp)
trap 'rm -f "$log"' EXIT

# proof MISTAKE WORDS...: the report of a mistake holds all of these.
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
