#!/bin/sh
# Prometheus's own tool checks the scrape config and the rules, and runs the rules' tests.
set -eu
if ! command -v promtool >/dev/null; then
  echo "skipped: promtool (Debian package prometheus) is not installed"
  exit 77
fi
cd "$(dirname "$0")/../../deploy/prometheus"
promtool check config prometheus.yml
promtool test rules tests/rules_test.yml
