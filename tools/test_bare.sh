#!/bin/sh
# Proves the README on a fresh machine: builds a bare Debian 12 root (nothing but apt), copies the committed tree into a
# container of it, runs ./run twice until candles move on its page, then ./test, and prints what they said and how long
# each took.
#
# Needs root, Debian's archive, and 3 GB. Everything is kept in build-bare/ (or $FINPIPE_BARE_DIR), so that a second
# call skips making the root; other containers of the machine are not touched.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
dir=${FINPIPE_BARE_DIR:-$here/build-bare}
image=localhost/finpipe-bare:bookworm

if [ "$(id -u)" != 0 ]; then
  echo "test_bare.sh: podman and mmdebstrap need root here; run it as root" >&2
  exit 1
fi
"$here/tools/packages.sh" install container
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)

sed "s|@DIR@|$dir|" "$here/tools/bare/storage.conf.in" >"$dir/storage.conf"
export CONTAINERS_CONF="$here/tools/bare/containers.conf" CONTAINERS_STORAGE_CONF="$dir/storage.conf"

if ! podman image exists "$image"; then
  echo "Making a bare Debian 12 root"
  mmdebstrap --quiet --variant=minbase bookworm "$dir/bookworm.tar"
  podman import --quiet \
    --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
    --change 'CMD ["sh"]' \
    "$dir/bookworm.tar" "$image"
  rm -f "$dir/bookworm.tar"
fi

rm -rf "$dir/tree"
mkdir "$dir/tree"
git -C "$here" archive HEAD | tar -x -C "$dir/tree"

# The host's package sources, read-only: a minbase root lacks the security suite that every installed Debian has. And
# the authorities that the host trusts, for pip and npm: behind a proxy that inspects TLS only the host knows them.
set -- --volume "$dir/tree:/finpipe" --workdir /finpipe
for shared in /etc/apt/sources.list.d /usr/share/keyrings; do
  if [ -d "$shared" ]; then
    set -- "$@" --volume "$shared:$shared:ro"
  fi
done
authorities=/etc/ssl/certs/ca-certificates.crt
if [ -f "$authorities" ]; then
  set -- "$@" --volume "$authorities:/host-authorities.pem:ro" \
    --env PIP_CERT=/host-authorities.pem --env NODE_EXTRA_CA_CERTS=/host-authorities.pem
fi
exec podman run --rm "$@" "$image" sh tools/bare/inside.sh
