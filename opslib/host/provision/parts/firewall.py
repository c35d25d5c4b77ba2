"""The firewall: what is not named is closed from outside, also the published ports of containers.

Docker passes what comes for a published port on by rules of its own, which are asked before those of ufw or of a table
for the machine's own ports. It asks the chain DOCKER-USER first, for that purpose
(https://docs.docker.com/engine/network/packet-filtering-firewalls/): there every new connection to a published port is
dropped whose port, as it was called from outside, is not open.
"""

from __future__ import annotations

import ipaddress
import re

from opslib.errors import OpsError
from opslib.host.provision.part import LONG, Change, Facts, Wanted, content, missing

SCRIPT = "/usr/local/lib/opslib/firewall"
ASKED = ("nftables", "iptables", "ufw")
BRIDGES = ("docker0", "docker_gwbridge", "br-")  # of Docker; the last one is the beginning of the others' names

# Behind what clears the rules of others as it starts (`flush ruleset` is the first line of Debian's nftables.conf).
# Before anything is reached over the network, and before the engine, which finds DOCKER-USER filled.
UNIT = f"""[Unit]
Description=opslib: what may be reached from outside
DefaultDependencies=no
After=local-fs.target ufw.service nftables.service netfilter-persistent.service
Before=network-pre.target docker.service shutdown.target
Wants=network-pre.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={SCRIPT}

[Install]
WantedBy=multi-user.target
"""

# What ufw lets in by default, and its rules: somebody's own may be among them.
_UFW = "/etc/default/ufw /etc/ufw/user.rules /etc/ufw/user6.rules"

# $1 nftables or ufw, then the rules for ufw; the script on standard input. What was in force before comes back by
# itself.
_APPLY = f"""kind=$1; shift
[[ $kind != nftables ]] || type -P nft >/dev/null || packages nftables
type -P iptables >/dev/null || packages iptables
[[ $kind != ufw ]] || type -P ufw >/dev/null || packages ufw
settle firewall
was=$(ufw status 2>/dev/null | head -n 1)
rm -f -- "$KEPT/firewall.before"
if [[ $(systemctl is-active opslib-firewall.service) == active ]]; then cp -a -- {SCRIPT} "$KEPT/firewall.before"; fi
rm -rf -- "$KEPT/ufw.before"; mkdir -- "$KEPT/ufw.before"
for file in {_UFW}; do [[ ! -e $file ]] || cp -a -- "$file" "$KEPT/ufw.before/"; done
new=$(mktemp); cat >"$new"
arm firewall 60 <<END
if [[ -e $KEPT/firewall.before ]]; then
  cp -a -- "$KEPT/firewall.before" {SCRIPT}
  {SCRIPT}
else
  systemctl disable --now opslib-firewall.service
  rm -f -- {SCRIPT}
  nft delete table inet opslib
  for program in iptables ip6tables; do
    \\$program -w -D DOCKER-USER -j OPSLIB; \\$program -w -F OPSLIB; \\$program -w -X OPSLIB
  done
fi
if [[ $kind == ufw ]]; then
  for file in {_UFW}; do cp -a -- "$KEPT/ufw.before/\\${{file##*/}}" "\\$file"; done
  if [[ '$was' == *inactive* ]]; then ufw --force disable; else ufw reload; fi
fi
exit 0
END
write {SCRIPT} 755 <"$new"
rm -f -- "$new"
write /etc/systemd/system/opslib-firewall.service 644 <<'END'
{UNIT}END
if [[ $kind == ufw ]]; then
  log nft delete table inet opslib
  for rule; do must ufw allow $rule; done # a rule may be several words
  must ufw default deny incoming
  must ufw --force enable
fi
must systemctl daemon-reload
must systemctl enable opslib-firewall.service
must systemctl restart opslib-firewall.service"""


def firewall(facts: Facts, wanted: Wanted) -> Change | None:
    """Open are sshd's ports, 22, and those of the host file. Raises OpsError where firewalld rules the machine."""
    if facts.get("firewall.firewalld") == "active":
        raise OpsError(
            "firewalld rules this machine, and two firewalls would work against each other", left="everything",
            next="`provision: {skip: [firewall]}` in the host file, or take it off",
        )  # fmt: skip
    kind = wanted.settings.firewall or ("ufw" if "Status: active" in facts.get("firewall.ufw", "") else "nftables")
    ports = _open(facts, wanted)
    text = script(kind, ports, wanted.settings.trusted)
    lacking = missing(facts, kind, "iptables")
    rules = [*ports, *(f"from {net}" for net in wanted.settings.trusted)] if kind == "ufw" else []
    good = (
        not lacking and content(facts, "firewall.script") == text and content(facts, "firewall.unit") == UNIT
        and facts.get("firewall.enabled") == "enabled active" and facts.get("undo.firewall") != "armed"
        and _in_force(facts, kind, ports, wanted.settings.trusted)
    )  # fmt: skip
    if good:
        return None
    shown = ", ".join(port.removesuffix("/tcp") for port in ports)
    what = f"{kind}: from outside only {shown}, of containers too"
    return Change(what, _APPLY, (kind, *rules), text.encode(), limit=LONG, guarded=True)


def ssh_ports(facts: Facts) -> list[str]:
    """The ports that sshd has: by its settings, by its socket (Ubuntu), and those that it listens on now."""
    words = [*facts.get("ssh.port", "").split(), *facts.get("ssh.now", "").split()]
    if "ActiveState=active" in facts.get("ssh.socket", ""):
        words += re.findall(r":(\d+) \(Stream\)", facts["ssh.socket"])
    return sorted({word for word in words if word.isdecimal()}, key=int)


def _open(facts: Facts, wanted: Wanted) -> list[str]:
    ports = {"22/tcp", *(f"{port}/tcp" for port in ssh_ports(facts)), *wanted.settings.open}
    return sorted(ports, key=lambda port: (port.endswith("udp"), int(port.split("/")[0])))


def _in_force(facts: Facts, kind: str, ports: list[str], trusted: tuple[str, ...]) -> bool:
    for program, version in (("iptables", 4), ("ip6tables", 6)):
        jump, _, count = facts.get(f"firewall.{program}", ";0").partition(";")
        if program == "ip6tables" and not jump and count in ("", "0"):
            continue  # no IPv6 there
        if jump != "-A DOCKER-USER -j OPSLIB" or int(count or 0) != len(chain(ports, trusted, version)) + 1:
            return False
    if kind == "nftables":
        table = facts.get("firewall.table", "")
        return "policy drop" in table and all(port.split("/")[0] in table for port in ports)
    status, added = facts.get("firewall.ufw", ""), facts.get("firewall.added", "").split(";")
    allowed = [f"ufw allow {port}" for port in ports] + [f"ufw allow from {net}" for net in trusted]
    return "Status: active" in status and "deny (incoming)" in status and all(one in added for one in allowed)


def chain(ports: list[str], trusted: tuple[str, ...], version: int) -> list[str]:
    """The rules of the chain that DOCKER-USER goes to: what is no new connection from outside passes, and what is
    open."""
    bridges = [name + "+" if name.endswith("-") else name for name in BRIDGES]
    rules = ["-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN"]
    rules += [f"-i {name} -j RETURN" for name in bridges]
    rules += [f"-s {net} -j RETURN" for net in trusted if ipaddress.ip_network(net).version == version]
    for port in ports:
        number, protocol = port.split("/")
        rules.append(f"-p {protocol} -m conntrack --ctstate DNAT --ctorigdstport {number} -j RETURN")
    rules.append("-m conntrack --ctstate DNAT -j DROP")
    rules += [f"-o {name} -j DROP" for name in bridges]  # a neighbour that knows a container's own address
    return rules


def script(kind: str, ports: list[str], trusted: tuple[str, ...]) -> str:
    """The text that puts the rules in force, as a whole or not at all, as often as one likes."""
    parts = ["#!/bin/bash", "# Written by inv host.provision; changes are overwritten.", "set -u", "code=0"]
    for program, version in (("iptables", 4), ("ip6tables", 6)):
        rules = "\n".join(f"-A OPSLIB {rule}" for rule in chain(ports, trusted, version))
        parts.append(f"""if {program} -w 10 -S >/dev/null 2>&1; then
  {program} -w 10 -N DOCKER-USER 2>/dev/null
  {program}-restore -w 10 --noflush <<'END' || code=1
*filter
:OPSLIB - [0:0]
{rules}
COMMIT
END
  while {program} -w 10 -D DOCKER-USER -j OPSLIB 2>/dev/null; do :; done
  {program} -w 10 -I DOCKER-USER 1 -j OPSLIB || code=1
fi""")
    if kind == "nftables":
        parts.append(f"nft -f - <<'END' || code=1\n{table(ports, trusted)}END")
    return "\n".join([*parts, 'exit "$code"']) + "\n"


def table(ports: list[str], trusted: tuple[str, ...]) -> str:
    """The machine's own ports, as a table of nftables beside whatever other tables there are. Containers may reach the
    machine, as before."""
    lines = ["ct state established,related accept", "ct state invalid drop", 'iifname "lo" accept']
    lines += [f'iifname "{name + "*" if name.endswith("-") else name}" accept' for name in BRIDGES]
    lines += ["meta l4proto { icmp, ipv6-icmp } accept", "ip6 saddr fe80::/10 udp dport 546 accept"]
    lines.append("udp sport 67 udp dport 68 accept")  # DHCP: what answers a broadcast belongs to no connection
    for net in trusted:
        lines.append(f"{'ip' if ipaddress.ip_network(net).version == 4 else 'ip6'} saddr {net} accept")
    for protocol in ("tcp", "udp"):
        numbers = [port.split("/")[0] for port in ports if port.endswith(protocol)]
        if numbers:
            lines.append(f"{protocol} dport {{ {', '.join(numbers)} }} accept")
    body = "\n".join(f"    {line}" for line in lines)
    head = "type filter hook input priority filter; policy drop;"
    new = f"table inet opslib {{\n  chain input {{\n    {head}\n{body}\n  }}\n}}\n"
    return f"table inet opslib\ndelete table inet opslib\n{new}"  # made first, so that there is one to delete
