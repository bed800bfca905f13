#!/bin/sh
# Builds the fuzz targets of tests/fuzz (clang 19) and runs them, as many at a time as there are processors.
#
#   tools/fuzz.sh [SECONDS] [TARGET...]       first `canary`, then each target for so long, 30 s by default
#   tools/fuzz.sh canary [TARGET...]          plants a fault in each target: one that does not find it is broken
#   tools/fuzz.sh coverage [TARGET...]        lines of the code under test that the corpus reaches: 80 % or an error
#   tools/fuzz.sh replay TARGET FILE          one input again
#
# Exits with 1 when a target crashed or found a difference, and says how to replay the input.
set -eu
cd "$(dirname "$0")/.."
build="build-fuzz"
programs=$build/tests/fuzz
# Of each allocation only the innermost callers are kept, and little of what was freed: both cost time.
export ASAN_OPTIONS="malloc_context_size=4:quarantine_size_mb=32:${ASAN_OPTIONS-}"

all_targets() {
  for file in tests/fuzz/*_target.cpp; do
    basename "$file" _target.cpp
  done
}

# The code that a target is about.
sources_of() {
  case $1 in
    frame) echo src/codec/finnhub_frame.cpp src/codec/plain_frame.cpp src/codec/raw_trade.cpp src/codec/trade_rules.h ;;
    avro)
      echo src/codec/avro_runtime.h src/codec/records.cpp src/codec/store_codec.cpp src/codec/confluent.cpp
      echo src/logs/dead_letter_codec.cpp src/pipeline/checkpoint.cpp
      ;;
    resolution) echo src/codec/avro_resolution.cpp src/codec/avro_schema.cpp ;;
    tape) echo src/feeds/tape.cpp src/codec/tape_line.cpp ;;
    engine) echo src/bars/*.cpp src/pipeline/partition_processor.cpp ;;
    config)
      echo src/app/config_files.cpp src/app/settings.cpp src/app/urls.cpp
      echo src/codec/policy_file.cpp src/codec/calendar.cpp src/market/market_policy.cpp
      ;;
    request)
      echo src/endpoint/access.cpp src/endpoint/parameters.cpp src/endpoint/query_api.cpp
      echo src/endpoint/stream_request.cpp src/net/url.cpp src/codec/flat_json.cpp
      ;;
  esac
}

build() {
  tools/packages.sh install run test fuzz
  mkdir -p "$build"
  if [ ! -f "$build/build.ninja" ] && ! cmake --preset fuzz >"$build/configure.log" 2>&1; then
    cat "$build/configure.log" >&2
    exit 1
  fi
  NINJA_STATUS='[%f/%t, %es] ' cmake --build --preset fuzz
  rm -rf "$build/seeds"
  "$programs/fuzz_seeds" "$build/seeds"
}

# What a target begins with.
inputs_of() {
  mkdir -p "$build/seeds/$1"
  echo "$build/seeds/$1"
  [ ! -d "tests/fuzz/corpus/$1" ] || echo "tests/fuzz/corpus/$1"
}

# What it found in earlier runs, which comes first: what it finds goes there too.
found_by() {
  mkdir -p "$build/corpus/$1" "$build/findings"
  echo "$build/corpus/$1"
}

# fuzz_program TARGET OPTION...: what it says goes to a file; returns its status.
fuzz_program() {
  name=$1
  shift
  # A script of 64 records is no longer; more bytes would only slow the search down.
  [ "$name" != engine ] || set -- -max_len=400 "$@"
  # shellcheck disable=SC2046 # directories without spaces
  "$programs/fuzz_$name" -timeout=20 -rss_limit_mb=3000 -print_final_stats=1 "$@" $(found_by "$name") \
    $(inputs_of "$name") >"$build/$name.log" 2>&1
}

# Two words that xargs can run: `one SECONDS TARGET` and `one-canary TARGET`. They write a row for the table.
one() {
  result=ok
  fuzz_program "$2" "-max_total_time=$1" "-artifact_prefix=$build/findings/$2-" || result=FAILED
  finding=$(sed -n 's/.*Test unit written to //p' "$build/$2.log" | tail -n 1)
  if [ "$result" = FAILED ]; then
    result=$(grep -m 1 -E '^DIFFERENCE|ERROR: |runtime error' "$build/$2.log" | cut -c -120 || true)
    echo "replay: tools/fuzz.sh replay $2 ${finding:-(no input was written, see $build/$2.log)}" >"$build/$2.replay"
  fi
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$build/$2.log")
  rate=$(sed -n 's/^stat::average_exec_per_sec: *//p' "$build/$2.log")
  printf '%-10s %12s %8s  %s\n' "$2" "${runs:-?}" "${rate:-?}" "${result:-failed, see $build/$2.log}" >"$build/$2.row"
}

one_canary() {
  result='the planted fault was found'
  if FINPIPE_FUZZ_CANARY=1 fuzz_program "$1" -max_total_time=30 "-artifact_prefix=$build/canary-"; then
    result='FAILED: the planted fault was not found'
  elif ! grep -q '^DIFFERENCE' "$build/$1.log"; then
    result="FAILED: it ended otherwise, see $build/$1.log"
  fi
  rm -f "$build"/canary-*
  printf '%-10s %s\n' "$1" "$result" >"$build/$1.row"
}

each() {
  rm -f "$build"/*.row "$build"/*.replay
  # shellcheck disable=SC2086 # one word a target
  printf '%s\n' $targets | xargs -P "$(nproc)" -I '{}' "$0" "$@" '{}'
}

rows() {
  for name in $targets; do
    cat "$build/$name.row"
  done
}

canary() {
  each one-canary
  rows
  ! rows | grep -q FAILED
}

run() {
  printf '\n%s\n' "with a planted fault:"
  canary
  each one "$1"
  printf '\n%-10s %12s %8s  %s\n' target executions per_s result
  rows
  ! cat "$build"/*.replay 2>/dev/null
}

coverage() {
  cmake --preset fuzz -B build-fuzz-coverage -DFINPIPE_SANITIZE=fuzzer-no-link \
    -DCMAKE_CXX_FLAGS='-fprofile-instr-generate -fcoverage-mapping' >"$build/configure.log"
  cmake --build build-fuzz-coverage --target fuzz_programs
  status=0
  for name in $targets; do
    program=build-fuzz-coverage/tests/fuzz/fuzz_$name
    rm -f "$build/$name.profraw"
    # shellcheck disable=SC2046
    LLVM_PROFILE_FILE=$build/$name.profraw "$program" -runs=0 $(inputs_of "$name") >"$build/$name.log" 2>&1
    llvm-profdata-19 merge -o "$build/$name.profdata" "$build/$name.profraw"
    # shellcheck disable=SC2046
    llvm-cov-19 export -summary-only "$program" "-instr-profile=$build/$name.profdata" |
      python3 tests/fuzz/coverage_table.py "$name" $(sources_of "$name") || status=1
  done
  return $status
}

command=${1-30}
case $command in
  canary | coverage | replay | one | one-canary) shift ;;
  -* | *help*)
    sed -n '2,10s/^# \{0,1\}//p' "$0"
    exit 2
    ;;
  *[!0-9]*) command=30 ;;
  *) shift $(($# > 0 ? 1 : 0)) ;;
esac

case $command in
  one) one "$@" ;;
  one-canary) one_canary "$@" ;;
  replay) exec "$programs/fuzz_$1" "$2" ;;
  *)
    targets=${*:-$(all_targets)}
    for name in $targets; do
      if [ ! -f "tests/fuzz/${name}_target.cpp" ]; then
        echo "fuzz.sh: no target $name; there is: $(all_targets | tr '\n' ' ')" >&2
        exit 2
      fi
    done
    build
    case $command in
      canary | coverage) "$command" ;;
      *) run "$command" ;;
    esac
    ;;
esac
