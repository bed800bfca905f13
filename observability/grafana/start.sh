#!/bin/sh
# Starts Grafana in its container: never with the password that it has by default, and with the addresses of Cassandra,
# which finpipe separates by commas, as its data source takes them.
#
#   GF_SECURITY_ADMIN_PASSWORD   of the user admin at the first start
#   CASSANDRA_CONTACT_POINTS     HOST[:PORT][,HOST...]
#   GRAFANA                      the program
set -eu

if [ -z "${GF_SECURITY_ADMIN_PASSWORD-}" ]; then
  echo "start.sh: GRAFANA_ADMIN_PASSWORD is missing, the password of Grafana's user admin; make up makes one" >&2
  exit 2
fi
CASSANDRA_CONTACT_POINTS=$(printf %s "$CASSANDRA_CONTACT_POINTS" | tr , ';')
export CASSANDRA_CONTACT_POINTS
exec "${GRAFANA:-/run.sh}" "$@"
