#!/bin/sh
# Runs in the container, in a copy of the tree: the two commands of the README, as a new user would type them.
set -eu

seconds_since() { echo $(($(date +%s) - $1)); }

# Starts ./run and notes how long it takes until its candles move; then ends it as Ctrl-C does.
run_until_moving() {
  label=$1
  log=$2
  begin=$(date +%s)
  ./run --listen 127.0.0.1:0 >"$log" 2>&1 </dev/null &
  pid=$!
  # Python comes with what ./run installs.
  while ! grep -q "^Page and API:" "$log" && kill -0 $pid 2>/dev/null; do sleep 1; done
  if ! python3 tools/bare/moving.py "$log" $pid; then
    cat "$log"
    exit 1
  fi
  echo "$label $(seconds_since "$begin")" >>times.txt
  kill -TERM $pid
  wait $pid
}

rm -f times.txt
for tool in make git sudo python3 g++ cmake node; do
  ! command -v "$tool" >/dev/null || echo "note: this root is not bare, it has $tool"
done
run_until_moving "./run, from nothing to moving candles" run.log
run_until_moving "./run again, to moving candles" second_run.log
begin=$(date +%s)
# shellcheck disable=SC2065 # it is no comparison
./test </dev/null
echo "./test $(seconds_since "$begin")" >>times.txt

printf '\n== ./run printed\n'
cat run.log
printf '\n== seconds on a bare Debian %s, %s cores\n' "$(cat /etc/debian_version)" "$(nproc)"
cat times.txt
