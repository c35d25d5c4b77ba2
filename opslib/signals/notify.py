"""Notifying people, by apprise."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from opslib.command import Secret
from opslib.errors import OpsError

if TYPE_CHECKING:
    from opslib.signals.outcome import News


def notify(urls: Sequence[Secret], what: News | Literal["trial"], title: str, text: str) -> list[str]:
    """Send it to each address; the services by which it could not be sent. Raises OpsError without apprise."""
    apprise = _apprise()
    types = apprise.NotifyType
    kind = {"failed": types.FAILURE, "recovered": types.SUCCESS, "trial": types.INFO}[what]
    failed = []
    for url in urls:
        one = apprise.Apprise.instantiate(url.reveal())
        if one and one.overflow_mode == apprise.OverflowMode.UPSTREAM:
            one.overflow_mode = apprise.OverflowMode.TRUNCATE  # many services refuse what is longer than they take
        if not one or not apprise.Apprise(one).notify(
            body=text, title=title, notify_type=kind, body_format=apprise.NotifyFormat.TEXT
        ):
            failed.append(service(url))
    return failed


def unknown(urls: Sequence[Secret]) -> list[str]:
    """The services that apprise does not know, or whose address lacks something. Raises OpsError without apprise."""
    apprise = _apprise()
    return [service(url) for url in urls if not apprise.Apprise.instantiate(url.reveal())]


def service(url: Secret) -> str:
    """What may be shown of an address: the rest of it holds passwords."""
    return url.reveal().split("://", 1)[0]


def _apprise() -> Any:
    try:
        import apprise
    except ImportError:
        raise OpsError(
            "`notify` needs apprise, which is not installed", next="pip install apprise, into the project's environment"
        ) from None
    # What it says of a failure holds addresses.
    logger = logging.getLogger("apprise")
    logger.handlers, logger.propagate = [logging.NullHandler()], False
    return apprise
