#!/usr/bin/env bash
# Installs the Debian package into a fresh Debian, starts the unit's command as an unprivileged user
# with the unit's limits on files, streams a video, stops it, removes and purges the package. Root only.
set -euo pipefail
cd "$(dirname "$0")/../.."
source scripts/common.sh
source scripts/debian_base.sh
if [[ $(id -u) != 0 ]] || ! command -v mmdebstrap >/dev/null; then
  echo "skipped: needs root and mmdebstrap"
  exit 77
fi
bash scripts/deb.sh
deb=$(ls build/slotmatch_*.deb)
ensure_debian_base
root=build/deploy/deb-root
rm -rf "$root"
mkdir -p "$root"
tar -xf build/deploy/base.tar -C "$root"
inside() { chroot "$root" env DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"; }
cleanup() {
  [[ -z ${server:-} ]] || kill -9 "$server" 2>/dev/null || true
  umount "$root/proc" 2>/dev/null || true
}
trap cleanup EXIT
mount -t proc proc "$root/proc"
cp /etc/resolv.conf "$root/etc/resolv.conf"
inside apt-get update -q >/dev/null

cp "$deb" "$root/tmp/slotmatch.deb"
inside apt-get install -y -q --no-install-recommends /tmp/slotmatch.deb >build/deploy/deb-install.log 2>&1 ||
  { tail -n 20 build/deploy/deb-install.log; exit 1; }
inside test -L /etc/systemd/system/multi-user.target.wants/slotmatch.service
inside slotmatch_server --version
inside bash -c 'cd /usr/share/slotmatch && slotmatch_server --config /etc/slotmatch/serve.textproto --check-config'

# The unit's command, by a user that owns nothing, on ports of its own.
unit=$root/lib/systemd/system/slotmatch.service
command=$(sed -n 's/^ExecStart=//p' "$unit")
folder=$(sed -n 's/^WorkingDirectory=//p' "$unit")
install -d -m 777 "$root/tmp/run"
# Not through a function: $! has to be the server itself.
chroot "$root" setpriv --reuid 65534 --regid 65534 --clear-groups --no-new-privs --inh-caps=-all \
  bash -c "cd $folder && exec $command --listen 127.0.0.1:0 --metrics 127.0.0.1:0 --admin none --ready-file /tmp/run/ready" \
  >build/deploy/deb-server.log 2>&1 &
server=$!
for _ in $(seq 1200); do
  [[ -f $root/tmp/run/ready ]] && break
  kill -0 "$server" 2>/dev/null || { cat build/deploy/deb-server.log; exit 1; }
  sleep 0.1
done
port=$(sed 's/.*"grpc_port":\([0-9]*\).*/\1/' "$root/tmp/run/ready")
inside slotmatch_client --health --server "127.0.0.1:$port"
cp -r samples/moving_solids/JPEGImages/128p/0213 "$root/tmp/clip"
inside slotmatch_client --server "127.0.0.1:$port" --video /tmp/clip --out /tmp/run/out --quiet
kill -TERM "$server"
code=0
wait "$server" || code=$?
server=
[[ $code == 0 ]] || { echo "exit code $code after SIGTERM"; exit 1; }
[[ $(inside bash -c 'ls /tmp/run/out/masks | wc -l') == 8 ]]

inside apt-get remove -y -q slotmatch >/dev/null 2>&1
inside test -f /etc/slotmatch/serve.textproto  # settings stay until the purge
inside test ! -e /usr/bin/slotmatch_server
inside dpkg --purge slotmatch >/dev/null 2>&1
left=$(cd "$root" && find etc usr lib/systemd var/lib/systemd -iname '*slotmatch*' | head)
[[ -z $left ]] || { echo "left behind: $left"; exit 1; }
if inside dpkg -s slotmatch >/dev/null 2>&1; then
  echo "dpkg still knows the package"
  exit 1
fi
umount "$root/proc"
rm -rf "$root"
