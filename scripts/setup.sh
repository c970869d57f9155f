#!/bin/sh
# Prepares a bare Debian 12 (git, make, gcc, Rust from rustup) for building and testing posterframe: `make setup`.
#
# The script installs only missing packages, reports each with its reason, and starts no service. On other systems it reports which tools
# are missing.
#
#   setup.sh             what the static build and the tests need
#   setup.sh --static    what the static build needs
#   setup.sh --system    what a build against Debian's own FFmpeg needs (make demo)
#   setup.sh PACKAGE...  these Debian packages instead (make test-system-ffmpeg and make test-servers name their own)
#   setup.sh --update    fetches the mirrors' package lists, nothing else
set -eu
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# package | a tool that proves the package is installed ('-': ask the package manager) | who needs it: static, system or both | why
needs() {
    cat <<'LIST'
make|make|both|runs this project's targets and FFmpeg's build
gcc|gcc|both|compiles FFmpeg, dav1d, SQLite and libwebp
libc6-dev|-|both|the C headers that all of them include
binutils|objdump|static|ar packs the static libraries; objdump reads the glibc versions for a test
nasm|nasm|static|assembles FFmpeg's and dav1d's SIMD code
meson|meson|static|dav1d's build system
ninja-build|ninja|static|executes what meson plans
pkg-config|pkg-config|both|finds FFmpeg for cargo, and dav1d and zlib for FFmpeg's configure
libclang-dev|-|both|ffmpeg-sys-next reads FFmpeg's headers with it
xz-utils|xz|static|unpacks FFmpeg's sources
ca-certificates|-|both|the S3 and HTTP clients load the TLS root certificates when they start, in tests too
python3|python3|both|runs meson, and `make demo` reads the database with it
libavcodec-dev|-|system|Debian's FFmpeg: decoders
libavformat-dev|-|system|Debian's FFmpeg: containers
libavutil-dev|-|system|Debian's FFmpeg: what the others share
libswscale-dev|-|system|Debian's FFmpeg: scaling and colours
LIST
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo >/dev/null; then sudo "$@"
    else fail "needs root or sudo for: $*"; fi
}

debian() { command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; }
installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# Installs packages. apt's own output is shown only when it fails; a line every ten seconds says how far it has come.
install_packages() {
    if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
        fail "neither root nor sudo: have an administrator run: apt-get install --no-install-recommends $*"
    fi
    say "installing: $*"
    as_root true # A password is asked for before apt is in the background.
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    {
        as_root apt-get -q update &&
            as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 \
                install -y --no-install-recommends "$@"
    } >"$log" 2>&1 </dev/null &
    seconds=0
    while kill -0 $! 2>/dev/null; do
        sleep 1
        seconds=$((seconds + 1))
        [ $((seconds % 10)) != 0 ] || say "  $(grep -c '^Get:' "$log" || true) files fetched," \
            "$(grep -c '^Setting up' "$log" || true) of $(sed -n 's/.* \([0-9]*\) newly installed,.*/\1/p' "$log") packages installed after $seconds s"
    done
    wait $! || { cat "$log" >&2; fail "apt-get failed"; }
}

if [ "${1:-}" = --update ]; then
    as_root apt-get -q update
    exit 0
fi

build=static components='fmt:rustfmt clippy:clippy'
if [ "${1:-}" = --system ] || [ "${1:-}" = --static ]; then
    build=${1#--} components=
elif [ $# -gt 0 ]; then
    # Packages by name, nothing else.
    missing=
    debian || fail "not a Debian-like system: install by hand what Debian calls: $*"
    for package in "$@"; do installed "$package" || missing="$missing $package"; done
    # shellcheck disable=SC2086 # a list of package names
    [ -z "$missing" ] || install_packages $missing
    exit 0
fi

missing=$(needs | while IFS='|' read -r package tool who why; do
    case $who in both | "$build") ;; *) continue ;; esac
    if [ "$tool" != - ] && command -v "$tool" >/dev/null; then continue; fi
    if debian; then
        if installed "$package"; then continue; fi
    elif [ "$tool" = - ]; then
        continue # Only the compiler can tell here.
    fi
    printf 'setup: missing %s: %s\n' "$package" "$why" >&2
    printf '%s ' "$package"
done)
if [ -n "$missing" ]; then
    debian || fail "not a Debian-like system: install the tools named above (and libclang with its headers) and run this again"
    # shellcheck disable=SC2086 # a list of package names
    install_packages $missing
fi

# Rust is left to rustup: a build script must not replace a developer's toolchain.
command -v cargo >/dev/null && command -v rustc >/dev/null ||
    fail "cargo is missing: install Rust with rustup (https://rustup.rs), then run this again"
wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
found=$(rustc --version | cut -d ' ' -f 2)
oldest=$(printf '%s\n%s\n' "$wanted" "${found%%-*}" | sort -V | head -n 1)
[ "$oldest" = "$wanted" ] || fail "rustc $found is too old, posterframe needs $wanted: run 'rustup update stable'"

# rustup's minimal profile lacks these, and `make test` checks with them.
for pair in $components; do
    if ! cargo "${pair%%:*}" --version >/dev/null 2>&1; then
        command -v rustup >/dev/null || fail "cargo ${pair%%:*} is missing, and there is no rustup to add it"
        say "adding the rustup component ${pair##*:}"
        rustup component add "${pair##*:}"
    fi
done
say "ready (rustc $found)"
