"""`inv backup.verify`, `backup.drill`, `backup.coverage`: what sets are worth, and what none of them has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opslib.tasks._backup_stores import STORE
from opslib.tasks._task import IDENTITY, task

if TYPE_CHECKING:
    from opslib.run.record import Record
    from opslib.run.step import Run
    from opslib.tasks._call import Call

SET = {"set": "A set's id, its beginning, its folder, or latest (the default)"}
_VERIFY = {
    **SET,
    "depth": "manifest, digest, content (the default), or restore: a drill",
    "store": f"{STORE}: read it there, lengths and digests",
    **IDENTITY,
}


@task("backup.verify", needs="data", signals=True, help=_VERIFY)
def verify(
    call: Call, set: str | None = None, depth: str | None = None, store: str | None = None, identity: str | None = None
) -> Record:
    """Read a set to its end: lengths, digests, contents.

    Exits with 3 when it is damaged; such a set no longer counts when old sets are removed. The contents of one that is
    encrypted are read where --identity or the environment says with which key.
    """
    from opslib.backup.offsite import look as offsite
    from opslib.backup.verify import Depth, verify
    from opslib.errors import BadSettings
    from opslib.tasks._identity import given
    from opslib.tasks._show_proof import verified

    depths: dict[str, Depth] = {"manifest": "manifest", "digest": "digest", "content": "content"}
    if depth not in (None, "restore", *depths):
        raise BadSettings(f"--depth {depth!r}: expected {', '.join(depths)} or restore", left="everything")
    if store is not None:
        if depth not in (None, "digest"):
            raise BadSettings("in a store digests are compared: leave --depth out", left="everything",
                              next="inv backup.pull brings the set to the host, where more can be proven")  # fmt: skip
        return call.look(lambda run: offsite.verify(run, set or "latest", store), show=verified)
    if depth == "restore":
        return _drill(call, set, identity=identity)
    wanted = depths[depth or "content"]
    here, key = call.this_machine(), given(call, identity)

    def look(run: Run) -> None:
        from opslib.images.tools import ensure_tools

        reads = wanted == "content" and run.target.host.compose
        tools = ensure_tools(run.target, here) if reads else ""
        verify(run, set or "latest", tools=tools, identity=key, depth=wanted)

    return call.look(look, show=verified)


_DRILL = {
    **SET,
    "random": "Any whole set, by chance",
    "source": "Only this one: a kind, a service, a database, a volume",
    **IDENTITY,
}


@task("backup.drill", changes=True, needs="data", signals=True, help=_DRILL)
def drill(
    call: Call, set: str | None = None, random: bool = False, source: str | None = None, identity: str | None = None
) -> Record:
    """Try a restore in a scratch place; count and time it.

    Fresh servers of the recorded images, without a network; the stack that runs is not touched. Only a drill proves
    that a set can be restored, and says how long that takes.
    """
    from opslib.errors import BadSettings

    if set is not None and random:
        raise BadSettings("--random chooses a set by itself: leave --set out", left="everything")
    return _drill(call, set, any_set=random, source=source or "", identity=identity)


def _drill(
    call: Call, set: str | None, *, any_set: bool = False, source: str = "", identity: str | None = None
) -> Record:
    from opslib.backup.drill.steps import Options, steps
    from opslib.tasks._identity import finder
    from opslib.tasks._show_proof import drilled

    options = Options(set or "latest", any_set, source, call.this_machine(), finder(call, identity))
    return call.carry_out(lambda run: steps(run, options), show=drilled)


@task("backup.coverage", needs="data")
def coverage(call: Call) -> Record:
    """Is all that holds data backed up, and since when?

    Every volume, mounted folder and database: what copies it, the newest whole set that holds it, in how many places
    that is, and the last drill. Exits with 3 when something that holds data is not protected.
    """
    from opslib.backup.coverage import coverage
    from opslib.tasks._show_proof import covered

    here = call.this_machine()
    return call.look(lambda run: coverage(run, here), show=covered)


TASKS = (coverage, verify, drill)
