#!/bin/sh
# Creates the root of the image: image_root.sh PROGRAM FOLDER. The Dockerfile runs it.
#
# The root contains the program, its shared libraries and their loader, certificate authorities, one account without rights, and
# the licences of all of it. It has no shell and no package manager. The C library itself resolves names: since glibc 2.34, it
# needs no plugin for /etc/hosts and DNS.
set -eu
cd "$(dirname "$0")/.."
program=$1 root=$2

fail() { printf 'image: %s\n' "$*" >&2; exit 1; }

mkdir -p "$root"
install -D -m 755 "$program" "$root/usr/bin/posterframe"

# `libc.so.6 => /lib/…/libc.so.6 (0x…)` and `/lib64/ld-linux-x86-64.so.2 (0x…)`. The kernel's own library has no file.
ldd "$program" | grep -q 'not found' && fail "a library is missing: $(ldd "$program")"
ldd "$program" | grep -o '/[^ ]*' | while read -r library; do
    install -D -m 755 "$library" "$root$library"
done
case $(find "$root" -name 'lib*.so*' | sed 's,.*/,,' | sort | tr '\n' ' ') in
    'libc.so.6 libgcc_s.so.1 libm.so.6 ') ;;
    *) fail "these are not the libraries whose licences are known here: $(ldd "$program")" ;;
esac

install -D -m 644 /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
printf 'root:x:0:0:root:/:/nologin\nposterframe:x:65532:65532:posterframe:/tmp:/nologin\n' >"$root/etc/passwd"
printf 'root:x:0:\nposterframe:x:65532:\n' >"$root/etc/group"
printf 'hosts: files dns\n' >"$root/etc/nsswitch.conf"
install -d -m 1777 "$root/tmp"

documents=$root/usr/share/doc/posterframe
mkdir -p "$documents/libraries"
cp LICENSE-APACHE LICENSE-MIT docs/licensing.md vendor/libav/prefix/licenses/* "$documents/"
cp vendor/libav/prefix/build-info.txt "$documents/FFmpeg-build-info.txt"
for package in libc6 libgcc-s1 ca-certificates; do
    cp "/usr/share/doc/$package/copyright" "$documents/libraries/$package.txt"
done
# The licence of the GCC runtime refers to this text.
cp /usr/share/common-licenses/GPL-3 /usr/share/common-licenses/LGPL-2.1 "$documents/libraries/"
python3 scripts/notices.py --features static >"$documents/crates.txt"
find "$root" -type f ! -perm -111 -exec chmod 644 {} +
# No time of day, so that the same build gives the same bytes.
find "$root" -exec touch -h -d @0 {} +
