# shellcheck shell=bash
# Sourced, not run: a small Debian 12 made from the machine's own package sources, for images and for
# trying the package where no registry is reachable.

# ensure_debian_base: build/deploy/base.tar
ensure_debian_base() {
  local base=build/deploy/base.tar part=build/deploy/part.tar mirror
  [[ -f $base ]] && return 0
  mkdir -p build/deploy
  mirror=$(awk '/^URIs:/ {print $2; exit}' /etc/apt/sources.list.d/*.sources 2>/dev/null || true)
  [[ -n $mirror ]] || mirror=$(awk '/^deb / {print $2; exit}' /etc/apt/sources.list)
  # Without manuals and package lists; the hook makes /bin a link before packages are unpacked.
  as_root mmdebstrap --quiet --variant=minbase --include=ca-certificates,usr-is-merged \
    --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --aptopt='DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/*.bin || true"; }' \
    --aptopt='Dir::Cache::pkgcache ""' --aptopt='Dir::Cache::srcpkgcache ""' \
    --customize-hook='rm -f "$1"/etc/resolv.conf "$1"/etc/hostname' \
    bookworm "$part" "deb $mirror bookworm main" "deb $mirror bookworm-updates main"
  mv "$part" "$base"
}
