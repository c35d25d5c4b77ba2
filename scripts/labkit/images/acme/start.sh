#!/bin/bash
# A certificate for pebble's own HTTPS, the name server, and one pebble that gives 90 days.
set -euo pipefail
mkdir -p /acme && cd /acme
address=$(hostname -i | cut -d' ' -f1)
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out cert.pem -days 3650 \
    -subj '/CN=lab acme' -addext "subjectAltName=IP:$address,IP:127.0.0.1" 2>/dev/null
pebble-challtestsrv -defaultIPv4 "" -defaultIPv6 "" -dns01 :8053 -http01 "" -https01 "" -tlsalpn01 "" -management :8055 &
another.sh 14000 15000 7776000 &
wait -n
