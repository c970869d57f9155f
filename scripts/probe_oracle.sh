#!/bin/sh
# Writes tests/probe_oracle.json: the report of ffprobe 9.0.2 on each fixture. `make probe-oracle`.
#
# ffprobe itself is not in the pinned archive, and no package index has that version. scripts/probe_oracle.c prints the same fields by the
# same calls. For the real videos with known reports of ffprobe, all 4,812 values are equal (`probe_oracle.sh DIR` compares with
# DIR/oracle.json). The program is built with FFmpeg from the pinned sources, without our patches, and with audio decoders: ffprobe has
# them, and gets channels, sample rates and profiles from them.
#
# The build takes some minutes, in target/probe-oracle, and is kept there. JOBS sets how many compilers run in parallel.
set -eu
cd "$(dirname "$0")/.."
root=$PWD
libav=${FFMPEG_DIR:-$root/vendor/libav/prefix}
work=$root/target/probe-oracle
jobs=${JOBS:-$(nproc)}

fail() { printf 'probe-oracle: %s\n' "$*" >&2; exit 1; }
[ -f "$libav/lib/libavutil.a" ] || fail "no static libav in $libav: run 'make libav'"

# --enable-KIND=a,b,c for each kind that the static libav has.
enable() { printf -- '--enable-%s=%s' "$1" "$(sed -n "s/^$1: *//p" vendor/libav/components.txt | tr -s ' \n' ',,' | sed 's/,$//')"; }
sound=aac,aac_latm,ac3,eac3,mp1,mp2,mp3,opus,vorbis,flac,alac,dca,truehd,mlp,amrnb,amrwb,wmav1,wmav2,wmapro,qdm2,mace3,mace6
sound=$sound,cook,ra_144,ra_288,nellymoser,speex,gsm,gsm_ms,pcm_*,adpcm_*
text=movtext,subrip,srt,ass,ssa,webvtt,text,dvbsub,dvdsub,pgssub

if [ ! -f "$work/build/libavformat/libavformat.a" ]; then
    rm -rf "$work"
    mkdir -p "$work/pins/src" "$work/deps" "$work/build"
    cp vendor/libav/pins.toml "$work/pins/Cargo.toml"
    cp vendor/libav/pins.lock "$work/pins/Cargo.lock"
    : >"$work/pins/src/lib.rs"
    metadata=$(cargo metadata --quiet --locked --format-version 1 --manifest-path "$work/pins/Cargo.toml")
    crate_dir() {
        printf '%s' "$metadata" | grep -o "\"manifest_path\":\"[^\"]*/$1-[0-9][^\"]*/Cargo.toml\"" | head -n 1 |
            sed 's/^"manifest_path":"//; s,/Cargo.toml"$,,'
    }
    tar -C "$work" -xf "$(crate_dir ffmpeg-src)/native/ffmpeg.tar.xz"
    tar -C "$work" -xf "$(crate_dir ffmpeg-src)/native/zlib.tar.xz"
    cp "$work/ffmpeg/RELEASE" "$work/ffmpeg/VERSION"
    # The libavutil.a of the static libav also contains dav1d and zlib. Their headers come from their sources.
    cp "$libav/lib/libavutil.a" "$work/deps/libdav1d.a"
    cp "$libav/lib/libavutil.a" "$work/deps/libz.a"
    cp -R "$(crate_dir libdav1d-sys)/vendor/include" "$work/deps/include"
    soname=$(sed -n "s/^dav1d_soname_version *= *'\([0-9.]*\)'.*/\1/p" "$(crate_dir libdav1d-sys)/vendor/meson.build")
    IFS=. read -r major minor patch <<VERSION
$soname
VERSION
    sed -e "s/@DAV1D_API_VERSION_MAJOR@/$major/; s/@DAV1D_API_VERSION_MINOR@/$minor/; s/@DAV1D_API_VERSION_PATCH@/$patch/" \
        "$work/deps/include/dav1d/version.h.in" >"$work/deps/include/dav1d/version.h"
    (cd "$work/zlib" && ./configure --static >/dev/null)
    cp "$work/zlib/zlib.h" "$work/zlib/zconf.h" "$work/deps/include/"
    cat >"$work/deps/dav1d.pc" <<PC
Name: dav1d
Description: an AV1 decoder
Version: 1.4.3
Libs: -L$work/deps -ldav1d -lpthread -lm -ldl
Cflags: -I$work/deps/include
PC
    cd "$work/build"
    # The fields do not depend on assembly, which takes time to build.
    PKG_CONFIG_PATH="$work/deps" CFLAGS=-O1 ../ffmpeg/configure --disable-everything --disable-autodetect --disable-programs --disable-doc \
        --disable-debug --disable-asm --disable-avdevice --disable-avfilter --disable-swscale --disable-network --disable-hwaccels --disable-iconv \
        --enable-zlib --enable-libdav1d --pkg-config-flags=--static --enable-protocol=file --enable-parsers \
        --extra-cflags="-I$work/deps/include" --extra-ldflags="-L$work/deps" \
        "$(cd "$root" && enable demuxer)" "$(cd "$root" && enable decoder)" "$(cd "$root" && enable bsf)" \
        --enable-decoder="$sound,$text" >"$work/configure.log" 2>&1 || fail "see $work/configure.log"
    make -j"$jobs" >"$work/make.log" 2>&1 || fail "see $work/make.log"
    cd "$root"
fi

"${CC:-cc}" -O1 -I"$work/ffmpeg" -I"$work/build" -o "$work/probe_oracle" scripts/probe_oracle.c \
    -L"$work/build/libavformat" -L"$work/build/libavcodec" -L"$work/build/libswresample" -L"$work/build/libavutil" \
    -lavformat -lavcodec -lswresample -lavutil -L"$work/deps" -ldav1d -lz -lm -lpthread -ldl

if [ $# = 0 ]; then
    folder=tests/fixtures
    set -- $(sed 's/^[0-9a-f]*  //' "$folder/SHA256SUMS")
    (cd "$folder" && "$work/probe_oracle" "$@") >"$work/answers.json"
else
    folder=$1
    "$work/probe_oracle" "$folder"/* >"$work/answers.json"
fi
python3 - "$work/answers.json" "$folder" <<'PYTHON'
import json
import sys
from pathlib import Path

answers, folder = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])


def told(value):
    """Leaves out values that are not reported, as ffprobe does."""
    if isinstance(value, dict):
        return {key: told(inside) for key, inside in value.items() if inside is not None}
    return [told(inside) for inside in value] if isinstance(value, list) else value


if not (folder / "oracle.json").exists():
    lines = ",\n".join(json.dumps(told(answer), ensure_ascii=False) for answer in answers)
    Path("tests/probe_oracle.json").write_text(f"[\n{lines}\n]\n")
    sys.exit(0)
ours = {answer["file"]: answer for answer in answers}
values = differing = 0
for theirs in json.loads((folder / "oracle.json").read_text()):
    mine = ours[theirs["file"]]
    pairs = [(mine["probe_rc"], theirs["probe_rc"])]
    pairs += [(mine.get("format", {}).get(key), value) for key, value in theirs.get("format", {}).items()]
    for left, right in zip(mine.get("streams", []), theirs.get("streams", [])):
        pairs += [(left.get(key), value) for key, value in right.items()]
    values += len(pairs)
    for left, right in pairs:
        if left != right:
            differing += 1
            print(f"{theirs['file']}: {left!r}, ffprobe {right!r}")
print(f"{differing} of {values} values differ")
sys.exit(1 if differing else 0)
PYTHON
