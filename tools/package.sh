#!/bin/sh
# Packs the program that tools/build.sh made, with what belongs beside it.
#
#   tools/package.sh [OUTPUT [BUILD]]    default dist and build
#
# OUTPUT then has, for this machine's architecture and this Debian:
#   finpipe_VERSION-1_ARCH.deb           program, hardened systemd unit, settings in /etc/finpipe
#   finpipe-VERSION-linux-ARCH.tar.gz    the same to unpack anywhere
#   finpipe-VERSION-linux-ARCH.spdx.json what the program is made of
#   SHA256SUMS
#
# The same sources and SOURCE_DATE_EPOCH (by default the time of the last commit) give the same bytes.
set -eu
cd "$(dirname "$0")/.."
output=${1-dist}
build=${2-build}
tools/packages.sh install run cassandra package
program=$build/finpipe
if [ ! -x "$program" ]; then
  echo "package.sh: there is no $program: tools/build.sh finpipe -DFINPIPE_CASSANDRA=ON" >&2
  exit 1
fi

version=$("$program" version)
version=${version#finpipe }
architecture=$(dpkg --print-architecture)
if [ -z "${SOURCE_DATE_EPOCH-}" ]; then
  SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || date +%s)
fi
export SOURCE_DATE_EPOCH
name=finpipe-$version-linux-$architecture
work=$build/package
doc=$work/deb/usr/share/doc/finpipe
rm -rf "$work"
mkdir -p "$work" "$output"

strip -o "$work/finpipe" "$program"

# What it is made of.
host=$(rustc -vV | sed -n 's/^host: //p')
(cd src/stores/cassandra/driver &&
  cargo metadata --quiet --locked --offline --format-version 1 --filter-platform "$host") >"$work/crates.json"
parts="--crates $work/crates.json --npm $build/web/tree"
# shellcheck disable=SC2086 # words
tools/sbom.py notices --headers /var/lib/dpkg/status $parts >"$work/THIRD_PARTY_NOTICES"
# shellcheck disable=SC2086
tools/sbom.py spdx --version "$version" --headers /var/lib/dpkg/status $parts >"$work/sbom.spdx.json"

# finpipe(1), from the program's own help.
man_page() {
  printf '.TH FINPIPE 1 "" "finpipe %s"\n' "$version"
  printf '.SH NAME\nfinpipe \\- exact, gap-aware bars from Finnhub trades\n'
  printf '.SH SYNOPSIS\n.B finpipe\n.I COMMAND\n[OPTION...]\n.SH COMMANDS\n'
  "$program" --help | sed -n '/^Subcommands:/,/^$/s/^  \([a-z]*\)  *\(.*\)$/.TP\n.B \1\n\2/p' | sed 's/-/\\-/g'
  printf '.PP\nEach has a \\-\\-help of its own, with examples.\n'
  printf '.SH FILES\n.I /etc/finpipe/finpipe.toml, /etc/finpipe/finpipe.env\n: settings of finpipe.service\n'
  printf '.SH EXIT STATUS\n0 done, 1 failed, 2 usage, 3 a verification found a difference.\n'
}

# The tarball.
tree=$work/$name
mkdir -p "$tree/bin"
cp "$work/finpipe" "$tree/bin"
cp LICENSE CHANGELOG.md .env.example deploy/debian/finpipe.service "$tree"
cp "$work/THIRD_PARTY_NOTICES" "$work/sbom.spdx.json" "$tree"
cp -R docs "$tree"
rm -rf "$tree/docs/images"

# The package's dependencies: what its libraries are in.
mkdir -p "$work/control/debian"
printf 'Source: finpipe\n\nPackage: finpipe\nArchitecture: any\n' >"$work/control/debian/control"
libraries=$(cd "$work/control" && dpkg-shlibdeps -O "../finpipe" | sed -n 's/^shlibs:Depends=//p')
{
  echo "Needs Debian $(sed -n 's/^VERSION_ID="\(.*\)"$/\1/p' /etc/os-release) with: tzdata, ca-certificates,"
  echo "$libraries"
  echo
  echo "  bin/finpipe run      then see docs/deploy.md and docs/operations.md"
} >"$tree/README"
tar --create --gzip --file "$output/$name.tar.gz" --directory "$work" --sort=name --owner=0 --group=0 --numeric-owner \
  --mode=u+rw,go+r,go-w --mtime "@$SOURCE_DATE_EPOCH" "$name"
cp "$work/sbom.spdx.json" "$output/$name.spdx.json"

# The package.
install -D -m 755 "$work/finpipe" "$work/deb/usr/bin/finpipe"
install -D -m 644 deploy/debian/finpipe.service "$work/deb/lib/systemd/system/finpipe.service"
install -D -m 644 deploy/debian/finpipe.toml "$work/deb/etc/finpipe/finpipe.toml"
install -D -m 600 deploy/debian/finpipe.env "$work/deb/etc/finpipe/finpipe.env"
install -D -m 644 deploy/debian/lintian-overrides "$work/deb/usr/share/lintian/overrides/finpipe"
install -d "$work/deb/usr/share/man/man1" "$doc" "$work/deb/DEBIAN"
man_page | gzip -9n >"$work/deb/usr/share/man/man1/finpipe.1.gz"
install -m 644 deploy/debian/copyright deploy/debian/README.Debian "$doc"
install -m 644 docs/deploy.md docs/operations.md docs/reference/settings.md "$doc"
gzip -9nc CHANGELOG.md >"$doc/changelog.gz"
gzip -9nc "$work/THIRD_PARTY_NOTICES" >"$doc/THIRD_PARTY_NOTICES.gz"
gzip -9nc "$work/sbom.spdx.json" >"$doc/sbom.spdx.json.gz"
gzip -9n >"$doc/changelog.Debian.gz" <<END
finpipe ($version-1) unstable; urgency=medium

  * The upstream release: see changelog.gz.

 -- Finnhub Pipeline <finpipe@localhost.localdomain>  $(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")
END
for script in postinst prerm postrm; do
  install -m 755 "deploy/debian/$script" "$work/deb/DEBIAN/$script"
done
printf '/etc/finpipe/finpipe.env\n/etc/finpipe/finpipe.toml\n' >"$work/deb/DEBIAN/conffiles"
(cd "$work/deb" && find etc lib usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum) >"$work/deb/DEBIAN/md5sums"
cat >"$work/deb/DEBIAN/control" <<END
Package: finpipe
Version: $version-1
Architecture: $architecture
Maintainer: Finnhub Pipeline <finpipe@localhost.localdomain>
Installed-Size: $(du -sk --exclude=DEBIAN "$work/deb" | cut -f1)
Depends: $libraries, ca-certificates, tzdata
Section: misc
Priority: optional
Description: exact, gap-aware bars from Finnhub trades
 Takes real-time trades from Finnhub, keeps them in a durable log (files or
 Apache Kafka), makes OHLCV bars that say how much they can be trusted, stores
 both (files or Apache Cassandra), and serves a live page and an API.
END
find "$work/deb" -type d -exec chmod 755 {} +
dpkg-deb --root-owner-group --build -Zxz "$work/deb" "$output/finpipe_$version-1_$architecture.deb" >/dev/null

cd "$output"
sha256sum "finpipe_$version-1_$architecture.deb" "$name.tar.gz" "$name.spdx.json" | tee SHA256SUMS
