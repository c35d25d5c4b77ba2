"""What is said of a build before it begins: uncommitted changes, contexts that are too big, passwords in args."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from pathlib import Path

from opslib.compose.project import Project, Service
from opslib.deploy.context import Ignore, files_in, ignore_file
from opslib.images.revision import Revision
from opslib.run.step import Run

BIG = 100 * 1000 * 1000  # bytes of a build context
_NAMED = 5  # of its files


@dataclass(frozen=True, slots=True)
class Weight:
    """A build context: its bytes, its biggest files with theirs, whether a `.dockerignore` leaves anything out."""

    bytes: int
    biggest: tuple[tuple[str, int], ...]
    ignores: bool

    @property
    def too_big(self) -> bool:
        """Whether it is worth a warning."""
        return self.bytes > BIG


def weigh(context: Path, dockerfile: Path) -> Weight:
    """What a build is sent of its context. A file that goes meanwhile counts nothing."""
    ignore = ignore_file(context, dockerfile)
    sizes = [(_size(context / path), path) for path in files_in(context, Ignore(ignore or ""), never=())]
    biggest = tuple((path, size) for size, path in heapq.nlargest(_NAMED, sizes))
    return Weight(sum(size for size, _ in sizes), biggest, ignore is not None)


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def advise(run: Run, project: Project, services: list[str], revision: Revision | None) -> None:
    """Tell it. `project` has its contexts on this machine."""
    if revision is not None and revision.dirty:
        run.note(
            f"there are changes that are not committed: the images get the version {revision.version}", warning=True
        )
    seen: dict[Path, list[str]] = {}
    for name in services:
        service = project.services[name]
        if service.build and (context := Path(service.build.context)).is_dir():
            seen.setdefault(context, []).append(name)
        if words := _passwords(service):
            run.note(words, warning=True)
    for context, names in seen.items():
        build = project.services[names[0]].build
        assert build is not None, "only services that are built"
        weight = weigh(context, context / build.dockerfile)
        if weight.too_big or not weight.ignores:
            run.note(_heavy(context, names, weight), warning=weight.too_big)


def _heavy(context: Path, names: list[str], weight: Weight) -> str:
    biggest = ", ".join(f"{path} {_bytes(size)}" for path, size in weight.biggest)
    lacks = "" if weight.ignores else " and no .dockerignore"
    return f"the build context of {', '.join(names)}, {context}, has {_bytes(weight.bytes)}{lacks}; biggest: {biggest}"


def _bytes(count: int) -> str:
    return f"{count / 1e6:.0f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB" if count >= 1000 else f"{count} B"


def _passwords(service: Service) -> str:
    names = service.build.args.telling() if service.build else ()
    if not names:
        return ""
    return (
        f"build arg {', '.join(names)} of {service.name}: whoever has the image can read it in its history; a build "
        "secret leaves no trace"
    )
