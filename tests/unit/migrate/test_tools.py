"""What migration tools print, recorded from them where they can be had, and how it is read; the commands to run."""

from __future__ import annotations

from pathlib import Path

import pytest

from opslib.migrate.tools import TOOLS, Commands, State, commands, detect, going_down, suggestion
from opslib.settings.model import Migrate

ALEMBIC = {
    "none": """-- pending --
7129aeb7a30d -> 80323f4deea3 (head), second, (head) -> x
<base> -> 7129aeb7a30d, first step
""",
    "one": """7129aeb7a30d
-- pending --
7129aeb7a30d -> 80323f4deea3 (head), second, (head) -> x
<base> -> 7129aeb7a30d, first step
""",
    "head": """80323f4deea3 (head)
-- pending --
7129aeb7a30d -> 80323f4deea3 (head), second, (head) -> x
""",
    "current alone": "80323f4deea3 (head)\n",
}
DJANGO = """[X]  contenttypes.0001_initial
[X]  auth.0001_initial
[ ]  admin.0001_initial
[X]  auth.0002_alter_permission_name_max_length
"""
PRISMA = """Environment variables loaded from .env
Prisma schema loaded from prisma/schema.prisma
Datasource "db": PostgreSQL database "app", schema "public" at "db:5432"

3 migrations found in prisma/migrations

Following migrations have not yet been applied:
20240102030405_add_orders
20240203040506_add_index

To apply migrations in development run prisma migrate dev.
To apply migrations in production run prisma migrate deploy.
"""
FLYWAY = """WARNING: something
{"schemaVersion": "2", "migrations": [
  {"version": "1", "state": "Success"}, {"version": "2", "state": "Success"}, {"version": "3", "state": "Pending"},
  {"version": "", "description": "views", "state": "Pending"}]}
"""


@pytest.mark.parametrize(
    "tool, said, state",
    [
        ("alembic", ALEMBIC["none"], State(None, ("7129aeb7a30d", "80323f4deea3"))),
        ("alembic", ALEMBIC["one"], State("7129aeb7a30d", ("80323f4deea3",))),
        ("alembic", ALEMBIC["head"], State("80323f4deea3", ())),
        ("alembic", ALEMBIC["current alone"], State("80323f4deea3", None)),
        ("django", DJANGO, State("auth.0002_alter_permission_name_max_length (3 applied)", ("admin.0001_initial",))),
        ("django", "[ ]  a.0001\n", State(None, ("a.0001",))),
        ("prisma", PRISMA, State("1 of 3 migrations", ("20240102030405_add_orders", "20240203040506_add_index"))),
        ("prisma", "2 migrations found in x\n\nDatabase schema is up to date!\n", State("2 of 2 migrations", ())),
        ("prisma", "Error: P1001: Can't reach database server\n", State()),
        ("flyway", FLYWAY, State("2", ("3", "views"))),
        ("flyway", "ERROR: no connection\n", State()),
        ("flyway", '{"error": {"errorCode": "FAULT"}}', State()),
    ],
)
def test_what_tools_say(tool: str, said: str, state: State) -> None:
    assert TOOLS[tool].read(said.splitlines()) == state


def test_commands_of_the_host_file_go_before_those_of_the_tool() -> None:
    alembic = commands(Migrate(service="api", tool="alembic"))
    assert alembic == TOOLS["alembic"]
    mixed = commands(Migrate(service="api", tool="alembic", up=("x",), status=("y",), down=("z", "{to}")))
    assert (mixed.up, mixed.status, mixed.down, mixed.back) == (("x",), ("y",), ("z", "{to}"), None)
    assert mixed.read(["first", " last ", ""]) == State("last")
    own = commands(Migrate(service="api", up=("x",)))
    assert (own.up, own.status, own.down, own.seed) == (("x",), None, None, None)


def test_where_a_schema_goes_back_to() -> None:
    assert going_down(TOOLS["alembic"], None) == ("alembic", "downgrade", "-1")
    assert going_down(TOOLS["alembic"], "abc") == ("alembic", "downgrade", "abc")
    assert going_down(TOOLS["django"], "shop 0003") == ("python", "manage.py", "migrate", "--noinput", "shop", "0003")
    assert going_down(TOOLS["django"], None) is None
    assert going_down(Commands((), down=("a", "--to={to}")), "x y") == ("a", "--to=x y")
    assert going_down(Commands((), down=("undo",)), None) == ("undo",)


def test_a_tool_that_is_plain_to_see(tmp_path: Path) -> None:
    assert suggestion(tmp_path) is None
    for path in ("node_modules/x/manage.py", ".venv/alembic.ini", "api/alembic.ini", "web/prisma/schema.prisma"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    assert detect(tmp_path) == [("alembic", "api/alembic.ini"), ("prisma", "web/prisma/schema.prisma")]
    assert (suggestion(tmp_path) or "").startswith(
        "api/alembic.ini looks like Alembic: `migrate: {service: NAME, tool: a"
    )
