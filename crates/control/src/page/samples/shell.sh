#!/bin/sh
# verify.sh BODY_FILE SIGNATURE:
# WEBHOOK_SECRET='%SECRET%' sh verify.sh body.json "sha256=…"
# BODY_FILE holds the exact bytes of the request, SIGNATURE is its x-boottify-signature header.
set -eu

expected="sha256=$(openssl dgst -sha256 -hmac "$WEBHOOK_SECRET" -r < "$1" | cut -d ' ' -f 1)"

if [ "$2" = "$expected" ]; then
  echo "Valid signature"
else
  echo "Invalid signature" >&2
  exit 1
fi
