#!/usr/bin/env bash
# python_clients.sh kserve|example: another language's client against the real server.
# Exits 77, which ctest counts as skipped, when its library cannot be had.
set -euo pipefail
folder=$(mktemp -d "${TMPDIR:-/tmp}/slotmatch_python.XXXXXX")
trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$folder"' EXIT
pictures=samples/moving_solids/JPEGImages/128p/0213

python=/usr/bin/python3
if [[ $1 == kserve ]]; then
  venv=${SLOTMATCH_BIN_DIR%/bin}/tritonclient
  if [[ ! -x $venv/bin/python ]] || ! "$venv/bin/python" -c 'import tritonclient.grpc' 2>/dev/null; then
    { python3 -m venv "$venv" && "$venv/bin/pip" install -q 'tritonclient[grpc]==2.73.0'; } ||
      { echo "skipped: tritonclient[grpc] cannot be installed here"; exit 77; }
  fi
  python=$venv/bin/python
elif ! "$python" -c 'import grpc, google.protobuf' 2>/dev/null; then
  echo "skipped: python3-grpcio or python3-protobuf is missing"
  exit 77
fi

"$SLOTMATCH_BIN_DIR/slotmatch_server" --model models/slotmatch/1 --listen 127.0.0.1:0 \
  --metrics 127.0.0.1:0 --admin none --ready-file "$folder/ready.json" 2>"$folder/server.log" &
server=$!
for ((i = 0; i < 900; i++)); do
  [[ -f $folder/ready.json ]] && break
  kill -0 "$server" 2>/dev/null || { cat "$folder/server.log"; exit 1; }
  sleep 0.1
done
address=127.0.0.1:$(sed -n 's/.*"grpc_port": *\([0-9]*\).*/\1/p' "$folder/ready.json")

if [[ $1 == kserve ]]; then
  "$python" tests/integration/kserve_client.py "$address" slotmatch \
    "$pictures"/0000[0-3].jpg
else
  "$python" examples/python/segment.py "$pictures" --server "$address" --out "$folder/masks"
  [[ $(ls "$folder/masks" | wc -l) == 8 ]]
fi
