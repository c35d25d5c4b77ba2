"""All parts, in the order in which they are made."""

from __future__ import annotations

from opslib.host.provision.part import Part
from opslib.host.provision.parts import accounts, engine, firewall, small, ssh, system

PARTS = (
    Part("packages", system.packages),
    Part("clock", system.clock),
    Part("swap", system.swap),
    Part("user", accounts.user),
    Part("folder", accounts.folder),
    Part("daemon", engine.daemon),
    Part("docker", engine.docker),
    Part("textfile", small.textfile),
    Part("cron", small.cron),
    Part("firewall", firewall.firewall),
    Part("ssh", ssh.ssh),
    Part("fail2ban", small.fail2ban),
    Part("updates", system.updates),
)
ASKED = tuple(dict.fromkeys((*system.ASKED, *engine.ASKED, *firewall.ASKED, *small.ASKED)))
"""The packages that the look has to ask for, beside those of the host file."""
