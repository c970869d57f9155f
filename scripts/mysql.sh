#!/bin/sh
# Downloads a real MySQL server and MySQL Router for `make test-mysql`, and unpacks them below target/mysql without installing them.
#
# Debian has them only in unstable (sid), and unstable changes. So this is a second check beside `make test`, whose database is
# MariaDB. They come with their own C library, and so run on any Debian. The script uses a separate apt configuration. It does not
# change the machine's, and reads only the mirror's address from it.
set -eu
cd "$(dirname "$0")/.."
root=$PWD/target/mysql

say() { printf 'mysql: %s\n' "$*"; }
fail() { printf 'mysql: %s\n' "$*" >&2; exit 1; }

[ ! -f "$root/.stamp" ] || { say "ready ($(cat "$root/.stamp"))"; exit 0; }
command -v apt-get >/dev/null || fail "no apt-get: MySQL is found and unpacked by Debian's tools"
keys=/usr/share/keyrings/debian-archive-keyring.gpg
[ -f "$keys" ] || fail "no $keys: install debian-archive-keyring"
mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
    grep -oE 'https?://[^ ]+/debian/?( |$)' | head -n 1 | tr -d ' ' || true)
mirror=${mirror:-http://deb.debian.org/debian}

mkdir -p target
work=$(mktemp -d target/mysql.XXXXXX)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/preferences" "$work/debs"
echo "deb [signed-by=$keys] $mirror sid main" >"$work/sources.list"
# With an empty status, apt fetches every needed library, the C library too.
: >"$work/status"
here=$PWD/$work
cat >"$work/apt.conf" <<CONF
Dir::Etc::SourceList "$here/sources.list";
Dir::Etc::SourceParts "-";
Dir::Etc::PreferencesParts "$here/preferences";
Dir::State::Lists "$here/lists";
Dir::State::Status "$here/status";
Dir::Cache "$here/cache";
APT::Install-Recommends "0";
APT::Sandbox::User "root";
Acquire::Check-Valid-Until "false";
CONF
export APT_CONFIG="$here/apt.conf"
say "looking what Debian unstable has"
apt-get -qq update
packages=$(apt-get -s install mysql-server-core mysql-router | awk '/^Inst/ { print $2 }')
[ -n "$packages" ] || fail "Debian unstable has no mysql-server-core that can be installed now"
say "unpacking $(echo "$packages" | wc -l) packages into target/mysql (not installed)"
# shellcheck disable=SC2086 # a list of package names
(cd "$work/debs" && apt-get -qq download $packages)
rm -rf "$root"
mkdir -p "$root"
for package in "$work"/debs/*.deb; do dpkg -x "$package" "$root"; done
version=$(dpkg-deb -f "$work"/debs/mysql-server-core_*.deb Version)
echo "$version" >"$root/.stamp"
say "ready ($version)"
