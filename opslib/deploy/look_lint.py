"""Mistakes in the compose files by which a stack would lose its data some day: a deploy of one is refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path

from opslib.compose.project import Project
from opslib.deploy.render import Config
from opslib.errors import BadSettings, OpsError
from opslib.findings import Cost, Finding
from opslib.images.info import ImageInfo
from opslib.lint.check import check
from opslib.lint.ignores import sort_out
from opslib.lint.model import Facts, ImageFacts, Model
from opslib.lint.rules import RULES
from opslib.lint.written import LARGEST, read
from opslib.settings.decode import nearest
from opslib.settings.textfile import read_text

_COST: Cost = "loses data"


def known_rules(given: Iterable[str]) -> tuple[str, ...]:
    """The rules themselves. Raises BadSettings for what is none that a deploy is refused for."""
    known = [rule.id for rule in RULES if rule.cost == _COST]
    found = tuple(given)
    for one in found:
        if one not in known:
            raise BadSettings(
                f"--ignore {one!r}: no deploy is refused for that{nearest(one, known)}", left="everything"
            )
    return found


def mistakes(root: Path, config: Config, project: Project, images: Mapping[str, ImageInfo]) -> list[Finding]:
    """What in the compose files of the folder `root` loses data, but for what their comments ignore. `images` are those
    that the engine has, by name."""
    written = read(root, project.files)
    facts = {name: ImageFacts(volumes=one.volumes, arch=one.arch, size=one.size) for name, one in images.items()}
    model = Model(project, config, root, facts=Facts(images=facts), written=written)
    found = [hit.finding for hit in check(model, cost=_COST)]
    if not found:
        return []
    texts = {file: read_text(root / file, file, LARGEST) for file in written.documents}
    return [one for one in sort_out(found, texts, (), lambda rule: False, date.today()).counted if one.cost == _COST]


def refuse(found: Iterable[Finding], given: Iterable[str], host: str) -> None:
    """Raises OpsError where one of them was not given by name."""
    serious = [one for one in found if one.rule not in set(given)]
    if not serious:
        return
    rules = ",".join(dict.fromkeys(one.rule for one in serious))
    first = serious[0]
    raise OpsError(
        "; ".join(f"{one.place}: {one.what} ({one.rule})" for one in serious),
        host=host,
        left="everything",
        next=f"inv lint shows what to write instead; where it is meant, inv deploy --host {host} --ignore {rules}, or "
        f"`# opslib: ignore {first.rule} until DATE: reason` above {first.place} for good",
    )
