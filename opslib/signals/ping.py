"""Telling an address that a task begins, is done, or failed, as healthchecks.io takes it."""

from __future__ import annotations

import time
from urllib.parse import urlsplit, urlunsplit

from opslib.command import Secret

TRIES = 2
_SECONDS = 10.0  # a try may take for each connection and answer
_PAUSE = 1.0  # seconds between two tries


def address(url: str, ending: str) -> str:
    """The address with an ending of its path: `start`, or an exit code, where 0 is the address itself."""
    if ending == "0":
        return url
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{ending}"))


def ping(url: Secret, ending: str, text: str = "") -> str:
    """Post the text there; why it could not be done ("": it was), without the address: who has it can silence it."""
    import http.client
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    where = urlsplit(url.reveal()).hostname
    headers = {"Content-Type": "text/plain; charset=utf-8", "User-Agent": "opslib"}
    request = Request(address(url.reveal(), ending), text.encode(), headers)
    why = ""
    for attempt in range(TRIES):
        if attempt:
            time.sleep(_PAUSE)
        try:
            with urlopen(request, timeout=_SECONDS):
                return ""
        except HTTPError as error:
            error.close()
            why = f"{where} answers {error.code}"
            if error.code < 500 and error.code != 429:
                break
        except OSError as error:
            why = f"{where}: {getattr(error, 'reason', error)}"
        except (http.client.HTTPException, ValueError) as error:
            why = f"{where}: {type(error).__name__}"
    return why
