#!/bin/sh
# Configures build/ (release) when needed and builds a target there, showing progress and errors only.
#
#   tools/build.sh TARGET [CMAKE OPTION...]
#
# A new build/ has no tests in it unless asked for; an existing one keeps its settings, so that `./run` after `./test`
# builds nothing anew.
set -eu
cd "$(dirname "$0")/.."
target=$1
shift

if [ ! -f build/build.ninja ]; then
  set -- -DFINPIPE_TESTS=OFF "$@"
fi
if [ $# -gt 0 ]; then
  mkdir -p build
  if ! cmake --preset release "$@" >build/configure.log 2>&1; then
    cat build/configure.log >&2
    exit 1
  fi
fi

cd build
NINJA_STATUS='[%f/%t, %es] '
export NINJA_STATUS
exec ninja -j "$(nproc)" "$target"
