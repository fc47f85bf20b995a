#!/bin/sh
# Makes the certificates beside this script again; README.md says what they are. The authority's key is not kept.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

touch "$work/index"
echo 01 >"$work/serial"
cat >"$work/config" <<END
[ca]
default_ca = authority
[authority]
database = $work/index
serial = $work/serial
new_certs_dir = $work
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
[req]
prompt = no
distinguished_name = subject
[subject]
CN = barewire test
[root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
[server]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost,IP:127.0.0.1,IP:::1
[other]
basicConstraints = critical,CA:FALSE
subjectAltName = DNS:other.example
[selfca]
basicConstraints = critical,CA:TRUE
subjectAltName = DNS:localhost
END

key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1"; }
# name, extensions, from, until, then how it is signed
sign() {
    name=$1 extensions=$2 from=$3 until=$4
    shift 4
    openssl ca -batch -notext -config "$work/config" -extensions "$extensions" -startdate "$from" -enddate "$until" \
        -in "$work/request" -out "$name.pem" "$@" 2>/dev/null
}
long_ago=20200101000000Z
never=99991231235959Z

key "$work/ca.key"
key key.pem
openssl req -new -config "$work/config" -subj "/CN=barewire test authority" -key "$work/ca.key" -out "$work/request"
sign ca root $long_ago $never -selfsign -keyfile "$work/ca.key"
openssl req -new -config "$work/config" -subj "/CN=barewire test server" -key key.pem -out "$work/request"
by_ca="-cert ca.pem -keyfile $work/ca.key"
sign server server $long_ago $never $by_ca
sign other other $long_ago $never $by_ca
sign expired server $long_ago 20210101000000Z $by_ca
sign early server 90000101000000Z $never $by_ca
sign self server $long_ago $never -selfsign -keyfile key.pem
sign self-ca selfca $long_ago $never -selfsign -keyfile key.pem
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$work/namesake.key" 2>/dev/null
openssl req -new -config "$work/config" -subj "/CN=barewire test server" -key "$work/namesake.key" -out "$work/request"
sign namesake root $long_ago $never -selfsign -keyfile "$work/namesake.key"
chmod 644 ./*.pem
