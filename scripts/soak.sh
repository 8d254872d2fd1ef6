#!/usr/bin/env bash
# soak [arguments]      100,000 frames of sessions that come and go: do memory, descriptors or threads
#                       grow? --model DIR: the real server instead of a fake model (--help: options)
set -euo pipefail
source scripts/common.sh
bash scripts/setup.sh
build_preset release slotmatch_server service_soak
exec build/release/tests/service_soak --csv build/soak.csv "$@"
