#!/usr/bin/env bash
# setup                 installs what is missing to build and run, from Debian's packages
set -euo pipefail
source scripts/common.sh
ensure_packages scripts/packages/build.txt
# The reference BLAS, which LibTorch's package may bring alone, is 25 times slower than OpenBLAS.
case $(readlink -f /usr/lib/*/libblas.so.3) in
  *openblas*) ;;
  *) echo "./dev: warning: libblas.so.3 is not OpenBLAS; see update-alternatives --list libblas.so.3" >&2 ;;
esac
