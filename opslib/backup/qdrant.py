"""Qdrant as a source: a snapshot of each collection, made by the server and deleted there as soon as it is here.

The server's SHA-256 of it is compared while it passes. What a snapshot does not hold is kept beside it: the aliases.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from opslib.backup.byhand import decompress, docker_words
from opslib.backup.database import Database, Missed, Read, Reading
from opslib.backup.manifest import Artifact, Kind, file_name
from opslib.backup.pack import Packing, pack_command
from opslib.backup.qdrant_replace import QdrantReplace
from opslib.backup.source import finished
from opslib.engines import qdrant
from opslib.errors import OpsError
from opslib.target.docker import mount

if TYPE_CHECKING:
    from opslib.backup.source import Begun, Source, Stage
    from opslib.command import Command
    from opslib.engines.instance import Instance
    from opslib.settings.kinds import SourceSpec
    from opslib.target.base import Target


@dataclass(frozen=True, slots=True)
class QdrantCollection:
    """One collection. `size` is what its folder takes on the disk."""

    kind: ClassVar[Kind] = "qdrant"
    at: Instance
    collection: str
    size: int

    @property
    def title(self) -> str:
        return f"qdrant {self.at.service}/{self.collection}"

    @property
    def stem(self) -> str:
        return file_name("qdrant", self.at.service, self.collection, suffix=".snapshot")

    @property
    def file(self) -> str:
        """The artifact's file."""
        return f"{self.stem}.zst"

    def take(self, stage: Stage) -> list[Artifact]:
        """Have a snapshot made, and copy it."""
        return finished(self.begin(stage))

    def begin(self, stage: Stage) -> Begun:
        """Have the snapshot made."""
        packing = Packing(stage, self.title, dump_command(stage, self))
        packing.begun()
        return _Copy(self, stage, packing)


@dataclass(frozen=True, slots=True)
class _Copy:
    source: QdrantCollection
    stage: Stage
    packing: Packing

    def finish(self) -> list[Artifact]:
        """Wait for its end."""
        source, at, packed = self.source, self.source.at, self.packing.packed()
        told = json.loads(packed.told[-1])
        quiet = told["before"] == told["after"]
        facts = {
            "collection": source.collection, "server": at.version, "size": source.size, "checksum": told["sha256"],
            "status": told["info"].get("status"), "config": told["info"].get("config") or {},
            "indexes": qdrant.indexes(told["info"]), "aliases": told["aliases"],
            "moving": [] if quiet else ["points"], "warnings": [*_warnings(told), *packed.warnings],
        }  # fmt: skip
        return [
            Artifact(
                file=source.file, kind=source.kind, name=source.collection, service=at.service, image=at.image,
                container=at.container, bytes=packed.bytes, raw_bytes=packed.raw_bytes, sha256=packed.sha256,
                counts={"points": told["after"]} if quiet else {}, facts=facts,
                by_hand=_by_hand(self.stage, source, facts),
            )
        ]  # fmt: skip

    def close(self) -> None:
        """Break it off."""
        self.packing.close()


def dump_command(stage: Stage, source: QdrantCollection) -> Command:
    """The program that has a snapshot made and prints it, beside the server's container. Its notes lie in the state
    folder: they outlive it when it is killed."""
    at = source.at
    notes = f"/state/snapshots.{file_name('qdrant', at.service, suffix='')}"
    program = qdrant.words(at, "snapshot", qdrant.path(source.collection), notes)
    return pack_command(
        stage, source.file, program, mounts=[mount("bind", stage.target.state, "/state")],
        options=["--network", f"container:{at.container}"], env=at.env,
    )  # fmt: skip


def _warnings(told: dict[str, Any]) -> list[str]:
    found = []
    if told["before"] != told["after"]:
        counts = " to ".join(str(number) for number in sorted((told["before"], told["after"])))
        found.append(f"somebody writes to it: how many points the snapshot holds is not known, about {counts}")
    if told["info"].get("status") == "red":
        found.append("its status is red: the server could not finish its last changes")
    return found


def find(target: Target, at: Instance, specs: Sequence[SourceSpec]) -> tuple[list[Source], list[Missed]]:
    """The collections. Raises OpsError for a cluster: a snapshot holds the parts of one server only."""
    peers = qdrant.peers(target, at)
    if peers > 1:
        raise OpsError(
            f"Qdrant in service {at.service} is one of a cluster of {peers}, and a snapshot holds only its own part",
            host=target.host.name, left="everything: no backup set was made",
            next=f"put {at.service!r} under `backup: exclude:`, and back the cluster up by its own means",
        )  # fmt: skip
    sizes = qdrant.sizes(target, at)
    return [QdrantCollection(at, name, sizes.get(name, 0)) for name in qdrant.collections(target, at)], []


def _reading(target: Target, at: Instance | None, artifact: Artifact, read: Read) -> Reading | None:
    checksum = str(artifact.facts.get("checksum") or "")
    return Reading("snapshot", read(["python3", "-c", qdrant.program(), "read", checksum], []))


DATABASE = Database("qdrant", find, _reading, QdrantReplace(QdrantCollection))

# Sent from inside the server's container, which has bash and nothing that speaks HTTP. $1 method, $2 path, $3 JSON.
_SEND = (
    r'exec 3<>/dev/tcp/127.0.0.1/"$0"; printf "%s %s HTTP/1.0\r\napi-key: %s\r\nContent-Type: application/json\r\n'
    r'Content-Length: %s\r\n\r\n%s" "$1" "$2" "$QDRANT_API_KEY" "${#3}" "$3" >&3; cat <&3'
)


def _by_hand(stage: Stage, source: QdrantCollection, facts: dict[str, Any]) -> tuple[str, ...]:
    at = source.at
    file = f"{at.env['QDRANT_SNAPSHOTS']}/opslib.snapshot"

    def send(method: str, path: str, body: Any) -> str:
        words = ["bash", "-c", _SEND, str(at.port), method, path, json.dumps(body)]
        return docker_words(stage, "exec", "-e", "QDRANT_API_KEY", at.container, *words)

    body = {"location": f"file://{quote(file)}", "priority": "snapshot", "checksum": facts["checksum"]}
    own = [alias for alias, collection in facts["aliases"].items() if collection == source.collection]
    actions = [{"create_alias": {"collection_name": source.collection, "alias_name": alias}} for alias in own]
    return (
        "read -rsp 'API key: ' QDRANT_API_KEY && export QDRANT_API_KEY",
        f"{decompress(stage, source.file)} > opslib.snapshot",
        docker_words(stage, "cp", "opslib.snapshot", f"{at.container}:{file}"),
        send("PUT", qdrant.path(source.collection, "snapshots", "recover", wait=True), body),
        *([send("POST", "/collections/aliases", {"actions": actions})] if actions else []),
        docker_words(stage, "exec", at.container, "rm", file),
    )
