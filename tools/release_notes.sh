#!/bin/sh
# Prints what CHANGELOG.md says of a version; fails when it says nothing.
#
#   tools/release_notes.sh VERSION
set -eu
cd "$(dirname "$0")/.."
notes=$(awk -v version="$1" '
  /^## / { inside = ($2 == version || $2 == "[" version "]"); next }
  inside { print }
' CHANGELOG.md)
if [ -z "$(printf %s "$notes" | tr -d '[:space:]')" ]; then
  echo "release_notes.sh: CHANGELOG.md has no section '## $1'" >&2
  exit 1
fi
printf '%s\n' "$notes"
