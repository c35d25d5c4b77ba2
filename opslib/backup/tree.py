"""Volumes and folders as sources: GNU tar with owners, modes, links, extended attributes and holes. Patterns are those
of `opslib.settings.globs`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from opslib.backup.byhand import decompress, docker_words, in_tools, joined
from opslib.backup.manifest import Artifact, Kind, file_name
from opslib.backup.pack import Packed, embedded_command, pack, pack_command, script
from opslib.command import quote
from opslib.engines import tree
from opslib.settings import globs
from opslib.target.docker import mount

if TYPE_CHECKING:
    from opslib.backup.source import Stage
    from opslib.command import Command


@dataclass(frozen=True, slots=True)
class NamedVolume:
    """A volume. `without` are paths in it that are artifacts of their own; `consistency` is what those who write to it
    do meanwhile: live, pause, stop. `exclude` are patterns of what is left out."""

    kind: ClassVar[Kind] = "volume"
    volume: str
    key: str
    labels: dict[str, str]
    driver: str
    without: tuple[str, ...] = ()
    size: int = 0
    consistency: str = "live"
    exclude: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        return f"volume {self.key or self.volume}"

    @property
    def stem(self) -> str:
        return file_name("volume", self.key or self.volume, suffix=".tar")

    @property
    def file(self) -> str:
        """The artifact's file."""
        return f"{self.stem}.zst"

    def take(self, stage: Stage) -> list[Artifact]:
        """Pack the volume."""
        cmd = self.command(stage)
        packed = pack(stage, self.title, self.file, cmd)
        facts: dict[str, Any] = {"volume": self.volume, "key": self.key, "labels": self.labels, "driver": self.driver,
                                 "consistency": self.consistency, "exclude": list(self.exclude)}  # fmt: skip
        labels = [word for name, value in self.labels.items() for word in ("--label", f"{name}={value}")]
        make = docker_words(stage, "volume", "create", "--driver", self.driver, *labels, self.volume)
        hand = (make, _unpack(stage, self.file, mount("volume", self.volume, "/dst")))
        return [_artifact(self.kind, self.file, self.key or self.volume, packed, facts, self.without, hand)]

    def command(self, stage: Stage) -> Command:
        """The tools container that packs it."""
        place = mount("volume", self.volume, "/src", readonly=True)
        return pack_command(stage, self.file, _pack("/src", self.exclude, (), self.without, (".",)), mounts=[place])


@dataclass(frozen=True, slots=True)
class Files:
    """Files and folders below `base`, an absolute folder. `without` is relative to it too. Where `globs` are given,
    patterns, only what they match is taken; `paths` are then what they have matches in. `exclude` are patterns of what
    is left out."""

    kind: ClassVar[Kind] = "files"
    base: str
    paths: tuple[str, ...]
    without: tuple[str, ...] = ()
    name: str = field(default="")
    size: int = 0
    globs: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        return f"files {self.name}"

    @property
    def stem(self) -> str:
        return file_name("files", self.name, suffix=".tar")

    def file(self, stage: Stage) -> str:
        """The artifact's file."""
        return f"{self.stem}.zst" if stage.tools else f"{self.stem}.gz"

    def take(self, stage: Stage) -> list[Artifact]:
        """Pack them."""
        file = self.file(stage)
        packed = pack(stage, self.title, file, self.command(stage, file))
        facts: dict[str, Any] = {"base": self.base, "paths": list(self.paths), "globs": list(self.globs),
                                 "exclude": list(self.exclude)}  # fmt: skip
        if stage.tools:
            hand = _unpack(stage, file, mount("bind", self.base, "/dst"))
        else:
            hand = joined(decompress(stage, file), f"tar -xf - -C {quote(self.base)}")
        return [_artifact(self.kind, file, self.name, packed, facts, self.without, (hand,))]

    def command(self, stage: Stage, file: str) -> Command:
        """The tools container, or the Python, that packs them."""
        if not stage.tools:
            patterns = globs.regex(self.exclude), globs.regex(self.globs)
            return embedded_command(stage, file, "files", self.base, *patterns, *self.without, "--", *self.paths)
        place = mount("bind", self.base, "/src", readonly=True)
        words = _pack("/src", self.exclude, self.globs, self.without, self.paths)
        return pack_command(stage, file, words, mounts=[place])


def _pack(folder: str, exclude: tuple[str, ...], chosen: tuple[str, ...], without: tuple[str, ...],
          paths: tuple[str, ...]) -> list[str]:  # fmt: skip
    words = [globs.regex(exclude), globs.regex(chosen), *(tree.inside(path) for path in without)]
    return script(tree.PACK, folder, *words, "--", *(tree.inside(path.rstrip("/")) for path in paths))


def _artifact(kind: Kind, file: str, name: str, packed: Packed, facts: dict[str, Any], without: tuple[str, ...],
              hand: tuple[str, ...]) -> Artifact:  # fmt: skip
    return Artifact(
        file=file, kind=kind, name=name, bytes=packed.bytes, raw_bytes=packed.raw_bytes, sha256=packed.sha256,
        counts=dict(tree.counts_from(packed.told)), by_hand=hand,
        facts={**facts, "without": list(without), "warnings": list(packed.warnings)},
    )  # fmt: skip


def _unpack(stage: Stage, file: str, place: str) -> str:
    text = "| tar -xf - -C /dst --numeric-owner --same-permissions --acls --selinux --xattrs --xattrs-include='*'"
    return in_tools(stage, file, text, mounts=(place,))
