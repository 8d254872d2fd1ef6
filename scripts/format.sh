#!/usr/bin/env bash
# format [--check]      formats all C++ files with the pinned clang-format (--check: only says which)
set -euo pipefail
source scripts/common.sh
ensure_packages scripts/packages/lint.txt
mode=(-i)
[[ ${1:-} != --check ]] || mode=(--dry-run -Werror)
git ls-files -z '*.h' '*.cc' '*.cu' | xargs -0 -r clang-format-14 "${mode[@]}"
