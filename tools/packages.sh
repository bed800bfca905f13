#!/bin/sh
# The one list of Debian packages this project needs, by purpose, and how the missing ones get installed.
#
#   tools/packages.sh install PURPOSE...   install what is missing, as root or through sudo; asks nothing
#   tools/packages.sh list PURPOSE...      print the packages
#
# Purposes: run (build and start the program), cassandra (build its client), test, services (real services that tests
# talk to, and developers), observability (what checks rules and dashboards), lint, deploy (lint of what deploys),
# fuzz, package (the .deb), ccache (builds of images), container (images and bare roots).
set -eu

# of_release BOOKWORM LATER: a package that has another name in Debian 13 and after.
of_release() {
  if grep -q '^VERSION_ID="12"' /etc/os-release 2>/dev/null; then echo "$1"; else echo "$2"; fi
}

packages_of() {
  case $1 in
    run)
      echo g++ cmake ninja-build python3 tzdata
      echo libfmt-dev libspdlog-dev libsimdjson-dev libtomlplusplus-dev libcli11-dev libhowardhinnant-date-dev
      echo librocksdb-dev "$(of_release libboost1.81-dev libboost1.83-dev)" libssl-dev prometheus-cpp-dev librdkafka-dev
      echo python3-venv ca-certificates
      ;;
    test)
      echo libgtest-dev libbenchmark-dev rapidjson-dev libavro-dev
      echo python3-websocket chromium fonts-dejavu-core faketime
      ;;
    cassandra) echo cargo-web pkg-config ;;
    services) echo "$(of_release openjdk-17-jre-headless openjdk-21-jre-headless)" maven openssl python3-venv kcat ;;
    observability) echo prometheus prometheus-alertmanager python3-venv python3-yaml ;;
    lint) echo clang-format-19 clang-tidy-19 ;;
    deploy) echo shellcheck yamllint python3-venv systemd ;;
    package) echo dpkg-dev ;;
    ccache) echo ccache ;;
    fuzz) echo clang-19 libclang-rt-19-dev llvm-19 ;;
    container) echo podman runc mmdebstrap ;;
    *)
      echo "packages.sh: unknown purpose '$1' (run, cassandra, test, services, observability, lint, deploy, fuzz," \
        "package, ccache, container)" >&2
      return 2
      ;;
  esac
}

is_installed() {
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

as_root() {
  if [ "$(id -u)" = 0 ]; then
    env DEBIAN_FRONTEND=noninteractive "$@"
  else
    sudo env DEBIAN_FRONTEND=noninteractive "$@"
  fi
}

install_missing() {
  if ! command -v dpkg-query >/dev/null 2>&1; then
    echo "This is not a Debian system: make sure that the equivalents of these are installed:" >&2
    echo "  $*" >&2
    return 0
  fi
  missing=
  for package in "$@"; do
    is_installed "$package" || missing="$missing $package"
  done
  [ -n "$missing" ] || return 0

  echo "Installing Debian packages (some minutes):$missing"
  if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null 2>&1; then
    echo "This needs root, and there is no sudo. Run this as root, then try again:" >&2
    echo "  apt-get update && apt-get install -y --no-install-recommends$missing" >&2
    return 1
  fi
  log=$(mktemp)
  # shellcheck disable=SC2086 # one word a package
  if as_root apt-get update -q >"$log" 2>&1 &&
    as_root apt-get install -q -y --no-install-recommends $missing >>"$log" 2>&1; then
    rm -f "$log"
  else
    tail -n 20 "$log" >&2
    echo "apt-get failed; its whole output is in $log" >&2
    return 1
  fi
}

if [ $# -lt 2 ]; then
  sed -n 's/^# \{0,1\}//; 2,9p' "$0" >&2
  exit 2
fi
command=$1
shift
packages=
for purpose in "$@"; do
  found=$(packages_of "$purpose") || exit
  packages="$packages $found"
done
# shellcheck disable=SC2086 # one word a package
case $command in
  install) install_missing $packages ;;
  list) printf '%s\n' $packages ;;
  *)
    echo "packages.sh: unknown command '$command' (install, list)" >&2
    exit 2
    ;;
esac
