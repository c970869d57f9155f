#!/bin/sh
# Checks every crate in the graph against deny.toml: `make deny`, and with `advisories`, `make advisories`.
#
# Bans, licences and sources need only the crate registry. Advisories come from RustSec's database, a repository on GitHub. They are a
# separate target, so that a machine without access to GitHub can still check the rest.
set -eu
cd "$(dirname "$0")/.."

deny=$(scripts/cargo_tool.sh cargo-deny)
case ${1:-} in
    advisories) checks=advisories ;;
    '') checks='bans licenses sources' ;;
    *) echo "deny: '$1' is neither 'advisories' nor nothing" >&2; exit 1 ;;
esac
# shellcheck disable=SC2086 # a list of checks
exec "$deny" --locked check $checks
