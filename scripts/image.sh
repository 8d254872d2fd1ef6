#!/usr/bin/env bash
# image [TAG]           builds the container image with buildah, and tries it: starts it as in a pod,
#                       streams a video through it, stops it; prints its size
set -euo pipefail
source scripts/common.sh
source scripts/debian_base.sh
source scripts/containers.sh
readonly MAX_MB=700
version=$(sed -n 's/^project(.*VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
tag=${1:-localhost/slotmatch:$version}
ensure_packages scripts/packages/deploy.txt
use_containers

base=$(debian_image)
commit=$(git rev-parse HEAD 2>/dev/null || true)
log=build/containers/image.log
echo "building $tag on $base; the output is in $log"
buildah bud --layers --pull-never --format docker --build-arg "DEBIAN=$base" \
  --build-arg "COMMIT=$commit" --build-arg "VERSION=$version" -t "$tag" . >"$log" 2>&1 ||
  { tail -n 20 "$log" >&2; fail 70 "the image was not built"; }

mount=$(podman image mount "$tag")
trap 'podman image unmount "$tag" >/dev/null 2>&1 || true' EXIT
megabytes=$(du -sm --apparent-size "$mount" | cut -f1)
echo "$tag: $megabytes MB unpacked, at most $MAX_MB"
((megabytes <= MAX_MB)) || fail 70 "the image has grown beyond $MAX_MB MB"
python3 tests/deploy/sbom_check.py slotmatch libc6 libtorch1.13 'libgrpc++1.51' \
  <"$mount/opt/slotmatch/sbom.spdx.json"
echo "SBOM: $(grep -c '"SPDXID": "SPDXRef-deb' "$mount/opt/slotmatch/sbom.spdx.json") packages"
bash tests/deploy/image_check.sh "$tag"
