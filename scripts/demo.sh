#!/usr/bin/env bash
# demo [VIDEO]          segments a video through the real server and client into build/demo
set -euo pipefail
source scripts/common.sh

video=samples/dog.mp4
if (($#)); then
  video=$(cd "$SLOTMATCH_CALLER_DIR" && realpath -m -- "$1")
  [[ -e $video ]] || fail 66 "there is no file $1"
fi
bash scripts/setup.sh
build_preset release slotmatch_server slotmatch_client

out=build/demo
bin=build/release/bin
mkdir -p "$out"
rm -f "$out/ready.json"
"$bin/slotmatch_server" --model models/slotmatch/1 --listen 127.0.0.1:0 --metrics 127.0.0.1:0 \
  --admin none --ready-file "$out/ready.json" 2>"$out/server.log" &
server=$!
trap 'kill "$server" 2>/dev/null || true' EXIT
trap 'exit 130' INT TERM
for ((i = 0; i < 600; i++)); do
  [[ -f $out/ready.json ]] && break
  kill -0 "$server" 2>/dev/null || { tail -n 3 "$out/server.log" >&2; fail 69 "the server did not start"; }
  sleep 0.1
done
port=$(sed -n 's/.*"grpc_port": *\([0-9]*\).*/\1/p' "$out/ready.json")
[[ -n $port ]] || fail 69 "the server was not ready within 60 s; see $out/server.log"

"$bin/slotmatch_client" --server "127.0.0.1:$port" --video "$video" --out "$out"
kill -TERM "$server"
wait "$server" || fail 70 "the server did not stop cleanly; see $out/server.log"

cat <<TEXT

Results in $PWD/$out:
  overlay.mp4    the video with every slot's mask in the colour of its ID
  masks/         one palette PNG per frame, pixel value = slot index
  slots.jsonl    one line per frame: ID, area, box, confidence and vector of every slot
  slots.safetensors  the same vectors and IDs as arrays
  summary.json   frames, frames/s, latency, and how long each object was seen
TEXT
