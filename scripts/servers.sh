#!/bin/sh
# Installs the real servers that the tests start (MariaDB, OpenSSH's sshd, Python servers with FastAPI and moto, AWS's Lambda runtime interface
# emulator) and the programs that the documents' commands use: `make test-servers`.
#
# Only the tests start these servers, on 127.0.0.1, and stop them again: this script starts, enables and configures no service. openssh-server
# would bring a service, so the script unpacks it below target/ and does not install it.
# What is installed already stays as it is. Everything comes from Debian's mirrors (apt) and the Python package index (pip).
set -eu
cd "$(dirname "$0")/.."
mkdir -p target

say() { printf 'servers: %s\n' "$*"; }
fail() { printf 'servers: %s\n' "$*" >&2; exit 1; }

# A temporary folder inside target/, so that finished things can be moved into place.
work=$(mktemp -d target/servers.XXXXXX)
trap 'rm -rf "$work"' EXIT

scripts/setup.sh --servers

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    fail "not a Debian-like system: the tests' servers are found and unpacked by apt and dpkg"
fi

# Takes files out of a Debian package without installing it: unpack PACKAGE VERSION FOLDER FILE...
unpack() {
    package=$1 version=$2 folder=$3
    shift 3
    if [ -f "$folder/.stamp" ] && [ "$(cat "$folder/.stamp")" = "$version" ]; then return; fi
    say "unpacking $package into $folder (not installed: it would start a service)"
    wanted=$package${version:+=$version}
    if ! (cd "$work" && apt-get -qq download "$wanted" 2>/dev/null); then
        scripts/setup.sh --update
        (cd "$work" && apt-get -qq download "$wanted") ||
            fail "the mirrors have no $wanted"
    fi
    dpkg -x "$work/$package"_*.deb "$work/$package"
    rm -rf "$folder"
    mkdir -p "$folder"
    for file in "$@"; do cp "$work/$package/$file" "$folder/"; done
    echo "$version" >"$folder/.stamp"
}

# Any version is good.
unpack openssh-server '' target/sshd usr/sbin/sshd

# The Python servers. The environment is created anew when the requirements or Python have changed.
requirements=tests/servers/requirements.txt
stamp="$(sha256sum <"$requirements") $(python3 --version)"
if [ "$(cat target/python/.stamp 2>/dev/null)" != "$stamp" ]; then
    say "installing FastAPI, moto, the AWS command line and FFmpeg into target/python ($requirements, every file checked by its hash)"
    rm -rf target/python
    python3 -m venv target/python
    target/python/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r "$requirements"
    echo "$stamp" >target/python/.stamp
fi

# AWS's runtime interface emulator, a static program. The wheel of AWS SAM's command line contains it; nothing else of the wheel is used.
# Without its two address options the emulator listens on every interface, so the tests always pass them.
sam=1.170.0
sam_sha256=24ebaf5ecba38dc1758089968cb89ab61e124b84e92a344fc7a2771a47f4d0bf
case $(uname -m) in
    x86_64) rie=x86_64 ;;
    aarch64) rie=arm64 ;;
    *) fail "AWS has no runtime interface emulator for $(uname -m)" ;;
esac
if [ "$(cat target/rie/.stamp 2>/dev/null)" != "$sam $rie" ]; then
    say "taking the Lambda runtime interface emulator out of aws-sam-cli $sam into target/rie"
    printf 'aws-sam-cli==%s --hash=sha256:%s\n' "$sam" "$sam_sha256" >"$work/sam.txt"
    target/python/bin/python -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
        --require-hashes -r "$work/sam.txt" -d "$work"
    rm -rf target/rie
    mkdir -p target/rie
    target/python/bin/python -c '
import sys, zipfile
wheel, member = sys.argv[1:]
sys.stdout.buffer.write(zipfile.ZipFile(wheel).read(member))
' "$work"/aws_sam_cli-*.whl "samcli/local/rapid/aws-lambda-rie-$rie" >target/rie/aws-lambda-rie
    chmod +x target/rie/aws-lambda-rie
    echo "$sam $rie" >target/rie/.stamp
fi

target/sshd/sshd -V 2>&1 | grep -q OpenSSH_ || fail "sshd does not run: $(ldd target/sshd/sshd | grep 'not found')"
mariadb=$(/usr/sbin/mariadbd --no-defaults --version | sed 's/.*Ver \([0-9.]*\).*/\1/')
say "ready (MariaDB $mariadb, $(target/sshd/sshd -V 2>&1 | grep -o 'OpenSSH_[^ ,]*'), FastAPI, moto, AWS command line, Lambda emulator)"
