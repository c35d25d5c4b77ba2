"""`inv restore.…`: data put back from a backup set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opslib.tasks._task import IDENTITY, OpsTask, task
from opslib.tasks.backup import ENGINES

if TYPE_CHECKING:
    from opslib.backup.manifest import Kind
    from opslib.run.record import Record
    from opslib.run.step import AnyStep, Run
    from opslib.target.base import Target
    from opslib.tasks._call import Call

_FILE = {
    "from_": "Another host, whose set it is: the data go through this machine",
    "file": "A set's id, latest, a folder, or one file of a set; there or here",
    "into": "Another volume, folder or file, not there yet: nothing is overwritten",
    "only": "Only these tables, collections, files or folders (commas between): all else stays as it is now",
    "no_safety_copy": "Keep no copy of what is overwritten",
    **IDENTITY,
}
_DATABASE = {
    **_FILE,
    "file": "A set's id, latest, a folder, or a file that any script made; there or here",
    "service": "Only this service's; for a file of no set: where it goes",
    "database": "Only this database; for a file of no set: where it goes",
    "volume": "For an archive that some script made: the volume that it belongs to",
    "into": "Another database, volume, folder or file, not there yet: nothing is overwritten",
}


def _restore(call: Call, kinds: tuple[Kind, ...], file: str | None, **given: Any) -> Record:
    _need_file(call, file)
    return _carry_out(call, file, kinds=kinds, **given)


def _need_file(call: Call, file: str | None) -> None:
    from opslib.errors import BadSettings

    if file is None:
        raise BadSettings(
            f"{call.task} needs --file: a set's id, latest, a folder, or one file of a set",
            left="everything",
            next=f"inv backup.list --host {call.names[0]}",
        )


def _carry_out(call: Call, file: str | None, **given: Any) -> Record:
    from opslib.backup.restore.options import Options
    from opslib.backup.restore.steps import steps
    from opslib.tasks._identity import finder
    from opslib.tasks._show_backup import restored, will_be_overwritten

    call.destructive()
    given["origin"] = _other_host(call, given.pop("from_", None))
    given["identity"] = finder(call, given.get("identity"))
    options = Options(file, here=call.this_machine(), root=call.root, **given)

    def ask(run: Run) -> list[AnyStep]:
        """Under the lock: what is shown is what will be done."""
        made = steps(run, options)
        will_be_overwritten(call.ui, run)
        if options.into is None:
            call.confirm(f"Overwrite this on {run.host}?", run.target)
        return made

    return call.carry_out(ask, show=restored)


def _other_host(call: Call, name: str | None) -> Target | None:
    from opslib.errors import BadSettings

    if name is None:
        return None
    if name in call.names:
        raise BadSettings(f"the sets of {name} need no --from", left="everything", next="leave --from out")
    return call.another(name)


def _bare(
    call: Call, bare: bool, file: str | None, from_: str | None, files: str | None, identity: str | None,
    others: dict[str, object],
) -> Record:  # fmt: skip
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from opslib.backup.restore.options import Options
    from opslib.deploy.bare.options import BareOptions, FilesFrom
    from opslib.deploy.bare.steps import steps
    from opslib.deploy.options import DeployOptions
    from opslib.errors import BadSettings
    from opslib.tasks._identity import finder
    from opslib.tasks._show_backup import restored, will_be_overwritten

    _need_file(call, file)
    if not bare:
        raise BadSettings("--files goes with --bare", left="everything")
    given = [f"--{name.replace('_', '-')}" for name, value in others.items() if value]
    if given:
        raise BadSettings(f"--bare brings a whole set back: leave {', '.join(given)} out", left="everything")
    choices: dict[str | None, FilesFrom | None] = {None: None, "here": "here", "set": "set"}
    if files not in choices:
        raise BadSettings(f"--files {files!r}: expected here or set", left="everything")
    here = call.this_machine()
    options = Options(file, here=here, root=call.root, origin=_other_host(call, from_), no_safety_copy=True,
                      identity=finder(call, identity))  # fmt: skip
    with TemporaryDirectory(prefix="opslib-") as scratch:
        wanted = BareOptions(options, DeployOptions(call.root, here, anyway=True), Path(scratch), choices[files])

        def made(run: Run) -> list[AnyStep]:
            found = steps(run, wanted)
            will_be_overwritten(call.ui, run)
            return found

        return call.carry_out(made, show=restored)


_WHOLE = {
    **_DATABASE,
    "bare": "Onto a host with nothing but Docker: project files, containers and data; overwrites nothing",
    "files": "With --bare: the project's files from here (the default where they are) or as they are in the set",
}


@task("restore.all", changes=True, needs="data", one_host=True, default=True, help=_WHOLE)
def all_(
    call: Call,
    file: str | None = None,
    service: str | None = None,
    database: str | None = None,
    volume: str | None = None,
    into: str | None = None,
    only: str | None = None,
    from_: str | None = None,
    no_safety_copy: bool = False,
    identity: str | None = None,
    bare: bool = False,
    files: str | None = None,
) -> Record:
    """Put back all that a set or a file holds.

    Verified first; then what will be overwritten is shown, and asked for. A safety copy of it is made, everything is
    loaded beside the live data, compared, and swapped in. The last line says how to go back. With --into, one thing
    goes to a place that is not there yet, and everything goes on running. With --only, some tables, collections, files
    or folders of one artifact are put back, and everything beside them stays as it is now. With --bare, a new machine
    gets the project too, and it goes live.
    """
    chosen = {"service": service, "database": database, "volume": volume, "into": into, "only": only}
    if bare or files is not None:
        return _bare(call, bare, file, from_, files, identity, {**chosen, "no_safety_copy": no_safety_copy})
    return _restore(call, (), file, no_safety_copy=no_safety_copy, from_=from_, identity=identity, **chosen)


@task("restore.undo", changes=True, needs="data", one_host=True, help=IDENTITY)
def undo(call: Call, identity: str | None = None) -> Record:
    """Go back to what the last restore overwrote.

    That is a restore of its safety copy, with a safety copy of its own: a second undo goes forward again.
    """
    return _carry_out(call, None, identity=identity)


def _databases(kind: Kind, called: str) -> OpsTask:
    def restore(
        call: Call,
        file: str | None = None,
        service: str | None = None,
        database: str | None = None,
        into: str | None = None,
        only: str | None = None,
        from_: str | None = None,
        no_safety_copy: bool = False,
        identity: str | None = None,
    ) -> Record:
        chosen = {"service": service, "database": database, "into": into, "only": only, "from_": from_,
                  "identity": identity}  # fmt: skip
        return _restore(call, (kind,), file, no_safety_copy=no_safety_copy, **chosen)

    restore.__doc__ = f"Put back {called} only."
    return task(f"restore.{kind}", changes=True, needs="data", one_host=True, help=_DATABASE)(restore)


def _files(name: str, kind: Kind, called: str) -> OpsTask:
    def restore(
        call: Call,
        file: str | None = None,
        into: str | None = None,
        only: str | None = None,
        from_: str | None = None,
        no_safety_copy: bool = False,
        identity: str | None = None,
    ) -> Record:
        chosen = {"into": into, "only": only, "from_": from_, "identity": identity}
        return _restore(call, (kind,), file, no_safety_copy=no_safety_copy, **chosen)

    restore.__doc__ = f"Put back {called} only."
    return task(f"restore.{name}", changes=True, needs="data", one_host=True, help=_FILE)(restore)


@task("restore.volumes", changes=True, needs="data", one_host=True, help=_DATABASE)
def volumes(
    call: Call,
    file: str | None = None,
    volume: str | None = None,
    into: str | None = None,
    only: str | None = None,
    from_: str | None = None,
    no_safety_copy: bool = False,
    identity: str | None = None,
) -> Record:
    """Put back volumes only."""
    chosen = {"volume": volume, "into": into, "only": only, "from_": from_, "identity": identity}
    return _restore(call, ("volume",), file, no_safety_copy=no_safety_copy, **chosen)


TASKS = (
    all_, undo, *(_databases(kind, called) for kind, called in ENGINES.items()),
    _files("sqlite", "sqlite", "SQLite files"), volumes, _files("files", "files", "files and folders of the project"),
)  # fmt: skip
