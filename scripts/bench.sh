#!/usr/bin/env bash
# bench [arguments]     compares backbone, whole model and service in one run (--help: options)
set -euo pipefail
source scripts/common.sh
bash scripts/setup.sh
build_preset release slotmatch_server slotmatch_bench
exec build/release/bin/slotmatch_bench "$@"
