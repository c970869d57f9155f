#!/bin/sh
# Creates tests/fixtures again from its recipes, and lets ffmpeg determine the right frames: `make fixtures`.
#
# The encoders come with a Python package, in a separate environment (.venv, not committed). Tests never need it.
set -eu
cd "$(dirname "$0")/.."
scripts/setup.sh python3-venv
[ -x .venv/bin/python ] || python3 -m venv .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check imageio-ffmpeg==0.8.1
.venv/bin/python -B scripts/fixtures.py
.venv/bin/python -B scripts/fixtures_oracle.py
