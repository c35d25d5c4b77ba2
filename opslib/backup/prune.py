"""Removing outdated sets: after a backup, once the new set is verified, and by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opslib.backup.pack import remove_command
from opslib.backup.retention import Verdict, verdicts
from opslib.backup.sets import SetInfo, directory, list_sets
from opslib.backup.shrink import Shrunk, shrunk
from opslib.command import bash
from opslib.run.step import AnyStep, NotYet, Recovery, Run, Step, recoveries
from opslib.state import releases
from opslib.target.base import Target
from opslib.target.transfer import put_bytes

if TYPE_CHECKING:
    from opslib.settings.keep import Keep

AGREED = "agreed.json"
"""A file beside the sets: by artifact, the set in which a person found its size right."""


def steps(run: Run) -> list[AnyStep]:
    """The steps of `backup.prune`. What becomes of each set stands in the result as `sets`, what has become much
    smaller as `shrunk`: going on means that a person has agreed to that."""
    sets = list_sets(run.target)
    found = judged(run.target, sets, run.target.host.backup.keep)
    less = smaller(run.target, sets)
    run.result.update(sets=[one.as_json() for one in found], shrunk=[one.as_json() for one in less])
    return [agree(less), Step("backup.prune", lambda run: _memo(found), _remove, final=True, show=_show)]


def after_backup() -> Step[Any]:
    """The last step of a backup. Nothing goes where something has become much smaller."""

    def look(run: Run) -> dict[str, Any] | None:
        if run.plan:
            raise NotYet("which sets are outdated, once the new one is verified")
        sets = list_sets(run.target)
        less = smaller(run.target, sets)
        if less:
            run.result["shrunk"] = [one.as_json() for one in less]
            for one in less:
                run.note(_warning(one), warning=True)
            run.note(f"no old set is removed until you agree: inv backup.prune --host {run.host}", warning=True)
            return None
        return _memo(judged(run.target, sets, run.target.host.backup.keep))

    return Step("backup.prune", look, _remove, final=True, show=_show)


def judged(target: Target, sets: list[SetInfo], keep: Keep) -> list[Verdict]:
    """What becomes of each set of the host, oldest first, by these rules."""
    named = dict.fromkeys(releases.backups(releases.read(target)), "it was made before a release that is kept")
    return verdicts(sets, keep, named)


def smaller(target: Target, sets: list[SetInfo]) -> list[Shrunk]:
    """What of the host's data has become much smaller than it was."""
    return shrunk(sets, target.host.backup.shrink, _agreed(target))


def _warning(one: Shrunk) -> str:
    return f"{one.title} has {one.now:,} bytes in {one.now_in}, and had {one.was:,} in {one.was_in}"


# -- removing


def _memo(found: list[Verdict]) -> dict[str, Any] | None:
    gone = [one.set.folder for one in found if not one.keep]
    return {"gone": gone} if gone else None


def _show(memo: dict[str, Any]) -> str:
    return ", ".join(folder.rsplit("/", 1)[-1] for folder in memo["gone"])


def _remove(run: Run, memo: dict[str, Any]) -> str:
    for folder in memo["gone"]:
        run.target.run(remove_command(folder))
    run.result["pruned"] = [folder.rsplit("/", 1)[-1] for folder in memo["gone"]]
    return f"{len(memo['gone'])} sets"


# -- what a person has agreed to


def _agreed(target: Target) -> dict[str, str]:
    import json

    text = target.run(bash('[ ! -e "$1" ] || cat -- "$1"', _file(target))).text
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return {str(file): str(one) for file, one in found.items()} if isinstance(found, dict) else {}


def agree(less: list[Shrunk]) -> AnyStep:
    """The step that writes down that a person has found the sizes right."""

    def look(run: Run) -> dict[str, str] | None:
        return {one.stem: one.now_in for one in less} or None

    def do(run: Run, memo: dict[str, str]) -> str:
        import json

        data = json.dumps({**_agreed(run.target), **memo}, ensure_ascii=False, indent=1)
        put_bytes(run.target, data.encode("utf-8", "surrogateescape"), _file(run.target), mode=0o660)
        return f"the sizes of {len(memo)} artifacts"

    return Step("backup.agree", look, do, show=lambda memo: ", ".join(memo))


def _file(target: Target) -> str:
    return f"{directory(target)}/{AGREED}"


RECOVERIES: dict[str, Recovery] = recoveries(after_backup())
"""What the next run needs of a removal that an earlier one left behind."""
