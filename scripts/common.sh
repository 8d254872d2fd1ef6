# shellcheck shell=bash
# Shared by the scripts; sourced, not run. The working directory is the top of the repository.

fail() {  # fail CODE TEXT: one line on stderr, exit with a code of sysexits.h
  echo "./dev: $2" >&2
  exit "$1"
}

as_root() {
  if [[ $(id -u) == 0 ]]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    fail 77 "installing packages needs root or sudo: $*"
  fi
}

# ensure_packages FILE...: installs the packages of these lists that are missing, with apt.
ensure_packages() {
  local wanted missing=() package
  wanted=$(sed 's/#.*//' "$@" | tr -s '[:space:]' '\n' | sort -u)
  for package in $wanted; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] ||
      missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  command -v apt-get >/dev/null || fail 69 "this needs Debian 12's apt; missing: ${missing[*]}"
  echo "installing ${#missing[@]} packages with apt: ${missing[*]}"
  mkdir -p build
  local log=build/setup.log
  if ! { as_root apt-get update -q &&
         as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
           "${missing[@]}"; } >"$log" 2>&1; then
    tail -n 15 "$log" >&2
    fail 69 "apt could not install the packages; the whole output is in $log"
  fi
}

# Compilers of LibTorch files take about 1.5 GB each.
build_jobs() {
  local cpus memory_gb by_memory
  cpus=$(nproc)
  memory_gb=$(awk '/MemAvailable/ {print int($2 / 1048576)}' /proc/meminfo)
  by_memory=$((memory_gb * 2 / 3))
  ((by_memory >= 1)) || by_memory=1
  echo $((cpus < by_memory ? cpus : by_memory))
}

# build_preset PRESET [TARGET...]: configures once, builds the targets (all by default).
build_preset() {
  local preset=$1
  shift
  mkdir -p build
  if [[ ! -f build/$preset/build.ninja ]]; then
    cmake --preset "$preset" >"build/configure-$preset.log" 2>&1 || {
      tail -n 20 "build/configure-$preset.log" >&2
      fail 78 "cmake could not configure; the whole output is in build/configure-$preset.log"
    }
  fi
  cmake --build "build/$preset" -j "$(build_jobs)" ${1:+--target "$@"}
}
