# shellcheck shell=bash
# Sourced, not run: podman and buildah with storage and settings of their own below build/containers,
# so that they work without a service, a network bridge or the user's configuration.

# use_containers: exports what podman and buildah read.
use_containers() {
  local folder=$PWD/build/containers files
  files=$(ulimit -Hn)
  mkdir -p "$folder/tmp"
  export CONTAINERS_CONF=$folder/containers.conf CONTAINERS_STORAGE_CONF=$folder/storage.conf
  export TMPDIR=$folder/tmp
  # Limits of the caller: without CAP_SYS_RESOURCE the defaults cannot be set.
  cat >"$CONTAINERS_CONF" <<EOF
[containers]
default_ulimits=["nofile=$files:$files","nproc=4096:4096"]
netns="host"
[engine]
runtime="runc"
cgroup_manager="cgroupfs"
events_logger="file"
EOF
  cat >"$CONTAINERS_STORAGE_CONF" <<EOF
[storage]
driver="overlay"
graphroot="$folder/storage"
runroot="$folder/run"
EOF
}

# debian_image: prints the name of a Debian 12 image: the registry's, or where none is reached, one made
# from the machine's own package sources.
debian_image() {
  local public=docker.io/library/debian:bookworm-slim own=localhost/slotmatch-debian:bookworm
  if podman image exists "$public" || timeout 30 podman pull -q "$public" >/dev/null 2>&1; then
    echo "$public"
    return
  fi
  if ! podman image exists "$own"; then
    ensure_debian_base
    podman import -q --change 'CMD ["bash"]' build/deploy/base.tar "$own" >/dev/null
  fi
  echo "$own"
}
