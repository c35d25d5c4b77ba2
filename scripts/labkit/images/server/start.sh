#!/bin/bash
# Start sshd, cron and, in the foreground, the engine. Runs under an init that reaps (docker run --init).
set -euo pipefail

# What an engine that was killed left behind would be taken for a running one.
rm -rf /run/docker.pid /run/docker.sock /run/docker /run/containerd /run/crond.pid /run/sshd.pid

ssh-keygen -A >/dev/null # makes only the host keys that are missing, so they survive a restart
mkdir -p /run/sshd /etc/docker
/usr/sbin/sshd
/usr/sbin/cron

if [[ ${STORE:-classic} == containerd ]]; then
    echo '{"features": {"containerd-snapshotter": true}}' >/etc/docker/daemon.json
fi
exec dockerd --seccomp-profile /etc/docker/seccomp.json
