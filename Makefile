# The commands of this project. CI runs these and nothing else; `make test` is what a change needs.
#
# Every target that compiles first installs the missing apt packages (`setup`). Those that link the static libav build it next (`libav`: four to
# nine minutes on two cores the first time, nothing afterwards); `demo` and `test-system-ffmpeg` link Debian's own FFmpeg. FFMPEG_DIR=... names
# another prefix.

# The targets below link the static libav.
CARGO_FLAGS = --locked --features static

.PHONY: help setup libav lambda lambda-zip image demo test test-servers round-trips test-cage test-mysql test-image test-arm64 test-libav publish-check deb readme-picture public-api docs-test any-time probe-parity probe-oracle cost mutate deinterlacers auto-pick scale soak check lint bench fixtures test-system-ffmpeg deploy-check deny advisories advisories-libav sbom update-libav msrv asan fuzz clean

help: ## what there is
	@echo 'posterframe: poster frames and media information, with libav in the process'
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F '|' '{ printf "%-26s %s\n", $$1, $$2 }'

setup: ## install the missing Debian packages that the build needs, each with its reason
	@scripts/setup.sh

libav: setup ## build the pinned static libav into vendor/libav/prefix
	@scripts/libav.sh

lambda: libav ## build the Lambda function: target/lambda/posterframe-lambda, and the same as target/lambda/bootstrap
	cargo build --release --locked --no-default-features --features static,lambda,png,webp --bin posterframe-lambda
	@mkdir -p target/lambda
	@cp target/release/posterframe-lambda target/lambda/posterframe-lambda
	@cp target/release/posterframe-lambda target/lambda/bootstrap
	@ls -l target/lambda

lambda-zip: lambda ## pack it for provided.al2023: target/lambda/posterframe-lambda.zip, below 15 MB, whose program Amazon Linux 2023 starts
	@scripts/lambda_zip.py target/lambda/bootstrap target/lambda/posterframe-lambda.zip

image: ## build the image with docker, podman or buildah (IMAGE=name:tag PLATFORM=linux/arm64 ENGINE=buildah BASE=local: see scripts/image.sh)
	@scripts/image.sh

demo: ## process a video (VIDEO=path for your own): JSON, picture, database rows; on Debian's own FFmpeg (STATIC=1: on the pinned static one)
	@scripts/demo.sh "$(VIDEO)"

test-servers: ## install the real servers that the tests start (MariaDB, sshd, FastAPI, moto, AWS's Lambda emulator)
	@scripts/servers.sh

test: ## what every change needs: format, lints, all tests, documentation, Debian's own FFmpeg
	@scripts/test.sh

round-trips: libav test-servers ## hold the wall time of a job against its round trips, with nothing else running (a test of `make test`, held more strictly)
	ROUND_TRIPS_ALONE=1 cargo test $(CARGO_FLAGS) --test round_trips

test-cage: libav test-servers ## the tests of the function once more, each video decoded in a process of its own (ISOLATE=process)
	ISOLATE=process cargo test $(CARGO_FLAGS) --test lambda

test-mysql: libav test-servers ## the database tests against a real MySQL, behind MySQL Router (both from Debian unstable, unpacked), and against MariaDB without strict mode
	@scripts/mysql.sh
	TEST_DATABASE=mysql cargo test --locked --features static --test mysql --test mysql_router --test lambda --test doctor
	TEST_SQL_MODE= cargo test --locked --features static --test mysql --test lambda

test-image: test-servers ## build the image and try it: size, user, commands, a whole job by `process --event` and in AWS's Lambda emulator
	@scripts/test_image.sh

test-arm64: setup ## cross-build libav and the program for arm64, and run tests under qemu's user emulation
	@scripts/test_arm64.sh

test-libav: libav ## build libav once more, by `posterframe libav`, and compare each byte
	@scripts/test_libav.sh

deb: libav ## build the Debian package target/deb/posterframe_*.deb (program, completions, manual page, thumbnailer entry)
	@scripts/deb.sh

readme-picture: libav test-servers ## write docs/storyboard.jpg, the picture of the README
	@scripts/readme_picture.sh

publish-check: libav ## pack the crate and build it from the package, as `cargo publish` would
	@scripts/publish_check.sh

public-api: libav ## write docs/public-api.txt, the listing of all public items (cargo-public-api, a nightly Rust; NIGHTLY=name)
	@scripts/public_api.sh

docs-test: libav test-servers ## run what the documents tell people to type (DOCS="docs/batch.md ..." for some of them)
	cargo test $(CARGO_FLAGS) --test documents
	@target/python/bin/python -B scripts/docs_test.py $(DOCS)

any-time: libav test-servers ## compare the frames at any time with a full decode by FFmpeg 9.0.2 (CORPUS=dir, else the fixtures; SEED=n for the times of an earlier run)
	cargo build --locked --no-default-features --features static,remote --example any_time
	@target/python/bin/python -B scripts/any_time.py $(CORPUS)

probe-parity: libav ## compare the fields of `probe` with ffprobe's, which CORPUS=dir holds in oracle.json, beside the videos
	cargo build $(CARGO_FLAGS) --bin posterframe
	@POSTERFRAME=target/debug/posterframe scripts/probe_parity.py $(CORPUS)

probe-oracle: libav ## write what ffprobe 9.0.2 reports about the fixtures: tests/probe_oracle.json (builds FFmpeg with decoders of sound)
	@scripts/probe_oracle.sh

cost: libav ## measure what hostile files cost until their first packet is decoded (SEED=n for the files of an earlier run, KINDS="mp4.pssh matroska" for some)
	cargo build $(CARGO_FLAGS) --bin posterframe
	@scripts/cost.py $(SEED) $(foreach kind,$(KINDS),--kind $(kind))

mutate: libav test-servers ## read changed copies of each file: crashes, panics, late answers, memory (CORPUS=dir, else the fixtures; MUTATIONS=n copies, JOBS=n, SEED=n)
	cargo build $(CARGO_FLAGS) --bin posterframe
	@POSTERFRAME=target/debug/posterframe target/python/bin/python -B scripts/mutate.py $(CORPUS)

deinterlacers: libav test-servers ## compare the pictures of interlaced video with the progressive originals, beside FFmpeg's yadif and bwdif
	cargo build $(CARGO_FLAGS) --bin posterframe
	@target/python/bin/python -B scripts/deinterlacers.py

auto-pick: libav test-servers ## try `--pick auto` on 60 generated clips: nothing black or blank, no dark scene rejected, and what it costs (SEED=n)
	cargo build $(CARGO_FLAGS) --bin posterframe
	@target/python/bin/python -B scripts/auto_pick.py

soak: libav test-servers ## read good and bad files in one process: memory, descriptors and threads must not grow (FILES=10000, CORPUS=dir, SEED=n; ISOLATE=process decodes in a cage)
	cargo build --locked --no-default-features --features static,cage --example soak
	@target/python/bin/python -B scripts/soak.py $(CORPUS)

check: libav ## the quick part of `test`: format, lints, unit tests
	cargo fmt --check
	cargo clippy $(CARGO_FLAGS) --all-targets -- -D warnings
	cargo test $(CARGO_FLAGS) --lib

lint: libav ## format, lints and documentation in every feature set
	@scripts/lint.sh

scale: libav ## audit and back-fill a million small objects of a synthetic store: time, peak memory, an interruption in the middle (OBJECTS=1000000, a multiple of 1000)
	cargo bench $(CARGO_FLAGS) --bench scale -- $(OBJECTS)

bench: libav ## criterion benchmarks (BENCH=name for some of them)
	cargo bench $(CARGO_FLAGS) --bench extract -- $(BENCH)

fixtures: setup ## make the test videos again from their recipe
	@scripts/fixtures.sh

test-system-ffmpeg: ## build against the system's FFmpeg by pkg-config, run plain fixtures through it, and the demo
	@scripts/test_system_ffmpeg.sh

deploy-check: ## check the Terraform module and deploy/'s scripts: tests, moto, the cut-over, a policy checker (needs Terraform)
	@scripts/deploy_check.sh

deny: ## check the dependencies: licences, where they come from, one library for TLS (deny.toml)
	@scripts/deny.sh

advisories: ## check the dependencies against RustSec's database (reaches GitHub)
	@scripts/deny.sh advisories

advisories-libav: ## hold the C libraries against the table of known advisories (vendor/libav/advisories.toml); no network
	@scripts/advisories_libav.py

sbom: ## write the bill of materials of function and program: target/sbom/*.cdx.json (CycloneDX: crates and C libraries)
	@scripts/sbom.py

update-libav: ## move to another FFmpeg (VERSION=9.0.3): pins, lock, table; says which patches apply and which advisories it closes
	@scripts/update_libav.py $(VERSION)

msrv: libav ## check that the oldest Rust that Cargo.toml promises compiles everything (rustup adds it)
	@scripts/msrv.sh

asan: setup ## run the tests that decode under AddressSanitizer, libav too (a nightly Rust; NIGHTLY=name for one of several)
	@scripts/asan.sh

fuzz: setup ## run the fuzz targets, each for a minute (FUZZ_SECONDS=60 FUZZ_TARGETS='some'; a nightly Rust, as asan)
	@scripts/fuzz.sh

clean: ## remove what cargo built and the demo's folder (vendor/libav/prefix stays: it is slow to make)
	cargo clean
	rm -rf demo
