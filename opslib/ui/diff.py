"""What a deploy would change, as a person reads it under `--plan`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from opslib.ui.text import seconds, size

if TYPE_CHECKING:
    from opslib.ui import Ui


def diff(ui: Ui, changes: Mapping[str, Any], found: Mapping[str, Any], strategy: Mapping[str, Any]) -> None:
    """Service by service, then what concerns all of them. All three are the result's own of a deploy."""
    ways = {name: one["how"] for name, one in strategy["services"].items()}
    width = max(map(len, found["services"]), default=0)
    for name, one in found["services"].items():
        why = f": {one['why']}" if one["why"] not in ("", one["what"]) else ""
        what = "roll" if ways.get(name) == "beside" else one["what"]
        ui.say(f"{what}{why}", mark=f"{name.ljust(width)}  ", mark_style="bold")
        for line in _service(one):
            ui.say(f"{' ' * (width + 2)}{line}", "dim")
    stops = any(how not in ("beside", "left") for how in ways.values())
    for line in _all(changes, found, stops=stops):
        ui.say(line)
    ui.say()


def _service(one: Mapping[str, Any]) -> Iterator[str]:
    if one.get("image_before"):
        yield f"image: {one['image_before']} → {one['image']}"
    yield from one.get("compose") or ()
    if one.get("commits"):
        yield from _commits(one["commits"], "built from")


def _commits(found: Mapping[str, Any], what: str) -> Iterator[str]:
    newest = found["newest"]
    yield f"{what} {found['count']} {'commit' if found['count'] == 1 else 'commits'} since {found['since']}"
    yield from (f"  {line}" for line in newest)
    if found["count"] > len(newest):
        yield f"  … and {found['count'] - len(newest)} more"


def _all(changes: Mapping[str, Any], found: Mapping[str, Any], *, stops: bool) -> Iterator[str]:
    counts = [f"{len(paths)} {what}" for what, paths in changes["files"].items()]
    if counts:
        yield f"files: {', '.join(counts)}"
    keys = [f"{what} {', '.join(names)}" for what, names in (changes["env"] or {}).items() if names]
    if keys:
        yield f"variables: {'; '.join(keys)}"
    if found["commits"]:
        yield f"commits since {found['commits']['since']}: {found['commits']['count']}"
    if found["unchecked"]:
        names, after = ", ".join(found["unchecked"]), seconds(found["stable"])
        yield f"without any health check: {names}; healthy after running for {after}"
    if found["migrations"]:
        yield f"new migrations: {', '.join(found['migrations'])}"
    if found["migrate"]:
        yield f"no migration is run; {found['migrate']}"
    send = found["send"]
    images = "an unknown amount" if send["images"] is None else size(send["images"])
    of_images = "" if send["images"] == 0 else f"; {images} of images, as those here are now"
    yield f"to send: {size(send['files'])} of files{of_images}"
    gap = changes["gap_seconds"]
    if not stops:
        yield "no service stops before its new containers are healthy"
    elif gap:
        yield f"nobody is served for about {seconds(gap)}, as the last time"
    else:
        yield "how long nobody is served is not known: it was never measured here"
