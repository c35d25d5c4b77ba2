"""What the usual migration tools are called with, and how their answers are read. Pure.

Alembic and Django have been run for this; Prisma and Flyway are built by their documentation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opslib.settings.model import Migrate

Words = tuple[str, ...]
TO = "{to}"
"""Stands in the words of `down` for what `--to` says."""


@dataclass(frozen=True, slots=True)
class State:
    """Where a schema is (None: not known, or nowhere yet), and what is still to be done (None: not known)."""

    revision: str | None = None
    pending: tuple[str, ...] | None = None


def last_line(lines: Sequence[str]) -> State:
    """The answer of a command that is nobody's we know: its last line is the revision."""
    said = [line.strip() for line in lines if line.strip()]
    return State(said[-1][:200] if said else None)


@dataclass(frozen=True, slots=True)
class Commands:
    """What is run in the service's image; None where there is no such command. `back`: where `down` goes by itself."""

    up: Words
    status: Words | None = None
    down: Words | None = None
    seed: Words | None = None
    back: str | None = None
    read: Callable[[Sequence[str]], State] = last_line


_PENDING = "-- pending --"


def _alembic(lines: Sequence[str]) -> State:
    """`alembic current`, then `alembic history` of what is above it, the newest first."""
    said = [line.strip() for line in lines if line.strip()]
    cut = said.index(_PENDING) if _PENDING in said else len(said)
    current = [line.split(" ")[0] for line in said[:cut] if re.match(r"[0-9A-Za-z_.-]+( \(|$)", line)]
    above = [found[1] for line in said[cut + 1 :] if (found := re.match(r".*? -> ([^ ,]+)", line))]
    pending = tuple(one for one in reversed(above) if one not in current) if cut < len(said) else None
    return State(", ".join(current) or None, pending)


def _django(lines: Sequence[str]) -> State:
    """`showmigrations --plan`: `[X]  app.0001_initial` is done, `[ ]` is not."""
    found = [match.groups() for line in lines if (match := re.match(r"\s*\[( |X)\]\s+(\S+)", line))]
    done = [name for mark, name in found if mark == "X"]
    return State(
        f"{done[-1]} ({len(done)} applied)" if done else None, tuple(name for mark, name in found if mark == " ")
    )


def _prisma(lines: Sequence[str]) -> State:
    """`prisma migrate status` says how many there are, and names those that are not applied."""
    text = "\n".join(lines)
    total = re.search(r"(\d+) migrations? found", text)
    block = re.search(r"not yet been applied:\n((?:\S.*\n?)*)", text)
    pending = tuple(line.strip() for line in (block[1].splitlines() if block else []) if line.strip())
    if total is None or not (pending or "up to date" in text):
        return State()
    return State(f"{int(total[1]) - len(pending)} of {total[1]} migrations", pending)


def _flyway(lines: Sequence[str]) -> State:
    """`flyway info -outputType=json`."""
    text = "\n".join(lines)
    try:
        found = json.loads(text[text.index("{") :])
        pending = [one for one in found["migrations"] if one.get("state") == "Pending"]
        return State(
            found.get("schemaVersion") or None,
            tuple(str(one.get("version") or one.get("description")) for one in pending),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return State()


_MANAGE = ("python", "manage.py")
TOOLS: dict[str, Commands] = {
    "alembic": Commands(
        up=("alembic", "upgrade", "head"),
        status=("sh", "-c", f"alembic current && echo '{_PENDING}' && alembic history -r current:heads"),
        down=("alembic", "downgrade", TO),
        back="-1",
        read=_alembic,
    ),
    "django": Commands(
        up=(*_MANAGE, "migrate", "--noinput"),
        status=(*_MANAGE, "showmigrations", "--plan"),
        down=(*_MANAGE, "migrate", "--noinput", TO),
        read=_django,
    ),
    "prisma": Commands(
        up=("npx", "prisma", "migrate", "deploy"),
        status=("npx", "prisma", "migrate", "status"),
        seed=("npx", "prisma", "db", "seed"),
        read=_prisma,
    ),
    "flyway": Commands(up=("migrate",), status=("info", "-outputType=json"), read=_flyway),
}

_FILES = re.compile(r"(?:^|/)(?:migrations?|versions)/.*\.(?:py|sql|js|ts)$|(?:^|/)V[^/]*__[^/]*\.sql$")

_SIGNS = {"alembic.ini": "alembic", "manage.py": "django", "prisma/schema.prisma": "prisma", "flyway.conf": "flyway",
          "flyway.toml": "flyway"}  # fmt: skip


def commands(spec: Migrate) -> Commands:
    """The commands of a host file: those of its tool, and in their place what it says itself."""
    tool = TOOLS[spec.tool] if spec.tool is not None else Commands(())
    ours = spec.status is not None
    return Commands(
        up=spec.up or tool.up,
        status=spec.status if ours else tool.status,
        down=spec.down or tool.down,
        seed=spec.seed or tool.seed,
        back=None if spec.down else tool.back,
        read=last_line if ours else tool.read,
    )


def going_down(found: Commands, to: str | None) -> Words | None:
    """The words that turn the schema back to `to`; None where they need one and there is none. A value of several words
    (Django's `APP NAME`) is several."""
    words = found.down or ()
    to = to or found.back
    if TO not in " ".join(words):
        return words
    if to is None:
        return None
    several: list[str] = []
    for word in words:
        several += to.split() if word == TO else [word.replace(TO, to)]
    return tuple(several)


def detect(root: Path) -> list[tuple[str, str]]:
    """(tool, path) for each sign of one in the project's folder, and one folder below."""
    found = []
    for sign, tool in _SIGNS.items():
        for path in sorted((*root.glob(sign), *root.glob(f"*/{sign}"), *root.glob(f"*/*/{sign}"))):
            relative = path.relative_to(root).as_posix()
            if not any(part.startswith(".") or part == "node_modules" for part in Path(relative).parts):
                found.append((tool, relative))
    return found


def suggestion(root: Path) -> str | None:
    """What to write into a host file that says nothing of migrations, where a tool is plain to see."""
    found = detect(root)
    if not found:
        return None
    tool, path = found[0]
    return f"{path} looks like {tool.capitalize()}: `migrate: {{service: NAME, tool: {tool}}}` in the host file"


def migrations_among(paths: Sequence[str]) -> list[str]:
    """The files of migrations, as the usual tools lay them down."""
    return [path for path in paths if _FILES.search(path)]
