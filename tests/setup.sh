#!/bin/bash
# Installs the Debian 12 packages that building, testing and the demo need. What is there stays as it
# is; nothing is asked, no terminal is needed. Run as root, or with sudo at hand.
set -euo pipefail

packages=(
  g++ cmake ninja-build ccache pkg-config catch2
  libsqlite3-dev liblz4-dev libyaml-cpp-dev libcpp-httplib-dev libsimdjson-dev nettle-dev libcurl4
  binutils sqlite3 curl python3 python3-venv ca-certificates zsh fish dpkg-dev man-db mmdebstrap valgrind
  ruby ruby-sqlite3 php-cli php-sqlite3
  libssl-dev openssl openssh-client openssh-server openssh-sftp-server apache2-bin libnss-wrapper
)
# Node may come from elsewhere and bring its own npm; Debian's would then get in its way.
if ! command -v npm >/dev/null; then packages+=(nodejs npm); fi

# libcurl's headers come in several packages that exclude each other; one is as good as the other.
curl_headers=$(dpkg-query -W -f '${db:Status-Status}' libcurl4-openssl-dev 2>/dev/null || true)
if [[ $curl_headers != installed ]]; then packages+=(libcurl4-gnutls-dev); fi

missing=()
for package in "${packages[@]}"; do
  state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  if [[ $state != installed ]]; then missing+=("$package"); fi
done
if [[ ${#missing[@]} -eq 0 ]]; then exit 0; fi

as_root=()
if [[ $(id -u) -ne 0 ]]; then as_root=(sudo); fi
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -q
"${as_root[@]}" apt-get install -q -y --no-install-recommends "${missing[@]}"
