#!/bin/sh
# Holds every crate in the graph against deny.toml: `make deny`, and with `advisories`, `make advisories`.
#
# Bans, licences and sources need the crate registry only. Advisories are asked of RustSec's database, which is a repository on
# GitHub: a target of its own, so that a machine that does not reach GitHub can still check the rest.
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
