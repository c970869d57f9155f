#!/usr/bin/env bash
# Puts the function's image into its ECR repository: logs in, builds (or takes an image that is there), tags, pushes.
#
#   push-image.sh --repository NAME --tag TAG [--function NAME | --arch ARCH] [--image LOCAL] [--region R] [--account ID] [--dry-run]
#
#   --repository NAME   the repository, or REPOSITORY
#   --tag TAG           the tag, or TAG; never "latest": what a tag ran must be there to go back to
#   --function NAME     the function, or FUNCTION: an image for another processor than its own is refused
#   --arch ARCH         x86_64 or arm64, or ARCH, where there is no function yet
#   --image LOCAL       an image that is there already, or IMAGE; without it one is built from the Dockerfile
#   --region R          the region, or AWS_REGION, AWS_DEFAULT_REGION, or the profile's
#   --account ID        the account, or ACCOUNT; without it the one of the credentials
#   --dry-run           prints what would be done, does nothing; it reads the function, and looks at an image that is there
#
# ENGINE names the program that builds and pushes: docker (default) or podman. Needs the AWS command line besides.
set -euo pipefail

say() { printf 'push-image: %s\n' "$*"; }
fail() { printf 'push-image: %s\n' "$*" >&2; exit 1; }
usage() { sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"; }

root=$(cd "$(dirname "$0")/.." && pwd)
engine=${ENGINE:-docker}
repository=${REPOSITORY:-} tag=${TAG:-} function=${FUNCTION:-} arch=${ARCH:-} image=${IMAGE:-}
region=${AWS_REGION:-${AWS_DEFAULT_REGION:-}} account=${ACCOUNT:-} dry=

while [ $# -gt 0 ]; do
    case $1 in
        --dry-run) dry=1 ;;
        -h | --help) usage; exit 0 ;;
        --repository | --tag | --function | --arch | --image | --region | --account)
            [ -n "${2:-}" ] || fail "$1 needs a value"
            declare "${1#--}=$2"
            shift
            ;;
        *) fail "unknown argument $1; --help lists them" ;;
    esac
    shift
done

[ -n "$repository" ] || fail 'no repository: give --repository NAME'
[ -n "$tag" ] || fail 'no tag: give --tag TAG'
[ "$tag" != latest ] || fail 'the tag "latest" moves: give one that names this image for good'
command -v aws >/dev/null || fail 'the AWS command line (aws) is missing'
command -v "$engine" >/dev/null || [ -n "$dry" ] || fail "$engine is missing; ENGINE names another program"

[ -n "$region" ] || region=$(aws configure get region) || true
[ -n "$region" ] || fail 'no region: give --region'

# What the function runs on. An image for another processor would be pushed, deployed, and fail at its first invocation.
if [ -n "$function" ]; then
    wanted=$(aws lambda get-function-configuration --region "$region" --function-name "$function" --query 'Architectures[0]' --output text) ||
        fail "cannot read the function $function in $region"
    [ "$wanted" != None ] || wanted=x86_64
    [ -z "$arch" ] || [ "$arch" = "$wanted" ] || fail "the function $function runs on $wanted, --arch says $arch"
    arch=$wanted
fi
case $arch in
    x86_64) platform=amd64 ;;
    arm64) platform=arm64 ;;
    '') fail 'no processor: give --function NAME, or --arch x86_64 or arm64 where there is no function yet' ;;
    *) fail "--arch $arch: x86_64 or arm64" ;;
esac

[ -n "$account" ] || account=$(aws sts get-caller-identity --query Account --output text) || fail 'cannot tell the account: give --account ID'
case $region in
    cn-*) registry=$account.dkr.ecr.$region.amazonaws.com.cn ;;
    *) registry=$account.dkr.ecr.$region.amazonaws.com ;;
esac
target=$registry/$repository:$tag

run() {
    printf '+ %s\n' "$*"
    [ -n "$dry" ] || "$@"
}

# The processor of an image that is there.
processor() { "$engine" image inspect --format '{{.Architecture}}' "$1"; }

check_processor() {
    local found
    found=$(processor "$1") || fail "there is no image $1 here"
    [ "$found" = "$platform" ] || fail "the image $1 is for $found, the function needs $platform ($arch): nothing was pushed"
}

if [ -n "$image" ]; then
    # A dry run without the engine cannot look.
    if command -v "$engine" >/dev/null; then check_processor "$image"; else say "$engine is missing: the processor of $image is not checked"; fi
else
    image=$repository:$tag
    [ -n "$dry" ] || [ -f "$root/Dockerfile" ] || fail "there is no Dockerfile in $root: give --image LOCAL"
    # For docker: the mounts that keep cargo's work are BuildKit's, and Lambda takes an image, not an index of several, so there are
    # no attestations beside it.
    run env DOCKER_BUILDKIT=1 BUILDX_NO_DEFAULT_ATTESTATIONS=1 "$engine" build --platform "linux/$platform" --tag "$image" "$root"
    # An engine may build for its own processor, whatever it is told.
    [ -n "$dry" ] || check_processor "$image"
fi

# The password goes through a pipe, never through an argument.
printf '+ %s\n' "aws ecr get-login-password --region $region | $engine login --username AWS --password-stdin $registry"
if [ -z "$dry" ]; then
    aws ecr get-login-password --region "$region" | "$engine" login --username AWS --password-stdin "$registry"
fi
run "$engine" tag "$image" "$target"
run "$engine" push "$target"

if [ -n "$dry" ]; then say "nothing was done; it would have pushed $target"; else say "pushed $target"; fi
