#!/bin/sh
# Makes a bare Debian 12 (git, make, gcc, Rust from rustup) ready to build and test posterframe: `make setup`.
#
# Asks for nothing that is there already, names what it installs and why, and starts no service. On other systems it
# only says which tools are missing.
#
#   setup.sh             what the static build and the tests need
#   setup.sh PACKAGE...  these Debian packages instead (make test-system-ffmpeg and make test-servers name their own)
#   setup.sh --update    asks the mirrors what there is, nothing else
set -eu
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# package | tool that proves it is there without asking the package manager ('-' for none) | why
needs() {
    cat <<'LIST'
make|make|runs this project's targets and FFmpeg's build
gcc|gcc|compiles FFmpeg, dav1d, SQLite and libwebp
libc6-dev|-|the C headers all of them include
binutils|objdump|ar packs the static libraries; objdump reads the glibc versions for a test
nasm|nasm|assembles FFmpeg's and dav1d's SIMD code
meson|meson|dav1d's build system
ninja-build|ninja|does what meson plans
pkg-config|pkg-config|tells FFmpeg's configure where dav1d and zlib are
libclang-dev|-|ffmpeg-sys-next reads FFmpeg's headers through it
xz-utils|xz|unpacks FFmpeg's sources
ca-certificates|-|the S3 and HTTP clients load the roots of TLS when they start, the tests' too
python3|python3|meson runs on it, and `make demo` reads the database with it
LIST
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo >/dev/null; then sudo "$@"
    else fail "needs root or sudo for: $*"; fi
}

debian() { command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; }
installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

install_packages() {
    if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
        fail "neither root nor sudo: have an administrator run: apt-get install --no-install-recommends $*"
    fi
    say "installing: $*"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q update
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends "$@"
}

if [ "${1:-}" = --update ]; then
    as_root apt-get -q update
    exit 0
fi

# What `make test-system-ffmpeg` and `make test-servers` need besides: packages by name, nothing else.
if [ $# -gt 0 ]; then
    missing=
    debian || fail "not a Debian-like system: install by hand what Debian calls: $*"
    for package in "$@"; do installed "$package" || missing="$missing $package"; done
    # shellcheck disable=SC2086 # a list of package names
    [ -z "$missing" ] || install_packages $missing
    exit 0
fi

missing=$(needs | while IFS='|' read -r package tool why; do
    if [ "$tool" != - ] && command -v "$tool" >/dev/null; then continue; fi
    if debian; then
        if installed "$package"; then continue; fi
    elif [ "$tool" = - ]; then
        continue # cannot be told from here; the compiler will
    fi
    printf 'setup: missing %s: %s\n' "$package" "$why" >&2
    printf '%s ' "$package"
done)
if [ -n "$missing" ]; then
    debian || fail "not a Debian-like system: install the tools named above (and libclang with its headers) and run this again"
    # shellcheck disable=SC2086 # a list of package names
    install_packages $missing
fi

# Rust is left to rustup: a build script that swaps the toolchain would surprise.
command -v cargo >/dev/null && command -v rustc >/dev/null ||
    fail "cargo is missing: install Rust with rustup (https://rustup.rs), then run this again"
wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
found=$(rustc --version | cut -d ' ' -f 2)
oldest=$(printf '%s\n%s\n' "$wanted" "${found%%-*}" | sort -V | head -n 1)
[ "$oldest" = "$wanted" ] || fail "rustc $found is too old, posterframe needs $wanted: run 'rustup update stable'"

# rustup's minimal profile comes without these.
for pair in fmt:rustfmt clippy:clippy; do
    if ! cargo "${pair%%:*}" --version >/dev/null 2>&1; then
        command -v rustup >/dev/null || fail "cargo ${pair%%:*} is missing, and there is no rustup to add it"
        say "adding the rustup component ${pair##*:} (make test checks with it)"
        rustup component add "${pair##*:}"
    fi
done
say "ready (rustc $found)"
