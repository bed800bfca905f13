#!/bin/sh
# docker-compose.yaml in short.
#
#   tools/stack.sh up [SERVICE...]    builds what is ours, starts all of COMPOSE_PROFILES, waits until it is healthy;
#                                    makes .env when needed
#   tools/stack.sh down               ends it; its data stay in volumes
#   tools/stack.sh logs [SERVICE...]  follows what they say
#   tools/stack.sh ps                 what runs, and how it is
#   tools/stack.sh smoke              proves bars end to end, through the API
set -eu
cd "$(dirname "$0")/.."

compose() {
  if ! docker compose version >/dev/null 2>&1; then
    echo "stack.sh: this needs Docker with its compose plugin (docker compose version)" >&2
    exit 1
  fi
  docker compose "$@"
}

# Makes .env, which only its owner can read, and adds what it lacks for starting everything; what it says stays.
make_env() (
  umask 077
  [ -f .env ] || cp .env.example .env
  chmod 600 .env
  grep -q '^GRAFANA_ADMIN_PASSWORD=.' .env ||
    add_to_env GRAFANA_ADMIN_PASSWORD "$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')"
  grep -q '^COMPOSE_PROFILES=' .env || add_to_env COMPOSE_PROFILES watch
)

add_to_env() {
  [ -z "$(tail -c 1 .env)" ] || echo >>.env
  echo "$1=$2" >>.env
  echo "$1 is new in .env" >&2
}

command=${1-}
[ $# -eq 0 ] || shift
case $command in
  up)
    make_env
    # An image that was named is taken as it is.
    build=--build
    if [ -n "${APP_IMAGE-}" ] || grep -qs '^APP_IMAGE=.' .env; then build=; fi
    # shellcheck disable=SC2086 # one word or none
    compose up --detach $build --wait --wait-timeout 600 "$@"
    ;;
  down) compose --profile '*' down "$@" ;;
  logs) compose --profile '*' logs --follow --tail 100 "$@" ;;
  ps) compose --profile '*' ps --all "$@" ;;
  smoke)
    port=$(docker compose port serve 8080 2>/dev/null) || port=
    exec python3 -B tools/smoke.py "http://${port:-127.0.0.1:${SERVE_PORT:-8080}}"
    ;;
  *)
    sed -n '2,10s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
