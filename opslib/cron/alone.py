"""Whether a scheduled task could run: nobody is there at night to type a passphrase or to set a variable."""

from __future__ import annotations

import os
from pathlib import Path

from opslib.errors import BadSettings, OpsError
from opslib.settings.load import KEYS, load_host
from opslib.settings.model import Host


def check(root: Path, host: Host) -> None:
    """Raise what would stop the job at night."""
    try:
        alone = load_host(root, host.name, environ={})
    except BadSettings as error:
        raise BadSettings(
            f"cron has none of your shell's variables: {error.what}", left="the crontab", next="set it in .env"
        ) from None
    if alone != host:
        names = ", ".join(name for name in KEYS if os.environ.get(name)) or "variables that the host file refers to"
        raise BadSettings(
            f"cron has none of your shell's variables, and without them {host.name} is another: {names}",
            left="the crontab",
            next="set them in .env or in the host file, and unset them in the shell",
        )
    if host.address is None:
        return
    from opslib.target.connection import needs_person
    from opslib.target.ssh_config import of_host

    why = needs_person(of_host(host), host_name=host.name)
    if why:
        raise OpsError(
            f"cron could not log in, nobody is there to help it: {why}",
            host=host.name,
            left="the crontab",
            next="give it a key without a passphrase, and name that as IdentityFile of the server in ~/.ssh/config",
        )
