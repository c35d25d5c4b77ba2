"""How the results of `inv lint` look on a screen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from opslib.findings import COSTS
from opslib.tasks._show_env import MARKS

if TYPE_CHECKING:
    from opslib.run.record import HostRecord
    from opslib.ui import Show, Ui

_PLACES = 3  # that are named where many findings are one line


def found(*, everything: bool) -> Show:
    """The findings, the worst first; hardening in one line a rule, unless all of it is wanted."""

    def show(ui: Ui, host: HostRecord) -> Mapping[str, str]:
        from opslib.lint.report import titles

        result = host.result
        if "findings" not in result:
            return {}
        _mended(ui, result)
        findings = result["findings"]
        one_by_one = [one for one in findings if everything or one["cost"] != "hardening"]
        for one in one_by_one:
            _one(ui, one)
        folded: dict[str, list[dict[str, Any]]] = {}
        for one in findings[len(one_by_one) :]:
            folded.setdefault(one["rule"], []).append(one)
        for rule, several in folded.items():
            _folded(ui, rule, titles().get(rule), several)
        for note in result["notes"]:
            ui.say(note, "dim", mark="  ")
        _ending(ui, result, bool(folded))
        return {"FINDINGS": str(len(findings))}

    return show


def _one(ui: Ui, one: Mapping[str, Any]) -> None:
    mark, style = MARKS[one["cost"]]
    ui.say(f"{_place(one)}{one['what']}  [{one['rule']}, {one['cost']}]", mark=f"{mark} ", mark_style=style)
    for line in one["fix"].splitlines():
        ui.say(f"    {line}", "dim")


def _folded(ui: Ui, rule: str, title: str | None, several: Sequence[Mapping[str, Any]]) -> None:
    mark, style = MARKS["hardening"]
    where = _places(several)
    what = several[0]["what"]
    if len(several) > 1:
        what = title or what.removeprefix(f"{several[0]['service']}: ")
    ui.say(f"{where}{what}  [{rule}, hardening]", mark=f"{mark} ", mark_style=style)


def _places(several: Sequence[Mapping[str, Any]]) -> str:
    """The first places, each once and a file named once for lines behind one another, and how many there are more."""
    places = list(dict.fromkeys((one["file"], one["line"]) for one in several if one["file"]))
    told: list[str] = []
    for at, (file, line) in enumerate(places[:_PLACES]):
        same = line and at and places[at - 1][0] == file
        told.append(str(line) if same else f"{file}:{line}" if line else file)
    more = f" and {len(places) - _PLACES} more" if len(places) > _PLACES else ""
    return f"{', '.join(told)}{more}: " if told else ""


def _place(one: Mapping[str, Any]) -> str:
    place = f"{one['file']}:{one['line']}" if one["line"] else one["file"]
    return f"{place}: " if place else ""


def _mended(ui: Ui, result: Mapping[str, Any]) -> None:
    for line in result.get("diff", "").splitlines():
        ui.say(line, {"+": "green", "-": "red"}.get(line[:1], "dim"))
    for one in result.get("by_hand", []):
        ui.say(f"{_place(one)}{one['what']}: this has to be changed by hand", mark="! ", mark_style="yellow")


def _ending(ui: Ui, result: Mapping[str, Any], folded: bool) -> None:
    counts = Counter(one["cost"] for one in result["findings"])
    words = [f"{counts[cost]} {cost}" for cost in COSTS if counts[cost]]
    aside = [f"{len(result['ignored'])} ignored by comments"] if result["ignored"] else []
    if (compared := result["baseline"]) is not None:
        aside += [f"{compared['known']} in the baseline"] if compared["known"] else []
        aside += (
            [f"{compared['gone']} of the baseline are no more: remove it, and run this again"]
            if compared["gone"]
            else []
        )
    aside += ["--all shows each"] if folded else []
    said = ", ".join(words) if words else f"{', '.join(result['files'])}: nothing to say"
    mark, style = ("  ", "") if words else ("✓ ", "green")
    ui.say(f"{said}{'; ' if aside else ''}{'; '.join(aside)}", mark=mark, mark_style=style)
