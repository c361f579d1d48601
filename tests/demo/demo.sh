#!/bin/bash
# The whole story on one screen: an application writes, backups appear, an assistant asks, a restore
# gives back the same bytes. Exit status 0 only if it does. All of it happens in a temporary folder.
#
#   demo.sh <litestream_ext.so> <litestream>
set -euo pipefail

extension=$(realpath "$1")
program=$(realpath "$2")
work=$(mktemp -d)
server=
finish() {
  if [[ -n $server ]]; then kill "$server" 2>/dev/null || true; fi
  rm -rf "$work"
}
trap finish EXIT
unset LITESTREAM_CONFIG LITESTREAM_REPLICA_URL LITESTREAM_MCP_TOKEN
cd "$work"
ln -s "$extension" litestream_ext.so

chapter() { printf '\n== %s\n' "$*"; }
tell() { printf '$ %s\n' "$*"; "$@"; }
die() {
  printf 'FAILED: %s\n' "$*" >&2
  if [[ -f server.log ]]; then cat server.log >&2; fi
  exit 1
}
# has <what> <text> <pattern>: the story only goes on if the answer says what it should.
has() { grep -Eq -- "$3" <<<"$2" || die "$1: expected $3 in: $2"; }

chapter "1. An application loads the extension and writes"
cat >app.sql <<SQL
.load ./litestream_ext
SELECT litestream_replicate('file://$work/replica');
CREATE TABLE note(id INTEGER PRIMARY KEY, text TEXT);
INSERT INTO note(text) VALUES('the first note');
SELECT litestream_sync();
INSERT INTO note(text) VALUES('the second note');
SELECT litestream_sync();
.mode column
SELECT level, min_txid, max_txid, size, created_at FROM litestream_ltx;
.quit
SQL
sed 's/^/sqlite> /' app.sql
sqlite3 -batch app.db <app.sql | tee app.out
has "litestream_ltx" "$(cat app.out)" '[0-9a-f]{16} +[0-9a-f]{16}'

chapter "2. LTX files are on the replica, in the layout of Litestream 0.5"
tell ls -l replica/ltx/0
compgen -G 'replica/ltx/0/*.ltx' >/dev/null || die "no LTX file"

chapter "3. The program takes over, with an MCP endpoint beside it"
cat >litestream.yml <<YML
dbs:
  - path: $work/app.db
    replica:
      url: file://$work/replica
      sync-interval: 50ms
YML
tell cat litestream.yml
printf '$ litestream replicate -config litestream.yml -mcp-addr localhost:0 &\n'
"$program" replicate -config litestream.yml -mcp-addr localhost:0 2>server.log &
server=$!
url=
for _ in $(seq 200); do
  url=$(sed -nE 's#.*mcp: listening on (http://[^ "]+).*#\1#p' server.log | head -n 1)
  if [[ -n $url ]]; then break; fi
  kill -0 "$server" 2>/dev/null || die "the program ended"
  sleep 0.1
done
[[ -n $url ]] || die "the endpoint did not come up"
url=${url%/}
echo "listening on $url"

chapter "4. An application that knows nothing of all this writes too"
tell sqlite3 app.db "INSERT INTO note(text) VALUES('written by a plain sqlite3')"
tell sqlite3 app.db "CREATE TABLE bulk AS WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL
  SELECT i + 1 FROM s LIMIT 5000) SELECT i, hex(randomblob(20)) AS v FROM s"

chapter "5. The five tools answer"
get() { # get <tool> [name=value...]
  local arguments=(-sS --fail-with-body --max-time 60 -G "$url/mcp/tools/$1")
  local argument
  for argument in "${@:2}"; do arguments+=(--data-urlencode "$argument"); done
  printf '$ curl %s\n' "$url/mcp/tools/$1  ${*:2}" >&2
  curl "${arguments[@]}" || die "$1 did not answer"
}
# What is committed now is on the replica once the tool says so.
curl -sS --fail-with-body --max-time 60 -H 'Content-Type: application/json' \
  -d "{\"database\":\"$work/app.db\"}" "$url/mcp/tools/litestream_sync" >sync.json || die "sync"
answer=$(get litestream_databases); echo "$answer"
has litestream_databases "$answer" "\"path\": ?\"$work/app.db\""
answer=$(get litestream_ltx "database=$work/app.db" level=0); echo "$answer"
has litestream_ltx "$answer" '"min_txid": ?"[0-9a-f]{16}"'
answer=$(get litestream_snapshots "database=$work/app.db"); echo "$answer"
has litestream_snapshots "$answer" '"snapshots": ?\['
answer=$(get litestream_generations "database=$work/app.db"); echo "$answer"
has litestream_generations "$answer" 'litestream_ltx'
printf '$ curl -d %s %s\n' "'{\"database\":\"…/app.db\",\"output\":\"…/restored.db\"}'" \
  "$url/mcp/tools/litestream_restore"
answer=$(curl -sS --fail-with-body --max-time 60 -H 'Content-Type: application/json' \
  -d "{\"database\":\"$work/app.db\",\"output\":\"$work/restored.db\"}" \
  "$url/mcp/tools/litestream_restore") || die "litestream_restore: $answer"
echo "$answer"
has litestream_restore "$answer" "\"restored_path\": ?\"$work/restored.db\""

chapter "6. The program ends, and the restored file has the very bytes of the database"
kill -TERM "$server"
wait "$server" || die "the program ended with status $?"
server=
sqlite3 app.db 'PRAGMA wal_checkpoint(TRUNCATE)' >/dev/null
tell ls -l app.db restored.db
tell sqlite3 restored.db "SELECT (SELECT count(*) FROM note) || ' notes, ' || count(*) || ' rows' FROM bulk"
tell sqlite3 restored.db "PRAGMA integrity_check"
cmp app.db restored.db || die "the restored database differs"
echo "app.db and restored.db are equal, byte for byte."
