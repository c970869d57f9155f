#!/bin/sh
# Gets the real servers that the tests start: MariaDB, OpenSSH's sshd, Python servers (FastAPI, moto), and AWS's Lambda
# runtime interface emulator; and the programs that the documents' commands use: `make test-servers`.
#
# Only the tests start them, on 127.0.0.1, and stop them again: nothing here starts, enables or configures a service. That is
# why openssh-server is unpacked below target/ and not installed: it brings a service with it.
# What is there already is left alone. Everything comes from Debian's mirrors (apt) and the Python package index (pip).
set -eu
cd "$(dirname "$0")/.."
mkdir -p target

say() { printf 'servers: %s\n' "$*"; }
fail() { printf 'servers: %s\n' "$*" >&2; exit 1; }

# A temporary folder inside target/, so that finished things can be moved into place.
work=$(mktemp -d target/servers.XXXXXX)
trap 'rm -rf "$work"' EXIT

# package | file or command that proves it is there | why
packages() {
    cat <<'LIST'
mariadb-server-core|/usr/sbin/mariadbd|the database server; no service, no account, nothing in /etc but defaults
mariadb-client-core|my_print_defaults|mariadb-install-db asks this one for its options
openssh-client|ssh-keygen|makes the keys of the bastion's tests; sshd shares its libraries
libwrap0|-|sshd links it
openssl|openssl|makes the certificates of the servers
curl|curl|the documents' commands send events and ask APIs with it
jq|jq|the documents' commands read JSON with it
procps|-|its kill sends the signals of the tests
python3-venv|-|the Python servers live in an environment of their own
LIST
}

missing=$(packages | while IFS='|' read -r package proof why; do
    if [ "$proof" != - ] && command -v "$proof" >/dev/null; then continue; fi
    if [ "$package" = python3-venv ] && python3 -c 'import ensurepip, venv' 2>/dev/null; then continue; fi
    if [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ]; then continue; fi
    printf 'servers: missing %s: %s\n' "$package" "$why" >&2
    printf '%s ' "$package"
done)
# shellcheck disable=SC2086 # a list of package names
[ -z "$missing" ] || scripts/setup.sh $missing

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
            fail "the mirrors have no $wanted: run 'apt-get install mariadb-server-core' and this again"
    fi
    dpkg -x "$work/$package"_*.deb "$work/$package"
    rm -rf "$folder"
    mkdir -p "$folder"
    for file in "$@"; do cp "$work/$package/$file" "$folder/"; done
    echo "$version" >"$folder/.stamp"
}

# Any version will do.
unpack openssh-server '' target/sshd usr/sbin/sshd

# The Python servers. The environment is made anew when the requirements or Python changed.
requirements=tests/servers/requirements.txt
stamp="$(sha256sum <"$requirements") $(python3 --version)"
if [ "$(cat target/python/.stamp 2>/dev/null)" != "$stamp" ]; then
    say "installing FastAPI, moto, the AWS command line and FFmpeg into target/python ($requirements, every file checked by its hash)"
    rm -rf target/python
    python3 -m venv target/python
    target/python/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r "$requirements"
    echo "$stamp" >target/python/.stamp
fi

# AWS's runtime interface emulator, a static program, travels in the wheel of AWS SAM's command line; nothing else of it is used.
# Started without its two address options it listens on every interface: the tests always give them.
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
