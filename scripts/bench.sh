#!/usr/bin/env bash
# bench [service|train] compares backbone, whole model and service in one run; service: also the latency
#                       and memory the service adds, against bars; train: the reference's formulation of
#                       training with this trainer's (--help: options)
set -euo pipefail
source scripts/common.sh
bash scripts/setup.sh
if [[ ${1:-} == train ]]; then
  shift
  build_preset release train_bench
  exec build/release/tests/train_bench "$@"
fi
build_preset release slotmatch_server service_bench
exec build/release/tests/service_bench "$@"
