#!/usr/bin/env bash
# Installs the other implementations that the interoperation tests talk to, as root on Debian: programs by apt, with the shells and
# formatters that read our completions and manual; Mbed TLS
# and aiocoap into a Python environment, the archives of Scandium, Californium and its cf-oscore, and a program with pion/dtls, under the
# folder .peers (or COAPSULE_PEERS); and the browser that drives the console's pages. For `npm run bench` also the headers of libcoap and
# OpenSSL, and npm's coap.
# Does nothing for what is there. Without it the tests that need a peer skip and name it.
set -euo pipefail
exec </dev/null
cd "$(dirname "$0")/.."
folder=$(realpath -m "${COAPSULE_PEERS:-.peers}")

# try N COMMAND…: network steps may fail once
try() {
  local left=$1
  shift
  until "$@"; do
    left=$((left - 1))
    [ "$left" -gt 0 ] || { echo "failed: $*" >&2; return 1; }
    sleep 5
  done
}

# The Python package DTLSSocket is built from its source: a compiler, autoconf, automake and pkg-config.
missing=0
for program in coap-client-openssl coap-client-gnutls coap-server-openssl coap-server-gnutls \
    coap-client-notls coap-server-notls ip unshare \
    openssl gnutls-cli gnutls-serv tshark socat mosquitto redis-server python3 java javac mvn cc make autoconf aclocal pkg-config \
    groff mandoc zsh fish chromium; do
  command -v "$program" >/dev/null || missing=1
done
# Go from 1.19 on, which is Debian 12's.
go=$(command -v go || command -v /usr/local/go/bin/go || true)
[ -n "$go" ] || missing=1
# What the generator of `npm run bench` and its libcoap server are compiled with.
[ -e /usr/include/coap3/coap.h ] && [ -e /usr/include/openssl/ssl.h ] || missing=1
[ -e "$folder/python/bin/python" ] || dpkg -s python3-venv python3-dev >/dev/null 2>&1 || missing=1
if [ "$missing" = 1 ]; then
  export DEBIAN_FRONTEND=noninteractive
  try 3 apt-get -o Acquire::Retries=3 update -qq
  try 3 apt-get -o Acquire::Retries=3 install -y -qq --no-install-recommends \
    libcoap3-bin libcoap3-dev libssl-dev openssl gnutls-bin tshark socat iproute2 util-linux mosquitto redis-server \
    python3-minimal python3-venv python3-dev gcc libc6-dev make autoconf automake pkg-config \
    default-jdk-headless maven groff-base mandoc zsh fish chromium
  if [ -z "$go" ]; then
    try 3 apt-get -o Acquire::Retries=3 install -y -qq --no-install-recommends golang-go
    go=$(command -v go)
  fi
fi

mkdir -p "$folder"
if ! "$folder/python/bin/python" -c 'import aiocoap, DTLSSocket, mbedtls' 2>/dev/null; then
  rm -rf "$folder/python"
  /usr/bin/python3 -m venv "$folder/python"
  try 3 "$folder/python/bin/pip" install -q --disable-pip-version-check \
    'aiocoap[all]==0.4.17' DTLSSocket==0.2.3 python-mbedtls==2.10.1
fi

# java_peer FOLDER CLASS ARCHIVE [SOURCE…]: a peer in Java, the archives it needs, and what it uses of others
java_peer() {
  local source=packages/gateway/test/interop/$1 name=$2 archive=$3
  local peer=$folder/$1 class=$folder/$1/classes/$2.class file stale=0
  shift 3
  if [ ! -e "$peer/lib/$archive" ]; then
    try 3 mvn -B -q -f "$source/pom.xml" dependency:copy-dependencies -DoutputDirectory="$peer/lib"
  fi
  set -- "$source/$name.java" "$@"
  for file; do
    [ "$class" -nt "$file" ] || stale=1
  done
  [ "$stale" = 0 ] || javac -cp "$peer/lib/*" -d "$peer/classes" "$@"
}
java_peer scandium ScandiumPeer scandium-3.14.0.jar
java_peer californium CaliforniumPeer californium-core-3.14.0.jar
java_peer cf-oscore CfOscorePeer cf-oscore-3.13.0.jar packages/gateway/test/interop/californium/CaliforniumPeer.java

source=packages/gateway/test/interop/pion
if [ ! "$folder/pion/pion_peer" -nt "$source/pion_peer.go" ] || [ ! "$folder/pion/pion_peer" -nt "$source/go.sum" ]; then
  (cd "$source" && CGO_ENABLED=0 try 3 "$go" build -trimpath -buildvcs=false -o "$folder/pion/pion_peer" .)
fi

if [ ! -e "$folder/node-coap/node_modules/coap" ]; then
  try 3 npm install --silent --no-audit --no-fund --prefix "$folder/node-coap" coap@1.5.0
fi
