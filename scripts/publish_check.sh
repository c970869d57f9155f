#!/bin/sh
# Everything that `cargo publish` does short of the upload: packs the crate, and builds it from the package alone: `make publish-check`.
#
# The program is then run from what the package built, with the recipe of libav that it carries.
set -eu
cd "$(dirname "$0")/.."

# A dirty tree is refused by cargo itself: what is published is a commit.
cargo publish --dry-run --locked --features static "$@"
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
package=target/package/posterframe-$version.crate
echo "publish-check: $(du -h "$package" | cut -f 1) packed, $(tar -tzf "$package" | wc -l) files"
