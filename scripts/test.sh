#!/usr/bin/env bash
# test [--preset NAME] [ctest arguments]
#                       sets up, builds and runs all tests; presets: release, asan, tsan, free
set -euo pipefail
source scripts/common.sh
preset=release
if [[ ${1:-} == --preset ]]; then
  preset=${2:?"--preset needs a name"}
  shift 2
fi
bash scripts/setup.sh
ensure_packages scripts/packages/test.txt
build_preset "$preset"
ctest --preset "$preset" -j "$(nproc)" "$@"
