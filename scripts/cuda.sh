#!/usr/bin/env bash
# cuda [TARGET ...]     the same programs on LibTorch with CUDA, from PyPI's wheels, in build/cuda/bin;
#                       7 GB of disk, and a GPU only to run them on it
set -euo pipefail
source scripts/common.sh
readonly wheels=build/cuda-wheels list=scripts/packages/cuda-pypi.txt
bash scripts/setup.sh
ensure_packages scripts/packages/cuda.txt
stamp=$(cksum <"$list")
if [[ ! -f $wheels/stamp || $(<"$wheels/stamp") != "$stamp" ]]; then
  echo "fetching LibTorch and CUDA: 3 GB into $wheels"
  rm -rf "$wheels"
  # The wheels' own dependencies are Python's, and a compiler of kernels.
  /usr/bin/python3 -m pip install --quiet --no-deps --no-compile --only-binary=:all: --target "$wheels" \
    -r "$list" || fail 69 "the wheels of $list cannot be fetched"
  echo "$stamp" >"$wheels/stamp"
fi
build_preset cuda "$@"
