#!/usr/bin/env bash
# bench [service]       compares backbone, whole model and service in one run; service: also the latency
#                       and memory the service adds, against bars (--help: options)
set -euo pipefail
source scripts/common.sh
bash scripts/setup.sh
build_preset release slotmatch_server service_bench
exec build/release/tests/service_bench "$@"
