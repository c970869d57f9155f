# The commands of this project. CI runs only these commands. Run `make test` before you submit a change.
#
# Every target that compiles first installs the missing apt packages (`setup`). Those that link the static libav build it next (`libav`: four to
# nine minutes on two cores the first time, nothing afterwards); `demo` and `test-system-ffmpeg` link Debian's own FFmpeg. FFMPEG_DIR=... names
# another prefix.

# The targets below link the static libav.
CARGO_FLAGS = --locked --features static

.PHONY: help setup libav lambda lambda-zip image demo test test-servers round-trips test-cage test-mysql test-image test-arm64 test-libav publish-check deb readme-picture public-api docs-test any-time any-kind probe-parity auto-sheet probe-oracle cost mutate charts deinterlacers auto-pick player contact-sheet scale soak check lint bench fixtures test-system-ffmpeg deploy-check deny advisories advisories-libav sbom update-libav msrv asan fuzz clean

help: ## list the targets
	@echo 'posterframe: poster frames and media information, with libav in the process'
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F '|' '{ printf "%-26s %s\n", $$1, $$2 }'

setup: ## install the missing Debian packages that the build needs, and print the reason for each
	@scripts/setup.sh

libav: setup ## build the pinned static libav into vendor/libav/prefix
	@scripts/libav.sh

lambda: libav ## build the Lambda function: target/lambda/posterframe-lambda, with a copy named target/lambda/bootstrap
	cargo build --release --locked --no-default-features --features static,lambda,png,webp --bin posterframe-lambda
	@mkdir -p target/lambda
	@cp target/release/posterframe-lambda target/lambda/posterframe-lambda
	@cp target/release/posterframe-lambda target/lambda/bootstrap
	@ls -l target/lambda

lambda-zip: lambda ## pack the function for provided.al2023: target/lambda/posterframe-lambda.zip; check that it is below 15 MB and can start on Amazon Linux 2023
	@scripts/lambda_zip.py target/lambda/bootstrap target/lambda/posterframe-lambda.zip

image: ## build the container image with docker, podman or buildah (IMAGE=name:tag PLATFORM=linux/arm64 ENGINE=buildah BASE=local: see scripts/image.sh)
	@scripts/image.sh

demo: ## process a video and show JSON, picture and database rows; uses Debian's FFmpeg (VIDEO=path for your own video, STATIC=1 for the pinned static FFmpeg)
	@scripts/demo.sh "$(VIDEO)"

test-servers: ## install the servers that the tests start (MariaDB, sshd, FastAPI, moto, AWS's Lambda emulator)
	@scripts/servers.sh

test: ## run all checks that a change needs: format, lints, tests, documentation, and a build against Debian's FFmpeg
	@scripts/test.sh

round-trips: libav test-servers ## compare the wall time of a job with its number of round trips, on an idle machine (a stricter variant of a test in `make test`)
	ROUND_TRIPS_ALONE=1 cargo test $(CARGO_FLAGS) --test round_trips

test-cage: libav test-servers ## run the tests of the function again with each video decoded in a separate process (ISOLATE=process)
	ISOLATE=process cargo test $(CARGO_FLAGS) --test lambda

test-mysql: libav test-servers ## run the database tests against MySQL behind MySQL Router (both unpacked from Debian unstable), and against MariaDB without strict mode
	@scripts/mysql.sh
	TEST_DATABASE=mysql cargo test --locked --features static --test mysql --test mysql_router --test lambda --test doctor
	TEST_SQL_MODE= cargo test --locked --features static --test mysql --test lambda

test-image: test-servers ## build the image and test its size, user and commands, and a complete job by `process --event` and in AWS's Lambda emulator
	@scripts/test_image.sh

test-arm64: setup ## cross-compile libav and the program for arm64, and run tests under qemu's user emulation
	@scripts/test_arm64.sh

test-libav: libav ## build libav again with `posterframe libav`, and compare the results byte by byte
	@scripts/test_libav.sh

deb: libav ## build the Debian package target/deb/posterframe_*.deb (program, completions, manual page, thumbnailer entry)
	@scripts/deb.sh

readme-picture: libav test-servers ## write docs/storyboard.jpg, the picture of the README
	@scripts/readme_picture.sh

publish-check: libav ## package the crate and build it from the package, like `cargo publish`
	@scripts/publish_check.sh

public-api: libav ## write docs/public-api.txt, the list of all public items (by cargo-public-api, on a stable Rust)
	@scripts/public_api.sh

docs-test: libav test-servers ## run the commands in the documentation (DOCS="docs/batch.md ..." for some of the pages)
	cargo test $(CARGO_FLAGS) --test documents
	@target/python/bin/python -B scripts/docs_test.py $(DOCS)

any-time: libav test-servers ## compare frames at random times with a full decode by FFmpeg 9.0.2 (CORPUS=dir instead of the fixtures; SEED=n repeats the times of an earlier run)
	cargo build --locked --no-default-features --features static,remote --example any_time
	@target/python/bin/python -B scripts/any_time.py $(CORPUS)

any-kind: libav test-servers ## compare frames of COUNT=n videos of random kinds with FFmpeg 9.0.2, at random times (SEED=n repeats an earlier run): target/any-kind
	cargo build --locked --no-default-features --features static,remote --example any_time
	@target/python/bin/python -B scripts/any_kind.py $(if $(COUNT),--count $(COUNT))

auto-sheet: libav test-servers ## show the exact frame beside the frame of `--pick auto` for each video in CORPUS=dir (AT=time): target/auto/index.html
	cargo build $(CARGO_FLAGS) --bin posterframe
	@target/python/bin/python -B scripts/auto_sheet.py $(CORPUS)

probe-parity: libav ## compare the fields of `probe` with those of ffprobe (CORPUS=dir with the videos, and ffprobe's output in oracle.json)
	cargo build $(CARGO_FLAGS) --bin posterframe
	@POSTERFRAME=target/debug/posterframe scripts/probe_parity.py $(CORPUS)

probe-oracle: libav ## write ffprobe 9.0.2's output for the fixtures to tests/probe_oracle.json (builds FFmpeg with audio decoders)
	@scripts/probe_oracle.sh

cost: libav ## measure the cost of hostile files until their first packet is decoded (SEED=n repeats the files of an earlier run, KINDS="mp4.pssh matroska" selects some kinds)
	cargo build $(CARGO_FLAGS) --bin posterframe
	@scripts/cost.py $(SEED) $(foreach kind,$(KINDS),--kind $(kind))

mutate: libav test-servers ## read mutated copies of each file and check for crashes, panics, missed deadlines and memory use (CORPUS=dir instead of the fixtures; MUTATIONS=n copies, JOBS=n, SEED=n)
	cargo build $(CARGO_FLAGS) --bin posterframe
	@POSTERFRAME=target/debug/posterframe target/python/bin/python -B scripts/mutate.py $(CORPUS)

charts: libav test-servers ## measure the colours of the pictures on 600 generated charts, by CIEDE2000, beside zscale (target/charts/index.html shows the charts)
	cargo build $(CARGO_FLAGS) --bin posterframe
	@target/python/bin/python -B scripts/charts.py

deinterlacers: libav test-servers ## compare pictures of interlaced video with the progressive originals, and with the results of FFmpeg's yadif and bwdif
	cargo build $(CARGO_FLAGS) --bin posterframe
	@target/python/bin/python -B scripts/deinterlacers.py

auto-pick: libav test-servers ## test `--pick auto` on 60 generated clips: no black or blank frame picked, no dark scene rejected; report the cost (SEED=n)
	cargo build $(CARGO_FLAGS) --bin posterframe
	@target/python/bin/python -B scripts/auto_pick.py

player: libav test-servers ## show a storyboard in two players in headless Chromium and compare each preview with the video (installs chromium, nodejs and npm)
	cargo build $(CARGO_FLAGS) --bin posterframe
	@POSTERFRAME=target/debug/posterframe scripts/browser.sh player

contact-sheet: libav test-servers ## show the contact sheet of a back-fill in headless Chromium: order, filter, contrast, narrow screens (installs chromium, nodejs, npm and a Korean font)
	cargo build $(CARGO_FLAGS) --bin posterframe
	@POSTERFRAME=target/debug/posterframe scripts/browser.sh contact_sheet

soak: libav test-servers ## read good and bad files in one process and check that memory, descriptors and threads do not grow (FILES=10000, CORPUS=dir, SEED=n; ISOLATE=process decodes in a cage)
	cargo build --locked --no-default-features --features static,cage --example soak
	@target/python/bin/python -B scripts/soak.py $(CORPUS)

check: libav ## run the quick part of `test`: format, lints, unit tests
	cargo fmt --check
	cargo clippy $(CARGO_FLAGS) --all-targets -- -D warnings
	cargo test $(CARGO_FLAGS) --lib

lint: libav ## check format, lints and documentation in every feature set
	@scripts/lint.sh

scale: libav ## audit and back-fill a synthetic store of a million small objects; report time, peak memory and the resumption after an interruption (OBJECTS=1000000, a multiple of 1000)
	cargo bench $(CARGO_FLAGS) --bench scale -- $(OBJECTS)

bench: libav ## run the criterion benchmarks (BENCH=name for some of them)
	cargo bench $(CARGO_FLAGS) --bench extract -- $(BENCH)

fixtures: setup ## create the test videos again from their recipes
	@scripts/fixtures.sh

test-system-ffmpeg: ## build against the system's FFmpeg with pkg-config, and run simple fixtures and the demo
	@scripts/test_system_ffmpeg.sh

deploy-check: ## check the Terraform module and the scripts in deploy/: tests, moto, the cut-over, a policy checker (needs Terraform)
	@scripts/deploy_check.sh

deny: ## check the dependencies: licences, sources, and a single TLS library (deny.toml)
	@scripts/deny.sh

advisories: ## check the dependencies against RustSec's database (needs access to GitHub)
	@scripts/deny.sh advisories

advisories-libav: ## check the C libraries against the table of known advisories (vendor/libav/advisories.toml); needs no network
	@scripts/advisories_libav.py

sbom: ## write the software bill of materials of the function and the program: target/sbom/*.cdx.json (CycloneDX: crates and C libraries)
	@scripts/sbom.py

update-libav: ## update to another FFmpeg (VERSION=9.0.3): pins, lock, table; report which patches apply and which advisories are fixed
	@scripts/update_libav.py $(VERSION)

msrv: libav ## check that everything compiles with the minimum Rust version in Cargo.toml (installed by rustup)
	@scripts/msrv.sh

asan: setup ## run the decoding tests with AddressSanitizer, including libav (needs a nightly Rust; NIGHTLY=name selects one)
	@scripts/asan.sh

fuzz: setup ## run each fuzz target for a minute (FUZZ_SECONDS=60 FUZZ_TARGETS='some'; needs a nightly Rust, like asan)
	@scripts/fuzz.sh

clean: ## remove the build results of cargo and the demo's folder (keeps vendor/libav/prefix, which takes minutes to build)
	cargo clean
	rm -rf demo
