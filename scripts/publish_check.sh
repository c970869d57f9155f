#!/bin/sh
# Does everything that `cargo publish` does except the upload: packs the crate, and builds it from the package alone: `make publish-check`.
set -eu
cd "$(dirname "$0")/.."

# cargo itself refuses a dirty tree, because only a commit can be published.
cargo publish --dry-run --locked --features static "$@"
# The folder of the package differs between versions of cargo.
package=$(find target/package -name 'posterframe-*.crate' -newer Cargo.toml | head -n 1)
[ -n "$package" ] || { echo "publish-check: cargo left no package" >&2; exit 1; }
echo "publish-check: $(du -h "$package" | cut -f 1) packed, $(tar -tzf "$package" | wc -l) files"
