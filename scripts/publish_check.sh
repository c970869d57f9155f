#!/bin/sh
# Everything that `cargo publish` does short of the upload: packs the crate, and builds it from the package alone: `make publish-check`.
set -eu
cd "$(dirname "$0")/.."

# A dirty tree is refused by cargo itself: what is published is a commit.
cargo publish --dry-run --locked --features static "$@"
# Its place differs between cargo's versions.
package=$(find target/package -name 'posterframe-*.crate' -newer Cargo.toml | head -n 1)
[ -n "$package" ] || { echo "publish-check: cargo left no package" >&2; exit 1; }
echo "publish-check: $(du -h "$package" | cut -f 1) packed, $(tar -tzf "$package" | wc -l) files"
