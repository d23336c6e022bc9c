#!/bin/sh
# The same set of keys and certificates with openssl alone: three authorities, a service-account key, an encryption key,
# two client certificates. The baseline of the key benchmark.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
umask 077

for authority in ca etcd-ca front-proxy-ca; do
    openssl ecparam -name prime256v1 -genkey -noout -out "$authority.key"
    openssl req -x509 -new -key "$authority.key" -days 3650 -subj "/CN=$authority" -out "$authority.crt"
done
openssl genrsa -out sa.key 2048 2>/dev/null
openssl rsa -in sa.key -pubout -out sa.pub 2>/dev/null
openssl rand -base64 -out encryption.key 32

issue() { # name, subject, authority
    openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"
    openssl req -new -key "$1.key" -subj "$2" -out "$1.csr"
    openssl x509 -req -in "$1.csr" -CA "$3.crt" -CAkey "$3.key" -CAcreateserial -days 365 -out "$1.crt" 2>/dev/null
}
issue lambda-client /CN=lambda-client etcd-ca
issue admin "/O=system:masters/CN=admin" ca
