#!/bin/sh
# Builds the pinned static libav (FFmpeg with the patches beside this file, dav1d, zlib) into vendor/libav/prefix: `make libav`. The program carries this script and
# the files beside it, too: `posterframe libav --prefix DIR`.
#
# The sources are crates pinned by checksum in pins.lock; nothing but the crate registry is asked. The build is
# incremental: a stamp holds the hash of everything that goes in (this folder's files, compiler, machine), and nothing is
# rebuilt while it agrees. JOBS sets how many compilers run at once, PREFIX where the result goes, WORK where it is built.
# TARGET=aarch64-linux-gnu builds with that cross compiler, for that machine, into prefix-aarch64-linux-gnu.
# SANITIZE=address builds with clang, AddressSanitizer and the coverage counters that libFuzzer reads, into prefix-asan; without
# assembly, whose reads and writes no sanitizer sees. Nothing that ships is built so.
# `build.sh current` builds nothing. It succeeds when the prefix is up to date, and fails when it is not or when tools for a build are missing.
# `build.sh update` renews pins.lock after a change of pins.toml.
# Exit code: 2 when something must be changed before it can begin, 1 when the build failed.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
target=${TARGET:-}
variant=${target:+-$target}
[ -z "${SANITIZE:-}" ] || variant=-asan
prefix=${PREFIX:-$here/prefix$variant}
work=${WORK:-$here/build$variant}
jobs=${JOBS:-$(nproc)}
# What the names of the compiler and of binutils begin with, and the machine that they build for.
tools=${target:+$target-}
machine=${target%%-*}
machine=${machine:-$(uname -m)}
compiler=${tools}gcc
sanitizer=

say() { printf 'libav: %s\n' "$*"; }
fail() { printf 'libav: %s\n' "$*" >&2; exit 1; }
refuse() { printf 'libav: %s\n' "$*" >&2; exit 2; }

case ${SANITIZE:-} in
    '') ;;
    address)
        [ -z "$target" ] || refuse "SANITIZE is for this machine, not for $target"
        compiler=clang
        # Lines in reports, and frames that are cheap to walk at each allocation. No stack depth: only libFuzzer has the counter.
        sanitizer='-fsanitize=address -fsanitize-coverage=inline-8bit-counters,pc-table,trace-cmp -fno-omit-frame-pointer -gline-tables-only'
        ;;
    *) refuse "SANITIZE is address or nothing, not $SANITIZE" ;;
esac

# A package of the two files of pins, for cargo.
pins() {
    mkdir -p "$1/src"
    cp "$here/pins.toml" "$1/Cargo.toml"
    cp "$here/pins.lock" "$1/Cargo.lock"
    : >"$1/src/lib.rs"
}
if [ "${1:-}" = update ]; then
    pins "$work/pins"
    cargo update --manifest-path "$work/pins/Cargo.toml"
    cp "$work/pins/Cargo.lock" "$here/pins.lock"
    rm -rf "$work"
    exit 0
fi

missing=
for tool in cargo "$compiler" make nasm meson ninja pkg-config xz patch "${tools}ar" sha256sum; do
    command -v "$tool" >/dev/null || missing="$missing $tool"
done
[ -z "$missing" ] || refuse "missing:$missing. Debian has them in gcc${target:+-$target}, make, nasm, meson, ninja-build, pkg-config," \
    "xz-utils, patch and binutils${target:+-$target}; cargo comes from https://rustup.rs"

stamp=$(cd "$here" && { cat build.sh components.txt glibc_compat.h pins.toml pins.lock patches/*.patch; "$compiler" --version | head -n 1; echo "$machine$sanitizer"; } |
    sha256sum | cut -d ' ' -f 1)
if [ "$(cat "$prefix/.stamp" 2>/dev/null)" = "$stamp" ]; then
    say "up to date ($prefix)"
    exit 0
fi
[ "${1:-}" != current ] || exit 1
# What is there is replaced as a whole, so it must be an earlier result.
if [ -n "$(ls -A "$prefix" 2>/dev/null)" ] && [ ! -f "$prefix/.stamp" ]; then
    refuse "$prefix holds something else; name a folder that is empty or not there"
fi

# Where cargo keeps an unpacked pinned crate. `cargo metadata` fetches what is missing and checks it against the lock.
crate_dir() {
    printf '%s' "$metadata" | grep -o "\"manifest_path\":\"[^\"]*/$1-[0-9][^\"]*/Cargo.toml\"" | head -n 1 |
        sed 's/^"manifest_path":"//; s,/Cargo.toml"$,,'
}
say "fetching the pinned sources"
rm -rf "$work"
pins "$work/pins"
metadata=$(cargo metadata --quiet --locked --format-version 1 --manifest-path "$work/pins/Cargo.toml")
ffmpeg_src=$(crate_dir ffmpeg-src)
dav1d_src=$(crate_dir libdav1d-sys)
[ -d "$ffmpeg_src/native" ] && [ -d "$dav1d_src/vendor" ] || fail "the pinned crates do not hold the sources expected"

step_pid=
trap '[ -z "$step_pid" ] || kill "$step_pid" 2>/dev/null; fail "stopped"' HUP INT TERM
# The same bytes whoever builds, wherever: no build path and no time reaches an object file.
export SOURCE_DATE_EPOCH=0 ZERO_AR_DATE=1
flags="-ffile-prefix-map=$work=.${sanitizer:+ $sanitizer}"
# A write past a buffer on the stack, or past one whose size the compiler knows, ends the program; a large frame on the stack touches each page.
[ -n "$sanitizer" ] || flags="$flags -fstack-protector-strong -fstack-clash-protection -D_FORTIFY_SOURCE=2"

# How far a step has come, from its log. FFmpeg's make does not know how many files there are; the number is that of this configuration.
progress() {
    case $1 in
        dav1d) files=$(sed -n 's,^\[\([0-9]*\)/\([0-9]*\)\] .*,\1 of \2,p' "$2" | tail -n 1) ;;
        ffmpeg) files="$(grep -c '^\(CC\|X86ASM\|AS\)' "$2" || true) of about 700" ;;
        *) files= ;;
    esac
    if [ -n "$files" ]; then echo "$files files compiled"; else echo "still at work: $1"; fi
}

# step NAME COMMAND...: runs the command with its output in a log, reports the progress every 15 seconds, and shows the end of the log when the
# command fails.
step() {
    name=$1 log=$work/$1.log
    shift
    "$@" >>"$log" 2>&1 &
    step_pid=$!
    turn=0
    while kill -0 "$step_pid" 2>/dev/null; do
        sleep 1
        turn=$((turn + 1))
        [ $((turn % 15)) != 0 ] || say "  $(progress "$name" "$log")"
    done
    wait "$step_pid" || { tail -n 30 "$log" >&2; fail "failed: $* (log: $log)"; }
    step_pid=
}

say "unpacking FFmpeg and zlib"
tar -C "$work" -xf "$ffmpeg_src/native/ffmpeg.tar.xz"
tar -C "$work" -xf "$ffmpeg_src/native/zlib.tar.xz"
# Official archives have this file. Without it FFmpeg asks git, and would call itself by our commit.
cp "$work/ffmpeg/RELEASE" "$work/ffmpeg/VERSION"
say "patching FFmpeg"
# Without fuzz: a patch that was made for other lines has to be read again.
apply_patches() { for file in "$here"/patches/*.patch; do patch -d "$work/ffmpeg" -p1 --fuzz=0 --no-backup-if-mismatch -i "$file" || return; done; }
step patch apply_patches

say "building zlib (1 of 3)"
cd "$work/zlib"
step zlib env ${target:+CHOST="$target"} ${sanitizer:+CC="$compiler"} CFLAGS="-O3 -fPIC $flags" ./configure --static --prefix="$work/deps"
step zlib make -j"$jobs" libz.a
step zlib make install

say "building dav1d (2 of 3, about a minute on two cores)"
# From a copy: nasm writes the path of its source, relative to the build folder, into each object.
cp -R "$dav1d_src/vendor" "$work/dav1d-src"
if [ -n "$target" ]; then
    cat >"$work/cross.txt" <<CROSS
[binaries]
c = '${tools}gcc'
ar = '${tools}ar'
strip = '${tools}strip'
[host_machine]
system = 'linux'
cpu_family = '$machine'
cpu = '$machine'
endian = 'little'
CROSS
fi
step dav1d env ${sanitizer:+CC="$compiler"} meson setup ${target:+--cross-file "$work/cross.txt"} "$work/dav1d" "$work/dav1d-src" \
    --default-library=static --buildtype=release ${sanitizer:+-Denable_asm=false -Db_lundef=false} \
    -Denable_tools=false -Denable_tests=false -Denable_examples=false -Dc_args="$flags" -Dc_link_args="$sanitizer" \
    --prefix="$work/deps" --libdir=lib
step dav1d ninja -C "$work/dav1d" -j"$jobs" install

# --enable-KIND=a,b,c for each kind, from every line of that kind.
enable() { printf -- '--enable-%s=%s' "$1" "$(sed -n "s/^$1: *//p" "$here/components.txt" | tr -s ' \n' ',,' | sed 's/,$//')"; }
say "configuring FFmpeg"
mkdir "$work/ffmpeg-build"
cp "$here/glibc_compat.h" "$work/"
cd "$work/ffmpeg-build"
# The flags go in by the environment: configure writes its arguments into the libraries, as avutil_configuration().
step configure env PKG_CONFIG_PATH="$work/deps/lib/pkgconfig" CFLAGS="$flags" LDFLAGS="$sanitizer" \
    ../ffmpeg/configure --prefix=/libav \
    --disable-everything --disable-autodetect --disable-programs --disable-doc --disable-debug \
    --disable-avdevice --disable-avfilter --disable-swresample --disable-network --disable-hwaccels --disable-iconv \
    --enable-static --disable-shared --enable-pic --enable-zlib --enable-libdav1d --pkg-config-flags=--static \
    "$(enable demuxer)" "$(enable decoder)" "$(enable parser)" "$(enable bsf)" "$(enable encoder)" \
    --extra-cflags="-I../deps/include -include ../glibc_compat.h" --extra-ldflags="-L../deps/lib" \
    ${target:+--enable-cross-compile --target-os=linux --arch="$machine" --cross-prefix="$tools" --pkg-config=pkg-config} \
    ${sanitizer:+--cc="$compiler" --disable-asm} \
    ${LIBAV_CONFIGURE_EXTRA:-}
# configure only warns about a name it does not know, and drops a component whose needs are not met.
for kind in demuxer decoder parser bsf encoder; do
    for name in $(sed -n "s/^$kind: *//p" "$here/components.txt"); do
        symbol=$(printf 'CONFIG_%s_%s' "$name" "$kind" | tr '[:lower:]' '[:upper:]')
        grep -q "^#define $symbol 1\$" config_components.h || fail "components.txt asks for $kind $name, FFmpeg did not enable it"
    done
done
case $machine${sanitizer:+-without-assembly} in
    x86_64) grep -q '^#define HAVE_X86ASM 1$' config.h || fail "FFmpeg's assembly is off: nasm is missing or too old" ;;
    aarch64) grep -q '^#define HAVE_NEON 1$' config.h || fail "FFmpeg's assembly is off: configure found no NEON" ;;
esac
grep -q '^#define CONFIG_GPL 0$' config.h && grep -q '^#define CONFIG_NONFREE 0$' config.h || fail "the configuration is not LGPL"

say "building FFmpeg (3 of 3, three to six minutes on two cores)"
step ffmpeg make -j"$jobs"
# `make install` wants documentation that the pinned archive does not carry.
step install make install-libs install-headers DESTDIR="$work/install"

# dav1d and zlib go inside libavutil.a: ffmpeg-sys-next names only the av libraries, and a linker that reads archives in
# order (GNU ld) would otherwise need extra flags in every program that uses us.
say "packing the archives"
# Among what is built, and moved to its place in one step: whoever stops us leaves no half of it there.
final=$prefix
prefix=$work/prefix
mkdir -p "$prefix/lib"
cp -R "$work/install/libav/include" "$prefix/include"
for name in avcodec avformat swscale; do cp "$work/install/libav/lib/lib$name.a" "$prefix/lib/"; done
printf 'create %s\naddlib %s\naddlib %s\naddlib %s\nsave\nend\n' "$prefix/lib/libavutil.a" \
    "$work/install/libav/lib/libavutil.a" "$work/deps/lib/libdav1d.a" "$work/deps/lib/libz.a" | "${tools}ar" -M
"${tools}ranlib" -D "$prefix/lib/libavutil.a"
# What build.rs tells the program, for --version. `license` is FFmpeg's own word for this configuration.
config_h() { sed -n "s/^#define $1 \"\(.*\)\"\$/\1/p" config.h; }
{
    printf 'version: %s\n' "$(sed -n 's/^#define FFMPEG_VERSION "\(.*\)"$/\1/p' libavutil/ffversion.h)"
    printf 'license: %s\n' "$(config_h FFMPEG_LICENSE)"
    printf 'configuration: %s\n' "$(config_h FFMPEG_CONFIGURATION)"
} >"$prefix/build-info.txt"
grep -qF -e "$here" -e "$work" -e registry/src "$prefix"/lib/*.a "$prefix/build-info.txt" && fail "a path of this machine reached the libraries"
# An `include` of this file in cargo's configuration sets FFMPEG_DIR to this folder, wherever it lies: the path is relative to the folder above
# the file's own.
mkdir "$prefix/cargo"
cat >"$prefix/cargo/config.toml" <<'CONFIG'
# The static libav of this folder. An FFMPEG_DIR set in the environment wins.
[env]
FFMPEG_DIR = { value = "", relative = true }
CONFIG
mkdir "$prefix/licenses"
cp "$work/ffmpeg/COPYING.LGPLv2.1" "$prefix/licenses/FFmpeg-LGPL-2.1.txt"
cp "$dav1d_src/vendor/COPYING" "$prefix/licenses/dav1d-BSD-2-Clause.txt"
cp "$work/zlib/LICENSE" "$prefix/licenses/zlib.txt" 2>/dev/null || sed -n '1,/^\*\//p' "$work/zlib/zlib.h" >"$prefix/licenses/zlib.txt"
printf '%s\n' "$stamp" >"$prefix/.stamp"
rm -rf "$final"
mkdir -p "$(dirname "$final")"
mv "$prefix" "$final"
[ -n "${KEEP_WORK:-}" ] || rm -rf "$work"
say "done: $(du -sh "$final/lib" | cut -f 1) of archives in $final"
