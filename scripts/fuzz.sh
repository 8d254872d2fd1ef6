#!/usr/bin/env bash
# fuzz [TARGET] [SECONDS]
#                       fuzzes one reader, or all of them in turn, 60 s each by default; findings and
#                       logs in build/fuzz/findings, targets: tests/fuzz
set -euo pipefail
source scripts/common.sh
only=${1:-}
seconds=${2:-60}
[[ -z $only || -f tests/fuzz/${only}_fuzz.cc ]] || fail 64 "there is no fuzz target '$only'; see tests/fuzz"
[[ $seconds =~ ^[0-9]+$ ]] || fail 64 "'$seconds' is not a number of seconds"
bash scripts/setup.sh
ensure_packages scripts/packages/fuzz.txt
build_preset fuzz fuzz_targets
failed=()
sources=(tests/fuzz/*_fuzz.cc)
[[ -z $only ]] || sources=("tests/fuzz/${only}_fuzz.cc")
for source in "${sources[@]}"; do
  target=$(basename "$source" _fuzz.cc)
  work=build/fuzz/findings/$target
  mkdir -p "$work/corpus"
  log=$work/log
  echo "fuzz_$target, $seconds s"
  # New inputs go to the first folder; the kept corpus is only read.
  if ! build/fuzz/tests/fuzz_"$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 \
      -print_final_stats=1 -artifact_prefix="$work/" \
      "$work/corpus" "tests/fuzz/corpus/$target" >"$log" 2>&1; then
    failed+=("$target")
    grep -m 5 -E 'ERROR|runtime error|artifact' "$log" >&2 || true
  fi
  grep -E ' DONE |number_of_executed_units|average_exec_per_sec|peak_rss_mb' "$log" || true
done
((${#failed[@]} == 0)) || fail 70 "findings in: ${failed[*]}; see build/fuzz/findings"
