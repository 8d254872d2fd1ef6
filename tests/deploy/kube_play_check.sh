#!/usr/bin/env bash
# The Deployment of the cpu overlay runs as containers: settings from its ConfigMap, its user, read-only
# root and memory limit; it answers on the probe port and serves a video. Needs the image of ./dev image.
set -euo pipefail
cd "$(dirname "$0")/../.."
source scripts/containers.sh
use_containers
version=$(sed -n 's/^project(.*VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
image=localhost/slotmatch:$version
if ! command -v podman >/dev/null || ! podman image exists "$image"; then
  echo "skipped: there is no image $image; ./dev image builds it"
  exit 77
fi
pods=build/deploy/pods.yaml
PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 tests/deploy/kube_play.py "$image" >"$pods" || exit $?
trap 'podman kube down "$pods" >/dev/null 2>&1 || true' EXIT
podman kube play "$pods" >/dev/null
client=${SLOTMATCH_BIN_DIR:-build/release/bin}/slotmatch_client
for _ in $(seq 180); do
  "$client" --health --server 127.0.0.1:50052 >/dev/null 2>&1 && break
  sleep 1
done
for service in liveness readiness; do
  "$client" --health --health-service "$service" --server 127.0.0.1:50052
done
container=$(podman ps --filter "ancestor=$image" --format '{{.Names}}' | head -n 1)
[[ $(podman inspect "$container" --format '{{.HostConfig.ReadonlyRootfs}}') == true ]]
[[ $(podman inspect "$container" --format '{{.HostConfig.Memory}}') == $((2 << 30)) ]]
podman top "$container" user | grep -q 65532
"$client" --server 127.0.0.1:50051 --video samples/moving_solids/JPEGImages/128p/0213 --quiet
podman stop -t 45 "$container" >/dev/null
[[ $(podman inspect "$container" --format '{{.State.ExitCode}}') == 0 ]]
