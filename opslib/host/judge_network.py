"""What a look says of who can come in: open ports, the firewall, what Docker's own rules open around it, certificates.
Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import ip_address

from opslib.host.containers import ALL
from opslib.host.look import Machine
from opslib.host.row import Row

WEB = {80, 443}
_LETS_IN = ('ufw policy "ACCEPT"', "ufw policy ACCEPT")
QUARTER = 0.25  # of a certificate's life: what renews it has then had its chance


def network(seen: Machine, ssh_port: int) -> Iterator[Row]:
    """In the order in which it is shown. `ssh_port`: what is dialled, which another machine may pass on to sshd's."""
    yield _ports(seen)
    yield _firewall(seen, sorted({one.port for one in seen.sockets if one.program == "sshd"} or {ssh_port}))
    yield _published(seen)
    yield _certificates(seen)


def _ports(seen: Machine) -> Row:
    """Each open port once, by whom, and whether only the machine itself can come to it."""
    containers = {
        (port.protocol, port.port): one.name for one in seen.containers if one.state == "running" for port in one.ports
    }
    found: dict[tuple[int, str], tuple[str, bool]] = {}
    for socket in seen.sockets:
        key = (socket.port, socket.protocol)
        who = containers.get((socket.protocol, socket.port)) or socket.program or "?"
        found[key] = (who, socket.loopback and found.get(key, ("", True))[1])
    for (protocol, port), name in containers.items():  # an engine without its userland proxy listens nowhere
        found.setdefault((port, protocol), (name, False))
    told = [
        f"{port}{'/udp' if protocol == 'udp' else ''} {who}{' (inside)' if inside else ''}"
        for (port, protocol), (who, inside) in sorted(found.items())
    ]
    return Row("ports", ", ".join(told) or "none is open")


def kind_of_firewall(seen: Machine) -> str | None:
    """What keeps connections from the machine by default, "" where nothing does, None where that was not seen."""
    if "ufw yes" in seen.firewall and not any(line in seen.firewall for line in _LETS_IN):
        return "ufw"
    if (seen.units or {}).get("firewalld.service") == "active":
        return "firewalld"
    if not seen.sees_all:
        return None
    rules = [line.strip() for line in seen.firewall]
    drops = [line for line in rules if line.startswith("-A INPUT -j ") and line.split()[3] in ("DROP", "REJECT")]
    if "-P INPUT DROP" in rules or drops:
        return "iptables"
    return "nftables" if any("hook input" in line and "policy drop" in line for line in rules) else ""


def _firewall(seen: Machine, ssh_ports: Sequence[int]) -> Row:
    kind = kind_of_firewall(seen)
    row = Row("firewall", {None: "not seen: that needs root", "": "none"}.get(kind, str(kind)))
    if kind != "":
        return row
    containers = {(port.port, port.protocol) for one in seen.containers for port in one.ports}
    others = sorted({
        (one.port, one.program) for one in seen.sockets
        if one.protocol == "tcp" and not one.loopback and one.port not in {*WEB, *ssh_ports}
        and (one.port, one.protocol) not in containers
    })  # fmt: skip
    ports = ",".join(map(str, [*ssh_ports, *sorted(WEB)]))
    allow = (
        f"sudo apt-get install ufw && sudo ufw allow {ports}/tcp && sudo ufw default deny incoming && sudo ufw enable"
    )
    if others:
        told = ", ".join(f"{port} ({program or 'unknown'})" for port, program in others)
        return row.wrong("exposes", f"no firewall, and open to everybody: {told}", allow)
    return row.wrong("hardening", "no firewall: whatever is started next is open to everybody", allow)


def guarded(seen: Machine) -> bool:
    """Whether DOCKER-USER, the chain in which the engine lets others decide, decides anything. What host.provision has
    put there goes on to a chain of its own, which has to drop what it does not name."""
    rules = [line.split() for line in seen.firewall if line.startswith("-A DOCKER-USER")]
    drops = any(line.startswith("-A OPSLIB ") and line.endswith("-j DROP") for line in seen.firewall)
    return any(
        drops if rule[-2:] == ["-j", "OPSLIB"] else rule[-2:] != ["-j", "RETURN"] or len(rule) > 4 for rule in rules
    )


def _published(seen: Machine) -> Row:
    """Ports that the engine opens to everybody: its rules come before those of ufw and firewalld."""
    opened = {
        one.name: sorted({port.port for port in one.ports if _public(port.address)})
        for one in seen.containers if one.state == "running"
    }  # fmt: skip
    told = [f"{', '.join(map(str, ports))} of {name}" for name, ports in opened.items() if ports]
    row = Row("published", f"{'; '.join(told) or 'nothing to everybody'}{'; DOCKER-USER decides' * guarded(seen)}")
    kind = kind_of_firewall(seen)
    for name, ports in opened.items():
        others = [port for port in ports if port not in WEB]
        if others and not guarded(seen):
            row = row.wrong(
                "exposes", f"{name}: Docker's own rules open {', '.join(map(str, others))} to everybody"
                f"{f', around {kind}' if kind else ''}",
                f'"127.0.0.1:{others[0]}:…" under `ports:`, or rules in the chain DOCKER-USER',
            )  # fmt: skip
    return row


def _public(address: str) -> bool:
    return address in ALL or not (ip_address(address).is_loopback or ip_address(address).is_private)


def _certificates(seen: Machine) -> Row:
    """Those that certbot keeps, by how much of their life is left."""
    if seen.certificates_hidden:
        return Row("certificates", "not seen: that needs root")
    if not seen.certificates:
        return Row("certificates", "none of certbot's")
    told, wrong = [], []
    for name, pem in seen.certificates.items():
        life = _life(pem)
        if life is None:
            wrong.append(
                ("breaks", f"{name}: its cert.pem is no certificate", f"sudo certbot certificates, for {name}")
            )
            continue
        began, ends = life
        left = (ends - seen.now) / (ends - began)
        told.append(f"{name} {(ends - seen.now) / 86400:.0f} days")
        if left <= 0:
            wrong.append(("breaks", f"{name}: the certificate has expired", f"sudo certbot renew --cert-name {name}"))
        elif left < QUARTER:
            wrong.append(("breaks", f"{name}: {left:.0%} of the certificate's life is left, and nothing has renewed it",
                          f"sudo certbot renew --cert-name {name} --dry-run, and why the timer did not"))  # fmt: skip
    row = Row("certificates", ", ".join(told) or "none that can be read")
    for _, what, fix in wrong:
        row = row.wrong("breaks", what, fix)
    timers = [(seen.units or {}).get(name) for name in ("certbot.timer", "snap.certbot.renew.timer")]
    renews = "active" in timers or (seen.units is None and seen.certbot_cron)
    if not renews:
        row = row.wrong("hardening", "neither certbot's timer nor its cron entry was seen to renew them",
                        "systemctl enable --now certbot.timer there, unless something else renews them")  # fmt: skip
    return row


def _life(pem: str) -> tuple[float, float] | None:
    """From when to when it is valid, as seconds since 1970."""
    from cryptography import x509

    try:
        found = x509.load_pem_x509_certificate(pem.encode())
    except ValueError:
        return None
    return found.not_valid_before_utc.timestamp(), found.not_valid_after_utc.timestamp()
