#!/bin/sh
# Writes docs/public-api.txt, every public item of the library with its signature: `make public-api`. A change of the API is then a change of
# that page. The features are those of a program that opens files, URLs and stores; AWS's and the job's are left out, because they are reviewed
# with the job.
#
# rustdoc writes JSON only with unstable options. RUSTC_BOOTSTRAP lets the stable Rust accept them, so that no nightly is needed. cargo-public-api
# reads one version of that format: 57, which Rust 1.95 writes. With another Rust, it names the version that it expects: move its version in
# scripts/cargo_tool.sh.
set -eu
cd "$(dirname "$0")/.."
tool=$(scripts/cargo_tool.sh cargo-public-api)
# A separate folder, because build scripts read RUSTC_BOOTSTRAP, and the next test would compile everything again.
work=target/public-api
RUSTC_BOOTSTRAP=1 cargo rustdoc --quiet --locked --target-dir "$work" --lib --no-default-features \
    --features static,remote,http,object_store,tokio,image,png,webp,cage -- -Z unstable-options --output-format json
# -sss omits what every type has (blanket, automatic and derived implementations).
"$tool" public-api --rustdoc-json "$work/doc/posterframe.json" -sss >"$work/public-api.txt"
mv "$work/public-api.txt" docs/public-api.txt
echo "public-api: $(wc -l <docs/public-api.txt) lines in docs/public-api.txt"
