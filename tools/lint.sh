#!/bin/sh
# Style and static checks.
#
#   tools/lint.sh all       layers, format, tidy
#   tools/lint.sh full      the same, tidy with all of bugprone and the static analyzer, on tests and benchmarks too
#   tools/lint.sh layers    includes and banned calls
#   tools/lint.sh format    clang-format
#   tools/lint.sh tidy      clang-tidy on the .cpp files of the program
#   tools/lint.sh deploy    Dockerfiles, compose file, workflows, YAML, shell scripts
#   tools/lint.sh sources   print the C++ files
set -eu
cd "$(dirname "$0")/.."

sources() {
  for top in src tests benchmarks; do
    [ ! -d "$top" ] || find "$top" -name '*.cpp' -o -name '*.h'
  done | LC_ALL=C sort
}

layers() { tools/layer_check.py; }

format() {
  tools/packages.sh install lint
  sources | xargs clang-format-19 --dry-run -Werror
  echo "format: $(sources | wc -l) files"
}

# Tests and benchmarks would double the time of every change, and each unit that sees all of Asio or Beast takes minutes;
# their turn is in `full`.
tidy_skips='/(tests|bench)/|^tests/|^benchmarks/|^src/net/'

tidy() {
  tools/packages.sh install run test lint
  tools/build.sh all -DFINPIPE_TESTS=ON -DFINPIPE_BENCHMARKS=ON
  # The same commands as in build/, but of one source each.
  cmake --preset release -B build/tidy -DFINPIPE_UNITY=OFF -DFINPIPE_TESTS=ON -DFINPIPE_BENCHMARKS=ON \
    >build/tidy.log 2>&1 || { cat build/tidy.log >&2; return 1; }
  sed -i "s|$PWD/build/tidy/|$PWD/build/|g" build/tidy/compile_commands.json
  # Generated code is not in this list, and what build/ does not compile cannot be checked.
  sources | grep '\.cpp$' | grep -vE "$tidy_skips" | while read -r file; do
    ! grep -q "\"file\": \"$PWD/$file\"" build/tidy/compile_commands.json || echo "$file"
  done >build/tidy_sources.txt
  xargs -P "$(nproc)" -n 4 clang-tidy-19 -p build/tidy --quiet "$@" <build/tidy_sources.txt >build/tidy.log 2>&1 || {
    grep -E '(error|warning): ' build/tidy.log | LC_ALL=C sort -u >&2
    echo "tidy: failed; the whole output is in build/tidy.log" >&2
    return 1
  }
  echo "tidy: $(wc -l <build/tidy_sources.txt) files"
}

case ${1-} in
  all) layers && format && tidy ;;
  full)
    tidy_skips='^$'
    layers && format &&
      tidy '--checks=bugprone-*,-bugprone-easily-swappable-parameters,-bugprone-macro-parentheses,clang-analyzer-*'
    ;;
  layers | format | tidy | sources) "$1" ;;
  deploy) exec tools/lint_deploy.sh ;;
  *)
    sed -n '2,10s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
