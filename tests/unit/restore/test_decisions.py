"""What a restore decides without acting: which artifacts, what is around what, whether there is room."""

from __future__ import annotations

from pathlib import Path

import pytest

from opslib.backup.manifest import Artifact, Manifest
from opslib.backup.restore.chosen import choose
from opslib.backup.restore.context import Place
from opslib.backup.restore.files import TreePart
from opslib.backup.restore.options import Options, Preview
from opslib.backup.restore.preview import size
from opslib.backup.restore.space import Need, too_short
from opslib.backup.restore.sqlite import SqlitePart, nested
from opslib.backup.services import project_of, start_script, to_stop
from opslib.compose.stack import LABEL, Stack, parse_container
from opslib.engines.postgres_restore import knows_restrict
from opslib.errors import BadSettings
from opslib.settings.model import Host


def artifact(kind: str, name: str, service: str | None = None, **facts: object) -> Artifact:
    return Artifact(
        file=f"{kind}.{name}", kind=kind, name=name, service=service, bytes=1, raw_bytes=1, sha256="0" * 64, facts=facts
    )  # type: ignore[arg-type]


MANIFEST = Manifest(
    id="x", created="2026-01-01T00:00:00Z", host="h", project="p", by="me", opslib="0", seconds=1.0,
    artifacts=(
        artifact("postgres", "globals", "db", part="globals"), artifact("postgres", "app", "db", part="database"),
        artifact("postgres", "other", "db2", part="database"), artifact("redis", "cache", "cache"),
        artifact("volume", "uploads"), artifact("project", "p"),
    ),
)  # fmt: skip


def chosen(**options: object) -> list[str]:
    return [one.file for one in choose(MANIFEST, Options("x", root=Path("/"), **options))]  # type: ignore[arg-type]


def test_what_is_chosen_of_a_set() -> None:
    assert len(chosen()) == 5, "all but the project's files, which no host gets from another's set"
    assert chosen(kinds=("redis", "volume")) == ["redis.cache", "volume.uploads"]
    assert chosen(database="app") == ["postgres.globals", "postgres.app"]
    assert chosen(kinds=("postgres",), service="db2") == ["postgres.other"]
    with pytest.raises(BadSettings, match=r"holds postgres db/globals, postgres db/app"):
        chosen(kinds=("sqlite",))
    with pytest.raises(BadSettings):
        chosen(service="db", database="nothing")  # its roles alone are nothing


def tree(kind: str, source: str, *paths: str) -> TreePart:
    place = Place(kind=kind, source=source)  # type: ignore[arg-type]
    return TreePart(title="t", folder="/set", file="f", id="tree", place=place, paths=paths)


def sqlite(kind: str, source: str, path: str) -> SqlitePart:
    place = Place(kind=kind, source=source)  # type: ignore[arg-type]
    return SqlitePart(title="s", folder="/set", file="f", id="own", place=place, path=path, owner="0:0", mode="600")


def test_a_sqlite_file_goes_into_what_is_restored_around_it() -> None:
    trees = [tree("volume", "p_uploads"), tree("folder", "/srv/app", "data", "other")]
    found = nested(sqlite("volume", "p_uploads", "a/b.db"), trees)
    assert (found.within, found.path) == ("tree", "a/b.db")
    found = nested(sqlite("folder", "/srv/app/data/sub", "b.db"), trees)
    assert (found.within, found.path, found.place.source) == ("tree", "data/sub/b.db", "/srv/app")
    for part in (
        sqlite("volume", "p_uploads2", "b.db"), sqlite("folder", "/srv/app/data2", "b.db"),
        sqlite("folder", "/srv/app", "b.db"), sqlite("folder", "p_uploads", "b.db"),
    ):  # fmt: skip
        assert nested(part, trees) == part


def test_room_is_counted_per_file_system() -> None:
    needs = [Need("a", "1", 1000, 500), Need("b", "1", 990, 500), Need("c", "2", 1000, 500)]
    assert too_short(needs) == ["a, b: 1.1 KiB needed, 990 B free"]
    assert too_short(needs[1:]) == []
    assert size(3 * 1024**4) == "3072.0 GiB"


@pytest.mark.parametrize(
    ("version", "knows"),
    [("psql (PostgreSQL) 15.14 (Debian 15.14-0)", True), ("psql (PostgreSQL) 15.13", False), ("18beta1", True),
     ("psql (PostgreSQL) 12.99", False), ("17.6", True), ("17.5", False), ("?", False)],
)  # fmt: skip
def test_which_psql_knows_restrict(version: str, knows: bool) -> None:
    assert knows_restrict(version) is knows


def container(name: str, state: str = "running", depends: str = "", oneoff: str = "False") -> dict[str, object]:
    labels = {f"{LABEL}service": name, f"{LABEL}depends_on": depends, f"{LABEL}oneoff": oneoff}
    return {
        "Id": f"id-{name}", "Name": f"/p-{name}-1", "Image": "i", "RestartCount": 0, "Mounts": [],
        "State": {"Status": state}, "Config": {"Labels": labels}, "HostConfig": {}, "NetworkSettings": {},
    }  # fmt: skip


def test_services_come_back_after_what_they_need() -> None:
    seen = [
        container("web", depends="api:service_healthy:false,gone:service_started:false"),
        container("api", depends="db:service_healthy:true"), container("db"), container("old", "exited"),
    ]  # fmt: skip
    stack = Stack("p", tuple(parse_container(one) for one in seen))
    assert [one.service for one in to_stop(stack, ["db"])] == ["web", "api"]
    assert dict(project_of(stack).services["web"].depends_on) == {"api": "service_healthy"}
    host = Host(name="h", path="/x", docker=("sudo", "-n", "docker"))
    assert start_script(host, stack, ["p-web-1", "p-api-1"]) == (
        'e=0\n[ "${TRY:-0}" -gt 0 ] || sudo -n docker stop p-web-1 || e=1\n'
        '[ "${TRY:-0}" -gt 0 ] || sudo -n docker stop p-api-1 || e=1\n'
        "sudo -n docker start p-api-1 || e=1\nsudo -n docker start p-web-1 || e=1\nexit $e\n"
    )


def test_a_preview_in_lines() -> None:
    shown = Preview("set x", (), ("app",), "NONE", ("careful",))
    assert shown.lines() == ["restore from set x", "  stopped meanwhile: app", "  safety copy: NONE", "  note: careful"]
