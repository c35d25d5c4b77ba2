"""What a look at a healthy server prints."""

from opslib.host.look import machine_from
from opslib.settings.model import Backup, Host
from opslib.settings.units import Address, Reserve

HOST = Host(
    name="prod", path="/srv/a b", address=Address("203.0.113.7", "deploy"), compose=("compose.yml",),
    backup=Backup(reserve=Reserve(size=2_000_000_000)),
)  # fmt: skip
INFO = (
    '{"ServerVersion":"27.1.1","Driver":"overlay2","DriverStatus":[],"Architecture":"x86_64","DockerRootDir":"/var/lib/docker",'
    '"Swarm":{"LocalNodeState":"inactive","ControlAvailable":false},"LiveRestoreEnabled":false,'
    '"ClientInfo":{"Plugins":[{"Name":"buildx","Version":"v0.16"},{"Name":"compose","Version":"v2.29.1"}]}}'
)
API = (
    '["running","Up 3 days (healthy)","survey-api-1","127.0.0.1:8000->8000/tcp","api:1","survey","api","False",'
    '"/srv/a b/compose.yml","",""]\n /srv/link'
)
WEB = (
    '["running","Up 3 days","survey-nginx-1","0.0.0.0:80->80/tcp, [::]:80->80/tcp, 0.0.0.0:443->443/tcp","nginx:1","survey",'
    '"nginx","False","/srv/a b/compose.yml","",""]\n /srv/link'
)
TEXT = f"""# now
100000000.5
# bash
5.2.15(1)-release
# user
deploy
# groups
deploy docker sudo
# missing
# os
 PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
 ID=debian
 VERSION_ID="12"
# machine
kernel 6.1.0-28-amd64
arch x86_64
cpus 4
load 0.25
up 864000
MemTotal 8000000
MemAvailable 6000000
SwapTotal 2000000
SwapFree 2000000
# cron
lines 2
runs cron
runs systemd-timesyn
# units
Id=certbot.timer
LoadState=loaded
ActiveState=active
Id=ufw.service
LoadState=not-found
ActiveState=inactive
# failed
# apt
there
unattended
upgrade='1'
lists='1'
read 99990000
# reboot
# state
# locks
file 77 /var/lib/dpkg/lock-frontend
file 78 /srv/a b/.opslib/lock
# sudo
free
# sockets
tcp   LISTEN 0      128          0.0.0.0:22        0.0.0.0:*    users:(("sshd",pid=700,fd=3))
tcp   LISTEN 0      4096       127.0.0.1:8000      0.0.0.0:*    users:(("docker-proxy",pid=800,fd=7))
udp   UNCONN 0      0      127.0.0.53%lo:53        0.0.0.0:*    users:(("systemd-resolve",pid=500,fd=13))
tcp   LISTEN 0      128             [::]:22           [::]:*    users:(("sshd",pid=700,fd=4))
tcp   LISTEN 0      511                *:80              *:*    users:(("docker-proxy",pid=801,fd=7))
# firewall
ufw yes
iptables
-P INPUT DROP
-A INPUT -j ufw-before-input
-N DOCKER-USER
-A DOCKER-USER -j RETURN
# certificates
# updates
3 0
# info
{INFO}
# containers
{API}
{WEB}
# folders
 /srv/link
# real
 /srv/a b
# tools
sha256:1
# folder /srv/a b
there yes /srv/a b
/srv/a b
# folder /srv/a b/backups
absent yes /srv/a b
/srv/a b/backups
# disks
   1B-blocks       Avail   Inodes    IFree Mounted on
100000000000 50000000000 6000000 5000000 /srv/a disk
100000000000 50000000000 6000000 5000000 /srv/a disk
200000000000 90000000000       0       0 /var/lib/docker
 40000000000 20000000000 2000000 1500000 /
# end
"""


def seen(*changes, text=TEXT):
    """The machine, where each of the pairs of `changes` has replaced a text, which is there once."""
    for old, new in changes:
        assert text.count(old) == 1, (old, text.count(old))
        text = text.replace(old, new)
    return machine_from(text)
