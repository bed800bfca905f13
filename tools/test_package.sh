#!/bin/sh
# Installs a .deb of tools/package.sh as a user would, starts the program it brings, and takes it away again: in this
# container, or else in a bare Debian root that it makes (as root, with mmdebstrap).
#
#   tools/test_package.sh PACKAGE.deb
set -eu
package=$(realpath "$1")
here=$(cd "$(dirname "$0")/.." && pwd)

inside() {
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q >/dev/null
  apt-get install -q -y --no-install-recommends "$package" >/tmp/install.log 2>&1 || { cat /tmp/install.log; exit 1; }
  dpkg --verify finpipe
  [ "$(stat -c '%a %U' /etc/finpipe/finpipe.env)" = "600 root" ]
  cd /tmp
  finpipe version
  # Nothing of the build is missing at run time: the demo plays, and its bars are served.
  finpipe run --listen 127.0.0.1:18080 >/tmp/run.log 2>&1 &
  pid=$!
  tries=0
  until finpipe health --ready --listen 127.0.0.1:18080 >/dev/null 2>&1; do
    tries=$((tries + 1))
    if [ "$tries" -ge 120 ] || ! kill -0 "$pid"; then cat /tmp/run.log; exit 1; fi
    sleep 0.5
  done
  kill -TERM "$pid"
  wait "$pid"
  finpipe verify >/dev/null
  # Settings stay, and a purge takes them too.
  dpkg --remove finpipe >/dev/null
  [ -f /etc/finpipe/finpipe.toml ]
  dpkg --purge finpipe >/dev/null
  [ ! -e /etc/finpipe ]
  echo "package: installs, runs, and can be taken away"
}

# In a container, or in the root made below.
if [ -n "${FINPIPE_INSIDE-}" ] || [ -f /.dockerenv ]; then
  inside
  exit
fi
"$here/tools/packages.sh" install container
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mmdebstrap --quiet --variant=minbase bookworm "$root"
# As on every installed Debian: the package sources of this one, whose security suite has newer libraries.
rm -f "$root/etc/apt/sources.list"
cp -R /etc/apt/sources.list.d /usr/share/keyrings "$root/tmp"
mkdir -p "$root/usr/share/keyrings"
cp -R "$root/tmp/sources.list.d/." "$root/etc/apt/sources.list.d"
cp -R "$root/tmp/keyrings/." "$root/usr/share/keyrings"
cp /etc/resolv.conf "$root/etc/resolv.conf"
cp "$package" "$root/tmp"
cp "$0" "$root/tmp/test_package.sh"
FINPIPE_INSIDE=1 chroot "$root" sh /tmp/test_package.sh "/tmp/$(basename "$package")"
