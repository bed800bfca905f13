#!/bin/sh
# Starts Alertmanager with channels and secrets from the environment. Files with secrets are made by the user that runs
# this, for that user alone: run it as the user that Alertmanager shall have.
#
#   ALERT_EMAIL_TO, ALERT_SMTP (HOST:PORT), ALERT_EMAIL_FROM          e-mail
#   ALERT_SMTP_USER, ALERT_SMTP_PASSWORD, ALERT_SMTP_TLS (true)       its login, and whether TLS is insisted on
#   ALERT_SLACK_URL, ALERT_SLACK_CHANNEL (#alerts)                    a webhook of Slack
#   ALERT_PAGER_URL, ALERT_PAGER_TOKEN                                a webhook for what must wake somebody; its bearer token
#   ALERT_RUNBOOK_BASE                                                goes before docs/operations.md#ALERT in e-mail and in
#                                                                     Slack, such as https://HOST/finpipe/; what the webhook
#                                                                     for who is woken gets has the path alone
#   ALERT_DIRECTORY                                                   where the files go; default a temporary directory
#   ALERTMANAGER                                                      the program
# A channel without its first variable is left out. Arguments go to Alertmanager; with `check` instead, the files are only
# made and their directory is told.
set -eu
umask 077
here=$(cd "$(dirname "$0")" && pwd)
directory=${ALERT_DIRECTORY:-$(mktemp -d)}
mkdir -p "$directory"

if [ -n "${ALERT_EMAIL_TO-}" ] && [ -z "${ALERT_SMTP-}" ]; then
  echo "start.sh: ALERT_EMAIL_TO needs ALERT_SMTP, the HOST:PORT of a mail server" >&2
  exit 2
fi
if [ -n "${ALERT_EMAIL_TO-}" ] && [ -n "${ALERT_SMTP_USER-}" ] && [ -z "${ALERT_SMTP_PASSWORD-}" ]; then
  echo "start.sh: ALERT_SMTP_USER needs ALERT_SMTP_PASSWORD, its password at the mail server" >&2
  exit 2
fi
if [ -z "${ALERT_EMAIL_TO-}${ALERT_SLACK_URL-}${ALERT_PAGER_URL-}" ]; then
  echo "start.sh: no ALERT_EMAIL_TO, ALERT_SLACK_URL or ALERT_PAGER_URL: alerts are shown, and sent to nobody" >&2
fi

secret() { # FILE VALUE
  printf %s "$2" >"$directory/$1"
}
[ -z "${ALERT_SMTP_PASSWORD-}" ] || secret smtp-password "$ALERT_SMTP_PASSWORD"
[ -z "${ALERT_SLACK_URL-}" ] || secret slack-url "$ALERT_SLACK_URL"
[ -z "${ALERT_PAGER_TOKEN-}" ] || secret pager-token "$ALERT_PAGER_TOKEN"

# A value is a text in single quotes of YAML.
export ALERT_DIRECTORY="$directory" ALERT_MESSAGES="$directory/messages.tmpl"
export ALERT_RUNBOOK_BASE="${ALERT_RUNBOOK_BASE-}"
export ALERT_EMAIL_TO="${ALERT_EMAIL_TO-}" ALERT_SMTP="${ALERT_SMTP-}" ALERT_SMTP_TLS="${ALERT_SMTP_TLS:-true}"
export ALERT_EMAIL_FROM="${ALERT_EMAIL_FROM:-${ALERT_EMAIL_TO%%,*}}" ALERT_SMTP_USER="${ALERT_SMTP_USER-}"
export ALERT_SLACK_URL="${ALERT_SLACK_URL-}" ALERT_SLACK_CHANNEL="${ALERT_SLACK_CHANNEL:-#alerts}"
export ALERT_PAGER_URL="${ALERT_PAGER_URL-}" ALERT_PAGER_TOKEN="${ALERT_PAGER_TOKEN-}"
fill_in() { # FILE
  awk '
    BEGIN {
      set["email"] = ENVIRON["ALERT_EMAIL_TO"] != ""
      set["smtp_login"] = ENVIRON["ALERT_SMTP_USER"] != ""
      set["slack"] = ENVIRON["ALERT_SLACK_URL"] != ""
      set["pager"] = ENVIRON["ALERT_PAGER_URL"] != ""
      set["pager_login"] = ENVIRON["ALERT_PAGER_TOKEN"] != ""
      depth = 0
    }
    function quoted(text) {
      gsub(/\047/, "\047\047", text)
      return text
    }
    $1 == "#" && $2 ~ /^\[/ { outer = skipped[depth]; skipped[++depth] = outer || !set[substr($2, 2)]; next }
    $1 == "#" && $2 == "]" { --depth; next }
    skipped[depth] { next }
    {
      line = $0
      out = ""
      while (match(line, /@ALERT_[A-Z_]+@/)) {
        out = out substr(line, 1, RSTART - 1) quoted(ENVIRON[substr(line, RSTART + 1, RLENGTH - 2)])
        line = substr(line, RSTART + RLENGTH)
      }
      print out line
    }
  ' "$here/$1"
}
fill_in alertmanager.yaml.in >"$directory/alertmanager.yaml"
fill_in messages.tmpl >"$directory/messages.tmpl"

if [ "${1-}" = check ]; then
  echo "$directory"
  exit
fi
program=${ALERTMANAGER:-$(command -v alertmanager || command -v prometheus-alertmanager)}
exec "$program" --config.file="$directory/alertmanager.yaml" "$@"
