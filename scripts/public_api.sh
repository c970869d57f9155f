#!/bin/sh
# Writes docs/public-api.txt, every public item of the library with its signature: `make public-api`. A change of the API is then a change of that
# page. It takes cargo-public-api (`cargo install cargo-public-api --locked`) and a nightly Rust, whose rustdoc writes JSON; NIGHTLY=name names
# one of several. The features are those of a program that opens files, URLs and stores; AWS's and the job's are left out, because they are
# reviewed with the job.
set -eu
cd "$(dirname "$0")/.."
command -v cargo-public-api >/dev/null || {
    echo "public-api: cargo-public-api is missing: cargo install cargo-public-api --locked" >&2
    exit 1
}
# -sss: without what every type has (blanket, automatic and derived implementations).
RUSTUP_TOOLCHAIN=${NIGHTLY:-nightly} cargo public-api -sss --no-default-features \
    --features static,remote,http,object_store,tokio,image,png,webp,cage >target/public-api.txt
mv target/public-api.txt docs/public-api.txt
echo "public-api: $(wc -l <docs/public-api.txt) lines in docs/public-api.txt"
