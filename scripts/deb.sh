#!/bin/sh
# Packs the program as a Debian package: target/deb/posterframe_VERSION_ARCHITECTURE.deb (`make deb`).
#
# The package contains the program with the static FFmpeg, completions for bash, zsh and fish, the manual page, a freedesktop thumbnailer
# entry, and the licences of all parts. cargo-deb writes it from [package.metadata.deb] in Cargo.toml. The script then unpacks the package
# and runs what it contains.
set -eu
cd "$(dirname "$0")/.."

tool=$(scripts/cargo_tool.sh cargo-deb)
echo "deb: building the program (ten minutes on two cores)" >&2
cargo build --release --locked --features static --bin posterframe
program=target/release/posterframe
work=target/deb
rm -rf "$work"
mkdir -p "$work/licences"
"$program" man | gzip -9n >"$work/posterframe.1.gz"
for shell in bash zsh fish; do
    "$program" completions "$shell" >"$work/completion.$shell"
done
cp vendor/libav/prefix/licenses/* "$work/licences/"
cp vendor/libav/prefix/build-info.txt "$work/licences/FFmpeg-build-info.txt"
python3 scripts/notices.py --features static >"$work/licences/crates.txt"
"$tool" deb --no-build --quiet --output "$work"

package=$(ls "$work"/posterframe_*.deb)
root=$work/root
dpkg-deb --extract "$package" "$root"
"$root/usr/bin/posterframe" --version | head -1
for file in usr/share/man/man1/posterframe.1.gz usr/share/bash-completion/completions/posterframe usr/share/zsh/vendor-completions/_posterframe \
    usr/share/fish/vendor_completions.d/posterframe.fish usr/share/thumbnailers/posterframe.thumbnailer usr/share/doc/posterframe/copyright \
    usr/share/doc/posterframe/licences/crates.txt; do
    [ -s "$root/$file" ] || { echo "deb: $file is missing in $package" >&2; exit 1; }
done
"$root/usr/bin/posterframe" --quiet grab tests/fixtures/h264_front.mp4 -o "$work/poster.jpg" >/dev/null
rm "$work/poster.jpg"
rm -rf "$root"
ls -l "$package"
