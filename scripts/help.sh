#!/usr/bin/env bash
# help                  this list
set -euo pipefail
echo "usage: ./dev TASK [arguments]"
echo
for task in demo test setup build cuda bench soak fuzz format lint models deb image deploy-check help; do
  sed -n '2,/^[^#]/{/^#/s/^# \?/  .\/dev /p}' "scripts/$task.sh" | sed 's|^  ./dev    |         |'
done
