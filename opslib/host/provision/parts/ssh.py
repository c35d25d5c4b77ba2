"""sshd: keys alone, and no password for root."""

from __future__ import annotations

import re

from opslib.errors import OpsError
from opslib.host.provision.part import Change, Facts, Wanted, content

FILE = "/etc/ssh/sshd_config.d/00-opslib.conf"
HARDENED = {
    "PasswordAuthentication": "no",
    "KbdInteractiveAuthentication": "no",
    "PermitEmptyPasswords": "no",
    "PermitRootLogin": "prohibit-password",
    "X11Forwarding": "no",
}
_STRICTER = ("no", "forced-commands-only")  # of PermitRootLogin
_SAME = {"without-password": "prohibit-password"}  # as `sshd -T` says it

# The file on standard input. The old one comes back by the machine's own clock.
_SSH = f"""file={FILE}
settle ssh
rm -f -- "$KEPT/sshd.before"; [[ ! -e $file ]] || cp -a -- "$file" "$KEPT/sshd.before"
new=$(mktemp); cat >"$new"
arm ssh 60 <<END
if [[ -e $KEPT/sshd.before ]]; then cp -a -- "$KEPT/sshd.before" $file; else rm -f -- $file; fi
systemctl reload-or-restart ssh.service
END
write "$file" 644 <"$new"
rm -f -- "$new"
if ! said=$(/usr/sbin/sshd -t 2>&1); then
  log bash "$KEPT/undo.ssh"; disarm ssh >/dev/null
  fail "sshd would not take it: $said"
fi
must systemctl reload-or-restart ssh.service"""


def ssh(facts: Facts, wanted: Wanted) -> Change | None:
    """sshd says what is wanted of it, whatever its files say: the first value of a keyword counts, and our file is read
    first. Raises OpsError where sshd_config reads no further files."""
    hardened = {key: value for key, value in HARDENED.items() if not _names(wanted, key)}  # the first of two counts
    settings = {**hardened, **wanted.settings.ssh}
    if (root := _said(facts, "PermitRootLogin")) in _STRICTER and not _names(wanted, "PermitRootLogin"):
        settings["PermitRootLogin"] = root  # our file is read first: what is said in it would let root in again
    differs = [key for key, value in settings.items() if _said(facts, key) != _plain(value)]
    if not differs and facts.get("undo.ssh") != "armed":
        return None
    if not re.search(r"(?mi)^\s*Include\s+.*sshd_config\.d", content(facts, "ssh.main") or ""):
        raise OpsError("sshd_config there has no `Include /etc/ssh/sshd_config.d/*.conf`", left="sshd",
                       next="put that line in front of it, or `provision: {skip: [ssh]}` in the host file")  # fmt: skip
    text = "# Written by inv host.provision\n" + "".join(f"{key} {value}\n" for key, value in settings.items())
    shown = differs or list(settings)
    what = f"sshd: {', '.join(f'{key} {settings[key]}' for key in shown)}, when logins with keys have worked"
    return Change(what, _SSH, data=text.encode(), guarded=True)


def _names(wanted: Wanted, keyword: str) -> bool:
    """Whether the host file says something of it; sshd does not mind how a keyword is spelled."""
    return keyword.lower() in (key.lower() for key in wanted.settings.ssh)


def _said(facts: Facts, keyword: str) -> str:
    return _plain(facts.get(f"ssh.{keyword.lower()}", ""))


def _plain(value: str) -> str:
    value = " ".join(value.lower().split())
    return _SAME.get(value, value)
