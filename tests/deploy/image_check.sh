#!/usr/bin/env bash
# image_check.sh IMAGE: the image runs as the pods run it (no privileges, read-only), answers its health
# check, segments a video sent by the client in it, and ends with 0 after SIGTERM. Called by ./dev image.
set -euo pipefail
cd "$(dirname "$0")/../.."
image=$1
name=slotmatch-check-$$
out=$(mktemp -d)
chmod 777 "$out"
trap 'podman rm -f -t 0 "$name" >/dev/null 2>&1 || true; rm -rf "$out"' EXIT
pod=(--read-only --cap-drop ALL --security-opt no-new-privileges)

podman run --rm --no-healthcheck "${pod[@]}" "$image" --version
[[ $(podman image inspect "$image" --format '{{.Config.User}}') == 65532:65532 ]]
podman run -d --name "$name" "${pod[@]}" --memory 2g "$image" --listen 127.0.0.1:50951 \
  --metrics 127.0.0.1:50964 >/dev/null
for _ in $(seq 180); do
  podman exec "$name" slotmatch_client --health --server 127.0.0.1:50951 >/dev/null 2>&1 && break
  sleep 1
done
podman exec "$name" slotmatch_client --health --server 127.0.0.1:50951 || { podman logs "$name"; exit 1; }
podman run --rm --no-healthcheck "${pod[@]}" -v "$PWD/samples:/samples:ro" -v "$out:/out" \
  --entrypoint slotmatch_client "$image" --server 127.0.0.1:50951 \
  --video /samples/moving_solids/JPEGImages/128p/0213 --out /out/result --quiet
[[ $(find "$out/result/masks" -name '*.png' | wc -l) == 8 ]]
podman stop -t 30 "$name" >/dev/null
code=$(podman inspect "$name" --format '{{.State.ExitCode}}')
[[ $code == 0 ]] || { podman logs "$name"; echo "exit code $code after SIGTERM"; exit 1; }

# The image's own health check asks the default port.
podman rm "$name" >/dev/null
podman run -d --name "$name" "${pod[@]}" "$image" >/dev/null
for _ in $(seq 180); do
  podman healthcheck run "$name" >/dev/null 2>&1 && break
  sleep 1
done
podman healthcheck run "$name" >/dev/null
podman stop -t 30 "$name" >/dev/null
echo "image runs: version, health, 8 frames, exit code 0"
