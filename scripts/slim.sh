#!/bin/sh
# slim PROGRAM...       removes the packages that the programs do not need, in an image's build only:
#                       what came in as a dependency of a dependency and owns no library they load
#
# `BEFORE` is a file with the packages that stay whatever they are: those of the base.
set -eu
programs=$*
libraries=$(for program in $programs; do ldd "$program"; done | awk '/=> \//{print $3}' |
  xargs readlink -f | sort -u)
# Packages know files by their path before /lib became a link to /usr/lib.
needed=$(for library in $libraries; do
  dpkg -S "$library" 2>/dev/null || dpkg -S "${library#/usr}"
done | cut -d: -f1 | sort -u)
dpkg-query -W -f '${Package}\n' | sort -u >/tmp/installed
{ printf '%s\n' $needed ca-certificates; cat "$BEFORE"; } | sort -u >/tmp/kept
comm -23 /tmp/installed /tmp/kept |
  xargs dpkg --purge --force-depends >/tmp/purged 2>&1 ||
  { tail -n 20 /tmp/purged; exit 1; }
rm -f /tmp/installed /tmp/kept /tmp/purged "$BEFORE"
# Bindings of a language that is not here, and tables of character sets that nobody asks for.
rm -rf /usr/lib/*/libtorch_python.so* /usr/lib/*/gconv
# What Intel's video decoders in hardware load; without it videos are decoded on the CPU, as elsewhere.
rm -rf /usr/lib/*/mfx /usr/lib/*/libmfxhw64.so*
# The reference libraries beside the faster ones that are used.
case $(readlink -f /usr/lib/*/libblas.so.3 /usr/lib/*/liblapack.so.3) in
  */blas/* | */lapack/*) ;;
  *) rm -rf /usr/lib/*/blas /usr/lib/*/lapack ;;
esac
for program in $programs; do
  ! ldd "$program" | grep 'not found'
done
