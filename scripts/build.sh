#!/usr/bin/env bash
# build [TARGET ...]    sets up and builds the release preset; programs lie in build/release/bin
set -euo pipefail
source scripts/common.sh
bash scripts/setup.sh
build_preset release "$@"
