#!/usr/bin/env bash
# lint [--tidy]         format, include rules, named tests, shell scripts; --tidy: clang-tidy over all sources too
set -euo pipefail
source scripts/common.sh
bash scripts/setup.sh
ensure_packages scripts/packages/lint.txt
bash scripts/format.sh --check
shellcheck -x --severity=warning dev scripts/*.sh tests/integration/*.sh tests/deploy/*.sh .ci/run
python3 tests/lint/include_rules.py .
python3 tests/lint/named_tests.py .
if [[ ${1:-} == --tidy ]]; then
  build_preset release
  git ls-files -z 'core/*.cc' 'server/*.cc' 'client/*.cc' 'trainer/*.cc' |
    xargs -0 -n 1 -P "$(nproc)" clang-tidy-14 --quiet -p build/release
fi
