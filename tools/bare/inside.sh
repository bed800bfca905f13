#!/bin/sh
# Runs in the container, in a copy of the tree: the two commands of the README, as a new user would type them.
set -eu

timed() {
  label=$1
  shift
  begin=$(date +%s)
  "$@"
  echo "$label $(($(date +%s) - begin))" >>times
}

first_run() { ./run >run.log 2>&1 </dev/null || { cat run.log; exit 1; }; }
second_run() { ./run >second_run.log 2>&1 </dev/null || { cat second_run.log; exit 1; }; }
all_tests() { ./test </dev/null; }

rm -f times
for tool in make git sudo python3 g++ cmake; do
  ! command -v "$tool" >/dev/null || echo "note: this root is not bare, it has $tool"
done
timed "./run" first_run
timed "./run_again" second_run
timed "./test" all_tests

printf '\n== ./run printed\n'
cat run.log
printf '\n== seconds on a bare Debian %s, %s cores\n' "$(cat /etc/debian_version)" "$(nproc)"
cat times
