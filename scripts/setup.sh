#!/bin/sh
# Prepares a bare Debian 12 (git, make, gcc, Rust from rustup) for building and testing posterframe: `make setup`.
#
# The script installs only missing packages, reports each with its reason, and starts no service. On other systems it reports which tools
# are missing.
#
#   setup.sh             what the static build needs, and rustup's components for format and lints
#   setup.sh --static    what the static build needs
#   setup.sh --system    what a build against Debian's own FFmpeg needs (make demo, make test-system-ffmpeg)
#   setup.sh --servers   what the tests' servers and the documents' commands need (make test-servers)
#   setup.sh --test      all of it (make test)
#   setup.sh PACKAGE...  these Debian packages
#   setup.sh --update    fetches the mirrors' package lists, nothing else
set -eu
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# package | a tool that proves the package is installed ('-': ask the package manager) | who needs it | why
needs() {
    cat <<'LIST'
make|make|static system|runs this project's targets and FFmpeg's build
gcc|gcc|static system|compiles FFmpeg, dav1d, SQLite and libwebp
libc6-dev|-|static system|the C headers that all of them include
binutils|objdump|static|ar packs the static libraries; objdump reads the glibc versions for a test
nasm|nasm|static|assembles FFmpeg's and dav1d's SIMD code
meson|meson|static|dav1d's build system
ninja-build|ninja|static|executes what meson plans
pkg-config|pkg-config|static system|finds FFmpeg for cargo, and dav1d and zlib for FFmpeg's configure
libclang-dev|-|static system|ffmpeg-sys-next reads FFmpeg's headers with it
xz-utils|xz|static|unpacks FFmpeg's sources
patch|patch|static|applies our patches to FFmpeg's sources
ca-certificates|-|static system|the S3 and HTTP clients load the TLS root certificates when they start, in tests too
python3|python3|static system servers|runs meson, and `make demo` reads the database with it
libavcodec-dev|-|system|Debian's FFmpeg: decoders
libavformat-dev|-|system|Debian's FFmpeg: containers
libavutil-dev|-|system|Debian's FFmpeg: what the others share
libswscale-dev|-|system|Debian's FFmpeg: scaling and colours
mariadb-server-core|/usr/sbin/mariadbd|servers|the database server; no service, no account, nothing in /etc but defaults
mariadb-client-core|my_print_defaults|servers|mariadb-install-db reads its options with it
openssh-client|ssh-keygen|servers|creates the keys of the bastion's tests; sshd shares its libraries
libwrap0|-|servers|sshd links it
openssl|openssl|servers|creates the servers' certificates
curl|curl|servers|the documents' commands send events and requests with it
jq|jq|servers|the documents' commands read JSON with it
procps|-|servers|its kill sends the signals of the tests
python3-venv|-|servers|the Python servers have an environment of their own
LIST
}

# Without a terminal nobody can type a password: sudo fails instead of waiting for one.
as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif ! command -v sudo >/dev/null; then fail "needs root or sudo for: $*"
    elif [ -t 0 ]; then sudo "$@"
    else sudo -n "$@"; fi
}

debian() { command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; }
installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# Installs packages. apt's own output is shown only when apt fails; a line every ten seconds reports the progress.
install_packages() {
    if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
        fail "neither root nor sudo: have an administrator run: apt-get install --no-install-recommends $*"
    fi
    say "installing: $*"
    as_root true # sudo asks for a password before apt goes to the background.
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    {
        as_root apt-get -q update &&
            as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 \
                install -y --no-install-recommends "$@"
    } >"$log" 2>&1 &
    turn=0
    while kill -0 $! 2>/dev/null; do
        sleep 1
        turn=$((turn + 1))
        [ $((turn % 10)) = 0 ] || continue
        all=$(sed -n 's/.* \([0-9]*\) newly installed,.*/\1/p' "$log")
        if grep -q '^Unpacking' "$log"; then
            say "  $(grep -c '^Unpacking' "$log") of $all packages unpacked, $(grep -c '^Setting up' "$log" || true) set up"
        else
            say "  fetching ${all:+$all }packages"
        fi
    done
    wait $! || { cat "$log" >&2; fail "apt-get failed"; }
}

if [ "${1:-}" = --update ]; then
    as_root apt-get -q update
    exit 0
fi

components=
case ${1:-} in
    '') for_whom=static components='fmt:rustfmt clippy:clippy' ;;
    --test) for_whom='static system servers' components='fmt:rustfmt clippy:clippy' ;;
    --static | --system | --servers) for_whom=${1#--} ;;
    *)
        debian || fail "not a Debian-like system: install by hand what Debian calls: $*"
        missing=
        for package in "$@"; do installed "$package" || missing="$missing $package"; done
        # shellcheck disable=SC2086 # a list of package names
        [ -z "$missing" ] || install_packages $missing
        exit 0
        ;;
esac

missing=$(needs | while IFS='|' read -r package tool who why; do
    wanted=
    for one in $for_whom; do
        case " $who " in *" $one "*) wanted=yes ;; esac
    done
    [ -n "$wanted" ] || continue
    if [ "$tool" != - ] && command -v "$tool" >/dev/null; then continue; fi
    # A Python that Debian did not install may bring this module itself.
    if [ "$package" = python3-venv ] && python3 -c 'import ensurepip, venv' 2>/dev/null; then continue; fi
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
[ "$for_whom" != servers ] || exit 0

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
