#!/bin/bash
# Installs the S3 server of moto-requirements.txt into the folder $1, once per version set.
set -euo pipefail

prefix=$1
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

if cmp -s "$here/moto-requirements.txt" "$prefix/installed.txt"; then
  echo "already installed in $prefix"
  exit 0
fi
rm -rf "$prefix"
/usr/bin/python3 -m venv "$prefix"
"$prefix/bin/pip" install --quiet --disable-pip-version-check -r "$here/moto-requirements.txt"
"$prefix/bin/python" -c "import moto.server, boto3"
cp "$here/moto-requirements.txt" "$prefix/installed.txt"
