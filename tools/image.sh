#!/bin/sh
# The image of deploy/Dockerfile: built, tested, and run by the compose file for real.
#
#   tools/image.sh build [IMAGE]   default finpipe:local
#   tools/image.sh test [IMAGE]    without root, on a read-only root: bars of the bundled tape are those of
#                                  build/finpipe byte for byte; the health check passes; size, licences, SBOM
#   tools/image.sh stack [IMAGE]   docker-compose.yaml brought up through podman's socket, on the Kafka, registry and
#                                  Cassandra of tools/services, then `make smoke`
#
# ENGINE=docker takes Docker. By default podman is used as root, without a daemon and without an image registry: the
# base is a bare Debian root that is made here. All of it is kept in ${XDG_CACHE_HOME:-~/.cache}/finpipe/image.
set -eu
cd "$(dirname "$0")/.."
command=${1-}
image=${2-finpipe:local}
engine=${ENGINE:-podman}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/finpipe/image
base=debian:bookworm-slim
max_growth_mb=150
compose_version=2.40.3

if [ "$engine" = podman ] && [ -n "$command" ]; then
  tools/packages.sh install container
  mkdir -p "$cache"
  sed "s|@DIR@|$cache|" tools/bare/storage.conf.in >"$cache/storage.conf"
  export CONTAINERS_CONF="$PWD/tools/bare/containers.conf" CONTAINERS_STORAGE_CONF="$cache/storage.conf"
  # Whatever a name without a registry would be looked for: it is here.
  base=localhost/$base
  case $image in */*) ;; *) image=localhost/$image ;; esac
fi

make_base() {
  if ! podman image exists "$base"; then
    echo "Making a bare Debian 12 root"
    mmdebstrap --quiet --variant=minbase bookworm "$cache/bookworm.tar"
    podman import --quiet --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
      --change 'CMD ["bash"]' "$cache/bookworm.tar" "$base"
    rm -f "$cache/bookworm.tar"
  fi
}

# The same for both stages that install: package sources of the host, and the authorities that it trusts (test_bare.sh).
build() {
  set -- --file deploy/Dockerfile --build-arg "BASE=$base" \
    --build-arg "VERSION=$(sed -n 's/^project(finpipe VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)" \
    --build-arg "REVISION=$(git rev-parse HEAD)" --build-arg "SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)" "$@"
  if [ "$engine" = docker ]; then
    docker build "$@" .
    return
  fi
  make_base
  for shared in /etc/apt/sources.list.d /usr/share/keyrings; do
    [ ! -d "$shared" ] || set -- --volume "$shared:$shared:ro" "$@"
  done
  authorities=/etc/ssl/certs/ca-certificates.crt
  if [ -f "$authorities" ]; then
    set -- --volume "$authorities:/host-authorities.pem:ro" "$@"
    for name in PIP_CERT NODE_EXTRA_CA_CERTS CARGO_HTTP_CAINFO; do
      set -- --build-arg "$name=/host-authorities.pem" "$@"
    done
  fi
  nice -n 19 podman build --format docker --pull=never "$@" .
}

bytes_of() { "$engine" image inspect --format '{{.Size}}' "$1"; }
fail() {
  echo "image.sh: $*" >&2
  exit 1
}

# A container as it is meant to be run: nothing can be written but the volume and /tmp.
contained() {
  "$engine" run --rm --no-healthcheck --read-only --cap-drop all --security-opt no-new-privileges --tmpfs /tmp \
    --volume "$volume:/var/lib/finpipe" --volume "$PWD/data:/data:ro" "$@"
}

# What is built without a container; else what the image's own build stage has.
native() {
  if [ -x build/finpipe ]; then
    (cd "$work" && "$root/build/finpipe" "$@")
  else
    "$engine" run --rm --user "$(id -u):$(id -g)" --volume "$work:/work" --volume "$PWD/data:/data:ro" --workdir /work "$image-build" \
      /src/finpipe/build/finpipe "$@"
  fi
}

clean_up() {
  [ -z "$container" ] || "$engine" rm -f "$container" >/dev/null
  "$engine" volume rm -f "$volume" >/dev/null || true
  rm -rf "$work" || true
}

# Of $container. Podman leaves the checks to systemd, which is not everywhere.
is_healthy() {
  if [ "$engine" = podman ]; then
    podman healthcheck run "$container"
  else
    [ "$(docker inspect --format '{{.State.Health.Status}}' "$container")" = healthy ]
  fi
}

# eventually COMPLAINT COMMAND...: until it succeeds
eventually() {
  complaint=$1
  shift
  tries=0
  until "$@" >/dev/null 2>&1; do
    tries=$((tries + 1))
    if [ "$tries" -ge 120 ]; then
      "$engine" logs "$container" | tail -n 20
      fail "$complaint"
    fi
    sleep 1
  done
}

test_image() {
  root=$PWD
  work=$(mktemp -d)
  volume=finpipe-image-test-$$
  container=
  trap clean_up EXIT

  # What Docker builds from it has not brought it here.
  [ "$engine" != docker ] || docker pull --quiet "$base" >/dev/null
  growth_mb=$((($(bytes_of "$image") - $(bytes_of "$base")) / 1000000))
  echo "size: $(($(bytes_of "$image") / 1000000)) MB, $growth_mb MB over the base (at most $max_growth_mb)"
  [ "$growth_mb" -le "$max_growth_mb" ] || fail "the image is too large"

  user=$("$engine" image inspect --format '{{.Config.User}}' "$image")
  [ "$user" = 10001:10001 ] || fail "its user is '$user'"
  [ "$(contained --entrypoint id "$image" -u)" = 10001 ] || fail "it runs as another user"
  if contained --entrypoint touch "$image" /usr/x 2>/dev/null; then fail "its root can be written"; fi
  contained "$image" version

  for file in LICENSE THIRD_PARTY_NOTICES sbom.spdx.json; do
    contained --entrypoint cat "$image" "/usr/share/finpipe/$file" >"$work/$file"
  done
  for name in librdkafka1 scylla lightweight-charts; do
    grep -q "\"name\": \"$name\"" "$work/sbom.spdx.json" || fail "its SBOM lacks $name"
  done
  echo "SBOM: $(grep -c '"SPDXID": "SPDXRef-[a-z]*-' "$work/sbom.spdx.json") packages"
  grep -q scylla "$work/THIRD_PARTY_NOTICES" || fail "the licences of the crates are missing"

  # The main job.
  [ -x build/finpipe ] || build --target build --tag "$image-build"
  intervals=1s,1m,5m,15m,1h,1d
  tape=$root/data/binance.tape
  [ -x build/finpipe ] || tape=/data/binance.tape
  native run --feed "tape:$tape" --exit-at-end --listen none >"$work/native.log" 2>&1
  native export bars --interval $intervals >"$work/native.csv"
  contained "$image" run --feed tape:/data/binance.tape --exit-at-end >"$work/image.log" 2>&1
  contained "$image" export bars --interval $intervals >"$work/image.csv"
  cmp "$work/native.csv" "$work/image.csv" || fail "bars of the bundled tape differ from those of the native build"
  contained "$image" verify >/dev/null
  echo "bars: $(($(wc -l <"$work/image.csv") - 1)) of the bundled tape equal the native build's, byte for byte"

  # As a service, which plays the demo here.
  "$engine" volume rm -f "$volume" >/dev/null
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  container=$("$engine" run --detach --read-only --cap-drop all --security-opt no-new-privileges --tmpfs /tmp \
    --volume "$volume:/var/lib/finpipe" --env "FINPIPE_LISTEN=127.0.0.1:$port" "$image")
  eventually "its health check does not pass" is_healthy
  echo "health check: passes"
  eventually "it does not get ready" "$engine" exec "$container" finpipe health --ready
  echo "ready"
  "$engine" stop --time 30 "$container" >/dev/null
  status=$("$engine" inspect --format '{{.State.ExitCode}}' "$container")
  [ "$status" = 0 ] || fail "it ended with $status when it was told to stop"
  echo "stop: exit code 0"
}

# docker compose, which Debian 12 does not have, from its Go module.
make_compose() {
  compose=$cache/docker-compose-$compose_version
  if [ ! -x "$compose" ]; then
    echo "Building docker compose $compose_version (once, some minutes)"
    source=$(mktemp -d)
    (cd "$source" && go mod init compose >/dev/null 2>&1 &&
      go get -tool "github.com/docker/compose/v2/cmd@v$compose_version" >/dev/null 2>&1 &&
      nice -n 19 go build -o "$compose.new" github.com/docker/compose/v2/cmd)
    mv "$compose.new" "$compose"
    chmod -R u+w "$source"
    rm -rf "$source"
  fi
}

stack() {
  [ "$engine" = podman ] || fail "with Docker: make up smoke"
  make_compose
  tools/packages.sh install services
  exec python3 -B tools/image/stack.py "$compose" "$image"
}

case $command in
  build) build --tag "$image" ;;
  test) test_image ;;
  stack) stack ;;
  *)
    sed -n '2,12s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
