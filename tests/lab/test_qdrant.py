"""What is special to Qdrant, on this machine and over SSH. What it has in common is in `test_sources.py`. The lab's image
is a stand-in with Qdrant's REST calls; OPSLIB_QDRANT_BINARY puts the real server in its place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from opslib.backup import sets
from opslib.command import Secret, bash
from opslib.engines import qdrant
from opslib.target.transfer import put_bytes
from tests.lab.contract import Ground, on_ground
from tests.lab.contract.qdrant import DOCS, KEY, ODD, QdrantSubject, alias
from tests.lab.project import refused, why, worked

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module", params=["local", "ssh"])
def ground(request: pytest.FixtureRequest) -> Iterator[Ground]:
    with on_ground(request, "qdrant") as made:
        yield made


@pytest.fixture(scope="module")
def vectors(ground: Ground) -> QdrantSubject:
    (found,) = ground.subjects.values()
    assert isinstance(found, QdrantSubject)
    return found


@pytest.fixture(scope="module")
def saved(ground: Ground, vectors: QdrantSubject) -> tuple[str, Any]:
    """A set, and what the server held when it was made."""
    good = vectors.seen()
    return str(worked(ground.backup())["set"]), good


@pytest.fixture
def docs(ground: Ground, saved: tuple[str, Any]) -> str:
    """The artifact of a collection."""
    return ground.file(saved[0], "qdrant", DOCS)


def snapshots(vectors: QdrantSubject) -> list[Any]:
    """What of them is left on the server."""
    at = vectors.at()
    names = qdrant.collections(vectors.project.target, at)
    return [one for found in vectors.ask(*(("GET", qdrant.path(name, "snapshots")) for name in names)) for one in found]


def test_what_a_set_says_of_a_collection(ground: Ground, vectors: QdrantSubject, saved: tuple[str, Any]) -> None:
    facts = next(one.facts for one in ground.artifacts(saved[0]) if one.name == DOCS)
    assert (facts["status"], facts["indexes"], facts["moving"]) == ("green", {"text": "keyword"}, [])
    assert facts["config"]["params"]["vectors"] == {"size": 4, "distance": "Cosine"}
    assert facts["aliases"] == {"prod": DOCS, "al 'ias\" é": ODD}
    assert facts["server"] == vectors.at().version != ""
    assert not snapshots(vectors)


def test_an_alias_that_another_collection_took_comes_back_and_goes_again(
    ground: Ground, vectors: QdrantSubject, saved: tuple[str, Any]
) -> None:
    found, good = saved
    vectors.ask(("PUT", qdrant.path("third"), {"vectors": {"size": 2, "distance": "Dot"}}), alias("prod", "third"))
    taken = vectors.seen()
    worked(ground.restore(found))
    aliases, collections = vectors.seen()
    assert (aliases, {name: collections[name] for name in (DOCS, ODD)}) == good
    worked(ground.restore(None))
    assert vectors.seen() == taken
    assert not snapshots(vectors)


def test_an_alias_in_the_place_of_a_collection_is_not_overwritten(
    ground: Ground, vectors: QdrantSubject, docs: str
) -> None:
    assert "is there already" in refused(ground.restore(docs, into="prod"))
    vectors.ask(("DELETE", qdrant.path(DOCS)), alias(DOCS, ODD))
    before = vectors.seen()
    assert f"is an alias of collection {ODD}" in why(ground.restore(docs))
    assert vectors.seen() == before


def test_by_hand(ground: Ground, vectors: QdrantSubject, saved: tuple[str, Any]) -> None:
    """The commands of the manifest, typed in the set's folder by somebody who knows the key."""
    vectors.ask(*(("DELETE", qdrant.path(name)) for name in vectors.seen()[1]))
    lines = [line for artifact in ground.artifacts(saved[0]) for line in artifact.by_hand[1:]]
    text = f'set -eu; cp -r -- "$1" "$2"; cd -- "$2"; chmod u+w .; {"; ".join(lines)}; cd ..; rm -rf -- "$2"'
    folder = sets.find(ground.target, saved[0]).folder
    cmd = bash(text, folder, f"{ground.target.root}/hand", limit=120.0)
    (stage,) = cmd.stages
    said = ground.target.run(cmd.with_(stages=(replace(stage, env=(("QDRANT_API_KEY", Secret(KEY)),)),)))
    assert "error" not in said.text
    assert vectors.seen() == saved[1]


def test_a_snapshot_that_is_not_what_the_server_made_is_refused(
    ground: Ground, vectors: QdrantSubject, saved: tuple[str, Any], docs: str
) -> None:
    assert "SHA-256" in why(ground.restore(ground.doctored(docs, "sed 's/Cosine/cosine/'")))
    assert "99.1.0" in why(ground.restore(ground.doctored(docs, server="99.1.0")))
    assert vectors.seen() == saved[1]


def test_the_snapshot_of_an_interrupted_backup_is_deleted_by_the_next(ground: Ground, vectors: QdrantSubject) -> None:
    notes = f"{ground.target.state}/snapshots.qdrant.qdrant"
    (made,) = vectors.ask(("POST", qdrant.path(DOCS, "snapshots")))
    put_bytes(ground.target, f"{qdrant.path(DOCS, 'snapshots', made['name'])}\n".encode(), notes)
    worked(ground.backup())
    assert not snapshots(vectors)
    assert not ground.target.run(bash('[ ! -e "$1" ] || echo there', notes)).text
