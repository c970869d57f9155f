#!/usr/bin/env bash
# Checks the files below deploy/: format, validity, Terraform's own tests, the examples and the cut-over applied to moto, a policy
# checker, the scripts: `make deploy-check`.
#
# The script needs Terraform 1.9 or newer, which it does not install, and shellcheck. The AWS provider comes from a plug-in folder if
# the machine has one (TF_PLUGIN_DIR names it, otherwise the script searches for it), and from Terraform's registry if not. Python tools
# are installed in target/deploy-python. A failing step does not stop the later ones; the exit status is that of the whole.
set -uo pipefail
cd "$(dirname "$0")/.." || exit

say() { printf 'deploy-check: %s\n' "$*"; }
fail() { printf 'deploy-check: %s\n' "$*" >&2; exit 1; }

command -v terraform >/dev/null || fail 'terraform is missing: install it (1.9 or newer, https://developer.hashicorp.com/terraform/install), then run this again'
command -v shellcheck >/dev/null || scripts/setup.sh shellcheck || fail 'shellcheck is missing'
command -v jq >/dev/null || scripts/setup.sh jq || fail 'jq is missing'
python3 -c 'import ensurepip, venv' 2>/dev/null || scripts/setup.sh python3-venv || fail "Python's venv is missing"

work=$PWD/target/deploy-check
rm -rf "$work"
mkdir -p "$work"

# The user's own configuration could direct Terraform to other sources.
: >"$work/empty.tfrc"
export TF_CLI_CONFIG_FILE=$work/empty.tfrc CHECKPOINT_DISABLE=1 TF_IN_AUTOMATION=1

# FOLDER/HOST/NAMESPACE/TYPE/VERSION/PLATFORM/terraform-provider-aws_v5...
plugins=${TF_PLUGIN_DIR:-}
if [ -z "$plugins" ]; then
    provider=$(find / -xdev \( -path /proc -o -path /sys -o -path "$PWD" -o -name .terraform \) -prune -o -type f -name 'terraform-provider-aws_v5.1[0-9][0-9].*' -print -quit 2>/dev/null)
    if [ -n "$provider" ]; then plugins=$(realpath "$(dirname "$provider")/../../../../.."); fi
fi
init=(init -backend=false -input=false)
if [ -n "$plugins" ]; then
    say "the AWS provider comes from $plugins"
    init+=("-plugin-dir=$plugins")
else
    say "the AWS provider comes from Terraform's registry"
fi

# The Python tools. The environment is created anew when the requirements or Python have changed.
requirements=deploy/terraform/tests/moto/requirements.txt
python=$PWD/target/deploy-python
stamp="$(sha256sum <"$requirements") $(python3 --version)"
if [ "$(cat "$python/.stamp" 2>/dev/null)" != "$stamp" ]; then
    say "installing moto, the AWS command line and checkov into target/deploy-python ($requirements, every file checked by its hash)"
    rm -rf "$python"
    python3 -m venv "$python" || fail "no Python environment can be made in $python"
    "$python/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$requirements" ||
        fail "the Python tools cannot be installed"
    echo "$stamp" >"$python/.stamp"
fi

broken=()
step() {
    local name=$1 start=$SECONDS status=0
    shift
    printf '\n==> %s: %s\n' "$name" "$*"
    "$@" || status=$?
    printf '==> %s: %s after %d s\n' "$name" "$([ "$status" = 0 ] && echo ok || echo FAILED)" $((SECONDS - start))
    [ "$status" = 0 ] || broken+=("$name")
}

# Each root is a copy, so that Terraform writes no files into the repository.
validate() {
    local root
    for root in "$work"/terraform{,/examples/*,/tests/moto/before,/tests/moto/after}; do
        terraform -chdir="$root" "${init[@]}" >"$work/init.log" 2>&1 || {
            cat "$work/init.log"
            return 1
        }
        printf '%s: ' "${root#"$work"/}"
        terraform -chdir="$root" validate -no-color || return
    done
}

cp -r deploy/terraform "$work/terraform"

step format terraform fmt -check -recursive -diff deploy/terraform
step validate validate
step test terraform -chdir="$work/terraform" test -no-color
step apply "$python/bin/python" deploy/terraform/tests/moto/check.py "$work/apply" ${plugins:+"$plugins"}
# tests/ contains the system that is replaced, as its owner has it. The check does not judge it.
step policy "$python/bin/checkov" --directory deploy/terraform --framework terraform --compact --quiet --skip-download --skip-path tests
step shellcheck shellcheck deploy/*.sh scripts/deploy_check.sh

if [ ${#broken[@]} -gt 0 ]; then
    printf '\n==> FAILED: %s\n' "${broken[*]}"
    exit 1
fi
printf '\n==> all well\n'
