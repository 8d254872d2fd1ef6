#!/usr/bin/env bash
# image [--cuda] [TAG]  builds the container image with buildah, and tries it: starts it as in a pod,
#                       streams a video through it, stops it; prints its size
set -euo pipefail
source scripts/common.sh
source scripts/debian_base.sh
source scripts/containers.sh
flavor=cpu max_mb=700 own=(libtorch1.13)
if [[ ${1:-} == --cuda ]]; then
  flavor=cuda max_mb=8000 own=()
  shift
fi
version=$(sed -n 's/^project(.*VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
tag=${1:-localhost/slotmatch:$version$([[ $flavor == cpu ]] || echo "-$flavor")}
ensure_packages scripts/packages/deploy.txt
use_containers

base=$(debian_image)
commit=$(git rev-parse HEAD 2>/dev/null || true)
log=build/containers/image-$flavor.log
echo "building $tag on $base; the output is in $log"
buildah bud --layers --pull-never --format docker --build-arg "DEBIAN=$base" \
  --build-arg "FLAVOR=$flavor" --build-arg "COMMIT=$commit" --build-arg "VERSION=$version" -t "$tag" . >"$log" 2>&1 ||
  { tail -n 20 "$log" >&2; fail 70 "the image was not built"; }

mount=$(podman image mount "$tag")
trap 'podman image unmount "$tag" >/dev/null 2>&1 || true' EXIT
megabytes=$(du -sm --apparent-size "$mount" | cut -f1)
echo "$tag: $megabytes MB unpacked, at most $max_mb"
((megabytes <= max_mb)) || fail 70 "the image has grown beyond $max_mb MB"
python3 tests/deploy/sbom_check.py slotmatch libc6 "${own[@]}" 'libgrpc++1.51' \
  <"$mount/opt/slotmatch/sbom.spdx.json"
echo "SBOM: $(grep -c '"SPDXID": "SPDXRef-deb' "$mount/opt/slotmatch/sbom.spdx.json") packages"
bash tests/deploy/image_check.sh "$tag"
