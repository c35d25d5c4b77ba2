"""The last part of a rotation: the env file on the operator's machine, or the file that a value of it comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from opslib.deploy.env_pull import write
from opslib.env.diff import as_text
from opslib.env.edit import set_values
from opslib.env.file import on_disk
from opslib.env.sources import path_of, resolved, sources
from opslib.errors import BadSettings, OpsError
from opslib.run.step import Run
from opslib.settings.dotenv import EnvFile
from opslib.settings.model import Host
from opslib.state import rotated
from opslib.target.connect import connect
from opslib.target.transfer import put_bytes, read_file

Memo = dict[str, Any]


def taken_over(run: Run, memo: Memo) -> str:
    """The env file here, where it still has a value from before, gets the server's; then the intent goes. Repeated
    where it was broken off: another machine than the one that began it may not have the file.

    `root` of the memo is the project's folder here, None where that is the place itself; `file` the env file's name,
    `key` the variable, `names` all that changed with it.
    """
    said = _take_over(run, memo) if memo["root"] is not None else ""
    rotated.end(run.target)
    return said


def _take_over(run: Run, memo: Memo) -> str:
    root, name = Path(memo["root"]), memo["file"]
    by_hand = f"inv env.pull --keys {','.join(memo['names'])} --host {run.host}"
    try:
        theirs, found = _theirs(run, name), on_disk(root, name)
        mine = _values(root, found.content, name) if found else {}
        if found is None or memo["key"] not in rotated.stale(rotated.read(run.target), mine):
            if mine.get(memo["key"]) != theirs.get(memo["key"]):
                run.note(f"{name} here is left as it is; {by_hand} takes the new values over", warning=True)
            return ""
        return _bring(run, root, name, found.content, {key: theirs[key] for key in memo["names"] if key in theirs})
    except BadSettings as error:
        raise OpsError(error.what, host=run.host, left=f"{name} here", next=by_hand) from None


def _theirs(run: Run, name: str) -> dict[str, str]:
    there = read_file(run.target, f"{run.target.root}/{name}") or b""
    return EnvFile(as_text(there, name), name).values()


def _values(root: Path, content: bytes, name: str) -> dict[str, str]:
    return EnvFile(as_text(resolved(root, content, name), name), name).values()


def _bring(run: Run, root: Path, name: str, content: bytes, wanted: dict[str, str]) -> str:
    """Each of the wanted values that does not follow from one before it."""
    mine = sources(EnvFile(as_text(content, name), name))
    here, brought, text = connect(Host(name="local", path=str(root))), list[str](), as_text(content, name)
    try:
        for key, value in wanted.items():
            values = _values(root, text.encode(), name)
            if key not in values or values[key] == value:
                continue
            if key in mine:
                put_bytes(here, f"{value}\n".encode(), str(path_of(root, mine[key])))
                brought.append(mine[key].text)
            else:
                text = set_values(text, name, {key: value})
        if text != as_text(content, name):
            write(here, root, name, text.encode(), run.id)
            brought.append(name)
    finally:
        here.close()
    return ", ".join(brought)
