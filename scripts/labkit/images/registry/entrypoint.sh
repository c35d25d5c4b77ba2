#!/bin/bash
# Let one user in, and serve.
set -euo pipefail
htpasswd -Bin "$LAB_USER" <<<"$LAB_PASSWORD" >/etc/docker/registry/htpasswd
exec docker-registry serve /etc/docker/registry/config.yml
