#!/bin/sh
# Runs every benchmark program of build/, one after the other, with nothing else to disturb them.
# Arguments are passed on to each, e.g. --benchmark_filter=Frame.
set -eu
cd "$(dirname "$0")/../build"
while read -r program; do
  path=$(find . -type f -name "$program" -perm -u+x)
  printf '\n== %s\n' "$program"
  "$path" "$@"
done <bench_programs.txt
