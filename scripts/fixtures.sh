#!/bin/sh
# Makes tests/fixtures again from its recipe, and asks ffmpeg which frames are right: `make fixtures`.
#
# The encoders come with a Python package, in an environment of their own (.venv, not committed). Tests never need this.
set -eu
cd "$(dirname "$0")/.."
scripts/setup.sh python3-venv
[ -x .venv/bin/python ] || python3 -m venv .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check imageio-ffmpeg==0.8.1
.venv/bin/python -B scripts/fixtures.py
.venv/bin/python -B scripts/fixtures_oracle.py
