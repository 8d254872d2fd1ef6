#!/usr/bin/env bash
# deb [FILE]            builds a Debian package of the programs, models and the service, by default
#                       build/slotmatch_VERSION_ARCHITECTURE.deb
set -euo pipefail
source scripts/common.sh
caller_file=${1:+$(cd "$SLOTMATCH_CALLER_DIR" && readlink -f "$1")}
# Where the programs come from; CI and tests may have built them elsewhere.
bin=${SLOTMATCH_BIN_DIR:-build/release/bin}
programs=(slotmatch_server slotmatch_client slotmatch_trainer)
if [[ -z ${SLOTMATCH_BIN_DIR:-} ]]; then
  bash scripts/build.sh "${programs[@]}"
fi
command -v dpkg-shlibdeps >/dev/null || fail 69 "dpkg-shlibdeps (package dpkg-dev) is missing"

root=build/deb/root
rm -rf build/deb
install -d "$root"/{DEBIAN,usr/bin,usr/share/{slotmatch,doc/slotmatch},lib/systemd/system,etc/slotmatch}
install -m 755 -s "${programs[@]/#/$bin/}" "$root/usr/bin/"
cp -r models configs "$root/usr/share/slotmatch/"
install -m 644 docs/*.md "$root/usr/share/doc/slotmatch/"
cat LICENSE NOTICE >"$root/usr/share/doc/slotmatch/copyright"
gzip -9nc CHANGELOG.md >"$root/usr/share/doc/slotmatch/changelog.gz"
install -m 644 deploy/systemd/slotmatch.service "$root/lib/systemd/system/"
install -m 644 configs/serve/default.textproto "$root/etc/slotmatch/serve.textproto"
echo /etc/slotmatch/serve.textproto >"$root/DEBIAN/conffiles"
install -m 755 deploy/debian/{postinst,prerm,postrm} "$root/DEBIAN/"
chmod -R u=rwX,go=rX "$root/usr/share" "$root/DEBIAN"

version=$(sed -n 's/^project(.*VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
architecture=$(dpkg --print-architecture)
# dpkg-shlibdeps wants a source package around it.
mkdir -p build/deb/debian
echo "Source: slotmatch" >build/deb/debian/control
depends=$(cd build/deb && dpkg-shlibdeps -O --warnings=0 root/usr/bin/* 2>/dev/null |
  sed -n 's/^shlibs:Depends=//p')
[[ -n $depends ]] || fail 70 "dpkg-shlibdeps found no libraries"
size=$(du -sk --apparent-size "$root" | cut -f1)
sed -e "s/@VERSION@/$version/" -e "s/@ARCHITECTURE@/$architecture/" -e "s/@SIZE_KB@/$size/" \
  -e "s/@DEPENDS@/$depends/" deploy/debian/control.in >"$root/DEBIAN/control"
(cd "$root" && find usr lib -type f -print0 | sort -z | xargs -0 md5sum >DEBIAN/md5sums)
deb=${caller_file:-build/slotmatch_${version}_$architecture.deb}
dpkg-deb --root-owner-group -Zzstd -z3 --build "$root" "$deb" >build/deb/build.log
echo "$deb: $(du -k --apparent-size "$deb" | cut -f1) KiB, $size KiB installed"
