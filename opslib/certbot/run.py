"""How certbot is called on a host: its own program there, or its image; and a shell that may read what it has."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from opslib.command import Command, command
from opslib.target.docker import docker
from opslib.target.process import new_nonce

if TYPE_CHECKING:
    from opslib.settings.model import Host
    from opslib.target.base import Target

LONG = 900.0  # seconds: DNS plugins wait for minutes


def certbot(host: Host, webroot: str, *words: str, limit: float = LONG) -> Command:
    """`certbot WORDS`, where the host file says. `webroot` is the folder of the challenges there."""
    argv = program(host, webroot, words, name := f"opslib-certbot-{new_nonce()}")
    made = command(*argv, limit=limit)
    return made if host.certbot.command else made.with_(on_break=docker(host, "rm", "-f", name))


def program(host: Host, webroot: str, words: Sequence[str], name: str = "") -> list[str]:
    """The words of it, also for the script that renews. `name`: what its container is called."""
    spec = host.certbot
    if spec.command:
        return [*spec.command, *words, *_folders(host)]
    flags = ["--rm", "--init", "--label", "opslib=1", *(["--name", name] if name else [])]
    flags += ["-v", f"{spec.directory}:{spec.directory}", "-v", f"{webroot}:{webroot}"]
    flags += ["-p", "80:80"] if spec.challenge[0] == "standalone" else []
    return [*host.docker, "run", *flags, "--entrypoint", "certbot", spec.image, *words, *_folders(host)]


def log_file(host: Host) -> str:
    """Where its log is on the host."""
    return (
        "/var/log/letsencrypt/letsencrypt.log"
        if not _folders(host)
        else f"{host.certbot.directory}/logs/letsencrypt.log"
    )


def ask(target: Target, webroot: str, *words: str) -> tuple[str, bool]:
    """Call it: all that it printed, and whether it ended well. Where it did not, what its log says of the ACME server
    comes behind: certbot 2.1 on Python 3.11 fails a second time over the ACME server's error, and prints that one."""
    host = target.host
    done = target.run(certbot(host, webroot, *words), check=False)
    said = f"{done.text}\n{done.ended.stderr}"
    if not done.ended.ok:
        tail = target.run(shell(host, 'tail -n 80 "$1"', log_file(host)), check=False).text
        said += "".join(f"\n{line}" for line in tail.splitlines() if re.match(r"(\w+\.)*\w*(Error|Exception)\b", line))
    return said, done.ended.ok


def _folders(host: Host) -> list[str]:
    """Where it keeps what it has. In a container its logs would go with it."""
    spec, usual = host.certbot, posixpath.normpath(host.certbot.directory) == "/etc/letsencrypt"
    if spec.command and usual:
        return []
    where = ["--config-dir", spec.directory]
    return [*where, "--work-dir", f"{spec.directory}/work", "--logs-dir", f"{spec.directory}/logs"]


def shell(host: Host, script: str, *args: str, feed: bytes | None = None, all_processes: bool = False) -> Command:
    """A text for `sh` (any: that of certbot's image is busybox's) as somebody who may read the certificates.
    `all_processes`: and who sees the machine's, to say who has a port."""
    spec = host.certbot
    if spec.command:
        return command(*spec.command[:-1], "sh", "-c", script, "sh", *args, feed=feed, limit=60)
    name = f"opslib-certbot-{new_nonce()}"
    flags = ["--rm", "--init", "--label", "opslib=1", "--name", name, "--entrypoint", "sh"]
    flags += ["-i"] if feed is not None else []
    flags += ["--network", "host", "--pid", "host", "--privileged"] if all_processes else ["--network", "none"]
    flags += ["-v", f"{spec.directory}:{spec.directory}"]
    return docker(host, "run", *flags, spec.image, "-c", script, "sh", *args, feed=feed, limit=600,
                  on_break=docker(host, "rm", "-f", name))  # fmt: skip


def issue_words(host: Host, name: str, domains: Sequence[str], webroot: str) -> list[str]:
    """What certbot is told for a certificate, beside what is asked for now. Always with a name: a set of domains that
    it does not know would become NAME-0001 beside NAME."""
    spec = host.certbot
    words = ["certonly", "--non-interactive", "--agree-tos", "--cert-name", name, "--keep-until-expiring",
             "--renew-with-new-domains", "--key-type", spec.key]  # fmt: skip
    words += ["--email", spec.email, "--no-eff-email"] if spec.email else ["--register-unsafely-without-email"]
    if spec.challenge == ("webroot",):
        words += ["--webroot", "--webroot-path", webroot]
    else:
        words += ["--standalone"] if spec.challenge == ("standalone",) else [*spec.challenge]
    for one in domains:
        words += ["--domain", one]
    return [*words, *server_words(host), *spec.options]


def server_words(host: Host) -> list[str]:
    """Which ACME server it asks, where that is not certbot's own choice."""
    return ["--server", host.certbot.server] if host.certbot.server else []
