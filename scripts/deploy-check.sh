#!/usr/bin/env bash
# deploy-check [NAME...]
#                       every check of the deployment that this machine can run, one line each; names
#                       select some: --list shows them
set -euo pipefail
source scripts/common.sh
source scripts/deploy_tools.sh

bin=${SLOTMATCH_BIN_DIR:-build/release/bin}
tests=${SLOTMATCH_TEST_DIR:-build/release/tests}
export SLOTMATCH_BIN_DIR=$PWD/$bin PYTHONDONTWRITEBYTECODE=1
[[ $bin != /* ]] || export SLOTMATCH_BIN_DIR=$bin
python=/usr/bin/python3

# name | command; 0: passed, 77: skipped, its last line says why
checks=(
  "checks-catch-mistakes|$python tests/deploy/checks_test.py"
  "manifest-checks-catch-mistakes|$python tests/deploy/manifest_checks_test.py"
  "generated-files|$python deploy/generate.py --check"
  "consistency|$python tests/deploy/consistency_test.py"
  "kubernetes-manifests|$python tests/deploy/manifests_test.py"
  "prometheus-rules|sh tests/deploy/promtool_test.sh"
  "prometheus-watches-server|$python tests/deploy/monitoring_test.py"
  "grafana-types|$python tests/deploy/dashboards_test.py"
  "nginx-haproxy-restarts|$tests/integration_resume_test --gtest_filter=*RollingRestarts*"
  "sharded-list|$tests/integration_list_test"
  "systemd-unit|sh tests/deploy/systemd_test.sh"
  "debian-package|bash tests/deploy/deb_check.sh"
  "compose|$python tests/deploy/compose_test.py"
  "image|bash scripts/image.sh"
  "kubernetes-pod-as-containers|bash tests/deploy/kube_play_check.sh"
)
# What no machine like this one can try.
never=(
  "kubernetes-cluster: no kube-apiserver or kubelet among Debian's or npm's packages"
  "envoy: not among Debian's packages; deploy/balancing/envoy.yaml is only read"
  "grafana: not among Debian's packages; its dashboards' types and queries are checked"
  "gpu: tests labelled gpu run where a GPU is"
)

if [[ ${1:-} == --list ]]; then
  printf '%s\n' "${checks[@]%%|*}"
  exit 0
fi
if (($# == 0)); then
  ensure_packages scripts/packages/test.txt scripts/packages/deploy.txt
fi
ensure_deploy_tools || true
if [[ -z ${SLOTMATCH_TEST_DIR:-} ]]; then
  build_preset release slotmatch_server slotmatch_client slotmatch_trainer integration_resume_test \
    integration_list_test
fi

mkdir -p build/deploy
failed=0
for check in "${checks[@]}"; do
  name=${check%%|*}
  if (($#)) && [[ " $* " != *" $name "* ]]; then continue; fi
  log=build/deploy/$name.log
  start=$SECONDS
  code=0
  ${check#*|} >"$log" 2>&1 || code=$?
  case $code in
    0) printf 'ok    %s (%d s)\n' "$name" $((SECONDS - start)) ;;
    77) printf 'skip  %s: %s\n' "$name" "$(tail -n 1 "$log" | sed 's/^skipped: //')" ;;
    *)
      printf 'FAIL  %s: see %s\n' "$name" "$log"
      failed=1
      ;;
  esac
done
if (($# == 0)); then printf 'skip  %s\n' "${never[@]}"; fi
exit $failed
