"""The same env file as other programs read it. What they say stays in memory: it is every secret of the stack."""

from __future__ import annotations

import json
import re
from collections.abc import Collection

from opslib.compose.project import compose_command
from opslib.errors import OpsError
from opslib.settings.dotenv import by_python_dotenv
from opslib.target.base import Target
from opslib.target.transfer import stream_out

COMPOSE, DOTENV = "docker compose", "python-dotenv"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def read_by(here: Target, text: str, path: str, names: Collection[str]) -> dict[str, dict[str, str | None]]:
    """The values of these variables in the file at `path`, by each reader that is here."""
    found: dict[str, dict[str, str | None]] = {DOTENV: by_python_dotenv(text)}
    by_compose = _by_compose(here, path, [name for name in names if _NAME.fullmatch(name)])
    return found if by_compose is None else {COMPOSE: by_compose, **found}


def _by_compose(here: Target, path: str, names: Collection[str]) -> dict[str, str | None] | None:
    """None where Compose is not here, or does not take the file at all: then its own words come from a deploy."""
    asked = {"services": {"x": {"image": "x", "environment": {name: f"${{{name}}}" for name in names}}}}
    command = compose_command(here.host, "/", "x", ("/dev/stdin",), path, "config", "--format", "json", limit=60)
    out = bytearray()
    try:
        stream_out(here, command.with_(feed=json.dumps(asked).encode()), out.extend)
        values = json.loads(out)["services"]["x"]["environment"]
    except (OpsError, ValueError, KeyError, TypeError):
        return None
    return {name: str(value).replace("$$", "$") for name, value in values.items()}
