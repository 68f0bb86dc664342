#!/usr/bin/env bash
# A PostgreSQL for tests, in a folder of its own on a free port of loopback, run by somebody who is not root.
#   tests/postgres.sh start FOLDER [--durable]   makes and starts it; prints its address
#   tests/postgres.sh halt FOLDER                it crashes; its data stay
#   tests/postgres.sh resume FOLDER              starts it again on the same port
#   tests/postgres.sh stop FOLDER                ends it and removes the folder
# It does not wait for the disk, unless it is to be durable: what a power cut would do to it is not what most tests ask.
set -euo pipefail

bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
[ -n "$bin" ] || { command -v initdb >/dev/null && bin=$(dirname "$(readlink -f "$(command -v initdb)")"); }
[ -n "$bin" ] || { echo 'tests/postgres.sh: PostgreSQL is not installed' >&2; exit 1; }

# initdb refuses to run as root; its package brings a user.
as() { if [ "$(id -u)" = 0 ]; then (cd / && exec runuser -u postgres -- "$@"); else "$@"; fi; }

start() {
  local folder=$1 port sync='-c fsync=off -c full_page_writes=off'
  [ "${2:-}" != --durable ] || sync='-c fsync=on -c full_page_writes=on'
  mkdir -p "$folder/socket"
  [ "$(id -u)" != 0 ] || chown -R postgres "$folder"
  as "$bin/initdb" -D "$folder/data" -U ombud -A trust -E UTF8 --locale=C.UTF-8 -N >"$folder/initdb.log" 2>&1 ||
    { cat "$folder/initdb.log" >&2; return 1; }
  for port in $(python3 -c 'import random; print(*random.sample(range(20000, 32000), 5))'); do
    if as "$bin/pg_ctl" -D "$folder/data" -w -t 60 -l "$folder/socket/log" start \
      -o "-p $port -k $folder/socket -c listen_addresses=127.0.0.1 -c max_connections=400 $sync" >/dev/null; then
      echo "postgres://ombud@127.0.0.1:$port/postgres"
      return 0
    fi
  done
  cat "$folder/socket/log" >&2
  return 1
}

halt() { as "$bin/pg_ctl" -D "$1/data" -w -m immediate stop >/dev/null; }

# With the options of its first start, which PostgreSQL keeps.
resume() {
  as "$bin/pg_ctl" -D "$1/data" -w -t 60 -l "$1/socket/log" restart >/dev/null 2>&1 || { cat "$1/socket/log" >&2; return 1; }
}

stop() {
  local folder=$1
  as "$bin/pg_ctl" -D "$folder/data" -m immediate stop >/dev/null 2>&1 || true
  rm -rf "$folder"
}

case "${1:-} ${2:-}" in
  'start '?*) start "$2" "${3:-}" ;;
  'halt '?*) halt "$2" ;;
  'resume '?*) resume "$2" ;;
  'stop '?*) stop "$2" ;;
  *) echo 'usage: tests/postgres.sh start|halt|resume|stop FOLDER' >&2; exit 64 ;;
esac
