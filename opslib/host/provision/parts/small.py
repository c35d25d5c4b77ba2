"""The folder for node_exporter's text files, the cron entries, and fail2ban where it is asked for."""

from __future__ import annotations

from opslib.errors import OpsError
from opslib.host.provision.part import LONG, Change, Facts, Wanted, content, missing
from opslib.host.provision.parts.firewall import ssh_ports

ASKED = ("fail2ban", "python3-systemd")

_TEXTFILE = 'must install -d -m 755 -o "$1" -g "$(id -gn -- "$1")" -- "$2"'


def textfile(facts: Facts, wanted: Wanted) -> Change | None:
    """The folder that node_exporter reads `*.prom` from, which the user may write to."""
    path = wanted.settings.textfile
    owner, _, kind = facts.get("textfile.is", "").partition(" ")
    if kind and kind != "directory":
        raise OpsError(f"{path} is no folder, but a {kind}", left="everything",
                       next="another `provision: {textfile: …}` in the host file")  # fmt: skip
    if owner == wanted.user:
        return None
    return Change(f"the folder {path}, for metrics in text files", _TEXTFILE, (wanted.user, path))


_CRON = """if (($1)); then write /etc/cron.d/opslib-provision 644; else rm -f /etc/cron.d/opslib-provision; fi
must systemctl enable --now cron.service"""

_HEAD = """# Written by inv host.provision; changes are overwritten.
SHELL=/bin/bash
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
"""


def cron(facts: Facts, wanted: Wanted) -> Change | None:
    """The lines of the host file stand in a file of their own in cron.d, and cron runs."""
    lines = [f"# {name}\n{_entry(line, wanted.user)}\n" for name, line in sorted(wanted.settings.cron.items())]
    names = ", ".join(sorted(wanted.settings.cron))
    text = _HEAD + "".join(lines) if lines else ""
    same = (content(facts, "cron.file") or "") == text
    if same and facts.get("cron.service") == "active":
        return None
    what = f"cron entries: {names}" if names else "no cron entries of the host file" if not same else "start cron"
    return Change(what, _CRON, ("1" if lines else "0",), text.encode())


def _entry(line: str, user: str) -> str:
    fields = 1 if line.startswith("@") else 5
    *when, command = line.split(None, fields)
    return f"{' '.join(when)} {user} {command}"


_FAIL2BAN = """(($# == 0)) || packages "$@"
write /etc/fail2ban/jail.d/opslib.local 644
must systemctl enable fail2ban.service
must systemctl restart fail2ban.service"""


def fail2ban(facts: Facts, wanted: Wanted) -> Change | None:
    """Who tries to log in too often is kept out for a while, where the host file asks for that. (sshd's lines are in
    systemd's journal: there may be no auth.log.)"""
    if not wanted.settings.fail2ban:
        return None
    ports = ",".join(ssh_ports(facts)) or "ssh"
    text = f"# Written by inv host.provision\n[sshd]\nenabled = true\nbackend = systemd\nport = {ports}\n"
    lacking = missing(facts, *ASKED)
    if not lacking and content(facts, "fail2ban.file") == text and facts.get("fail2ban.service") == "active":
        return None
    return Change(f"fail2ban for sshd, port {ports}", _FAIL2BAN, lacking, text.encode(), limit=LONG)
