"""`inv backup.…`: backup sets, made and looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opslib.tasks._task import IDENTITY, OpsTask, task

if TYPE_CHECKING:
    from opslib.backup.manifest import Kind
    from opslib.run.record import Record
    from opslib.run.step import AnyStep, Run
    from opslib.tasks._call import Call

ENGINES: dict[Kind, str] = {
    "postgres": "PostgreSQL databases", "mysql": "MySQL and MariaDB", "mongo": "MongoDB", "qdrant": "Qdrant",
    "redis": "Redis",
}  # fmt: skip
"""The kinds of databases, and how the tasks call them. Named here too: a list of tasks must not import the engines."""

_SET = {"set": "A set's id, its beginning, its folder, or latest (the default)"}


def _take(call: Call, *kinds: Kind) -> Record:
    from opslib.backup.take import Options, judge, steps
    from opslib.tasks._show_backup import made

    options = Options(kinds=kinds, here=call.this_machine())
    record = call.carry_out(lambda run: steps(run, options), show=made)
    judge(record)
    return record


@task("backup.all", changes=True, needs="data", signals=True, default=True)
def all_(call: Call) -> Record:
    """Back up all that is found, as one set.

    Databases, Redis, SQLite files, volumes and files of the project. Exits with 3 when some data are covered by
    nothing: the set is made, and what is missing is named.
    """
    return _take(call)


def _one_kind(name: str, kind: Kind, called: str) -> OpsTask:
    def backup(call: Call) -> Record:
        return _take(call, kind)

    backup.__doc__ = f"Back up {called}."
    return task(f"backup.{name}", changes=True, needs="data", signals=True)(backup)


@task("backup.list", needs="data")
def list_(call: Call) -> Record:
    """List the backup sets, oldest first."""
    from opslib.backup.sets import show_list
    from opslib.tasks._show_backup import sets

    return call.look(show_list, show=sets)


@task("backup.show", needs="data", help=_SET)
def show(call: Call, set: str | None = None) -> Record:
    """Show a set, and how to restore it by hand."""
    from opslib.backup import sets
    from opslib.tasks._show_backup import one_set

    return call.look(lambda run: sets.show(run, set or "latest"), show=one_set)


_DEPTH = {"depth": "manifest, digest, content (the default), or restore: a drill"}


@task("backup.verify", needs="data", signals=True, help={**_SET, **_DEPTH, **IDENTITY})
def verify(call: Call, set: str | None = None, depth: str | None = None, identity: str | None = None) -> Record:
    """Read a set to its end: lengths, digests, contents.

    Exits with 3 when it is damaged; such a set no longer counts when old sets are removed. The contents of one that is
    encrypted are read where --identity or the environment says with which key.
    """
    from opslib.backup.verify import Depth, verify
    from opslib.errors import BadSettings
    from opslib.tasks._identity import given
    from opslib.tasks._show_backup import verified

    if depth == "restore":
        return _drill(call, set, identity=identity)
    depths: dict[str, Depth] = {"manifest": "manifest", "digest": "digest", "content": "content"}
    wanted = depths.get(depth or "content")
    if wanted is None:
        raise BadSettings(f"--depth {depth!r}: expected {', '.join(depths)} or restore", left="everything")
    here, key = call.this_machine(), given(call, identity)

    def look(run: Run) -> None:
        from opslib.images.tools import ensure_tools

        reads = wanted == "content" and run.target.host.compose
        tools = ensure_tools(run.target, here) if reads else ""
        verify(run, set or "latest", tools=tools, identity=key, depth=wanted)

    return call.look(look, show=verified)


_DRILL = {
    **_SET,
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
    from opslib.tasks._show_backup import drilled

    options = Options(set or "latest", any_set, source, call.this_machine(), finder(call, identity))
    return call.carry_out(lambda run: steps(run, options), show=drilled)


@task("backup.coverage", needs="data")
def coverage(call: Call) -> Record:
    """Is all that holds data backed up, and since when?

    Every volume, mounted folder and database: what copies it, and the newest whole set that holds it. Exits with 3 when
    something that holds data is not protected.
    """
    from opslib.backup.coverage import coverage
    from opslib.tasks._show_backup import covered

    here = call.this_machine()
    return call.look(lambda run: coverage(run, here), show=covered)


@task("backup.prune", changes=True, needs="data")
def prune(call: Call) -> Record:
    """Remove the sets that no rule keeps.

    `backup.all` does it by itself; --plan shows what becomes of each set and by which rule. Where something has become
    much smaller than it was, nothing is removed until you agree here.
    """
    from opslib.backup.prune import steps
    from opslib.tasks._show_backup import pruned, will_be_pruned

    call.destructive()

    def ask(run: Run) -> list[AnyStep]:
        """Under the lock: what is shown is what will be done."""
        made = steps(run)
        if will_be_pruned(call.ui, run):
            call.confirm(f"Go on with this on {run.host}?", run.target)
        return made

    return call.carry_out(ask, show=pruned)


@task("backup.key", options=(), needs="nothing", help={"out": "Write the private key to this new file, mode 0600"})
def key(call: Call, out: str | None = None) -> Record:
    """Make a pair of keys to encrypt backup sets with.

    The public one goes into the host file, the private one is needed to restore, and is nowhere but with you.
    """
    from opslib.backup.keys import new_pair
    from opslib.errors import BadSettings
    from opslib.tasks._show_backup import new_key

    if call.host is not None:
        raise BadSettings("keys are made on this machine, and for any host", left="everything", next="leave --host out")
    return call.here(lambda _: new_pair(call.root, out), names=["local"], show=new_key)


TASKS = (
    all_, *(_one_kind(kind, kind, called) for kind, called in ENGINES.items()),
    _one_kind("sqlite", "sqlite", "the SQLite files"), _one_kind("volumes", "volume", "the volumes"),
    _one_kind("files", "files", "files and folders of the project"), coverage, list_, show, verify, drill, prune, key,
)  # fmt: skip
