#!/bin/bash
# One pebble: another.sh PORT MANAGEMENT SECONDS [NONCES]. Certificates last SECONDS; of 100 good nonces it rejects
# NONCES. It asks for challenges where the world does, on the ports 80 and 443.
set -euo pipefail
file=/acme/$1.json
cat >"$file" <<END
{"pebble": {"listenAddress": "0.0.0.0:$1", "managementListenAddress": "0.0.0.0:$2", "certificate": "/acme/cert.pem",
 "privateKey": "/acme/key.pem", "httpPort": 80, "tlsPort": 443, "ocspResponderURL": "", "certificateValidityPeriod": $3,
 "externalAccountBindingRequired": false}}
END
export PEBBLE_VA_NOSLEEP=1 PEBBLE_WFE_NONCEREJECT=${4:-0} PEBBLE_AUTHZREUSE=0
exec pebble -config "$file" -dnsserver 127.0.0.1:8053
