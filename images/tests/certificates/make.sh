#!/bin/sh
# Makes the keys and certificates of the tests again. They name loopback addresses, nobody trusts them, and they last a century.
set -eu
cd "$(dirname "$0")"
rm -f ./*.pem ./*.key
printf '[req]\ndistinguished_name=dn\n[dn]\n' > config

# NAME EXTENSION...: a self-signed certificate and its key
make() {
    name=$1
    shift
    for extension in "$@"; do
        set -- "$@" -addext "$extension"
        shift
    done
    openssl req -config config -x509 -days 36500 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
        -keyout "$name.key" -out "$name.pem" -subj "/CN=$name" "$@"
}

host='subjectAltName=IP:127.0.0.1,DNS:localhost'
make authority 'basicConstraints=critical,CA:TRUE'
# What `openssl req -x509` makes with the configuration that OpenSSL ships: Docker's documentation does it this way.
make self-ca-true 'basicConstraints=critical,CA:TRUE' "$host"
make self-ca-false 'basicConstraints=CA:FALSE' "$host"
make self-unconstrained "$host"
make self-other-name 'basicConstraints=critical,CA:TRUE' 'subjectAltName=DNS:other.example'
rm authority.srl 2> /dev/null || true

# X.509 version 1: no extensions
openssl req -config config -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout version-1.key -out request -subj /CN=version-1
openssl x509 -req -in request -CA authority.pem -CAkey authority.key -CAcreateserial -days 36500 -out version-1.pem

printf '%s' "$host" > extensions
openssl req -config config -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout server.key -out request -subj /CN=server
openssl x509 -req -in request -CA authority.pem -CAkey authority.key -CAcreateserial -days 36500 -extfile extensions -out server.pem
rm config request extensions authority.key authority.srl
