#!/bin/bash
# $1 the release that it is to be, then packages. Installs them and systemd, and takes what would change the machine that
# the container is on out of boot.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive
# no wish of the base image to keep nothing of what was downloaded
sed -i -e '/Post-Invoke/d' -e '/Dir::Cache/d' /etc/apt/apt.conf.d/90lab 2>/dev/null || true
rm -f /etc/apt/apt.conf.d/docker-clean
suite=$1
shift
for file in /etc/apt/sources.list.d/*; do sed -i "s/bookworm/$suite/g" "$file"; done
apt-get update -q
apt-get dist-upgrade -y -q --no-install-recommends -o Dpkg::Options::=--force-confnew
apt-get install -y -q --no-install-recommends systemd systemd-sysv dbus "$@"
for unit in systemd-sysctl systemd-modules-load systemd-udevd systemd-logind getty@tty1 console-getty systemd-remount-fs; do
  ln -sf /dev/null "/etc/systemd/system/$unit.service"
done
for unit in sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount dev-hugepages.mount dev-mqueue.mount \
  sys-fs-fuse-connections.mount getty.target swap.target; do
  ln -sf /dev/null "/etc/systemd/system/$unit"
done
mkdir -p /etc/systemd/system/ssh.service.d
printf '[Service]\nExecStartPre=\nExecStartPre=/usr/bin/ssh-keygen -A\nExecStartPre=/usr/sbin/sshd -t\n' \
  >/etc/systemd/system/ssh.service.d/keys.conf # each container has host keys of its own
rm -f /etc/ssh/ssh_host_* /usr/local/sbin/prepare
wanted=(ca-certificates cron curl iproute2 procps zstd systemd-timesyncd unattended-upgrades nftables iptables ufw fail2ban
  python3-systemd)
apt-cache show docker-cli >/dev/null 2>&1 && [[ ! -x /usr/sbin/dockerd ]] &&
  wanted+=(docker.io docker-cli docker-compose docker-buildx)
apt-get install -y -q --no-install-recommends --download-only "${wanted[@]}"
