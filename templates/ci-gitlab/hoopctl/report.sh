#!/bin/sh
# Reports orders by status. Run it with: hoopctl run
#
# It holds no password and no host name: hoopctl puts DATABASE_URL into its environment, which leads into a tunnel.
set -eu

: "${DATABASE_URL:?is not set: start it with: hoopctl run (with several targets, map one in hoop.yaml)}"

# What a refusal means, and the exit code that tells cron. Every other error is psql's own.
explain() {
  case $1 in
    *HOOP_DENIED*) echo 'report: policy does not allow this; ask whoever writes it' >&2; exit 4 ;;
    *HOOP_HELD*) echo 'report: a person has to approve this first; run the report again afterwards' >&2; exit 5 ;;
    *HOOP_LIMIT*) echo 'report: too many rows or bytes; ask for less' >&2; exit 9 ;;
    *HOOP_REVOKED*) echo 'report: access was taken away' >&2; exit 7 ;;
  esac
}

# One statement, its rows as CSV on stdout. What psql says goes to stderr as it is.
query() {
  errors=$(mktemp)
  status=0
  psql "$DATABASE_URL" --no-psqlrc --quiet --csv --set ON_ERROR_STOP=1 --command "$1" 2>"$errors" || status=$?
  said=$(cat "$errors")
  rm -f "$errors"
  [ -z "$said" ] || printf '%s\n' "$said" >&2
  [ "$status" -eq 0 ] || { explain "$said"; exit "$status"; }
}

query "${1:-SELECT status, count(*) AS orders, sum(amount) AS total FROM orders GROUP BY status ORDER BY status}"
