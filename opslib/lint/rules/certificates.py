"""Certificates that a service cannot read, or goes on with after they were renewed."""

from __future__ import annotations

import re
from collections.abc import Iterator

from opslib.lint import known
from opslib.lint.model import Model
from opslib.lint.rule import Found, Rule
from opslib.lint.rules._stack import command, services

_LIVE = re.compile(r"(^|/)(letsencrypt|certbot|certs?)(/\w+)?/(live|archive)(/|$)")
_PLUGIN = re.compile(r"(^|\s)(--nginx|--apache|-i nginx|--installer[= ]nginx)(\s|$|\")")


def _mount(model: Model) -> Iterator[Found]:
    for name, service, _ in services(model):
        for index, mount in enumerate(service.mounts):
            if mount.type == "bind" and _LIVE.search(mount.source):
                file = mount.source.endswith(".pem")
                then = "goes on with the old one after each renewal" if file else "finds nothing behind them"
                yield Found(
                    f"{name} mounts {mount.source}: what is below live/ are links into archive/, and {name} {then}",
                    "mount all of it\nvolumes:\n  - /etc/letsencrypt:/etc/letsencrypt:ro",
                    model.place("services", name, "volumes", index), name,
                )  # fmt: skip


def _plugin(model: Model) -> Iterator[Found]:
    for name, service, entry in services(model):
        told = command(entry)
        if ("certbot" in told or "certbot" in known.named(service.image)) and _PLUGIN.search(told):
            yield Found(
                f"{name} lets certbot edit the configuration of nginx by itself: in its container there is no nginx "
                "of the stack, and on the machine nobody sees a reload that failed",
                "certbot certonly --webroot -w /var/www/certbot --cert-name NAME -d NAME; nginx serves that folder "
                "under /.well-known/acme-challenge/",
                model.place("services", name, "command"), name,
            )  # fmt: skip


RULES = (
    Rule("certificate-mount", "breaks", "a certificate is mounted without what it links to", _mount),
    Rule("certbot-edits-nginx", "breaks", "certbot edits the configuration of nginx", _plugin),
)
