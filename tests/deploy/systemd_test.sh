#!/bin/sh
# systemd's own tool finds nothing wrong with the unit, and its sandbox leaves little open.
set -eu
if ! command -v systemd-analyze >/dev/null || [ ! -d /lib/systemd/system ]; then
  echo "skipped: systemd-analyze (Debian package systemd) is not installed"
  exit 77
fi
top=$(cd "$(dirname "$0")/../.." && pwd)
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root/lib/systemd" "$root/usr/bin" "$root/usr/share/slotmatch"
cp -r /lib/systemd/system "$root/lib/systemd/"
cp "$top/deploy/systemd/slotmatch.service" "$root/lib/systemd/system/"
printf '#!/bin/sh\n' >"$root/usr/bin/slotmatch_server"
chmod +x "$root/usr/bin/slotmatch_server"

verify() { systemd-analyze verify --man=no --root="$root" slotmatch.service 2>&1; }
said=$(verify) || { echo "$said"; exit 1; }
if [ -n "$said" ]; then
  echo "$said"
  exit 1
fi
# Most exposure allowed, in tenths: 0 is nothing, 100 everything.
systemd-analyze security --no-pager --offline=true --threshold=20 --root="$root" slotmatch.service |
  tail -n 1

# The tool notices mistakes.
sed -i 's/^ProtectHome=yes/ProtectHom=yes/' "$root/lib/systemd/system/slotmatch.service"
verify | grep -q ProtectHom || { echo "a misspelt setting was not noticed"; exit 1; }
