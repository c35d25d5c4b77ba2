"""One look before a backup: the engine, the tools image, the project, and what there is to back up."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from opslib.backup.found import Found
from opslib.backup.manifest import KINDS, Artifact, Engine, Kind
from opslib.backup.source import Begun, Source, Stage
from opslib.backup.sources import find, find_here
from opslib.backup.tree import NamedVolume
from opslib.errors import BadSettings, OpsError
from opslib.run.step import NotYet, Run

if TYPE_CHECKING:
    from opslib.settings.model import Host
    from opslib.target.base import Target


@dataclass(frozen=True, slots=True)
class Options:
    """`kinds` (empty: all) choose among the sources that are found. `here` is this machine's engine, for the tools
    image. `prune`: whether outdated sets go afterwards. `consistent`: all is of one point in time, also where the host
    file does not ask for it. `safety` are the sources of a restore's safety copy, which are
    taken instead of looking for any."""

    kinds: tuple[Kind, ...] = ()
    here: Target | None = None
    prune: bool = True
    consistent: bool = False
    safety: tuple[Source, ...] = ()


@dataclass(slots=True)
class Work:
    """What one step learnt for the next. `images` has what the compose files call an image that runs under the tag of
    a release, which no other machine knows. `consistent`: all is of one point in time; `begun` are the copies under
    way, by the stems of their sources."""

    found: Found
    tools: str = ""
    project: str = ""
    engine: Engine | None = None
    release: str | None = None
    began: float = field(default_factory=time.monotonic)
    stage: Stage | None = None
    artifacts: list[Artifact] = field(default_factory=list)
    safety: bool = False
    recipients: tuple[str, ...] = ()
    images: dict[str, str] = field(default_factory=dict)
    consistent: bool = False
    begun: dict[str, Begun] = field(default_factory=dict)


def consistent(host: Host, options: Options) -> bool:
    """Whether the backup is to be of one point in time. Raises BadSettings where there are no services that could
    stand still."""
    whole = not options.kinds and not options.safety
    if not options.consistent and not (whole and host.backup.consistent):
        return False
    if host.is_local and not host.compose:
        raise BadSettings("one point in time needs services that can be stopped, and this project has no compose file",
                          host=host.name, left="everything: no backup set was made",
                          next="leave out --consistent, and `backup: consistent:` in the host file")  # fmt: skip
    return True


def look_for(run: Run, options: Options, *, ship: bool) -> Work:
    """What the backup will work on. `ship`: the tools image may be brought there, else NotYet is raised without it.

    Raises OpsError where there is nothing to back up, or it cannot be.
    """
    target = run.target
    if target.host.is_local and not target.host.compose:
        found = Found(list(options.safety)) if options.safety else find_here(target)
        work = Work(found, project=target.host.project or target.root.rsplit("/", 1)[-1])
    else:
        work = _look_at_stack(run, options, ship=ship)
    found = work.found
    if options.kinds:
        found.sources = [one for one in found.sources if one.kind in options.kinds]
        found.uncovered.clear()
    work.consistent = consistent(target.host, options)
    if work.consistent:
        found.sources = [replace(one, consistency="stop") if isinstance(one, NamedVolume) else one
                         for one in found.sources]  # fmt: skip
    if not found.sources:
        what = " or ".join(options.kinds) or "nothing"
        raise OpsError(
            f"there is {what if not options.kinds else 'no ' + what} to back up in project {work.project}",
            host=run.host,
            next="inv ps shows what runs; `backup: sources:` in the host file names what looking does not find",
        )
    return work


def _look_at_stack(run: Run, options: Options, *, ship: bool) -> Work:
    from opslib.backup.project import find as project_files
    from opslib.compose.engine import look_at_engine
    from opslib.compose.recognise import recognise_project
    from opslib.compose.stack import look
    from opslib.state import releases

    target = run.target
    engine = look_at_engine(target)
    tools = _tools(target, options.here, ship=ship)
    name = recognise_project(target, target.host)
    stack = look(target, name)
    current = releases.current(releases.read(target))
    kinds = options.kinds or KINDS
    found = Found(list(options.safety)) if options.safety else find(target, stack, tools, kinds)
    if "project" in kinds and not options.safety and found.sources:
        found.sources += project_files(target, current, sealed=bool(target.host.backup.encrypt_to))
    return Work(
        found, tools, name,
        Engine(docker=engine.version, compose=engine.compose_version, arch=engine.arch),
        current.id if current else None,
        images={pin.tag: pin.name for pin in current.images.values()} if current else {},
    )  # fmt: skip


def _tools(target: Target, here: Target | None, *, ship: bool) -> str:
    from opslib.images.info import images_of
    from opslib.images.tools import ensure_tools, tools_tag

    if ship:
        return ensure_tools(target, here)
    tag = target.host.tools_image or tools_tag()
    if tag not in images_of(target, [tag]):
        raise NotYet("what there is to back up, once the tools image is there to look with")
    return tag
