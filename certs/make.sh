#!/bin/sh
# Makes the development pair beside this script: dev-cert.pem (self-signed, P-256) and dev-key.pem (PKCS#8).
# A pair that fits together and is good for another 30 days is left alone; `make.sh --again` replaces it.
# DAYS says how long the new one is good for.
set -eu
cd "$(dirname "$0")"
cert=dev-cert.pem
key=dev-key.pem

public_key_of_cert() { openssl x509 -in "$cert" -noout -pubkey; }
public_key_of_key() { openssl pkey -in "$key" -pubout; }

if [ "${1-}" != --again ] && [ -s "$cert" ] && [ -s "$key" ] &&
    openssl x509 -in "$cert" -noout -checkend 2592000 >/dev/null &&
    [ "$(public_key_of_cert)" = "$(public_key_of_key)" ]; then
    echo "$cert and $key are good; --again replaces them"
    exit 0
fi

new=$(mktemp -d ./.make.XXXXXX)
trap 'rm -rf "$new"' EXIT
cat >"$new/config" <<'END'
[req]
prompt = no
distinguished_name = subject
x509_extensions = extensions
[subject]
CN = localhost
[extensions]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost,IP:127.0.0.1,IP:::1
subjectKeyIdentifier = hash
END

openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$new/$key"
openssl req -new -x509 -sha256 -days "${DAYS:-3650}" -config "$new/config" -key "$new/$key" -out "$new/$cert"
openssl verify -CAfile "$new/$cert" "$new/$cert" >/dev/null
chmod 644 "$new/$cert" "$new/$key"
mv "$new/$key" "$key"
mv "$new/$cert" "$cert"
openssl x509 -in "$cert" -noout -subject -enddate -fingerprint -sha256
